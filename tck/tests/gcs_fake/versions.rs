//! Buckets that keep noncurrent generations.

use tck::fakes::gcs::NewBucket;

use crate::client::Fake;

#[tokio::test]
async fn generations_are_kept_and_deleted_one_by_one() {
    let fake = Fake::with(&NewBucket { versioning: true, ..NewBucket::named("bucket") });
    let first = fake.put("a", "1").await.generation();
    let second = fake.put("a", "2").await.generation();
    let read = async |generation: i64| {
        fake.get(&format!("/storage/v1/b/bucket/o/a?alt=media&generation={generation}")).await
    };
    assert_eq!(read(first).await.is(200).body, "1");
    fake.send("DELETE", "/storage/v1/b/bucket/o/a", &[], "").await.is(204);
    fake.read("a").await.is(404);
    fake.send("DELETE", "/storage/v1/b/bucket/o/a", &[], "").await.is(404);
    assert_eq!(read(second).await.is(200).body, "2");
    assert_eq!(fake.server.space("bucket").unwrap(), 2);
    let listed = fake.get("/storage/v1/b/bucket/o").await.json();
    assert!(listed["items"].is_null());
    let listed = fake.get("/storage/v1/b/bucket/o?versions=true").await.json();
    let items = listed["items"].as_array().unwrap().clone();
    assert!(items.iter().all(|item| item["timeDeleted"].is_string()), "{items:?}");
    let generations: Vec<_> =
        items.iter().map(|item| item["generation"].as_str().unwrap()).collect();
    assert_eq!(generations, [first.to_string(), second.to_string()]);

    // A new object is created where only noncurrent ones are.
    let third = fake.put_if("a", "&ifGenerationMatch=0", "3").await.is(200).generation();
    let delete = async |generation: i64| {
        let path = format!("/storage/v1/b/bucket/o/a?generation={generation}");
        fake.send("DELETE", &path, &[], "").await
    };
    // The live one for good: no older one takes its place.
    delete(third).await.is(204);
    read(third).await.is(404);
    fake.read("a").await.is(404);
    delete(first).await.is(204);
    delete(first).await.is(404);
    assert_eq!(read(second).await.is(200).body, "2");
    fake.send("DELETE", "/storage/v1/b/bucket", &[], "").await.is(409);
    delete(second).await.is(204);
    fake.send("DELETE", "/storage/v1/b/bucket", &[], "").await.is(204);
}

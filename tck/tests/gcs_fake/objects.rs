//! Single objects in both APIs: contents, ranges, names, metadata.

use googleapis_tonic_google_storage_v2::google::storage::v2 as proto;
use serde_json::json;
use tonic::Code;

use crate::client::{BUCKET, Fake};

#[tokio::test]
async fn what_is_written_is_read() {
    let fake = Fake::start();
    let written = fake.put("a%2Fb", "123456789").await.is(200);
    assert_eq!(written.json()["crc32c"], "4waSgw==");
    let read = fake.read("a%2Fb").await.is(200);
    assert_eq!(read.body, "123456789");
    assert_eq!(read.header("x-goog-generation"), written.generation().to_string());
    assert_eq!(read.header("x-goog-metageneration"), "1");
    assert_eq!(read.header("x-goog-stored-content-length"), "9");
    assert_eq!(read.header("x-goog-storage-class"), "STANDARD");
    assert_eq!(read.header("x-goog-hash"), "crc32c=4waSgw==,md5=JfnnlDI7RTiF9RgfG2JNCw==");
    assert_eq!(read.header("content-type"), "text/plain");
    assert!(read.header("last-modified").ends_with(" GMT"));
    let missing = fake.read("none").await.is(404);
    assert_eq!(missing.reason(), "notFound");
    let no_bucket = fake.get("/storage/v1/b/other/o/a?alt=media").await.is(404);
    assert_eq!(no_bucket.reason(), "notFound");

    let mut grpc = fake.grpc();
    let found = grpc.get_object(get("a/b")).await.unwrap().into_inner();
    assert_eq!((found.size, found.generation), (9, written.generation()));
    assert_eq!(grpc.get_object(get("none")).await.unwrap_err().code(), Code::NotFound);
    let list = proto::ListObjectsRequest { parent: BUCKET.to_owned(), ..Default::default() };
    assert_eq!(grpc.list_objects(list).await.unwrap().into_inner().objects, [found]);
    let delete = proto::DeleteObjectRequest {
        bucket: BUCKET.to_owned(),
        object: "a/b".to_owned(),
        ..Default::default()
    };
    grpc.delete_object(delete.clone()).await.unwrap();
    assert_eq!(grpc.delete_object(delete).await.unwrap_err().code(), Code::NotFound);
}

fn get(object: &str) -> proto::GetObjectRequest {
    let object = object.to_owned();
    proto::GetObjectRequest { bucket: BUCKET.to_owned(), object, ..Default::default() }
}

#[tokio::test]
async fn a_generation_that_is_overwritten_is_gone() {
    let fake = Fake::start();
    let first = fake.put("a", "1").await.generation();
    let second = fake.put("a", "2").await.generation();
    assert!(second > first);
    fake.get(&format!("/storage/v1/b/bucket/o/a?alt=media&generation={first}")).await.is(404);
    let read = fake.get(&format!("/storage/v1/b/bucket/o/a?alt=media&generation={second}")).await;
    assert_eq!(read.is(200).body, "2");
}

#[tokio::test]
async fn ranges_are_answered_as_http_says() {
    let fake = Fake::start();
    fake.put("a", "0123456789").await.is(200);
    fake.put("empty", "").await.is(200);
    let cases = [
        ("a", "bytes=2-4", 206, "234", "bytes 2-4/10"),
        ("a", "bytes=7-", 206, "789", "bytes 7-9/10"),
        ("a", "bytes=7-99", 206, "789", "bytes 7-9/10"),
        ("a", "bytes=-2", 206, "89", "bytes 8-9/10"),
        ("a", "bytes=4-2", 200, "0123456789", ""),
        ("a", "bytes=10-", 416, "", "bytes */10"),
        ("empty", "bytes=0-", 416, "", "bytes */0"),
        ("empty", "bytes=-1", 416, "", "bytes */0"),
    ];
    for (name, range, status, content, content_range) in cases {
        let path = format!("/storage/v1/b/bucket/o/{name}?alt=media");
        let answer = fake.send("GET", &path, &[("range", range)], "").await.is(status);
        assert_eq!(answer.header("content-range"), content_range, "{range} of {name}");
        match status {
            416 => assert_eq!(answer.reason(), "requestedRangeNotSatisfiable"),
            _ => assert_eq!(answer.body, content, "{range} of {name}"),
        }
    }
    assert_eq!(fake.read("empty").await.is(200).body, "");
}

#[tokio::test]
async fn names_are_kept_to_the_byte_or_refused() {
    let fake = Fake::start();
    let long = "x".repeat(1024);
    let good =
        ["a%2F%2Fb", "%2Fa", "a%2F", "%20a%20", "%2541", "a%2F..%2Fb", "%C3%BC", "%01", &long];
    for name in good {
        fake.put(name, name.to_owned()).await.is(200);
    }
    for name in good {
        assert_eq!(fake.read(name).await.is(200).body, name);
    }
    let longer = "x".repeat(1025);
    let bad = ["", ".", "..", "a%0Ab", "a%0D", "%FF", ".well-known%2Facme-challenge%2Fx", &longer];
    for name in bad {
        fake.put(name, "").await.is(400);
    }
}

#[tokio::test]
async fn metadata_is_patched_and_counted() {
    let fake = Fake::start();
    fake.put("a", "1").await.is(200);
    let path = "/storage/v1/b/bucket/o/a";
    let patch = |patch: serde_json::Value| async move { patch.to_string() };
    let body = patch(json!({"metadata": {"k": "ü", "l": "1"}, "contentType": "a/b"})).await;
    let patched = fake.send("PATCH", path, &[], body).await.is(200).json();
    assert_eq!(patched["metageneration"], "2");
    assert_eq!(patched["metadata"], json!({"k": "ü", "l": "1"}));
    let body = patch(json!({"metadata": {"l": null}})).await;
    let patched = fake.send("PATCH", path, &[], body).await.is(200).json();
    assert_eq!(
        (&patched["metadata"], &patched["contentType"]),
        (&json!({"k": "ü"}), &json!("a/b"))
    );
    let read = fake.read("a").await.is(200);
    assert_eq!(read.headers["x-goog-meta-k"].as_bytes(), "ü".as_bytes());
    assert_eq!(read.header("x-goog-metageneration"), "3");
    let large = patch(json!({"metadata": {"k": "x".repeat(8 << 10)}})).await;
    fake.send("PATCH", path, &[], large).await.is(400);
    assert_eq!(fake.get(path).await.json()["metageneration"], "3");

    let update = proto::UpdateObjectRequest {
        object: Some(proto::Object {
            bucket: BUCKET.to_owned(),
            name: "a".to_owned(),
            content_type: "c/d".to_owned(),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["content_type".to_owned()] }),
        ..Default::default()
    };
    let updated = fake.grpc().update_object(update.clone()).await.unwrap().into_inner();
    assert_eq!((updated.content_type.as_str(), updated.metageneration), ("c/d", 4));
    assert_eq!(updated.metadata["k"], "ü");
    let without_mask = proto::UpdateObjectRequest { update_mask: None, ..update };
    let refused = fake.grpc().update_object(without_mask).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn the_kit_may_damage_and_count() {
    let fake = Fake::start();
    fake.put("a", "0123456789").await.is(200);
    fake.put("empty", "").await.is(200);
    assert_eq!(fake.server.space("bucket").unwrap(), 10);
    assert!(fake.server.damage("bucket", "a").unwrap());
    assert!(!fake.server.damage("bucket", "empty").unwrap());
    fake.server.damage("bucket", "none").unwrap_err();
    let read = fake.read("a").await.is(200);
    assert_ne!(read.body, "0123456789");
    assert_eq!(read.header("x-goog-stored-content-length"), "10");
    fake.server.remove_bucket("bucket").unwrap();
    fake.read("a").await.is(404);
}

//! Buckets in both APIs, and who may use them.

use googleapis_tonic_google_storage_v2::google::storage::v2 as proto;
use serde_json::json;
use tck::fakes::gcs::NewBucket;
use tonic::Code;

use crate::client::Fake;

#[tokio::test]
async fn buckets_are_made_found_and_deleted() {
    let fake = Fake::start();
    let body = json!({"name": "other", "versioning": {"enabled": true}}).to_string();
    fake.send("POST", "/storage/v1/b", &[], body.clone()).await.is(400);
    let path = "/storage/v1/b?project=p";
    fake.send("POST", path, &[], body.clone()).await.is(200);
    assert_eq!(fake.send("POST", path, &[], body).await.is(409).reason(), "conflict");
    let bad = json!({"name": "No"}).to_string();
    fake.send("POST", path, &[], bad).await.is(400);
    let other = fake.get("/storage/v1/b/other").await.is(200).json();
    assert_eq!(other["versioning"]["enabled"], true);
    let listed = fake.get(path).await.is(200).json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);

    fake.put("a", "").await.is(200);
    fake.send("DELETE", "/storage/v1/b/bucket", &[], "").await.is(409);
    fake.send("DELETE", "/storage/v1/b/other", &[], "").await.is(204);
    fake.get("/storage/v1/b/other").await.is(404);

    let mut grpc = fake.grpc();
    let create = proto::CreateBucketRequest {
        parent: "projects/_".to_owned(),
        bucket: Some(proto::Bucket { project: "projects/p".to_owned(), ..Default::default() }),
        bucket_id: "third".to_owned(),
        ..Default::default()
    };
    grpc.create_bucket(create.clone()).await.unwrap();
    let again = grpc.create_bucket(create).await.unwrap_err();
    assert_eq!(again.code(), Code::AlreadyExists);
    let name = "projects/_/buckets/third".to_owned();
    let get = proto::GetBucketRequest { name: name.clone(), ..Default::default() };
    assert_eq!(grpc.get_bucket(get.clone()).await.unwrap().into_inner().bucket_id, "third");
    let delete = proto::DeleteBucketRequest { name, ..Default::default() };
    grpc.delete_bucket(delete).await.unwrap();
    assert_eq!(grpc.get_bucket(get).await.unwrap_err().code(), Code::NotFound);
    let short = proto::GetBucketRequest { name: "bucket".to_owned(), ..Default::default() };
    assert_eq!(grpc.get_bucket(short).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_private_bucket_wants_a_credential() {
    let fake = Fake::with(&NewBucket { private: true, ..NewBucket::named("bucket") });
    let path = "/upload/storage/v1/b/bucket/o?uploadType=media&name=a";
    assert_eq!(fake.send("POST", path, &[], "1").await.is(401).reason(), "required");
    let bearer = [("authorization", "Bearer x")];
    fake.send("POST", path, &bearer, "1").await.is(200);
    fake.read("a").await.is(401);
    fake.send("GET", "/storage/v1/b/bucket/o/a?alt=media", &bearer, "").await.is(200);
    fake.get("/bucket/a").await.is(401);
    let get = proto::GetObjectRequest {
        bucket: crate::client::BUCKET.to_owned(),
        object: "a".to_owned(),
        ..Default::default()
    };
    let refused = fake.grpc().get_object(get.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let mut request = tonic::Request::new(get);
    request.metadata_mut().insert("authorization", "Bearer x".parse().unwrap());
    fake.grpc().get_object(request).await.unwrap();
}

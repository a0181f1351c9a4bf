//! Objects and buckets in both APIs.

use googleapis_tonic_google_storage_v2::google::storage::v2 as proto;
use tonic::Code;

use crate::client::{BUCKET, Fake};

#[tokio::test]
async fn what_is_written_is_read() {
    let fake = Fake::start();
    let written = fake.put("a%2Fb", "content").await.is(200);
    let read = fake.read("a%2Fb").await.is(200);
    assert_eq!(read.body, "content");
    assert_eq!(read.header("x-goog-generation"), written.generation().to_string());
    assert_eq!(read.header("x-goog-metageneration"), "1");
    assert_eq!(read.header("x-goog-stored-content-length"), "7");
    assert_eq!(read.header("content-type"), "text/plain");
    assert!(read.header("x-goog-hash").starts_with("crc32c="), "{read:?}");
    let missing = fake.read("none").await.is(404);
    assert_eq!(missing.reason(), "notFound");

    let mut grpc = fake.grpc();
    let get = |object: &str| proto::GetObjectRequest {
        bucket: BUCKET.to_owned(),
        object: object.to_owned(),
        ..Default::default()
    };
    let found = grpc.get_object(get("a/b")).await.unwrap().into_inner();
    assert_eq!((found.size, found.generation), (7, written.generation()));
    let missing = grpc.get_object(get("none")).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
    let list = proto::ListObjectsRequest { parent: BUCKET.to_owned(), ..Default::default() };
    let listed = grpc.list_objects(list).await.unwrap().into_inner();
    assert_eq!(listed.objects, [found]);
    let delete = proto::DeleteObjectRequest {
        bucket: BUCKET.to_owned(),
        object: "a/b".to_owned(),
        ..Default::default()
    };
    grpc.delete_object(delete.clone()).await.unwrap();
    assert_eq!(grpc.delete_object(delete).await.unwrap_err().code(), Code::NotFound);
}

//! Keys that the customer supplies.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use googleapis_tonic_google_storage_v2::google::storage::v2 as proto;
use proto::CommonObjectRequestParams as Params;
use tonic::Code;

use crate::client::{Answer, BUCKET, Fake};

fn params(key: &[u8]) -> Params {
    Params {
        encryption_algorithm: "AES256".to_owned(),
        encryption_key_bytes: key.to_vec(),
        encryption_key_sha256_bytes: digest(&SHA256, key).as_ref().to_vec(),
    }
}

async fn send(fake: &Fake, method: &str, path: &str, key: &[u8], body: &'static str) -> Answer {
    let [text, hash] =
        [key, digest(&SHA256, key).as_ref()].map(|bytes| BASE64_STANDARD.encode(bytes));
    let headers = [
        ("x-goog-encryption-algorithm", "AES256"),
        ("x-goog-encryption-key", text.as_str()),
        ("x-goog-encryption-key-sha256", hash.as_str()),
    ];
    fake.send(method, path, &headers, body).await
}

const WRITE: &str = "/upload/storage/v1/b/bucket/o?uploadType=media&name=a";
const READ: &str = "/storage/v1/b/bucket/o/a?alt=media";

#[tokio::test]
async fn what_is_written_with_a_key_is_read_with_it() {
    let fake = Fake::start();
    let (key, other) = ([7; 32], [8; 32]);
    let written = send(&fake, "POST", WRITE, &key, "1").await.is(200).json();
    assert!(written["crc32c"].is_string() && written["customerEncryption"].is_object());
    let read = send(&fake, "GET", READ, &key, "").await.is(200);
    assert_eq!(
        (read.body.as_ref(), read.header("x-goog-encryption-algorithm")),
        (&b"1"[..], "AES256")
    );
    let reason = "resourceIsEncryptedWithCustomerEncryptionKey";
    assert_eq!(fake.read("a").await.is(400).reason(), reason);
    let wrong = send(&fake, "GET", READ, &other, "").await.is(400);
    assert_eq!(wrong.reason(), "customerEncryptionKeyIsIncorrect");
    let short = send(&fake, "GET", READ, &[7; 31], "").await.is(400);
    assert_eq!(short.reason(), "customerEncryptionKeyFormatIsInvalid");
    // Everybody sees the metadata, without the checksums.
    let seen = fake.get("/storage/v1/b/bucket/o/a").await.is(200).json();
    assert!(seen["crc32c"].is_null() && seen["md5Hash"].is_null(), "{seen}");
    fake.put("plain", "2").await.is(200);
    let unneeded = send(&fake, "GET", &READ.replace("o/a", "o/plain"), &key, "").await.is(400);
    assert_eq!(unneeded.reason(), "resourceNotEncryptedWithCustomerEncryptionKey");
}

#[tokio::test]
async fn copies_want_the_key_of_the_source() {
    let fake = Fake::start();
    let key = [7; 32];
    send(&fake, "POST", WRITE, &key, "1").await.is(200);
    let mut grpc = fake.grpc();
    let get = proto::GetObjectRequest {
        bucket: BUCKET.to_owned(),
        object: "a".to_owned(),
        ..Default::default()
    };
    assert!(grpc.get_object(get.clone()).await.unwrap().into_inner().checksums.is_none());
    let common_object_request_params = Some(params(&key));
    let with_key = proto::GetObjectRequest { common_object_request_params, ..get };
    assert!(grpc.get_object(with_key).await.unwrap().into_inner().checksums.is_some());

    let mut rewrite = proto::RewriteObjectRequest {
        source_bucket: BUCKET.to_owned(),
        source_object: "a".to_owned(),
        destination_bucket: BUCKET.to_owned(),
        destination_name: "b".to_owned(),
        ..Default::default()
    };
    let refused = grpc.rewrite_object(rewrite.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let Params { encryption_algorithm, encryption_key_bytes, encryption_key_sha256_bytes } =
        params(&key);
    rewrite.copy_source_encryption_algorithm = encryption_algorithm;
    rewrite.copy_source_encryption_key_bytes = encryption_key_bytes;
    rewrite.copy_source_encryption_key_sha256_bytes = encryption_key_sha256_bytes;
    grpc.rewrite_object(rewrite.clone()).await.unwrap();
    assert_eq!(fake.read("b").await.is(200).body, "1");

    let mut compose = proto::ComposeObjectRequest {
        destination: Some(proto::Object {
            bucket: BUCKET.to_owned(),
            name: "c".to_owned(),
            ..Default::default()
        }),
        source_objects: vec![proto::compose_object_request::SourceObject {
            name: "a".to_owned(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let refused = grpc.compose_object(compose.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    compose.common_object_request_params = Some(params(&key));
    let made = grpc.compose_object(compose).await.unwrap().into_inner();
    assert!(made.customer_encryption.is_some() && made.checksums.is_some());
    fake.read("c").await.is(400);
}

#[tokio::test]
async fn every_piece_of_a_session_comes_with_the_key() {
    let fake = Fake::start();
    let key = [7; 32];
    let begun = send(&fake, "POST", &WRITE.replace("media", "resumable"), &key, "{}").await.is(200);
    let location = begun.header("location").to_owned();
    fake.send("PUT", &location, &[], "1").await.is(400);
    send(&fake, "PUT", &location, &key, "1").await.is(200);
    send(&fake, "GET", READ, &key, "").await.is(200);
}

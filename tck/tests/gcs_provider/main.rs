//! What the provider `gcs` does with its service that no clause asks for: trees of joined parts, its own
//! area, keys of the customer. On the kit's own server.

use std::sync::Arc;

use futures_util::TryStreamExt as _;
use omni_config::Secret;
use omni_contracts::storage::{
    Attributes, CompleteOptions, CopyOptions, Crc32c, GetOptions, Key, ListRequest, Part,
    PartNumber, Prefix, PutOptions, StorageProvider as _, UploadId, list_all,
};
use omni_contracts::{Body, ErrorKind, Result};
use omni_provider_gcp::{GcsControl, GcsSettings, GcsStorage};
use tck::fakes::gcs::{NewBucket, shared};

async fn open(bucket: &str, change: impl FnOnce(&mut GcsSettings)) -> GcsStorage {
    let server = shared().unwrap();
    server.create_bucket(&NewBucket::named(bucket)).unwrap();
    let mut settings = GcsSettings {
        endpoint: Some(server.endpoint().to_owned()),
        anonymous: true,
        ..GcsSettings::bucket(bucket)
    };
    change(&mut settings);
    GcsStorage::open(settings).await.unwrap()
}

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

async fn content(store: &GcsStorage, name: &str) -> Result<bytes::Bytes> {
    store.get(&key(name), &GetOptions::default()).await?.body.collect().await
}

async fn part(store: &GcsStorage, name: &str, upload: &UploadId, number: u16) -> Part {
    let number = PartNumber::new(number).unwrap();
    let body = Body::from(format!("part {number};"));
    store.upload_part(&key(name), upload, number, body).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_parts_are_joined_in_a_tree_that_leaves_nothing() {
    let store = open("gcs-tree", |_| {}).await;
    // Three levels: 1025 parts, 33 joined ones, 2 of those.
    let count = 32 * 32 + 1;
    let attributes =
        Attributes { content_type: Some("text/plain".to_owned()), ..Attributes::default() };
    let options = PutOptions { attributes: Arc::new(attributes.clone()), ..PutOptions::default() };
    let upload = store.create_upload(&key("large"), &options).await.unwrap();
    let mut parts = Vec::new();
    for number in 1..=count {
        parts.push(part(&store, "large", &upload, number).await);
    }
    let expected: String = (1..=count).map(|number| format!("part {number};")).collect();
    let complete = CompleteOptions {
        checksum: Some(Crc32c::of(expected.as_bytes())),
        ..CompleteOptions::default()
    };
    let written = store.complete_upload(&key("large"), &upload, &parts, &complete).await.unwrap();
    assert_eq!(written.checksum, complete.checksum);
    assert_eq!(content(&store, "large").await.unwrap(), expected);
    let head = store.head(&key("large"), &GetOptions::default()).await.unwrap();
    assert_eq!(*head.attributes, attributes);
    assert_eq!(shared().unwrap().space("gcs-tree").unwrap(), expected.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_uploads_are_nowhere_to_be_seen() {
    let store = open("gcs-area", |_| {}).await;
    let upload = store.create_upload(&key("u"), &PutOptions::default()).await.unwrap();
    part(&store, "u", &upload, 1).await;
    let listed = async |prefix: &str, delimiter: Option<&str>, limit: Option<usize>| {
        let request = ListRequest {
            delimiter: delimiter.map(str::to_owned),
            limit,
            ..ListRequest::prefix(Prefix::new(prefix).unwrap())
        };
        let entries: Vec<_> = list_all(&store, request).try_collect().await.unwrap();
        entries.iter().map(|entry| entry.name().to_owned()).collect::<Vec<_>>()
    };
    for prefix in ["", ".", ".omni-uploads/", ".omni-uploads//", ".omni-uploads//uploads/"] {
        for delimiter in [None, Some("/"), Some("//"), Some("o"), Some("uploads")] {
            assert!(listed(prefix, delimiter, None).await.is_empty(), "{prefix} {delimiter:?}");
        }
    }
    let ours = [".omni-upload", ".omni-uploads/a", ".omni-uploads/b", ".omni-uploads0", "x"];
    for name in ours {
        store.put(&key(name), Body::from("x"), &PutOptions::default()).await.unwrap();
    }
    for limit in [None, Some(1), Some(2), Some(3)] {
        assert_eq!(listed("", None, limit).await, ours, "{limit:?}");
        let folders = [".omni-upload", ".omni-uploads/", ".omni-uploads0", "x"];
        assert_eq!(listed("", Some("/"), limit).await, folders, "{limit:?}");
        assert_eq!(listed(".omni-uploads/", Some("/"), limit).await, ours[1..3], "{limit:?}");
        assert_eq!(listed("", Some("o"), limit).await, [".o", "x"], "{limit:?}");
    }
    let inside = Key::native(format!(".omni-uploads//uploads/{}", upload.as_str()));
    let read = store.head(&inside, &GetOptions::default()).await.unwrap_err();
    assert_eq!(read.kind(), ErrorKind::NotFound);
    assert_eq!(store.delete(&inside, &Default::default()).await.unwrap().existed, Some(false));
    assert_eq!(store.list_parts(&key("u"), &upload).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_are_encrypted_with_the_key_of_the_customer() {
    for (name, control) in BOTH {
        let bucket = format!("gcs-customer-{name}");
        let mine = Some(Secret::new("S0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0s="));
        let store = open(&bucket, |settings| {
            settings.customer_key = mine;
            settings.control = control;
        });
        is_encrypted(&store.await).await;
        let stranger = open(&bucket, |settings| settings.control = control);
        assert!(content(&stranger.await, "a").await.is_err());
    }
}

/// Both ways to ask for everything but contents.
const BOTH: [(&str, GcsControl); 2] = [("grpc", GcsControl::Grpc), ("http", GcsControl::Http)];

async fn is_encrypted(store: &GcsStorage) {
    store.put(&key("a"), Body::from("secret"), &PutOptions::default()).await.unwrap();
    store.copy(&key("a"), &key("b"), &CopyOptions::default()).await.unwrap();
    let upload = store.create_upload(&key("c"), &PutOptions::default()).await.unwrap();
    let parts = [part(store, "c", &upload, 1).await, part(store, "c", &upload, 2).await];
    let complete = CompleteOptions::default();
    store.complete_upload(&key("c"), &upload, &parts, &complete).await.unwrap();
    for (name, expected) in [("a", "secret"), ("b", "secret"), ("c", "part 1;part 2;")] {
        assert_eq!(content(store, name).await.unwrap(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_another_storage_class_are_joined_and_copied() {
    for (name, control) in BOTH {
        let bucket = format!("gcs-class-{name}");
        let store = open(&bucket, |settings| {
            settings.storage_class = Some("NEARLINE".to_owned());
            settings.control = control;
        });
        is_joined_and_copied(&store.await).await;
    }
}

async fn is_joined_and_copied(store: &GcsStorage) {
    let upload = store.create_upload(&key("a"), &PutOptions::default()).await.unwrap();
    let mut parts = Vec::new();
    for number in 1..=33 {
        parts.push(part(store, "a", &upload, number).await);
    }
    let complete = CompleteOptions::default();
    store.complete_upload(&key("a"), &upload, &parts, &complete).await.unwrap();
    store.copy(&key("a"), &key("b"), &CopyOptions::default()).await.unwrap();
    assert_eq!(content(store, "a").await.unwrap(), content(store, "b").await.unwrap());
}

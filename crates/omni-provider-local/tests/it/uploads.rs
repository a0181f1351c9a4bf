//! Multipart uploads: parts inline and as files, repeated, in other processes' shoes, given up.

use std::sync::Arc;

use omni_contracts::storage::{
    Attributes, CompleteOptions, Crc32c, Part, PartNumber, Prefix, PutOptions, StorageProvider,
    UploadId, WriteCondition,
};
use omni_contracts::{Body, Error, ErrorKind};

use crate::store::{Folder, LARGE, bytes, delete, get, head, key, put};

fn number(n: u16) -> PartNumber {
    PartNumber::new(n).unwrap()
}

async fn send(
    store: &dyn StorageProvider,
    upload: &UploadId,
    n: u16,
    body: impl Into<Body>,
) -> Part {
    let name = key("u");
    let sent = store.upload_part(&name, upload, number(n), body.into());
    sent.await.unwrap()
}

async fn begin(store: &dyn StorageProvider) -> UploadId {
    let options = PutOptions {
        attributes: Arc::new(Attributes {
            content_type: Some("text/plain".to_owned()),
            ..Attributes::default()
        }),
        ..PutOptions::default()
    };
    store.create_upload(&key("u"), &options).await.unwrap()
}

#[tokio::test]
async fn parts_are_joined_by_number_and_another_instance_completes() {
    let folder = Folder::new();
    let mut store = folder.open().await;
    for sizes in [[1, 2, 0], [LARGE, 10, LARGE], [0, LARGE, 1], [3, 40_000, 40_000]] {
        put(&store, "u", "before").await.unwrap();
        let upload = begin(&store).await;
        let contents: Vec<_> = (0..3).map(|n| bytes(n as u64 + 7, sizes[n])).collect();
        let replaced = send(&store, &upload, 20, bytes(99, LARGE)).await;
        let third = send(&store, &upload, 30, contents[2].clone()).await;
        let other = folder.open().await;
        let second = send(&other, &upload, 20, contents[1].clone()).await;
        drop(store);
        let first = send(&other, &upload, 1, contents[0].clone()).await;
        let parts = other.list_parts(&key("u"), &upload).await.unwrap();
        assert_eq!(parts, [first.clone(), second.clone(), third.clone()]);
        assert_eq!(get(&other, "u").await.unwrap(), "before");

        let complete = |parts: Vec<Part>, options: CompleteOptions| {
            let (other, upload) = (&other, &upload);
            async move { other.complete_upload(&key("u"), upload, &parts, &options).await }
        };
        let invalid = |error: Error| assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        let default = CompleteOptions::default;
        invalid(complete(vec![], default()).await.unwrap_err());
        invalid(complete(vec![second.clone(), first.clone()], default()).await.unwrap_err());
        invalid(complete(vec![first.clone(), first.clone()], default()).await.unwrap_err());
        invalid(complete(vec![first.clone(), replaced], default()).await.unwrap_err());
        let mut missing = third.clone();
        missing.number = number(31);
        invalid(complete(vec![first.clone(), missing], default()).await.unwrap_err());
        let absent = CompleteOptions { condition: WriteCondition::IfAbsent, ..default() };
        let error = complete(parts.clone(), absent).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        let wrong = CompleteOptions { checksum: Some(Crc32c::of(b"?")), ..default() };
        let error = complete(parts.clone(), wrong).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert_eq!(get(&other, "u").await.unwrap(), "before");

        let content = contents.concat();
        let options = CompleteOptions {
            checksum: Some(Crc32c::of(&content)),
            condition: WriteCondition::IfMatch(head(&other, "u").await.unwrap().version),
        };
        let written = complete(parts.clone(), options).await.unwrap();
        assert_eq!(written.checksum, Some(Crc32c::of(&content)));
        let meta = head(&other, "u").await.unwrap();
        assert_eq!(meta.written(), written);
        assert_eq!(meta.attributes.content_type.as_deref(), Some("text/plain"));
        assert!(get(&other, "u").await.unwrap() == content);
        assert_eq!(complete(parts.clone(), default()).await.unwrap(), written);
        let files = usize::from(content.len() > 64 << 10);
        assert_eq!(folder.files_of(&other).await.len(), files, "{sizes:?}");
        let page = other.list_uploads(&Prefix::ALL, None).await.unwrap();
        assert!(page.entries.is_empty());

        delete(&other, "u").await.unwrap();
        let error = complete(parts, default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(folder.files_of(&other).await.is_empty());
        store = other;
    }
}

#[tokio::test]
async fn an_upload_given_up_is_gone() {
    let folder = Folder::new();
    let store = folder.open().await;
    let upload = begin(&store).await;
    send(&store, &upload, 1, bytes(1, LARGE)).await;
    send(&store, &upload, 2, "x").await;
    let options = PutOptions::default();
    let other = store.create_upload(&key("v/1"), &options).await.unwrap();
    let under = |prefix: &str| Prefix::new(prefix).unwrap();
    let page = store.list_uploads(&Prefix::ALL, None).await.unwrap();
    let ids: Vec<_> = page.entries.iter().map(|entry| &entry.id).collect();
    assert_eq!(ids, [&upload, &other]);
    let page = store.list_uploads(&under("v"), None).await.unwrap();
    assert_eq!(page.entries.len(), 1);
    assert_eq!(page.entries[0].key, key("v/1"));

    let elsewhere = store.list_parts(&key("v/1"), &upload).await.unwrap_err();
    assert_eq!(elsewhere.kind(), ErrorKind::NotFound);
    store.abort_upload(&key("v/1"), &upload).await.unwrap();
    assert_eq!(store.list_parts(&key("u"), &upload).await.unwrap().len(), 2);
    for _ in 0..2 {
        store.abort_upload(&key("u"), &upload).await.unwrap();
        assert!(folder.files_of(&store).await.is_empty());
        let name = key("u");
        let part = store.upload_part(&name, &upload, number(1), "x".into());
        assert_eq!(part.await.unwrap_err().kind(), ErrorKind::NotFound);
    }
    store.abort_upload(&key("v/1"), &other).await.unwrap();
    let page = store.list_uploads(&Prefix::ALL, None).await.unwrap();
    assert!(page.entries.is_empty());
}

#[tokio::test]
async fn a_part_that_fails_replaces_nothing() {
    let folder = Folder::new();
    let store = folder.open().await;
    let upload = begin(&store).await;
    let part = send(&store, &upload, 1, "good").await;
    let short = futures_util::stream::iter([Ok("b".into())]);
    let short = Body::from_stream(short, Some(2));
    let name = key("u");
    let sent = store.upload_part(&name, &upload, number(1), short);
    assert_eq!(sent.await.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(store.list_parts(&key("u"), &upload).await.unwrap(), [part]);
    let options = PutOptions { condition: WriteCondition::IfAbsent, ..PutOptions::default() };
    let begun = store.create_upload(&key("u"), &options).await;
    assert_eq!(begun.unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[tokio::test]
async fn uploads_are_listed_in_pages() {
    let folder = Folder::new();
    let store = folder.open().await;
    let store = &store;
    let options = &PutOptions::default();
    let names: Vec<_> = (0..1005).map(|n| key(&format!("u/{:03}", n / 3))).collect();
    let begun = names.iter().map(|name| store.create_upload(name, options));
    let begun = futures_util::future::join_all(begun).await;
    let mut listed = Vec::new();
    let mut token = None;
    loop {
        let page = store.list_uploads(&Prefix::ALL, token.as_ref()).await.unwrap();
        assert!(page.entries.len() <= 1000);
        listed.extend(page.entries.into_iter().map(|entry| entry.id));
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    listed.sort();
    let mut begun: Vec<_> = begun.into_iter().map(Result::unwrap).collect();
    begun.sort();
    assert_eq!(listed, begun);
}

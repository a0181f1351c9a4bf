//! Contents that break off.

use omni_contracts::ErrorKind;
use omni_contracts::storage::{GetOptions, StorageProvider};

use crate::script::{Asked, Reply, Script};
use crate::{key, open};

const CONTENT: &[u8] = &[7; 100_000];

/// Answers a read, of the range that it asks for, and breaks off after `sent` bytes.
fn read(asked: &Asked, tag: &str, sent: usize) -> Reply {
    let range = asked.header("range").and_then(|range| range.strip_prefix("bytes="));
    let start = range.and_then(|range| range.split_once('-')?.0.parse().ok()).unwrap_or(0);
    let rest = &CONTENT[start..];
    let length = rest.len().to_string();
    let of = format!("bytes {start}-{}/{}", CONTENT.len() - 1, CONTENT.len());
    let mut headers = vec![("etag", tag), ("content-length", &length)];
    headers.push(("last-modified", "Sat, 21 Nov 2026 12:00:00 GMT"));
    if start > 0 {
        headers.push(("content-range", &of));
    }
    Reply::cut(if start > 0 { 206 } else { 200 }, &headers, rest, sent.min(rest.len()))
}

#[tokio::test]
async fn a_read_goes_on_where_it_broke_with_the_same_version() {
    let server = Script::new(|_, asked| read(asked, "\"one\"", 30_000)).await;
    let store = open(&server.endpoint).await;
    let found = store.get(&key(), &GetOptions::default()).await.unwrap();
    assert_eq!(found.body.collect().await.unwrap(), CONTENT);
    let asked = server.asked();
    assert_eq!(asked.len(), 4);
    assert!(asked[1..].iter().all(|asked| asked.header("if-match") == Some("\"one\"")));
    assert_eq!(asked[1].header("range"), Some("bytes=30000-99999"));
}

#[tokio::test]
async fn a_read_that_gets_nothing_more_ends_with_an_error() {
    let server =
        Script::new(|number, asked| read(asked, "\"one\"", if number == 0 { 30_000 } else { 0 }))
            .await;
    let found = open(&server.endpoint).await.get(&key(), &GetOptions::default()).await.unwrap();
    let error = found.body.collect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("byte 30000"), "{error}");
    assert!(server.asked().len() <= 5);
}

#[tokio::test]
async fn a_read_of_an_object_that_was_replaced_is_not_mixed() {
    let server = Script::new(|number, asked| match number {
        0 => read(asked, "\"one\"", 30_000),
        _ => Reply::of(412, &[], b""),
    })
    .await;
    let found = open(&server.endpoint).await.get(&key(), &GetOptions::default()).await.unwrap();
    let error = found.body.collect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
}

#[tokio::test]
async fn a_service_that_ignores_the_range_is_found_out() {
    let server = Script::new(|number, asked| match number {
        0 => read(asked, "\"one\"", 30_000),
        _ => Reply::of(200, &[("etag", "\"one\"")], CONTENT),
    })
    .await;
    let found = open(&server.endpoint).await.get(&key(), &GetOptions::default()).await.unwrap();
    let error = found.body.collect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
}

#[tokio::test]
async fn a_content_that_was_damaged_is_not_handed_out_whole() {
    let headers = [
        ("etag", "\"one\""),
        ("last-modified", "Sat, 21 Nov 2026 12:00:00 GMT"),
        ("x-amz-meta--omni", "crc32c=00000001"),
    ];
    let server = Script::new(move |_, _| Reply::of(200, &headers, CONTENT)).await;
    let found = open(&server.endpoint).await.get(&key(), &GetOptions::default()).await.unwrap();
    let error = found.body.collect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

//! Writing in one request of several parts, and in sessions.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Answer, Fake};

const QUANTUM: usize = 256 << 10;

/// A body of metadata and content, without a type for the content.
async fn multipart(fake: &Fake, name: &str, metadata: Value, content: &str) -> Answer {
    let body = format!(
        "--b\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{metadata}\r\n--b\r\n\r\n\
         {content}\r\n--b--\r\n"
    );
    let path = format!("/upload/storage/v1/b/bucket/o?uploadType=multipart&name={name}");
    fake.send("POST", &path, &[("content-type", "multipart/related; boundary=b")], body).await
}

#[tokio::test]
async fn metadata_and_content_come_in_one_body() {
    let fake = Fake::start();
    let metadata =
        json!({"metadata": {"K": "ü"}, "contentType": "a/b", "cacheControl": "no-cache"});
    let written = multipart(&fake, "a", metadata, "one\r\n--c\r\ntwo").await.is(200).json();
    assert_eq!((&written["metadata"]["K"], &written["contentType"]), (&json!("ü"), &json!("a/b")));
    let read = fake.read("a").await;
    assert_eq!(
        (read.body.as_ref(), read.header("cache-control")),
        (&b"one\r\n--c\r\ntwo"[..], "no-cache")
    );
    let untyped = multipart(&fake, "b", json!({}), "").await.is(200).json();
    assert_eq!((&untyped["contentType"], &untyped["size"]), (&json!("text/plain"), &json!("0")));

    let path = "/upload/storage/v1/b/bucket/o?uploadType=multipart&name=c";
    let kind = [("content-type", "multipart/related; boundary=b")];
    for body in ["", "--b\r\n\r\n{}\r\n--b--", "--b\r\n\r\nx\r\n--b\r\n\r\nx\r\n--b--"] {
        fake.send("POST", path, &kind, body).await.is(400);
    }
    for (sum, status) in [("AAAAAA==", 400), ("4waSgw==", 200)] {
        let path = path.replace("=c", &format!("=trailer-{status}"));
        let body = format!(
            "--b\r\nContent-Type: application/json\r\n\r\n{{}}\r\n--b\r\n\r\n123456789\r\n\
             --b\r\nContent-Type: application/json\r\n\r\n{{\"crc32c\":\"{sum}\"}}\r\n--b--\r\n"
        );
        fake.send("POST", &path, &kind, body).await.is(status);
    }
    fake.send("POST", &path.replace("multipart", "none"), &kind, "").await.is(400);
    fake.read("c").await.is(404);
}

#[tokio::test]
async fn a_wrong_checksum_stores_nothing() {
    let fake = Fake::start();
    let cases = [
        (json!({"crc32c": "4waSgw=="}), 200),
        (json!({"md5Hash": "JfnnlDI7RTiF9RgfG2JNCw=="}), 200),
        (json!({"crc32c": "AAAAAA=="}), 400),
        (json!({"md5Hash": "AAAAAAAAAAAAAAAAAAAAAA=="}), 400),
        (json!({"crc32c": "?"}), 400),
        (json!({"crc32c": "AAAA"}), 400),
    ];
    for (number, (metadata, status)) in cases.into_iter().enumerate() {
        let name = format!("sum-{number}");
        multipart(&fake, &name, metadata, "123456789").await.is(status);
        fake.read(&name).await.is(if status == 200 { 200 } else { 404 });
    }
    let path = "/upload/storage/v1/b/bucket/o?uploadType=media&name=h";
    let hash = [("x-goog-hash", "crc32c=AAAAAA==")];
    fake.send("POST", path, &hash, "123456789").await.is(400);
    fake.read("h").await.is(404);
}

/// Opens a session; returns its address.
async fn begin(fake: &Fake, name: &str, parameters: &str, metadata: Value) -> String {
    let path =
        format!("/upload/storage/v1/b/bucket/o?uploadType=resumable&name={name}{parameters}");
    let begun = fake.send("POST", &path, &[], metadata.to_string()).await.is(200);
    let location = begun.header("location").to_owned();
    assert!(location.starts_with(&fake.endpoint), "{location}");
    location
}

async fn piece(fake: &Fake, location: &str, range: &str, bytes: &[u8]) -> Answer {
    fake.send("PUT", location, &[("content-range", range)], bytes.to_vec()).await
}

#[tokio::test]
async fn a_session_takes_an_object_piece_by_piece() {
    let fake = Fake::start();
    let content: Vec<u8> = (0..QUANTUM * 2 + 100).map(|at| (at % 251) as u8).collect();
    let total = content.len();
    let location = begin(&fake, "a", "", json!({"contentType": "a/b"})).await;
    let state = piece(&fake, &location, "bytes */*", b"").await.is(308);
    assert_eq!(state.header("range"), "");

    let first = piece(&fake, &location, "bytes 0-262143/*", &content[..QUANTUM]).await.is(308);
    assert_eq!(first.header("range"), "bytes=0-262143");
    // The answer was lost: the state says how to go on.
    let state = piece(&fake, &location, "bytes */*", b"").await.is(308);
    assert_eq!(state.header("range"), "bytes=0-262143");
    // Too short, too long, with a gap, not of the size that was promised.
    piece(&fake, &location, "bytes 262144-262243/*", &content[..100]).await.is(400);
    piece(&fake, &location, "bytes 262144-524287/*", &content[..100]).await.is(400);
    piece(&fake, &location, "bytes 524288-786431/*", &content[..QUANTUM]).await.is(400);
    for range in ["bytes 5-4/9", "bytes 0-9/9", "0-1/2", "bytes a-b/c", "bytes 1/2"] {
        piece(&fake, &location, range, b"").await.is(400);
    }
    fake.read("a").await.is(404);
    assert_eq!(fake.server.space("bucket").unwrap(), QUANTUM as u64);
    assert!(fake.get("/storage/v1/b/bucket/o").await.json()["items"].is_null());

    // Sent again from the beginning: what is persisted is skipped.
    let range = format!("bytes 0-524287/{total}");
    let second = piece(&fake, &location, &range, &content[..QUANTUM * 2]).await.is(308);
    assert_eq!(second.header("range"), "bytes=0-524287");
    let other = format!("bytes */{}", total + 1);
    piece(&fake, &location, &other, b"").await.is(400);
    let range = format!("bytes 524288-{}/{total}", total - 1);
    let done = piece(&fake, &location, &range, &content[QUANTUM * 2..]).await.is(200).json();
    assert_eq!((&done["size"], &done["contentType"]), (&json!(total.to_string()), &json!("a/b")));
    assert_eq!(fake.read("a").await.body, content);
    // A finished session says what it made.
    let state = piece(&fake, &location, "bytes */*", b"").await.is(200).json();
    assert_eq!(state["generation"], done["generation"]);
    assert_eq!(fake.server.space("bucket").unwrap(), total as u64);
}

#[tokio::test]
async fn every_form_of_the_last_piece_is_understood() {
    let fake = Fake::start();
    let cases: [(Option<&str>, &[u8]); 4] = [
        (Some("bytes */0"), b""),
        (Some("bytes 0-*/*"), b"all of it"),
        (Some("bytes 0-8/9"), b"all of it"),
        (None, b"all of it"),
    ];
    for (number, (range, bytes)) in cases.into_iter().enumerate() {
        let name = format!("last-{number}");
        let location = begin(&fake, &name, "", json!({})).await;
        let range: Vec<_> = range.map(|range| ("content-range", range)).into_iter().collect();
        fake.send("PUT", &location, &range, bytes).await.is(200);
        assert_eq!(fake.read(&name).await.is(200).body, bytes);
    }
}

#[tokio::test]
async fn a_session_ends_without_an_object_when_it_must() {
    let fake = Fake::start();
    let location = begin(&fake, "a", "", json!({"crc32c": "AAAAAA=="})).await;
    piece(&fake, &location, "bytes 0-8/9", b"123456789").await.is(400);
    let location = begin(&fake, "a", "", json!({})).await;
    let headers = [("content-range", "bytes 0-8/9"), ("x-goog-hash", "crc32c=AAAAAA==")];
    fake.send("PUT", &location, &headers, "123456789").await.is(400);
    piece(&fake, &location, "bytes */*", b"").await.is(400);
    fake.read("a").await.is(404);

    // The condition held when the session began, and holds no more when it ends.
    let location = begin(&fake, "a", "&ifGenerationMatch=0", json!({})).await;
    fake.put("a", "other").await.is(200);
    let lost = piece(&fake, &location, "bytes 0-0/1", b"1").await.is(412);
    assert_eq!(lost.reason(), "conditionNotMet");
    assert_eq!(fake.read("a").await.body, "other");

    let location = begin(&fake, "b", "", json!({})).await;
    fake.send("DELETE", &location, &[], "").await.is(499);
    piece(&fake, &location, "bytes */*", b"").await.is(404);
    fake.read("b").await.is(404);
    fake.send("POST", "/upload/storage/v1/b/none/o?uploadType=resumable&name=a", &[], "")
        .await
        .is(404);
}

/// A connection that breaks in a piece leaves whole quanta of it.
#[tokio::test]
async fn a_broken_piece_is_kept_in_part() {
    let fake = Fake::start();
    let location = begin(&fake, "a", "", json!({})).await;
    let address = fake.endpoint.strip_prefix("http://").unwrap();
    let path = location.strip_prefix(&fake.endpoint).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let length = QUANTUM * 2;
    write!(
        stream,
        "PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Range: bytes 0-{}/*\r\nContent-Length: {length}\r\n\r\n",
        length - 1
    )
    .unwrap();
    stream.write_all(&vec![7; QUANTUM + 100]).unwrap();
    drop(stream);
    // The server notices in its own time.
    let persisted = async {
        loop {
            let state = piece(&fake, &location, "bytes */*", b"").await.is(308);
            if !state.header("range").is_empty() {
                return state.header("range").to_owned();
            }
            tokio::task::yield_now().await;
        }
    };
    let persisted = tokio::time::timeout(Duration::from_secs(20), persisted).await.unwrap();
    assert_eq!(persisted, "bytes=0-262143");
    piece(&fake, &location, "bytes 262144-262144/262145", b"8").await.is(200);
    assert_eq!(fake.read("a").await.body.len(), QUANTUM + 1);
}

//! Services that do not answer, or not to the end: what the provider makes of them. That it keeps the
//! contract with one that does is what the kit shows.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use omni_contracts::storage::{
    Crc32c, GetOptions, Key, ListRequest, PutOptions, StorageProvider as _, WriteCondition,
    WriteId, resumed,
};
use omni_contracts::{Body, Effect, ErrorKind, Operation, Result};

use super::error::Intent;
use super::stream::Pinned;
use super::{GcsSettings, GcsStorage};

async fn open(endpoint: String, read_timeout: Duration) -> GcsStorage {
    let settings = GcsSettings {
        endpoint: Some(endpoint),
        anonymous: true,
        read_timeout,
        ..GcsSettings::bucket("b")
    };
    GcsStorage::open(settings).await.unwrap()
}

#[tokio::test]
async fn a_service_that_is_not_there_is_named() {
    // Bound and closed again: nobody listens there.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = format!("http://{address}");
    let store = open(endpoint.clone(), Duration::from_secs(20)).await;
    let key = Key::new("k").unwrap();
    let get = store.get(&key, &GetOptions::default()).await.map(drop);
    let put = store.put(&key, Body::from("x"), &PutOptions::default()).await.map(drop);
    let list = store.list(&ListRequest::default()).await.map(drop);
    for failed in [get, put, list, store.check().await] {
        let error = failed.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert_eq!(error.effect(), Effect::No, "{error:?}");
        assert!(error.message().contains(&endpoint), "{error:?}");
    }
}

#[tokio::test]
async fn a_service_that_is_silent_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let store = open(endpoint, Duration::from_millis(100)).await;
    let key = Key::new("k").unwrap();
    let begun = Instant::now();
    let head = store.head(&key, &GetOptions::default()).await.unwrap_err();
    assert_eq!((head.kind(), head.effect()), (ErrorKind::Timeout, Effect::No), "{head:?}");
    let put = store.put(&key, Body::from("x"), &PutOptions::default()).await.unwrap_err();
    assert_eq!((put.kind(), put.effect()), (ErrorKind::Timeout, Effect::Unknown), "{put:?}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    drop(listener);
}

#[tokio::test]
async fn a_service_that_speaks_http_1_alone_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        // A server reads the beginning of HTTP/2 as a request of a version that it does not know.
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.0 505 Invalid version\r\n\r\n");
            let _ = stream.read(&mut [0; 1024]);
        }
    });
    let error = open(endpoint.clone(), Duration::from_secs(20)).await.check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(error.message().contains(&format!("does {endpoint} speak gRPC")), "{error:?}");
}

#[tokio::test]
async fn a_write_that_cannot_be_told_from_anothers_is_in_doubt() {
    // The first answer was lost; the repetition is refused, and looking who wrote fails, too.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        request(&mut stream);
        let refusal = b"HTTP/1.1 412 Precondition Failed\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(refusal).unwrap();
        // Until the client is done with it.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let settings = GcsSettings {
        endpoint: Some(endpoint),
        control_endpoint: Some("http://127.0.0.1:1".to_owned()),
        anonymous: true,
        ..GcsSettings::bucket("b")
    };
    let store = GcsStorage::open(settings).await.unwrap();
    let (condition, id) = (WriteCondition::IfAbsent, WriteId::new("mine").unwrap());
    let create = PutOptions { condition, write_id: Some(id), ..PutOptions::default() };
    let error = store.put(&Key::new("k").unwrap(), Body::from("x"), &create).await.unwrap_err();
    let seen = (error.kind(), error.effect());
    assert_eq!(seen, (ErrorKind::Unavailable, Effect::Unknown), "{error:?}");
}

const CONTENT: &[u8] = b"the quick brown fox";
const GENERATION: i64 = 7;

/// A service that answers one request on each connection: with what `answers` has next, the bytes that
/// it sends of those that it promises, or with 404. Tells what was asked for.
fn breaking(answers: Vec<Option<(Range<usize>, usize)>>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (tell, asked) = channel();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            tell.send(request(&mut stream)).unwrap();
            let text = match &answer {
                None => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned(),
                Some((promised, _)) => format!(
                    "HTTP/1.1 206 Partial Content\r\nx-goog-generation: {GENERATION}\r\n\
                     content-length: {}\r\ncontent-range: bytes {}-{}/{}\r\n\r\n",
                    promised.len(),
                    promised.start,
                    promised.end - 1,
                    CONTENT.len()
                ),
            };
            stream.write_all(text.as_bytes()).unwrap();
            if let Some((promised, sent)) = answer {
                stream.write_all(&CONTENT[promised.start..promised.start + sent]).unwrap();
            }
        }
    });
    (endpoint, asked)
}

/// The first line of a request, and the range that it asks for.
fn request(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        text.push(byte[0]);
    }
    let text = String::from_utf8(text).unwrap().to_lowercase();
    let range = text.lines().find_map(|line| line.strip_prefix("range: ")).unwrap_or_default();
    format!("{} {range}", text.split(' ').nth(1).unwrap())
}

/// Reads all but the first four bytes.
async fn read(endpoint: String) -> Result<bytes::Bytes> {
    let bucket = open(endpoint, Duration::from_secs(20)).await.bucket;
    let answer = bucket.ask(Intent::Read, bucket.read("k").send()).await.unwrap();
    let (key, operation) = (Key::new("k").unwrap(), Operation::Get);
    let pinned = Pinned { bucket, key, generation: GENERATION, operation };
    let chunks = pinned.chunks(answer);
    let expected = Crc32c::of(&CONTENT[4..]);
    resumed(pinned, chunks, 4..CONTENT.len() as u64, Some(expected)).collect().await
}

#[tokio::test]
async fn a_content_that_breaks_off_is_taken_up_again() {
    let end = CONTENT.len();
    let answers = [(4..end, 3), (7..end, 0), (7..end, 1), (8..end, end - 8)];
    let (endpoint, asked) = breaking(answers.into_iter().map(Some).collect());
    assert_eq!(read(endpoint).await.unwrap(), CONTENT[4..]);
    let asked: Vec<_> = asked.iter().skip(1).collect();
    let path = format!("/storage/v1/b/b/o/k?alt=media&generation={GENERATION}");
    let again = |from: usize| format!("{path} bytes={from}-{}", end - 1);
    assert_eq!(asked, [again(7), again(7), again(8)]);
}

#[tokio::test]
async fn a_content_that_keeps_breaking_off_is_given_up() {
    let end = CONTENT.len();
    let mut answers = vec![Some((4..end, 3))];
    answers.extend(vec![Some((7..end, 0)); 3]);
    let error = read(breaking(answers).0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert_eq!(error.operation(), Some(Operation::Get));

    let replaced = read(breaking(vec![Some((4..end, 3)), None]).0).await.unwrap_err();
    assert_eq!(replaced.kind(), ErrorKind::Conflict, "{replaced:?}");
}

//! What services say when they refuse, and what the caller reads.

use std::time::{Duration, Instant};

use omni_contracts::storage::{
    CopyOptions, DeleteOptions, GetOptions, Key, PresignMethod, PresignRequest, PutOptions,
    StorageProvider, Version, WriteCondition, WriteId,
};
use omni_contracts::{Body, Effect, Error, ErrorKind};
use omni_provider_aws::{S3Settings, S3Storage};

use crate::script::{Reply, Script};
use crate::{SECRET, key, open, settings};

pub(crate) fn refusal(code: &str) -> Vec<u8> {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code>\
         <Message>as the service says</Message><RequestId>R1</RequestId></Error>"
    )
    .into_bytes()
}

/// Everything that a person could read of an error.
fn everything(error: &Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text += &format!(" {error} {error:?}");
        cause = error.source();
    }
    text
}

async fn put(store: &S3Storage) -> Error {
    store.put(&key(), Body::from("content"), &PutOptions::default()).await.unwrap_err()
}

#[tokio::test]
async fn refusals_are_told_with_what_to_do() {
    use ErrorKind as Kind;
    let table: &[(u16, &str, Kind, &str)] = &[
        (403, "InvalidAccessKeyId", Kind::Unauthenticated, "credentials are wrong"),
        (403, "SignatureDoesNotMatch", Kind::Unauthenticated, "credentials are wrong"),
        (400, "ExpiredToken", Kind::Unauthenticated, "renew"),
        (403, "RequestTimeTooSkewed", Kind::Unauthenticated, "clock"),
        (403, "AccessDenied", Kind::PermissionDenied, "right"),
        (404, "NoSuchBucket", Kind::Configuration, "`bucket`"),
        (301, "PermanentRedirect", Kind::Configuration, "set `region`"),
        (400, "AuthorizationHeaderMalformed", Kind::Configuration, "set `region`"),
        (409, "OperationAborted", Kind::Conflict, "another request"),
        (409, "ConditionalRequestConflict", Kind::Conflict, "another request"),
        (503, "SlowDown", Kind::Throttled, "slower"),
        (429, "TooManyRequests", Kind::Throttled, "slower"),
        (503, "ServiceUnavailable", Kind::Unavailable, "503"),
        (500, "InternalError", Kind::Unavailable, "500"),
        (400, "RequestTimeout", Kind::Unavailable, "in time"),
        (400, "BadDigest", Kind::Corrupt, "damaged"),
        (400, "EntityTooLarge", Kind::TooLarge, "size"),
        (501, "NotImplemented", Kind::Unsupported, "`lacks`"),
        (400, "SomethingElse", Kind::Internal, "SomethingElse"),
    ];
    for &(status, code, kind, hint) in table {
        let server = Script::new(move |_, _| Reply::of(status, &[], &refusal(code))).await;
        let error = put(&open(&server.endpoint).await).await;
        assert_eq!(error.kind(), kind, "{code}: {error}");
        let text = everything(&error);
        assert!(text.contains(hint), "{code}: {text}");
        assert!(!text.contains(SECRET), "{code}: {text}");
        assert_eq!(error.is_retryable(), kind.is_transient() || code == "BadDigest", "{code}");
        let doubt = matches!(code, "ServiceUnavailable" | "InternalError");
        assert_eq!(error.effect() == Effect::Unknown, doubt, "{code}: {error}");
        assert_eq!(server.asked().len(), 1, "{code}: repeating is up to the caller");
    }
}

#[tokio::test]
async fn the_wait_that_is_asked_for_is_told() {
    let server =
        Script::new(|_, _| Reply::of(503, &[("retry-after", "7")], &refusal("SlowDown"))).await;
    let error = put(&open(&server.endpoint).await).await;
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn the_region_of_a_bucket_elsewhere_is_told() {
    let headers = [("x-amz-bucket-region", "us-west-2")];
    let server =
        Script::new(move |_, _| Reply::of(301, &headers, &refusal("PermanentRedirect"))).await;
    let error = open(&server.endpoint).await.check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("us-west-2"), "{error}");
}

#[tokio::test]
async fn a_refused_condition_is_told_by_what_was_asked() {
    let server = Script::new(|_, _| Reply::of(412, &[], &refusal("PreconditionFailed"))).await;
    let store = open(&server.endpoint).await;
    let create = PutOptions { condition: WriteCondition::IfAbsent, ..PutOptions::default() };
    let error = store.put(&key(), Body::from("x"), &create).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    let version = Some(Version::new("tag").unwrap());
    let delete = DeleteOptions { if_match: version, ..DeleteOptions::default() };
    let error = store.delete(&key(), &delete).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PreconditionFailed);
}

#[tokio::test]
async fn a_write_that_cannot_be_told_from_anothers_is_in_doubt() {
    // The first answer was lost; the repetition is refused, and looking who wrote fails, too.
    let server = Script::new(|number, _| match number {
        0 => Reply::of(412, &[], &refusal("PreconditionFailed")),
        _ => Reply::Bytes(Vec::new()),
    })
    .await;
    let store = open(&server.endpoint).await;
    let (condition, id) = (WriteCondition::IfAbsent, WriteId::new("mine").unwrap());
    let create = PutOptions { condition, write_id: Some(id), ..PutOptions::default() };
    let error = store.put(&key(), Body::from("x"), &create).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::Unknown));
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn what_cannot_be_reached_is_named() {
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let plain = Script::new(|_, _| Reply::of(200, &[], b"")).await;
    let not_tls = plain.endpoint.replace("http://", "https://");
    for endpoint in [closed, not_tls, "http://no-such-host.invalid".to_owned()] {
        let begun = Instant::now();
        let error = put(&open(&endpoint).await).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains(&endpoint), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{endpoint}");
        assert!(!everything(&error).contains(SECRET));
    }
}

#[tokio::test]
async fn silence_ends_in_time_and_leaves_writes_in_doubt() {
    let server = Script::new(|_, _| Reply::Stall(Vec::new())).await;
    let store = open(&server.endpoint).await;
    let begun = Instant::now();
    let error = put(&store).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Timeout, Effect::Unknown), "{error}");
    assert!(error.to_string().contains(&server.endpoint), "{error}");
    assert!(error.to_string().contains("`read_timeout`"), "{error}");
    let error = store.get(&key(), &GetOptions::default()).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Timeout, Effect::No), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn an_answer_that_stalls_ends_in_time() {
    let headers = b"HTTP/1.1 403 said\r\ncontent-length: 99\r\n\r\n<Error>";
    let server = Script::new(|_, _| Reply::Stall(headers.to_vec())).await;
    let store = open(&server.endpoint).await;
    let begun = Instant::now();
    assert_eq!(put(&store).await.kind(), ErrorKind::PermissionDenied);
    let error = store.list(&Default::default()).await.unwrap_err();
    assert!(error.effect() == Effect::No, "{error}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn nothing_that_is_meant_for_an_object_reaches_the_bucket() {
    let server = Script::new(|_, _| Reply::of(200, &[("etag", "\"tag\"")], b"")).await;
    let (store, nothing) = (open(&server.endpoint).await, Key::native(""));
    let kinds = [
        store.get(&nothing, &GetOptions::default()).await.unwrap_err().kind(),
        store.head(&nothing, &GetOptions::default()).await.unwrap_err().kind(),
        store.put(&nothing, Body::from("x"), &PutOptions::default()).await.unwrap_err().kind(),
        store.delete(&nothing, &DeleteOptions::default()).await.unwrap_err().kind(),
    ];
    assert_eq!(kinds, [ErrorKind::InvalidArgument; 4]);
    assert!(server.asked().is_empty());
}

fn signing(method: PresignMethod) -> PresignRequest {
    PresignRequest { method, expires_in: Duration::from_secs(9), content_type: None }
}

#[tokio::test]
async fn a_slash_at_the_beginning_leads_to_no_other_object() {
    let server = Script::new(|_, _| Reply::of(200, &[("etag", "\"tag\"")], b"")).await;
    let (store, bare) = (open(&server.endpoint).await, Key::native("/"));
    let presign = signing(PresignMethod::Delete);
    let delete = DeleteOptions::default();
    let to = key();
    let refused = [
        store.get(&bare, &GetOptions::default()).await.unwrap_err(),
        store.head(&bare, &GetOptions::default()).await.unwrap_err(),
        store.delete(&bare, &delete).await.unwrap_err(),
        store.delete_many(std::slice::from_ref(&bare)).await.remove(0).unwrap_err(),
        store.copy(&bare, &to, &CopyOptions::default()).await.unwrap_err(),
        store.presign(&bare, &presign).await.unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(error.to_string().contains("`keeps_leading_slash`"), "{error}");
    }
    assert!(server.asked().is_empty());
    let settings = S3Settings { keeps_leading_slash: Some(true), ..settings(&server.endpoint) };
    let store = S3Storage::open(settings).await.unwrap();
    store.delete(&bare, &delete).await.unwrap();
    assert!(server.asked()[0].line.starts_with("DELETE /orders//"), "{:?}", server.asked());
}

#[tokio::test]
async fn presigned_requests_need_no_header_that_the_signature_does_not_cover() {
    let store = open("http://127.0.0.1:9").await;
    for method in [PresignMethod::Get, PresignMethod::Head, PresignMethod::Delete] {
        let request = signing(method);
        let signed = store.presign(&key(), &request).await.unwrap();
        let covered = signed.url.split("X-Amz-SignedHeaders=").nth(1).unwrap();
        let covered = covered.split('&').next().unwrap().replace("%3B", ";");
        for (name, _) in &signed.headers {
            assert!(
                covered.split(';').any(|of| of.eq_ignore_ascii_case(name)),
                "{name}: {covered}"
            );
        }
    }
}

#[tokio::test]
async fn contents_are_signed_unless_told_otherwise() {
    let server = Script::new(|_, _| Reply::of(200, &[("etag", "\"tag\"")], b"")).await;
    for unsigned_payload in [false, true] {
        let settings = S3Settings { unsigned_payload, ..settings(&server.endpoint) };
        let store = S3Storage::open(settings).await.unwrap();
        let chunks = ["con", "tent"].map(|chunk| Ok(chunk.into()));
        let body = Body::from_stream(futures_util::stream::iter(chunks), None);
        store.put(&key(), body, &PutOptions::default()).await.unwrap();
    }
    let asked = server.asked();
    assert!(asked.iter().all(|asked| asked.body == b"content"));
    let hashes: Vec<_> = asked.iter().map(|asked| asked.header("x-amz-content-sha256")).collect();
    // Of "content", by sha256sum.
    let hash = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73";
    assert_eq!(hashes, [Some(hash), Some("unsigned-payload")]);
}

#[tokio::test]
async fn a_lost_answer_leaves_a_write_in_doubt() {
    let server = Script::new(|_, _| Reply::Bytes(Vec::new())).await;
    let error = put(&open(&server.endpoint).await).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::Unknown));
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn what_is_no_answer_of_s3_is_an_error() {
    let html = b"<html>a proxy says hello</html>";
    let server = Script::new(|_, _| Reply::of(200, &[("content-type", "text/html")], html)).await;
    let store = open(&server.endpoint).await;
    let error = put(&store).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Internal, Effect::Unknown));
    let listed = store.list(&Default::default()).await;
    assert!(listed.is_err(), "{listed:?}");
}

#[tokio::test]
async fn no_secret_is_shown() {
    let store = S3Storage::open(settings("http://127.0.0.1:9")).await.unwrap();
    let shown = format!("{store:?} {:?}", settings("http://127.0.0.1:9"));
    assert!(!shown.contains(SECRET), "{shown}");
}

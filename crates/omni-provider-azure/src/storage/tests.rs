//! What no emulator shows: a service that is played by a script, answer by answer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use azure_core::http::headers::{HeaderName, Headers};
use azure_core::http::{AsyncRawResponse, HttpClient, Request, Transport};
use azure_core::time::to_rfc7231;
use bytes::Bytes;
use futures_util::stream;
use omni_config::Secret;
use omni_contracts::storage::{
    Capability, CopyOptions, Crc32c, GetOptions, Key, ListRequest, PresignMethod, PresignRequest,
    PutOptions, StorageProvider, Version, WriteCondition, WriteId,
};
use omni_contracts::{Body, Effect, Error, ErrorKind};

use super::client::Container;
use super::provider::BlobStorage;
use super::settings::BlobSettings;

/// An answer: status, headers, content, and whether the content breaks off at its end.
#[derive(Clone, Debug)]
struct Said {
    status: u16,
    headers: Vec<(&'static str, String)>,
    content: Bytes,
    breaks: bool,
}

fn says(status: u16) -> Said {
    Said { status, headers: Vec::new(), content: Bytes::new(), breaks: false }
}

fn code(status: u16, code: &str) -> Said {
    says(status).with("x-ms-error-code", code)
}

impl Said {
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn content(self, content: impl Into<Bytes>) -> Self {
        Self { content: content.into(), ..self }
    }

    /// As of an object with this tag.
    fn tagged(self, tag: &str) -> Self {
        let then = to_rfc7231(&SystemTime::UNIX_EPOCH.into());
        self.with("etag", &format!("\"{tag}\"")).with("last-modified", &then)
    }
}

/// Answers as it is told, and remembers what it was asked.
#[derive(Debug)]
struct Script {
    answers: Mutex<VecDeque<Said>>,
    asked: Mutex<Vec<Asked>>,
}

/// What was asked: method, path and query, headers, content.
#[derive(Clone, Debug)]
struct Asked {
    line: String,
    headers: Headers,
    length: u64,
}

impl Asked {
    fn header(&self, name: &'static str) -> Option<&str> {
        self.headers.get_optional_str(&HeaderName::from_static(name))
    }
}

#[async_trait]
impl HttpClient for Script {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let path = request.path_and_query();
        self.asked.lock().unwrap().push(Asked {
            line: format!("{} {path}", request.method()),
            headers: request.headers().clone(),
            length: request.body().len().unwrap_or_default(),
        });
        let said = self.answers.lock().unwrap().pop_front();
        let said = said.unwrap_or_else(|| panic!("not in the script: {path}"));
        if said.status == 0 {
            let kind = azure_core::error::ErrorKind::Io;
            return Err(azure_core::Error::with_message(kind, "connection reset"));
        }
        let mut headers = Headers::new();
        for (name, value) in said.headers {
            headers.insert(name, value);
        }
        let mut chunks = vec![Ok(said.content)];
        if said.breaks {
            let kind = azure_core::error::ErrorKind::Io;
            chunks.push(Err(azure_core::Error::with_message(kind, "connection reset")));
        }
        Ok(AsyncRawResponse::new(said.status.into(), headers, Box::pin(stream::iter(chunks))))
    }
}

fn settings() -> BlobSettings {
    BlobSettings {
        account_key: Some(Secret::new("a2V5")),
        part_size: 64 << 10,
        parallel_parts: 1,
        ..BlobSettings::container("shop", "orders")
    }
}

fn played(settings: BlobSettings, answers: &[Said]) -> (BlobStorage, Arc<Script>) {
    let answers = Mutex::new(answers.iter().cloned().collect());
    let script = Arc::new(Script { answers, asked: Mutex::default() });
    let client: Arc<dyn HttpClient> = Arc::clone(&script) as _;
    let container = Container::over(Transport::new(client), settings).unwrap();
    (BlobStorage::on(container).unwrap(), script)
}

impl Script {
    /// What was asked, to the end of the script.
    fn asked(&self) -> Vec<Asked> {
        assert!(self.answers.lock().unwrap().is_empty(), "the script was not played to its end");
        self.asked.lock().unwrap().clone()
    }
}

fn key() -> Key {
    Key::new("a/b c").unwrap()
}

/// A content of two blocks.
fn large() -> Bytes {
    vec![7; (64 << 10) + 1].into()
}

fn streamed(content: Bytes) -> Body {
    Body::from_stream(stream::iter([Ok(content)]), None)
}

const DISCARDED: &str = "InvalidBlockList";

#[tokio::test]
async fn blocks_that_another_write_discarded_are_sent_again() {
    let (store, script) = played(
        settings(),
        &[
            says(201),
            says(201),
            code(400, DISCARDED),
            says(201),
            says(201),
            says(201).tagged("0x2"),
        ],
    );
    let options = PutOptions::default();
    let written = store.put(&key(), large().into(), &options).await.unwrap();
    assert_eq!(written.version.as_str(), "0x2");
    assert_eq!(written.checksum, Some(Crc32c::of(&large())));
    let lines: Vec<_> = script.asked().into_iter().map(|asked| asked.line).collect();
    assert!(lines[0].starts_with("PUT /orders/a/b%20c?comp=block&blockid="), "{lines:?}");
    assert!(lines[2].ends_with("?comp=blocklist"), "{lines:?}");
    assert_ne!(lines[0], lines[3], "the blocks of each attempt have their own ids");
}

#[tokio::test]
async fn a_stream_whose_blocks_were_discarded_is_a_conflict() {
    let head = says(200).tagged("0x1").with("content-length", "1");
    for (condition, kind) in [
        (WriteCondition::Always, ErrorKind::Conflict),
        (WriteCondition::IfAbsent, ErrorKind::AlreadyExists),
    ] {
        let answers = [says(201), says(201), code(400, DISCARDED), head.clone()];
        let (store, script) = played(settings(), &answers);
        let options = PutOptions { condition, ..PutOptions::default() };
        let error = store.put(&key(), streamed(large()), &options).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (kind, Effect::No), "{error}");
        assert_eq!(script.asked().len(), 4);
    }
}

#[tokio::test]
async fn a_key_that_only_blocks_were_sent_for_is_free() {
    let taken = [code(409, "BlobAlreadyExists"), code(404, "BlobNotFound")];
    let options = PutOptions { condition: WriteCondition::IfAbsent, ..PutOptions::default() };
    let answers = [&taken[..], &[says(201), says(201).tagged("0x1")]].concat();
    let (store, script) = played(settings(), &answers);
    let written = store.put(&key(), "x".into(), &options).await.unwrap();
    assert_eq!(written.version.as_str(), "0x1");
    let asked = script.asked();
    assert!(asked[2].line.contains("comp=block&"), "{}", asked[2].line);
    assert_eq!(asked[3].header("if-none-match"), Some("*"));

    let answers = [&taken[..], &[says(201).tagged("0x1")]].concat();
    let (store, _) = played(settings(), &answers);
    store.put(&key(), Body::empty(), &options).await.unwrap();

    let there = says(200).tagged("0x1").with("content-length", "1");
    let (store, _) = played(settings(), &[taken[0].clone(), there]);
    let error = store.put(&key(), "x".into(), &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn a_body_that_breaks_is_taken_up_again() {
    let whole = Bytes::from_static(b"0123456789");
    let begun = says(200).tagged("0x1").with("content-length", "10");
    let begun = begun.with("x-ms-meta-_omni", &format!("v1 crc32c={}", Crc32c::of(&whole)));
    let begun = Said { breaks: true, ..begun.content(whole.slice(..4)) };
    let rest = says(206).with("content-range", "bytes 4-9/10").content(whole.slice(4..));
    let (store, script) = played(settings(), &[begun.clone(), says(503), rest]);
    let got = store.get(&key(), &GetOptions::default()).await.unwrap();
    assert_eq!(got.body.collect().await.unwrap(), whole);
    let asked = script.asked();
    assert_eq!(asked[2].header("x-ms-range"), Some("bytes=4-9"));
    assert_eq!(asked[2].header("if-match"), Some("\"0x1\""));

    let (store, _) = played(settings(), &[begun.clone(), code(412, "ConditionNotMet")]);
    let got = store.get(&key(), &GetOptions::default()).await.unwrap();
    assert_eq!(got.body.collect().await.unwrap_err().kind(), ErrorKind::Conflict);

    // Something else than the rest is not mixed in.
    let all = says(200).content(whole.clone());
    let (store, _) = played(settings(), &[begun.clone(), all]);
    let got = store.get(&key(), &GetOptions::default()).await.unwrap();
    assert_eq!(got.body.collect().await.unwrap_err().kind(), ErrorKind::Internal);

    let lost = says(0);
    let (store, script) = played(settings(), &[begun, lost.clone(), lost.clone(), lost]);
    let got = store.get(&key(), &GetOptions::default()).await.unwrap();
    assert_eq!(got.body.collect().await.unwrap_err().kind(), ErrorKind::Unavailable);
    script.asked();
}

#[tokio::test]
async fn large_copies_are_made_of_blocks() {
    let size = (256_u64 << 20) + 1;
    let source = says(200).tagged("0x1").with("content-length", &size.to_string());
    let source = source.with("x-ms-meta-_omni", "v1 crc32c=01020304").with("content-type", "a/b");
    let blocks = vec![says(201); 9];
    let discarded = [code(400, DISCARDED)];
    let answers: Vec<_> =
        [&[source][..], &blocks, &discarded, &blocks, &[says(201).tagged("0x2")]].concat();
    let (store, script) = played(settings(), &answers);
    let to = Key::new("to").unwrap();
    let written = store.copy(&key(), &to, &CopyOptions::default()).await.unwrap();
    assert_eq!((written.size, written.version.as_str()), (size, "0x2"));
    assert_eq!(written.checksum, Some(Crc32c::from_u32(0x0102_0304)));
    let asked = script.asked();
    let from = asked[9].header("x-ms-copy-source").unwrap();
    assert!(from.starts_with("https://shop.blob.core.windows.net/orders/a/b%20c?sv="), "{from}");
    assert_eq!(asked[9].header("x-ms-source-range"), Some("bytes=268435456-268435456"));
    assert_eq!(asked[9].header("x-ms-source-if-match"), Some("\"0x1\""));
    let commit = &asked[20];
    assert_eq!(commit.line, "PUT /orders/to?comp=blocklist");
    assert_eq!(commit.header("x-ms-blob-content-type"), Some("a/b"));
}

#[tokio::test]
async fn a_service_that_cannot_copy_blocks_is_sent_them() {
    let size = (256_u64 << 20) + 1;
    let source = says(200).tagged("0x1").with("content-length", &size.to_string());
    let mut answers = vec![source];
    for length in [[32 << 20].repeat(8), vec![1]].concat() {
        answers.extend([
            code(501, "NotImplemented"),
            says(206).content(vec![7; length]),
            says(201),
        ]);
    }
    answers.push(code(409, "BlobAlreadyExists"));
    answers.push(says(200).tagged("0x1").with("content-length", &size.to_string()));
    let (store, script) = played(settings(), &answers);
    let options = CopyOptions { condition: WriteCondition::IfAbsent, ..CopyOptions::default() };
    let error = store.copy(&key(), &Key::new("to").unwrap(), &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    assert_eq!(script.asked()[27].length, 1);
}

/// A page of a listing.
fn page(names: &[&str], marker: &str) -> Said {
    let blob = |name: &&str| {
        format!(
            "<Blob><Name>{name}</Name><Properties><Last-Modified>Thu, 01 Jan 1970 00:00:17 GMT\
             </Last-Modified><Etag>0x1</Etag><Content-Length>1</Content-Length></Properties></Blob>"
        )
    };
    let blobs: String = names.iter().map(blob).collect();
    says(200).content(format!(
        "<EnumerationResults><Blobs>{blobs}</Blobs><NextMarker>{marker}</NextMarker>\
         </EnumerationResults>"
    ))
}

#[tokio::test]
async fn keys_are_rolled_up_across_pages() {
    let answers =
        [page(&["a--b", "a--c", "a-d"], "m1"), page(&["b--c"], "m2"), page(&["b--d", "b-"], "")];
    let (store, script) = played(settings(), &answers);
    let mut request = ListRequest { delimiter: Some("--".to_owned()), ..ListRequest::default() };
    let mut names = Vec::new();
    loop {
        let page = store.list(&request).await.unwrap();
        names.extend(page.entries.iter().map(|entry| entry.name().to_owned()));
        request.token = page.next;
        if request.token.is_none() {
            break;
        }
    }
    assert_eq!(names, ["a--", "a-d", "b--", "b-"]);
    assert!(script.asked().iter().all(|asked| !asked.line.contains("delimiter")));
}

#[tokio::test]
async fn a_service_that_cannot_begin_at_a_name_is_asked_for_everything() {
    let answers = [
        code(400, "InvalidHeaderValue"),
        page(&["a", "b"], "m1"),
        page(&[".omni-uploads//0", "b/x", "c"], "m2"),
        page(&["d"], ""),
    ];
    let (store, script) = played(settings(), &answers);
    let mut request =
        ListRequest { start_after: Some(Key::new("b").unwrap()), ..ListRequest::default() };
    let first = store.list(&request).await.unwrap();
    let names: Vec<_> = first.entries.iter().map(|entry| entry.name()).collect();
    assert_eq!(names, ["b/x", "c"]);
    request.token = first.next;
    let second = store.list(&request).await.unwrap();
    assert_eq!((second.entries.len(), second.next), (1, None));
    let lines: Vec<_> = script.asked().into_iter().map(|asked| asked.line).collect();
    assert!(lines[0].ends_with("&startFrom=b"), "{lines:?}");
    assert!(lines[1].ends_with("&maxresults=1000"), "{lines:?}");
    assert!(lines[3].ends_with("&marker=m2"), "{lines:?}");
}

#[tokio::test]
async fn errors_in_the_terms_of_the_contract() {
    let skewed = to_rfc7231(&(SystemTime::now() - Duration::from_secs(3600)).into());
    let put = |condition| PutOptions { condition, ..PutOptions::default() };
    let version = omni_contracts::storage::Version::new("0x1").unwrap();
    let (always, create) = (put(WriteCondition::Always), put(WriteCondition::IfAbsent));
    let update = put(WriteCondition::IfMatch(version));
    use ErrorKind as Kind;
    for (options, answer, kind, effect, said) in [
        (&create, code(409, "BlobAlreadyExists"), Kind::AlreadyExists, Effect::No, "has this key"),
        (&create, code(412, "ConditionNotMet"), Kind::AlreadyExists, Effect::No, "has this key"),
        (&update, code(412, "ConditionNotMet"), Kind::PreconditionFailed, Effect::No, "current"),
        (&update, code(404, "BlobNotFound"), Kind::PreconditionFailed, Effect::No, "no object"),
        (&always, code(404, "ContainerNotFound"), Kind::Configuration, Effect::No, "`container`"),
        (&create, code(412, "LeaseIdMissing"), Kind::Conflict, Effect::No, "a lease"),
        (&always, code(409, "BlobImmutableDueToPolicy"), Kind::PolicyDenied, Effect::No, "policy"),
        (&always, code(400, "Md5Mismatch"), Kind::Corrupt, Effect::No, "damaged"),
        (&always, code(413, "RequestBodyTooLarge"), Kind::TooLarge, Effect::No, "part_size"),
        (&always, code(400, "InvalidUri"), Kind::InvalidArgument, Effect::No, "no such key"),
        (
            &always,
            code(403, "AuthenticationFailed"),
            Kind::Unauthenticated,
            Effect::No,
            "account_key",
        ),
        (
            &always,
            code(403, "AuthenticationFailed").with("date", &skewed),
            Kind::Unauthenticated,
            Effect::No,
            "60 minutes off",
        ),
        (
            &always,
            code(403, "AuthorizationFailure")
                .content("<Error><Message>Server failed to authenticate it.</Message></Error>"),
            Kind::Unauthenticated,
            Effect::No,
            "are wrong",
        ),
        (
            &always,
            code(403, "AuthorizationPermissionMismatch"),
            Kind::PermissionDenied,
            Effect::No,
            "lack a right",
        ),
        (&always, code(503, "ServerBusy"), Kind::Throttled, Effect::No, "slower"),
        (&always, code(500, "OperationTimedOut"), Kind::Unavailable, Effect::Unknown, "500"),
        (&always, says(0), Kind::Unavailable, Effect::Unknown, "shop.blob.core.windows.net"),
    ] {
        let taken = says(200).tagged("0x1").with("content-length", "1");
        let (store, _) = played(settings(), &[answer.clone().with("retry-after", "7"), taken]);
        let error: Error = store.put(&key(), "x".into(), options).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (kind, effect), "{answer:?}: {error}");
        assert!(error.message().contains(said), "{answer:?}: {error}");
        let wait = error.retry_after().map(|wait| wait.as_secs());
        assert_eq!(wait, (kind == Kind::Throttled).then_some(7));
    }
}

#[tokio::test]
async fn a_write_that_cannot_be_told_from_anothers_is_in_doubt() {
    // The first answer was lost; the repetition is refused, and looking who wrote fails, too.
    for (condition, refusal) in [
        (WriteCondition::IfAbsent, code(409, "BlobAlreadyExists")),
        (WriteCondition::IfMatch(Version::new("0x1").unwrap()), code(412, "ConditionNotMet")),
    ] {
        let (store, script) = played(settings(), &[refusal, says(0)]);
        let write_id = Some(WriteId::new("mine").unwrap());
        let options = PutOptions { condition, write_id, ..PutOptions::default() };
        let error = store.put(&key(), "x".into(), &options).await.unwrap_err();
        let seen = (error.kind(), error.effect());
        assert_eq!(seen, (ErrorKind::Unavailable, Effect::Unknown), "{error}");
        assert_eq!(script.asked().len(), 2);
    }
}

#[tokio::test]
async fn what_a_service_says_is_kept() {
    let body = "<?xml version=\"1.0\"?><Error><Code>ServerBusy</Code><Message>Slow &amp; steady.\n\
                RequestId:1</Message></Error>";
    let answer = says(503).with("x-ms-request-id", "r-1").content(body);
    let (store, _) = played(settings(), &[answer]);
    let error = store.head(&key(), &GetOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert!(error.message().ends_with("slower: Slow & steady."), "{error}");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "status 503 ServerBusy, request r-1");
}

#[tokio::test]
async fn what_is_staged_has_no_tier() {
    let settings = BlobSettings {
        access_tier: Some("Archive".to_owned()),
        encryption_scope: Some("ours".to_owned()),
        ..settings()
    };
    let written = says(201).tagged("0x1");
    let (store, script) = played(settings, &[written.clone(), written]);
    store.put(&key(), "x".into(), &PutOptions::default()).await.unwrap();
    store.create_upload(&key(), &PutOptions::default()).await.unwrap();
    let asked = script.asked();
    let tiers = [0, 1].map(|at: usize| asked[at].header("x-ms-access-tier"));
    assert_eq!(tiers, [Some("Archive"), None]);
    let scopes = [0, 1].map(|at: usize| asked[at].header("x-ms-encryption-scope"));
    assert_eq!(scopes, [Some("ours"); 2]);
}

#[tokio::test]
async fn a_signature_is_sent_and_signs_nothing_else() {
    let signed = BlobSettings {
        account_key: None,
        sas_token: Some(Secret::new("sv=1&sig=s3cr3t")),
        ..settings()
    };
    let (store, script) = played(signed, &[code(404, "BlobNotFound"), says(0)]);
    assert!(!store.capabilities().has(Capability::Presign));
    assert!(!format!("{store:?}").contains("s3cr3t"));
    let request = PresignRequest {
        method: PresignMethod::Get,
        expires_in: Duration::from_secs(60),
        content_type: None,
    };
    let error = store.presign(&key(), &request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    for _ in 0..2 {
        let error = store.head(&key(), &GetOptions::default()).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cr3t"));
    }
    let asked = &script.asked()[0];
    assert_eq!(asked.line, "HEAD /orders/a/b%20c?sv=1&sig=s3cr3t");
    assert_eq!(asked.header("authorization"), None);
}

//! Interceptors around every operation, and the scope that they see.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use omni_contracts::Contract;
use omni_storage::{
    Body, Call, Error, ErrorKind, Interceptor, Loader, Operation, PartNumber, PresignMethod,
    PresignRequest, Result, Scope, Storage, WriteId,
};
use tokio::io::AsyncWriteExt;

use crate::storages;

/// What is on by default, where configuration opens a storage.
const DEFAULTS: &[&str] = &["deadline", "breaker", "retry", "attempt-timeout"];

/// Counts operations, on whose behalf they are, and the bytes that pass.
#[derive(Debug, Default)]
struct Counted {
    operations: BTreeMap<&'static str, u64>,
    tenants: BTreeMap<String, u64>,
    repeatable: Vec<bool>,
}

#[derive(Debug, Default)]
struct Counting {
    seen: Arc<Mutex<Counted>>,
    bytes: Arc<AtomicU64>,
}

impl Interceptor for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    async fn around<T, F, Fut>(&self, call: &Call<'_>, attempt: F) -> Result<T>
    where
        T: Send,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        {
            let mut seen = self.seen.lock().unwrap();
            *seen.operations.entry(call.operation.as_str()).or_default() += 1;
            let tenant = call.scope.tenant.as_deref().unwrap_or_default().to_owned();
            *seen.tenants.entry(tenant).or_default() += 1;
            seen.repeatable.push(call.idempotency == Operation::Put.idempotency());
        }
        attempt().await
    }

    fn body(&self, _: &Call<'_>, body: Body) -> Body {
        let bytes = Arc::clone(&self.bytes);
        if let Some(whole) = body.as_bytes() {
            // Left as it is: a stream could not be sent again.
            bytes.fetch_add(whole.len() as u64, Ordering::Relaxed);
            return body;
        }
        let length = body.length();
        let counted = body.inspect(move |chunk| {
            let size = chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
            bytes.fetch_add(size, Ordering::Relaxed);
        });
        Body::from_stream(counted, length)
    }
}

/// Fails the first attempt of a put after it was made, then repeats it: a lost answer.
#[derive(Debug)]
struct LoseAnswers;

impl Interceptor for LoseAnswers {
    fn name(&self) -> &'static str {
        "lose-answers"
    }

    async fn around<T, F, Fut>(&self, _: &Call<'_>, attempt: F) -> Result<T>
    where
        T: Send,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        attempt().await?;
        attempt().await
    }
}

/// Refuses everything.
#[derive(Debug)]
struct Forbid;

impl Interceptor for Forbid {
    fn name(&self) -> &'static str {
        "forbid"
    }

    async fn around<T, F, Fut>(&self, _: &Call<'_>, _: F) -> Result<T>
    where
        T: Send,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        Err(Error::new(ErrorKind::PolicyDenied, "rule 7"))
    }
}

async fn every_call(storage: &Storage) {
    storage.check().await.unwrap();
    storage.put("a", "0123456789").await.unwrap();
    let mut writer = storage.writer("b").await.unwrap();
    writer.write_all(b"01234").await.unwrap();
    writer.finish().await.unwrap();
    storage.get("a").await.unwrap().bytes().await.unwrap();
    storage.get_ranges("a", [..1]).await.unwrap();
    storage.head("a").await.unwrap();
    storage.list("").await.unwrap();
    storage.copy("a", "c").await.unwrap();
    storage.delete("c").await.unwrap();
    assert!(storage.delete_many(["c", "d"]).await.iter().all(Result::is_ok));
    let upload = storage.create_upload("d").await.unwrap();
    let part = PartNumber::new(1).unwrap();
    let part = storage.upload_part("d", &upload, part, "0123").await.unwrap();
    storage.list_parts("d", &upload).await.unwrap();
    storage.list_uploads("", None).await.unwrap();
    storage.complete_upload("d", &upload, &[part]).await.unwrap();
    storage.abort_upload("d", &upload).await.unwrap();
    let request = PresignRequest {
        method: PresignMethod::Get,
        expires_in: Duration::from_secs(1),
        content_type: None,
    };
    assert!(storage.presign("a", &request).await.is_err());
    assert!(storage.versions("").await.is_err());
}

#[tokio::test]
async fn an_interceptor_sees_every_operation_and_every_byte() {
    let (_folder, storages) = storages().await;
    for storage in storages {
        let counting = Counting::default();
        let (seen, bytes) = (Arc::clone(&counting.seen), Arc::clone(&counting.bytes));
        let storage = storage.with_interceptor(counting);
        assert_eq!(storage.layers(), [&["counting"][..], DEFAULTS].concat());
        every_call(&storage).await;
        let seen = seen.lock().unwrap();
        let all: Vec<_> = Operation::of(Contract::Storage).map(Operation::as_str).collect();
        assert_eq!(seen.operations.keys().copied().collect::<Vec<_>>(), all);
        assert_eq!(seen.operations["put"], 2);
        // Two puts, one part, one get, one range.
        assert_eq!(bytes.load(Ordering::Relaxed), 10 + 5 + 4 + 10 + 1);
    }
}

#[tokio::test]
async fn the_scope_of_a_handle_reaches_every_layer() {
    let (_folder, storages) = storages().await;
    for storage in storages {
        let counting = Counting::default();
        let seen = Arc::clone(&counting.seen);
        let storage = storage.with_interceptor(counting);
        let scope = |tenant: &str| Scope { tenant: Some(tenant.into()), ..Scope::default() };
        let (one, two) = (storage.with_scope(scope("one")), storage.with_scope(scope("two")));
        storage.exists("a").await.unwrap();
        one.exists("a").await.unwrap();
        two.exists("a").await.unwrap();
        two.clone().exists("a").await.unwrap();
        assert_eq!(two.scope(), &scope("two"));
        let expected = [("", 1), ("one", 1), ("two", 2)].map(|(name, n)| (name.to_owned(), n));
        assert_eq!(seen.lock().unwrap().tenants, expected.into());
    }
}

#[tokio::test]
async fn a_conditional_put_may_be_repeated() {
    let (_folder, storages) = storages().await;
    for storage in storages {
        let counting = Counting::default();
        let seen = Arc::clone(&counting.seen);
        let storage = storage.with_interceptor(LoseAnswers).with_interceptor(counting);
        assert_eq!(storage.layers(), [&["counting", "lose-answers"][..], DEFAULTS].concat());
        storage.put("a", "1").if_absent().await.unwrap();
        storage.put("b", "1").if_absent().write_id(WriteId::new("mine").unwrap()).await.unwrap();
        assert_eq!(seen.lock().unwrap().repeatable, [true, true]);
        let other = storage.put("a", "2").if_absent().await.unwrap_err();
        assert_eq!(other.kind(), ErrorKind::AlreadyExists, "another write is another write");
    }
}

#[tokio::test]
async fn what_a_layer_refuses_is_refused_for_each() {
    let (_folder, storages) = storages().await;
    for storage in storages {
        let forbidden = storage.with_interceptor(Forbid);
        let refused = forbidden.put("a", "").await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PolicyDenied);
        let results = forbidden.delete_many(["a", "b"]).await;
        assert_eq!(results.len(), 2);
        for result in results {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::PolicyDenied);
        }
        storage.put("a", "").await.unwrap();
    }
}

async fn opened(layers: &str) -> Result<Storage> {
    let text = format!("[default.storage.main]\nprovider = 'memory'\n{layers}");
    let config = Loader::new().environment([("", ""); 0]).text(text).load()?;
    Storage::from_config(&config, "main").await
}

#[tokio::test]
async fn layers_are_configured() {
    for (layers, expected) in [
        ("", DEFAULTS),
        ("layers.off = ['breaker', 'deadline']", &["retry", "attempt-timeout"]),
        (
            "[default.storage.main.layers]\nconcurrency = 8\nhedge_after = '1s'\noff = ['breaker']",
            &["deadline", "retry", "hedge", "concurrency-limit", "attempt-timeout"],
        ),
    ] {
        let storage = opened(layers).await.unwrap();
        assert_eq!(storage.layers(), expected, "{layers}");
        storage.put("a", "1").await.unwrap();
        assert_eq!(storage.get("a").await.unwrap().text().await.unwrap(), "1");
    }
    let alone = Storage::from_provider(Arc::clone(opened("").await.unwrap().provider()));
    assert_eq!(alone.layers(), DEFAULTS, "the provider of a handle has its layers");
}

#[tokio::test]
async fn layers_that_cannot_be_are_refused_with_their_place() {
    for (layers, expected) in [
        ("layers.dead_line = '2s'", "unknown key `dead_line`, did you mean `deadline`"),
        ("layers.deadline = 2", "storage.main.layers.deadline"),
        ("layers.retry.attempts = 0", "layers: retry.attempts must be 1 to 100"),
        ("layers.off = ['telemetry']", "storage.main.layers.off"),
    ] {
        let error = opened(layers).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{layers}");
        let said = error.to_string();
        assert!(said.contains(expected) && said.contains("storage.main"), "{layers}: {said}");
    }
}

/// Fails the first attempts of everything, as a back-end that is just restarting.
#[derive(Debug)]
struct Restarting(AtomicU64);

impl Interceptor for Restarting {
    fn name(&self) -> &'static str {
        "restarting"
    }

    async fn around<T, F, Fut>(&self, _: &Call<'_>, attempt: F) -> Result<T>
    where
        T: Send,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        if self.0.fetch_add(1, Ordering::Relaxed) < 2 {
            return Err(Error::new(ErrorKind::Unavailable, "not yet"));
        }
        attempt().await
    }
}

#[tokio::test]
async fn what_passes_is_not_seen_by_the_application() {
    let settings = omni_storage::LayerSettings::default();
    let memory = opened("layers.off = ['deadline', 'breaker', 'retry', 'attempt-timeout']").await;
    let storage = memory
        .unwrap()
        .with_interceptor(Restarting(AtomicU64::new(0)))
        .with_interceptor(omni_storage::Layers::new(&settings).unwrap());
    storage.put("a", "1").if_absent().await.unwrap();
    assert_eq!(storage.get("a").await.unwrap().text().await.unwrap(), "1");
}

//! `Scene`: a provider that answers by a script and notes every attempt, with layers around it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use omni_contracts::storage::{
    ByteRange, Capabilities, CompleteOptions, CopyOptions, DeleteOptions, Deleted, GetOptions,
    GetResult, Key, ListPage, ListRequest, ObjectMeta, PageToken, Part, PartNumber, Prefix,
    PresignRequest, PresignedUrl, PutOptions, StorageProvider, UploadId, UploadPage, VersionPage,
    Written,
};
use omni_contracts::{Body, Effect, Error, ErrorKind, Operation, Result, Scope};
use omni_provider_memory::{MemorySettings, MemoryStorage};
use tokio::time::{Duration, Instant, sleep};

use super::{LayersSubject, Wrapped};
use crate::check::ok;
use crate::{Failure, Outcome};

/// How an attempt fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: ErrorKind,
    pub(crate) effect: Effect,
    pub(crate) wait: Option<Duration>,
    pub(crate) retryable: Option<bool>,
    pub(crate) message: &'static str,
}

/// What a back-end that is not there answers.
pub(crate) const DOWN: Fault = Fault::new(ErrorKind::Unavailable);
/// An answer that was lost.
pub(crate) const LOST: Fault = DOWN.with_effect(Effect::Unknown);

impl Fault {
    pub(crate) const fn new(kind: ErrorKind) -> Self {
        Self { kind, effect: Effect::No, wait: None, retryable: None, message: "by the script" }
    }

    pub(crate) const fn with_effect(self, effect: Effect) -> Self {
        Self { effect, ..self }
    }

    pub(crate) const fn with_wait(self, wait: Duration) -> Self {
        Self { wait: Some(wait), ..self }
    }

    pub(crate) const fn with_message(self, message: &'static str) -> Self {
        Self { message, ..self }
    }

    pub(crate) const fn with_retryable(self, retryable: bool) -> Self {
        Self { retryable: Some(retryable), ..self }
    }

    pub(crate) fn error(self, operation: Operation, resource: &str) -> Error {
        let mut error = Error::new(self.kind, self.message)
            .with_effect(self.effect)
            .with_source("the cause by the script");
        if let Some(wait) = self.wait {
            error = error.with_retry_after(wait);
        }
        if let Some(retryable) = self.retryable {
            error = error.with_retryable(retryable);
        }
        error.at(operation, NAME, resource)
    }
}

/// The name of the provider.
pub(crate) const NAME: &str = "scripted";

/// What happens in one attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    after: Duration,
    answer: Answer,
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    /// The operation is done.
    Done,
    Fails(Fault),
    /// The operation is done, and its answer fails.
    DoneBut(Fault),
    /// The content breaks after so many bytes.
    Breaks(usize, Fault),
    /// Of a batch of deletes, these keys fail.
    Keys(&'static [(&'static str, Fault)]),
}

/// Longer than any wait of a check: an attempt that is never answered.
const NEVER: Duration = Duration::from_secs(10 * 86_400);

/// The operation is done at once.
pub(crate) const DONE: Step = Step { after: Duration::ZERO, answer: Answer::Done };
/// No answer comes.
pub(crate) const HANGS: Step = DONE.after(NEVER);

impl Step {
    pub(crate) const fn fails(fault: Fault) -> Self {
        Self { after: Duration::ZERO, answer: Answer::Fails(fault) }
    }

    pub(crate) const fn done_but(fault: Fault) -> Self {
        Self { after: Duration::ZERO, answer: Answer::DoneBut(fault) }
    }

    pub(crate) const fn breaks(after: usize, fault: Fault) -> Self {
        Self { after: Duration::ZERO, answer: Answer::Breaks(after, fault) }
    }

    pub(crate) const fn keys(faults: &'static [(&'static str, Fault)]) -> Self {
        Self { after: Duration::ZERO, answer: Answer::Keys(faults) }
    }

    pub(crate) const fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }
}

/// One attempt, as the provider saw it. Times are since the scene began.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) operation: Operation,
    pub(super) resource: String,
    /// The payload; for a batch of deletes, its keys.
    pub(super) payload: String,
    pub(super) begun: Duration,
    pub(super) ended: Option<Duration>,
    /// Whether it was answered; one that ended otherwise was dropped.
    pub(super) answered: bool,
}

/// A provider that answers by a script: the n-th attempt by the n-th step, those after the last one by
/// the last one.
#[derive(Debug)]
struct Scripted {
    inner: MemoryStorage,
    begun: Instant,
    script: Vec<Step>,
    log: Arc<Mutex<Vec<Attempt>>>,
}

/// A provider that answers by this script, and what is behind it.
#[cfg(feature = "telemetry")]
pub(crate) fn scripted(script: &[Step]) -> (MemoryStorage, Arc<dyn StorageProvider>) {
    let inner = MemoryStorage::new(MemorySettings::default());
    let provider = Scripted {
        inner: inner.clone(),
        begun: Instant::now(),
        script: script.to_vec(),
        log: Arc::default(),
    };
    (inner, Arc::new(provider))
}

/// The scene of a check.
pub(super) struct Scene {
    wrapped: Wrapped,
    log: Arc<Mutex<Vec<Attempt>>>,
    begun: Instant,
    /// Beside the layers.
    pub(super) inner: MemoryStorage,
    /// Through the layers.
    pub(super) store: Arc<dyn StorageProvider>,
}

impl Scene {
    pub(super) fn new(
        subject: &dyn LayersSubject,
        settings: &str,
        script: &[Step],
    ) -> std::result::Result<Self, Failure> {
        let inner = MemoryStorage::new(MemorySettings::default());
        let log = Arc::<Mutex<Vec<Attempt>>>::default();
        let begun = Instant::now();
        let provider = Arc::new(Scripted {
            inner: inner.clone(),
            begun,
            script: script.to_vec(),
            log: Arc::clone(&log),
        });
        let wrapped = subject.wrap(settings, provider).map_err(|error| {
            Failure::new(format!("layers with {settings}"), "layers", error.to_string())
        })?;
        let store = wrapped(Scope::default());
        Ok(Self { wrapped, log, begun, inner, store })
    }

    /// A handle whose caller stops waiting after `time`.
    pub(super) fn within(&self, time: Duration) -> Arc<dyn StorageProvider> {
        self.until(Instant::now() + time)
    }

    /// A handle whose caller stops waiting then.
    pub(super) fn until(&self, deadline: Instant) -> Arc<dyn StorageProvider> {
        (self.wrapped)(Scope { deadline: Some(deadline.into_std()), ..Scope::default() })
    }

    /// Stores an object beside the layers.
    pub(super) async fn stored(&self, name: &str, content: &'static str) -> Outcome {
        let put = self.inner.put(&key(name), Body::from(content), &PutOptions::default()).await;
        ok("a put beside the layers", put).map(drop)
    }

    /// The attempts so far.
    pub(super) fn attempts(&self) -> Vec<Attempt> {
        locked(&self.log).clone()
    }

    /// The time since the scene began.
    pub(super) fn now(&self) -> Duration {
        self.begun.elapsed()
    }
}

pub(super) fn key(text: &str) -> Key {
    Key::new(text).unwrap_or_else(|error| panic!("{error}"))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes the end of an attempt, also when it is dropped.
struct Noted<'a> {
    scripted: &'a Scripted,
    index: usize,
    answered: bool,
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        if let Some(attempt) = locked(&self.scripted.log).get_mut(self.index) {
            attempt.ended = Some(self.scripted.begun.elapsed());
            attempt.answered = self.answered;
        }
    }
}

impl Scripted {
    /// Notes the attempt, and waits as the script says.
    async fn begin(
        &self,
        operation: Operation,
        resource: &str,
        payload: String,
    ) -> (Noted<'_>, Answer) {
        let index = {
            let mut log = locked(&self.log);
            log.push(Attempt {
                operation,
                resource: resource.to_owned(),
                payload,
                begun: self.begun.elapsed(),
                ended: None,
                answered: false,
            });
            log.len() - 1
        };
        let noted = Noted { scripted: self, index, answered: false };
        let step = self.script.get(index).or(self.script.last()).copied().unwrap_or(DONE);
        if !step.after.is_zero() {
            sleep(step.after).await;
        }
        (noted, step.answer)
    }

    async fn play<T>(
        &self,
        operation: Operation,
        resource: &str,
        payload: String,
        real: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let (noted, answer) = self.begin(operation, resource, payload).await;
        noted.finish(answer, real).await
    }

    /// The bytes of a payload, noted; a stream is read to its end first.
    async fn received(&self, noted: &Noted<'_>, body: Body) -> Result<Body> {
        let bytes = body.collect().await?;
        if let Some(attempt) = locked(&self.log).get_mut(noted.index) {
            attempt.payload = String::from_utf8_lossy(&bytes).into_owned();
        }
        Ok(Body::from(bytes))
    }
}

impl Noted<'_> {
    async fn finish<T>(
        mut self,
        answer: Answer,
        real: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let (operation, resource) = match locked(&self.scripted.log).get(self.index) {
            Some(attempt) => (attempt.operation, attempt.resource.clone()),
            None => (Operation::Check, String::new()),
        };
        let result = match answer {
            Answer::Fails(fault) => Err(fault.error(operation, &resource)),
            Answer::DoneBut(fault) => match real.await {
                Ok(_) => Err(fault.error(operation, &resource)),
                failed => failed,
            },
            Answer::Done | Answer::Breaks(..) | Answer::Keys(_) => real.await,
        };
        self.answered = true;
        result
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl StorageProvider for Scripted {
    fn name(&self) -> &str {
        NAME
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    fn layers(&self) -> Vec<&'static str> {
        Vec::new()
    }

    async fn check(&self) -> Result<()> {
        self.play(Operation::Check, "", String::new(), self.inner.check()).await
    }

    async fn put(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Written> {
        let (noted, answer) = self.begin(Operation::Put, key.as_str(), String::new()).await;
        let body = self.received(&noted, body).await?;
        noted.finish(answer, self.inner.put(key, body, options)).await
    }

    async fn get(&self, key: &Key, options: &GetOptions) -> Result<GetResult> {
        let (mut noted, answer) = self.begin(Operation::Get, key.as_str(), String::new()).await;
        noted.answered = true;
        if let Answer::Fails(fault) | Answer::DoneBut(fault) = answer {
            return Err(fault.error(Operation::Get, key.as_str()));
        }
        let mut result = self.inner.get(key, options).await?;
        if let Answer::Breaks(after, fault) = answer {
            let bytes = result.body.collect().await?;
            let length = bytes.len() as u64;
            let chunks = [
                Ok(bytes.slice(..after.min(bytes.len()))),
                Err(fault.error(Operation::Get, key.as_str())),
            ];
            result.body = Body::from_stream(stream::iter(chunks), Some(length));
        }
        Ok(result)
    }

    async fn get_ranges(
        &self,
        key: &Key,
        ranges: &[ByteRange],
        options: &GetOptions,
    ) -> Result<Vec<Bytes>> {
        let real = self.inner.get_ranges(key, ranges, options);
        self.play(Operation::GetRanges, key.as_str(), String::new(), real).await
    }

    async fn head(&self, key: &Key, options: &GetOptions) -> Result<ObjectMeta> {
        let real = self.inner.head(key, options);
        self.play(Operation::Head, key.as_str(), String::new(), real).await
    }

    async fn delete(&self, key: &Key, options: &DeleteOptions) -> Result<Deleted> {
        let real = self.inner.delete(key, options);
        self.play(Operation::Delete, key.as_str(), String::new(), real).await
    }

    async fn delete_many(&self, keys: &[Key]) -> Vec<Result<Deleted>> {
        let said = keys.iter().map(Key::as_str).collect::<Vec<_>>().join(" ");
        let (mut noted, answer) = self.begin(Operation::DeleteMany, "", said).await;
        noted.answered = true;
        let mut results = Vec::with_capacity(keys.len());
        for key in keys {
            let fault = match answer {
                Answer::Fails(fault) | Answer::DoneBut(fault) => Some(fault),
                Answer::Keys(faults) => {
                    faults.iter().find(|(name, _)| *name == key.as_str()).map(|(_, fault)| *fault)
                }
                Answer::Done | Answer::Breaks(..) => None,
            };
            results.push(match fault {
                Some(fault) => Err(fault.error(Operation::DeleteMany, key.as_str())),
                None => self.inner.delete(key, &DeleteOptions::default()).await,
            });
        }
        results
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage> {
        let real = self.inner.list(request);
        self.play(Operation::List, request.prefix.as_str(), String::new(), real).await
    }

    async fn list_versions(
        &self,
        prefix: &Prefix,
        token: Option<&PageToken>,
        limit: Option<usize>,
    ) -> Result<VersionPage> {
        let real = self.inner.list_versions(prefix, token, limit);
        self.play(Operation::ListVersions, prefix.as_str(), String::new(), real).await
    }

    async fn copy(&self, from: &Key, to: &Key, options: &CopyOptions) -> Result<Written> {
        let real = self.inner.copy(from, to, options);
        self.play(Operation::Copy, to.as_str(), from.as_str().to_owned(), real).await
    }

    async fn create_upload(&self, key: &Key, options: &PutOptions) -> Result<UploadId> {
        let real = self.inner.create_upload(key, options);
        self.play(Operation::CreateUpload, key.as_str(), String::new(), real).await
    }

    async fn upload_part(
        &self,
        key: &Key,
        upload: &UploadId,
        number: PartNumber,
        body: Body,
    ) -> Result<Part> {
        let (noted, answer) = self.begin(Operation::UploadPart, key.as_str(), String::new()).await;
        let body = self.received(&noted, body).await?;
        noted.finish(answer, self.inner.upload_part(key, upload, number, body)).await
    }

    async fn list_parts(&self, key: &Key, upload: &UploadId) -> Result<Vec<Part>> {
        let real = self.inner.list_parts(key, upload);
        self.play(Operation::ListParts, key.as_str(), String::new(), real).await
    }

    async fn complete_upload(
        &self,
        key: &Key,
        upload: &UploadId,
        parts: &[Part],
        options: &CompleteOptions,
    ) -> Result<Written> {
        let real = self.inner.complete_upload(key, upload, parts, options);
        self.play(Operation::CompleteUpload, key.as_str(), String::new(), real).await
    }

    async fn abort_upload(&self, key: &Key, upload: &UploadId) -> Result<()> {
        let real = self.inner.abort_upload(key, upload);
        self.play(Operation::AbortUpload, key.as_str(), String::new(), real).await
    }

    async fn list_uploads(&self, prefix: &Prefix, token: Option<&PageToken>) -> Result<UploadPage> {
        let real = self.inner.list_uploads(prefix, token);
        self.play(Operation::ListUploads, prefix.as_str(), String::new(), real).await
    }

    async fn presign(&self, key: &Key, request: &PresignRequest) -> Result<PresignedUrl> {
        let real = self.inner.presign(key, request);
        self.play(Operation::Presign, key.as_str(), String::new(), real).await
    }
}

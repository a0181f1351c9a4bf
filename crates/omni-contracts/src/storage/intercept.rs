//! `Intercepted`: the one adapter between an [`Interceptor`] and the storage contract.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    ByteRange, Capabilities, CompleteOptions, CopyOptions, DeleteOptions, Deleted, GetOptions,
    GetResult, Key, ListPage, ListRequest, ObjectMeta, PageToken, Part, PartNumber, Prefix,
    PresignRequest, PresignedUrl, PutOptions, StorageProvider, UploadId, UploadPage, VersionPage,
    Written,
};
use crate::batch::Batch;
use crate::{Body, Call, Contract, Error, ErrorKind, Interceptor, Operation, Result, Scope};

/// A provider with an [`Interceptor`] around every operation, the bodies of streams included.
#[derive(Debug)]
pub struct Intercepted<I, P: ?Sized = dyn StorageProvider> {
    interceptor: I,
    scope: Scope,
    /// The provider's name: asked for once, not through every layer in every call.
    name: String,
    inner: Arc<P>,
}

impl<I: Interceptor, P: StorageProvider + ?Sized> Intercepted<I, P> {
    /// Puts `interceptor` around `inner`; calls are made on behalf of `scope`.
    #[must_use]
    pub fn new(interceptor: I, inner: Arc<P>, scope: Scope) -> Self {
        Self { interceptor, scope, name: inner.name().to_owned(), inner }
    }

    fn call<'a>(&'a self, operation: Operation, resource: &'a str) -> Call<'a> {
        Call::new(Contract::Storage, operation, &self.name, resource, &self.scope)
    }
}

/// A payload that may be asked for once per attempt.
enum Payload {
    /// Bytes in memory: as often as wanted.
    Whole(Bytes),
    /// A stream: once.
    Once(Mutex<Option<Body>>),
}

impl Payload {
    fn new(body: Body) -> Self {
        match body.into_bytes() {
            Ok(bytes) => Self::Whole(bytes),
            Err(stream) => Self::Once(Mutex::new(Some(stream))),
        }
    }

    fn is_replayable(&self) -> bool {
        matches!(self, Self::Whole(_))
    }

    fn take(&self) -> Result<Body> {
        match self {
            Self::Whole(bytes) => Ok(Body::from(bytes.clone())),
            Self::Once(slot) => {
                let body = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
                body.ok_or_else(|| {
                    Error::new(ErrorKind::Internal, "a one-time stream cannot be sent again")
                })
            }
        }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<I: Interceptor, P: StorageProvider + ?Sized> StorageProvider for Intercepted<I, P> {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    fn layers(&self) -> Vec<&'static str> {
        let mut layers = self.interceptor.layers();
        layers.extend(self.inner.layers());
        layers
    }

    async fn check(&self) -> Result<()> {
        let call = self.call(Operation::Check, "");
        self.interceptor.around(&call, || self.inner.check()).await
    }

    async fn put(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Written> {
        let mut call = self.call(Operation::Put, key.as_str());
        call.idempotency = options.idempotency();
        call.size = body.length();
        let payload = Payload::new(body);
        call.replayable = payload.is_replayable();
        let attempt = || async {
            let body = self.interceptor.body(&call, payload.take()?);
            self.inner.put(key, body, options).await
        };
        self.interceptor.around(&call, attempt).await
    }

    async fn get(&self, key: &Key, options: &GetOptions) -> Result<GetResult> {
        let call = self.call(Operation::Get, key.as_str());
        let mut result = self.interceptor.around(&call, || self.inner.get(key, options)).await?;
        result.body = self.interceptor.body(&call, result.body);
        Ok(result)
    }

    async fn get_ranges(
        &self,
        key: &Key,
        ranges: &[ByteRange],
        options: &GetOptions,
    ) -> Result<Vec<Bytes>> {
        let call = self.call(Operation::GetRanges, key.as_str());
        let attempt = || self.inner.get_ranges(key, ranges, options);
        let mut contents = self.interceptor.around(&call, attempt).await?;
        for content in &mut contents {
            *content = self.interceptor.body(&call, Body::from(content.clone())).collect().await?;
        }
        Ok(contents)
    }

    async fn head(&self, key: &Key, options: &GetOptions) -> Result<ObjectMeta> {
        let call = self.call(Operation::Head, key.as_str());
        self.interceptor.around(&call, || self.inner.head(key, options)).await
    }

    async fn delete(&self, key: &Key, options: &DeleteOptions) -> Result<Deleted> {
        let mut call = self.call(Operation::Delete, key.as_str());
        call.idempotency = options.idempotency();
        self.interceptor.around(&call, || self.inner.delete(key, options)).await
    }

    async fn delete_many(&self, keys: &[Key]) -> Vec<Result<Deleted>> {
        let call = self.call(Operation::DeleteMany, "");
        let batch = Batch::new(keys, call.idempotency);
        let attempt = || async {
            let open = batch.open();
            batch.record(&open, self.inner.delete_many(&open.items).await)
        };
        let outcome = self.interceptor.around(&call, attempt).await;
        batch.results(outcome, &call, Key::as_str)
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage> {
        let call = self.call(Operation::List, request.prefix.as_str());
        self.interceptor.around(&call, || self.inner.list(request)).await
    }

    async fn list_versions(
        &self,
        prefix: &Prefix,
        token: Option<&PageToken>,
        limit: Option<usize>,
    ) -> Result<VersionPage> {
        let call = self.call(Operation::ListVersions, prefix.as_str());
        self.interceptor.around(&call, || self.inner.list_versions(prefix, token, limit)).await
    }

    async fn copy(&self, from: &Key, to: &Key, options: &CopyOptions) -> Result<Written> {
        let mut call = self.call(Operation::Copy, to.as_str());
        call.idempotency = options.idempotency();
        self.interceptor.around(&call, || self.inner.copy(from, to, options)).await
    }

    async fn create_upload(&self, key: &Key, options: &PutOptions) -> Result<UploadId> {
        let call = self.call(Operation::CreateUpload, key.as_str());
        self.interceptor.around(&call, || self.inner.create_upload(key, options)).await
    }

    async fn upload_part(
        &self,
        key: &Key,
        upload: &UploadId,
        number: PartNumber,
        body: Body,
    ) -> Result<Part> {
        let mut call = self.call(Operation::UploadPart, key.as_str());
        call.size = body.length();
        let payload = Payload::new(body);
        call.replayable = payload.is_replayable();
        let attempt = || async {
            let body = self.interceptor.body(&call, payload.take()?);
            self.inner.upload_part(key, upload, number, body).await
        };
        self.interceptor.around(&call, attempt).await
    }

    async fn list_parts(&self, key: &Key, upload: &UploadId) -> Result<Vec<Part>> {
        let call = self.call(Operation::ListParts, key.as_str());
        self.interceptor.around(&call, || self.inner.list_parts(key, upload)).await
    }

    async fn complete_upload(
        &self,
        key: &Key,
        upload: &UploadId,
        parts: &[Part],
        options: &CompleteOptions,
    ) -> Result<Written> {
        let call = self.call(Operation::CompleteUpload, key.as_str());
        let attempt = || self.inner.complete_upload(key, upload, parts, options);
        self.interceptor.around(&call, attempt).await
    }

    async fn abort_upload(&self, key: &Key, upload: &UploadId) -> Result<()> {
        let call = self.call(Operation::AbortUpload, key.as_str());
        self.interceptor.around(&call, || self.inner.abort_upload(key, upload)).await
    }

    async fn list_uploads(&self, prefix: &Prefix, token: Option<&PageToken>) -> Result<UploadPage> {
        let call = self.call(Operation::ListUploads, prefix.as_str());
        self.interceptor.around(&call, || self.inner.list_uploads(prefix, token)).await
    }

    async fn presign(&self, key: &Key, request: &PresignRequest) -> Result<PresignedUrl> {
        let call = self.call(Operation::Presign, key.as_str());
        self.interceptor.around(&call, || self.inner.presign(key, request)).await
    }
}

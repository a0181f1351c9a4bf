//! `Sabotage`: what a mutant does instead of the honest provider, as data; and `Sabotaged`, the
//! provider that does it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use omni_contracts::storage::{
    ByteRange, Capabilities, Capability, CompleteOptions, CopyOptions, DeleteOptions, Deleted,
    GetOptions, GetResult, Key, ListPage, ListRequest, ObjectMeta, PageToken, Part, PartNumber,
    Prefix, PresignRequest, PresignedUrl, PutOptions, StorageProvider, UploadId, UploadPage,
    VersionPage, Written,
};
use omni_contracts::{Body, Error, ErrorKind, Result};
use omni_provider_memory::{MemorySettings, MemoryStorage};

use super::Mutant;
use super::calls::{
    Complete, Copy, Delete, Get, GetRanges, List, ListMore, Put, Upload, UploadPart,
};
use super::gate::{Gate, Grant, LIMIT};

/// What stands in for one operation.
pub(super) type Hook<A, T> = for<'a> fn(&'a Store, A) -> BoxFuture<'a, T>;

/// What is read instead of a range that is asked for, given the size of the object.
pub(super) type RangeChange = fn(ByteRange, u64) -> Result<ByteRange, ErrorKind>;

/// Defines [`Sabotage`], [`HONEST`] and a setter of [`Mutant`] for each field.
macro_rules! sabotage {
    ($($(#[$doc:meta])* $field:ident: $type:ty = $honest:expr;)*) => {
        /// What a mutant does, operation by operation. [`HONEST`] is the provider as it is; a mutant
        /// replaces as little of it as it can.
        #[derive(Clone, Copy)]
        pub(super) struct Sabotage {
            $($(#[$doc])* $field: $type,)*
        }

        /// Passes everything on as it is.
        pub(super) const HONEST: Sabotage = Sabotage { $($field: $honest,)* };

        impl Mutant {
            $($(#[$doc])* pub(super) const fn $field(mut self, instead: $type) -> Self {
                self.sabotage.$field = instead;
                self
            })*
        }
    };
}

sabotage! {
    /// Each key on its way in.
    key: fn(Key) -> Key = |key| key;
    /// The content of a put; it is streamed through when there is nothing to change.
    written: Option<fn(Bytes) -> Bytes> = None;
    /// The content of a get.
    read: Option<fn(Bytes) -> Bytes> = None;
    /// What is read instead of a range that is asked for, given the size of the object.
    range: Option<RangeChange> = None;
    /// The options of a put.
    options: fn(&mut PutOptions) = |_| ();
    /// The options of get, get_ranges and head.
    asked: fn(&mut GetOptions) = |_| ();
    /// The answer of put.
    stored: fn(&mut Written) = |_| ();
    /// The description that get answers with.
    got: fn(&mut ObjectMeta) = |_| ();
    /// The answer of head.
    described: fn(&mut ObjectMeta) = |_| ();
    /// The answer of list.
    page: fn(&ListRequest, &mut ListPage) = |_, _| ();
    /// Each error on its way out.
    error: fn(Error) -> Error = |error| error;
    /// The request for a presigned URL.
    asked_to_sign: fn(&mut PresignRequest) = |_| ();
    /// What a presigned request permits.
    granted: fn(&mut Grant) = |_| ();
    /// The answer of presign.
    presigned: fn(&PresignRequest, &mut PresignedUrl) = |_, _| ();
    /// What is declared.
    capabilities: fn(&Store, Capabilities) -> Capabilities = |_, declared| declared;
    check: Hook<(), Result<()>> = |store, ()| store.inner.check();
    put: Hook<Put, Result<Written>> = |store, put| Box::pin(put.to(&*store.inner));
    get: Hook<Get, Result<GetResult>> = |store, get| Box::pin(get.from(&*store.inner));
    get_ranges: Hook<GetRanges, Result<Vec<Bytes>>> = |store, get| Box::pin(get.from(&*store.inner));
    head: Hook<Get, Result<ObjectMeta>> = |store, head| Box::pin(head.head(&*store.inner));
    delete: Hook<Delete, Result<Deleted>> = |store, delete| Box::pin(delete.from(&*store.inner));
    delete_many: Hook<Vec<Key>, Vec<Result<Deleted>>> = |store, keys| Box::pin(async move { store.inner.delete_many(&keys).await });
    list: Hook<List, Result<ListPage>> = |store, list| Box::pin(list.from(&*store.inner));
    list_versions: Hook<ListMore, Result<VersionPage>> = |store, list| Box::pin(list.versions(&*store.inner));
    copy: Hook<Copy, Result<Written>> = |store, copy| Box::pin(copy.within(&*store.inner));
    create_upload: Hook<Put, Result<UploadId>> = |store, put| Box::pin(put.begin(&*store.inner));
    upload_part: Hook<UploadPart, Result<Part>> = |store, part| Box::pin(part.to(&*store.inner));
    list_parts: Hook<Upload, Result<Vec<Part>>> = |store, upload| Box::pin(upload.parts(&*store.inner));
    complete_upload: Hook<Complete, Result<Written>> = |store, complete| Box::pin(complete.at(&*store.inner));
    abort_upload: Hook<Upload, Result<()>> = |store, upload| Box::pin(upload.abort(&*store.inner));
    list_uploads: Hook<ListMore, Result<UploadPage>> = |store, list| Box::pin(list.uploads(&*store.inner));
}

/// A failure of `kind`.
pub(super) fn fail<T>(kind: ErrorKind) -> Result<T> {
    Err(Error::new(kind, "as the mutant wants it"))
}

/// What a mutant works with: the honest provider, and a little memory of its own.
pub(super) struct Store {
    /// The honest provider.
    pub(super) inner: Arc<dyn StorageProvider>,
    /// The mutant's own memory.
    pub(super) scratch: Arc<Scratch>,
    /// Where presigned requests are sent to, and the name of the store there.
    pub(super) gate: Option<(Arc<Gate>, String)>,
}

/// A mutant's own memory: of one store, or of one handle.
pub(super) struct Scratch {
    /// Another store, for what the mutant hides, remembers or forgets.
    pub(super) shadow: MemoryStorage,
    calls: AtomicU64,
}

impl Scratch {
    pub(super) fn new() -> Self {
        Self { shadow: MemoryStorage::new(MemorySettings::default()), calls: AtomicU64::new(0) }
    }
}

impl Store {
    /// The other store.
    pub(super) fn shadow(&self) -> &MemoryStorage {
        &self.scratch.shadow
    }

    /// Whether `key` has an object in the other store.
    pub(super) async fn marked(&self, key: &Key) -> bool {
        self.shadow().head(key, &GetOptions::default()).await.is_ok()
    }

    /// Puts `key` into the other store.
    pub(super) async fn mark(&self, key: &Key, content: impl Into<Body>) {
        let marked = self.shadow().put(key, content.into(), &PutOptions::default()).await;
        debug_assert!(marked.is_ok(), "the other store takes every portable key");
    }

    /// Removes `key` from the other store.
    pub(super) async fn unmark(&self, key: &Key) {
        let unmarked = self.shadow().delete(key, &DeleteOptions::default()).await;
        debug_assert!(unmarked.is_ok(), "the other store deletes every key");
    }

    /// The whole content of `key` in the other store, nothing when there is none.
    pub(super) async fn remembered(&self, key: &Key) -> Bytes {
        match self.shadow().get(key, &GetOptions::default()).await {
            Ok(found) => found.body.collect().await.unwrap_or_default(),
            Err(_) => Bytes::new(),
        }
    }

    /// How often this was asked before.
    pub(super) fn count(&self) -> u64 {
        self.scratch.calls.fetch_add(1, Ordering::SeqCst)
    }

    /// Whether `key` has an object.
    pub(super) async fn has(&self, key: &Key) -> bool {
        self.meta(key).await.is_ok()
    }

    /// What is known about `key`.
    pub(super) async fn meta(&self, key: &Key) -> Result<ObjectMeta> {
        self.inner.head(key, &GetOptions::default()).await
    }

    /// What the write of `key` returned.
    pub(super) async fn stored(&self, key: &Key) -> Result<Written> {
        Ok(self.meta(key).await?.written())
    }

    /// The whole content of `key`, nothing when there is none.
    pub(super) async fn content(&self, key: &Key) -> Bytes {
        match self.inner.get(key, &GetOptions::default()).await {
            Ok(found) => found.body.collect().await.unwrap_or_default(),
            Err(_) => Bytes::new(),
        }
    }
}

/// The honest provider with a [`Sabotage`] around it.
pub(super) struct Sabotaged {
    store: Store,
    capabilities: Capabilities,
    sabotage: Sabotage,
}

impl Sabotaged {
    pub(super) fn new(store: Store, sabotage: Sabotage) -> Self {
        let mut declared = store.inner.capabilities().clone();
        if store.gate.is_some() {
            declared = declared.with(&[Capability::Presign]);
            declared.limits.max_presign_expiry = Some(LIMIT);
        }
        let capabilities = (sabotage.capabilities)(&store, declared);
        Self { store, capabilities, sabotage }
    }

    /// The same, which declares just this.
    #[cfg(feature = "failover")]
    pub(super) fn declaring(store: Store, sabotage: Sabotage, capabilities: Capabilities) -> Self {
        Self { store, capabilities, sabotage }
    }

    fn key(&self, key: &Key) -> Key {
        (self.sabotage.key)(key.clone())
    }

    fn get_call(&self, key: &Key, options: &GetOptions) -> Get {
        let mut get = Get { key: self.key(key), options: options.clone() };
        (self.sabotage.asked)(&mut get.options);
        get
    }

    async fn range(&self, get: &Get, asked: ByteRange) -> Result<ByteRange> {
        let Some(change) = self.sabotage.range else { return Ok(asked) };
        let size = get.clone().head(&*self.store.inner).await?.size;
        change(asked, size).map_err(|kind| Error::new(kind, "no such range"))
    }

    fn upload_call(&self, key: &Key, upload: &UploadId) -> Upload {
        Upload { key: self.key(key), id: upload.clone() }
    }
}

impl fmt::Debug for Sabotaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sabotaged").field("inner", &self.store.inner).finish_non_exhaustive()
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl StorageProvider for Sabotaged {
    fn name(&self) -> &str {
        self.store.inner.name()
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn layers(&self) -> Vec<&'static str> {
        self.store.inner.layers()
    }

    async fn check(&self) -> Result<()> {
        (self.sabotage.check)(&self.store, ()).await.map_err(self.sabotage.error)
    }

    async fn put(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Written> {
        let mut put = Put { key: self.key(key), body, options: options.clone() };
        (self.sabotage.options)(&mut put.options);
        if let Some(change) = self.sabotage.written {
            put.body = change(put.body.collect().await?).into();
        }
        let mut written =
            (self.sabotage.put)(&self.store, put).await.map_err(self.sabotage.error)?;
        (self.sabotage.stored)(&mut written);
        Ok(written)
    }

    async fn get(&self, key: &Key, options: &GetOptions) -> Result<GetResult> {
        let mut get = self.get_call(key, options);
        get.options.range = self.range(&get, options.range).await?;
        let mut result =
            (self.sabotage.get)(&self.store, get).await.map_err(self.sabotage.error)?;
        (self.sabotage.got)(&mut result.meta);
        if let Some(change) = self.sabotage.read {
            result.body = change(result.body.collect().await?).into();
        }
        Ok(result)
    }

    async fn get_ranges(
        &self,
        key: &Key,
        ranges: &[ByteRange],
        options: &GetOptions,
    ) -> Result<Vec<Bytes>> {
        let get = self.get_call(key, options);
        let mut changed = Vec::new();
        for range in ranges {
            changed.push(self.range(&get, *range).await?);
        }
        let get = GetRanges { get, ranges: changed };
        (self.sabotage.get_ranges)(&self.store, get).await.map_err(self.sabotage.error)
    }

    async fn head(&self, key: &Key, options: &GetOptions) -> Result<ObjectMeta> {
        let head = self.get_call(key, options);
        let mut meta =
            (self.sabotage.head)(&self.store, head).await.map_err(self.sabotage.error)?;
        (self.sabotage.described)(&mut meta);
        Ok(meta)
    }

    async fn delete(&self, key: &Key, options: &DeleteOptions) -> Result<Deleted> {
        let delete = Delete { key: self.key(key), options: options.clone() };
        (self.sabotage.delete)(&self.store, delete).await.map_err(self.sabotage.error)
    }

    async fn delete_many(&self, keys: &[Key]) -> Vec<Result<Deleted>> {
        let keys = keys.iter().map(|key| self.key(key)).collect();
        let results = (self.sabotage.delete_many)(&self.store, keys).await;
        results.into_iter().map(|result| result.map_err(self.sabotage.error)).collect()
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage> {
        let list = List(request.clone());
        let mut page =
            (self.sabotage.list)(&self.store, list).await.map_err(self.sabotage.error)?;
        (self.sabotage.page)(request, &mut page);
        Ok(page)
    }

    async fn list_versions(
        &self,
        prefix: &Prefix,
        token: Option<&PageToken>,
        limit: Option<usize>,
    ) -> Result<VersionPage> {
        let list = ListMore { prefix: prefix.clone(), token: token.cloned(), limit };
        (self.sabotage.list_versions)(&self.store, list).await.map_err(self.sabotage.error)
    }

    async fn copy(&self, from: &Key, to: &Key, options: &CopyOptions) -> Result<Written> {
        let copy = Copy { from: self.key(from), to: self.key(to), options: options.clone() };
        (self.sabotage.copy)(&self.store, copy).await.map_err(self.sabotage.error)
    }

    async fn create_upload(&self, key: &Key, options: &PutOptions) -> Result<UploadId> {
        let put = Put { key: self.key(key), body: Body::empty(), options: options.clone() };
        (self.sabotage.create_upload)(&self.store, put).await.map_err(self.sabotage.error)
    }

    async fn upload_part(
        &self,
        key: &Key,
        upload: &UploadId,
        number: PartNumber,
        body: Body,
    ) -> Result<Part> {
        let part = UploadPart { upload: self.upload_call(key, upload), number, body };
        (self.sabotage.upload_part)(&self.store, part).await.map_err(self.sabotage.error)
    }

    async fn list_parts(&self, key: &Key, upload: &UploadId) -> Result<Vec<Part>> {
        let upload = self.upload_call(key, upload);
        (self.sabotage.list_parts)(&self.store, upload).await.map_err(self.sabotage.error)
    }

    async fn complete_upload(
        &self,
        key: &Key,
        upload: &UploadId,
        parts: &[Part],
        options: &CompleteOptions,
    ) -> Result<Written> {
        let complete = Complete {
            upload: self.upload_call(key, upload),
            parts: parts.to_vec(),
            options: options.clone(),
        };
        (self.sabotage.complete_upload)(&self.store, complete).await.map_err(self.sabotage.error)
    }

    async fn abort_upload(&self, key: &Key, upload: &UploadId) -> Result<()> {
        let upload = self.upload_call(key, upload);
        (self.sabotage.abort_upload)(&self.store, upload).await.map_err(self.sabotage.error)
    }

    async fn list_uploads(&self, prefix: &Prefix, token: Option<&PageToken>) -> Result<UploadPage> {
        let list = ListMore { prefix: prefix.clone(), token: token.cloned(), limit: None };
        (self.sabotage.list_uploads)(&self.store, list).await.map_err(self.sabotage.error)
    }

    async fn presign(&self, key: &Key, request: &PresignRequest) -> Result<PresignedUrl> {
        let mut asked = request.clone();
        (self.sabotage.asked_to_sign)(&mut asked);
        let Some((gate, store)) = &self.store.gate else {
            return self.store.inner.presign(key, &asked).await.map_err(self.sabotage.error);
        };
        let mut grant = Gate::grant(key, &asked).map_err(self.sabotage.error)?;
        (self.sabotage.granted)(&mut grant);
        let mut url = gate.sign(store, key, &grant);
        (self.sabotage.presigned)(request, &mut url);
        Ok(url)
    }
}

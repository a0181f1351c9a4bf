//! `Storage`: the handle that an application holds, and its calls.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::future::BoxFuture;
use omni_config::{Config, Instances, Registry};
use omni_contracts::storage::{
    ByteRange, Capabilities, Deleted, Intercepted, Key, PageToken, Part, PartNumber, Prefix,
    PresignRequest, PresignedUrl, StorageProvider, UploadId, UploadPage,
};
use omni_contracts::{Body, Error, ErrorKind, Gauges, Interceptor, Operation, Result, Scope};
use omni_layers::{LayerSettings, Layers};
use tokio::io::AsyncRead;

use crate::telemetry::Telemetry;
use crate::{
    CompleteUpload, Copy, CreateUpload, Delete, Get, Head, IntoKey, List, OpenWriter, Put,
    Versions, delete, io, providers,
};

/// Objects under keys, wherever they are kept. Cheap to clone; clones are the same storage.
///
/// A key is a text, which is validated, or a [`Key`] that was validated before; see [`IntoKey`]. The
/// error of an invalid key appears when the call is awaited.
#[derive(Clone)]
pub struct Storage {
    /// The outermost layer: what every call goes to.
    provider: Arc<dyn StorageProvider>,
    stack: Arc<Stack>,
}

/// What the outermost layer is made of, to make it again for another scope.
#[derive(Clone)]
struct Stack {
    base: Arc<dyn StorageProvider>,
    /// The innermost first.
    layers: Vec<Layer>,
    scope: Scope,
}

type Layer = Arc<dyn Fn(Arc<dyn StorageProvider>, Scope) -> Arc<dyn StorageProvider> + Send + Sync>;

/// Opening, and what the handle itself knows.
impl Storage {
    /// Opens an instance of the conventional configuration: `omni.toml`, the profile `OMNI_PROFILE`,
    /// the environment. Without a file, `main` is kept in the folder `./omni-data`.
    ///
    /// Around the provider stand the layers that its table `layers` asks for, by default a deadline, a
    /// circuit breaker, retries and an attempt timeout; see [`LayerSettings`](crate::LayerSettings).
    ///
    /// # Errors
    ///
    /// `Configuration` when the configuration is wrong, the instance is missing, or the provider does
    /// not have what `require` lists; whatever the provider fails with when it opens.
    pub async fn open(name: &str) -> Result<Self> {
        Self::from_config(&Config::load()?, name).await
    }

    /// Opens an instance of a configuration with the providers that are compiled in.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn from_config(config: &Config, name: &str) -> Result<Self> {
        Self::from_config_with(config, name, &providers::registry()?).await
    }

    /// Opens an instance of a configuration with the providers of `registry`.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn from_config_with(
        config: &Config,
        name: &str,
        registry: &Registry<dyn StorageProvider>,
    ) -> Result<Self> {
        let (config, registry) = (config.clone(), registry.clone());
        Self::opened(config, name.to_owned(), registry, Vec::new()).await
    }

    /// Opens an instance that is a part of the instances `within`, which opens its own parts likewise.
    fn opened(
        config: Config,
        name: String,
        registry: Registry<dyn StorageProvider>,
        mut within: Vec<String>,
    ) -> BoxFuture<'static, Result<Self>> {
        Box::pin(async move {
            let section = config.section("storage", &name)?;
            let is_part_of_itself = within.contains(&name);
            within.push(name.clone());
            if is_part_of_itself {
                let problem = format!("the instance is a part of itself: {}", within.join(", "));
                return Err(section.placed(Error::new(ErrorKind::Configuration, problem)));
            }
            let mut settings = section.layers::<LayerSettings>()?;
            if registry.is_composed(&section) {
                // Its parts have theirs, which know when to give up.
                settings.off.extend([crate::Layer::AttemptTimeout, crate::Layer::Breaker]);
            }
            let layers = Layers::new(&settings).map_err(|error| section.placed(error))?;
            let telemetry = Telemetry::from_config(&config)?;
            let (parts, sections) = (registry.clone(), config.clone());
            let instances = Instances::new(
                move |name| {
                    let part = Self::opened(config.clone(), name, parts.clone(), within.clone());
                    async move { Ok(part.await?.provider) }
                },
                move |name| Ok(sections.section("storage", name)?.labels().clone()),
            );
            let provider = registry.open_with(section.clone(), instances.clone()).await?;
            section.check_required(provider.capabilities())?;
            Ok(Self::layered(provider, layers, telemetry.as_ref(), &name, &instances.told()))
        })
    }

    /// Not in the async function above: what that names is compiled anew in each application.
    fn layered(
        provider: Arc<dyn StorageProvider>,
        layers: Layers,
        telemetry: Option<&Telemetry>,
        name: &str,
        told: &[Gauges],
    ) -> Self {
        match telemetry {
            None => Self::from_provider(provider).with_interceptor(layers),
            Some(telemetry) => telemetry.around(provider, layers, name, told),
        }
    }

    /// A handle on a provider, with no layer around it.
    #[must_use]
    pub fn new(provider: impl StorageProvider) -> Self {
        Self::from_provider(Arc::new(provider))
    }

    /// A handle on a shared provider, with no layer around it.
    #[must_use]
    pub fn from_provider(provider: Arc<dyn StorageProvider>) -> Self {
        let base = Arc::clone(&provider);
        let stack = Stack { base, layers: Vec::new(), scope: Scope::default() };
        Self { provider, stack: Arc::new(stack) }
    }

    /// The same storage with a layer around every call, outside of the layers that are there.
    #[must_use]
    pub fn with_interceptor(&self, interceptor: impl Interceptor) -> Self {
        let shared = Arc::new(interceptor);
        let layer: Layer = Arc::new(move |inner, scope| {
            Arc::new(Intercepted::new(Arc::clone(&shared), inner, scope))
        });
        let mut stack = Stack::clone(&self.stack);
        stack.layers.push(layer);
        stack.build()
    }

    /// The same storage, used on behalf of `scope`: every layer sees it in each call.
    #[must_use]
    pub fn with_scope(&self, scope: Scope) -> Self {
        let mut stack = Stack::clone(&self.stack);
        stack.scope = scope;
        stack.build()
    }

    /// On whose behalf calls are made.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.stack.scope
    }

    /// The provider's product name, such as `s3`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.provider.name()
    }

    /// What this storage supports and promises.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        self.provider.capabilities()
    }

    /// The layers around the provider, outermost first.
    #[must_use]
    pub fn layers(&self) -> Vec<&'static str> {
        self.provider.layers()
    }

    /// The provider with its layers, for code that works on the contract itself.
    #[must_use]
    pub fn provider(&self) -> &Arc<dyn StorageProvider> {
        &self.provider
    }

    /// Asks whether the back-end answers and lets us in.
    ///
    /// # Errors
    ///
    /// As [`StorageProvider::check`].
    pub async fn check(&self) -> Result<()> {
        self.provider.check().await
    }
}

/// Objects.
impl Storage {
    /// Stores an object as a whole, or nothing: texts, bytes, or a [`Body`].
    pub fn put(&self, key: impl IntoKey, body: impl Into<Body>) -> Put<'_> {
        Put::new(self.target(key), body.into())
    }

    /// Stores an object from a stream of chunks of any size. For a length that is known use
    /// [`put`](Self::put) with [`Body::from_stream`], which enforces it.
    pub fn put_stream(
        &self,
        key: impl IntoKey,
        stream: impl Stream<Item = Result<Bytes>> + Send + 'static,
    ) -> Put<'_> {
        self.put(key, Body::from_stream(stream, None))
    }

    /// Stores an object from a reader, to its end.
    pub fn put_reader(
        &self,
        key: impl IntoKey,
        reader: impl AsyncRead + Send + 'static,
    ) -> Put<'_> {
        self.put(key, io::body_of(reader))
    }

    /// Opens an object for writing; see [`Writer`](crate::Writer).
    pub fn writer(&self, key: impl IntoKey) -> OpenWriter {
        OpenWriter::new(Arc::clone(&self.provider), key.into_key())
    }

    /// Reads an object, or a range of it.
    pub fn get(&self, key: impl IntoKey) -> Get<'_> {
        Get::new(self.target(key))
    }

    /// Reads several ranges of one version of an object, in the order of `ranges`. Neighbours are read
    /// as one.
    ///
    /// # Errors
    ///
    /// As [`StorageProvider::get_ranges`].
    pub fn get_ranges<R: Into<ByteRange>>(
        &self,
        key: impl IntoKey,
        ranges: impl IntoIterator<Item = R>,
    ) -> impl Future<Output = Result<Vec<Bytes>>> + Send {
        self.get(key).ranges(ranges)
    }

    /// Reads what is known about an object.
    pub fn head(&self, key: impl IntoKey) -> Head<'_> {
        Head::new(self.target(key))
    }

    /// Whether there is an object.
    ///
    /// # Errors
    ///
    /// As [`StorageProvider::head`], without `NotFound`.
    pub async fn exists(&self, key: impl IntoKey) -> Result<bool> {
        match self.head(key).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Deletes an object; deleting what is missing is a success.
    pub fn delete(&self, key: impl IntoKey) -> Delete<'_> {
        Delete::new(self.target(key))
    }

    /// Deletes any number of objects, with a result for each, in the order of `keys`. One failure hides
    /// no other. Not atomic: dropped, some may be deleted.
    pub async fn delete_many(
        &self,
        keys: impl IntoIterator<Item = impl IntoKey>,
    ) -> Vec<Result<Deleted>> {
        let keys = keys.into_iter().map(|key| key.into_key()).collect();
        delete::many(&*self.provider, keys).await
    }

    /// Deletes every object below the folder `prefix`: with `a`, that is `a/b` but neither `a`, `a-b`
    /// nor `ab/c`. Returns how many. The first failure ends it; safe to repeat.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` when the prefix is empty; else as [`StorageProvider::list`] and
    /// [`StorageProvider::delete`].
    pub async fn delete_prefix(&self, prefix: impl AsRef<str>) -> Result<u64> {
        omni_contracts::storage::delete_prefix(&*self.provider, prefix.as_ref()).await
    }

    /// Lists the objects whose keys begin with `prefix`: raw text, not by segments.
    pub fn list(&self, prefix: impl AsRef<str>) -> List<'_> {
        List::new(&*self.provider, prefix.as_ref())
    }

    /// Copies an object within this storage. Between two, use [`transfer::copy`](crate::transfer::copy).
    pub fn copy(&self, from: impl IntoKey, to: impl IntoKey) -> Copy<'_> {
        Copy::new(from.into_key(), self.target(to))
    }

    /// Lists all stored versions of the objects below `prefix`, by key, newest first.
    /// Needs `versioning`.
    pub fn versions(&self, prefix: impl AsRef<str>) -> Versions<'_> {
        Versions::new(&*self.provider, prefix.as_ref())
    }

    /// Makes a URL that works without credentials. Needs `presign`.
    ///
    /// # Errors
    ///
    /// As [`StorageProvider::presign`].
    pub async fn presign(
        &self,
        key: impl IntoKey,
        request: &PresignRequest,
    ) -> Result<PresignedUrl> {
        let target = self.target(key);
        target.provider.presign(&target.key(Operation::Presign)?, request).await
    }

    fn target(&self, key: impl IntoKey) -> Target<'_> {
        Target { provider: &*self.provider, key: key.into_key() }
    }
}

/// Explicit multipart uploads: parts in any order, from anywhere. All need `multipart`.
impl Storage {
    /// Begins an upload; nothing is visible until it completes.
    pub fn create_upload(&self, key: impl IntoKey) -> CreateUpload<'_> {
        CreateUpload::new(self.target(key))
    }

    /// Sends one part; sent again, it replaces.
    ///
    /// # Errors
    ///
    /// As [`StorageProvider::upload_part`].
    pub async fn upload_part(
        &self,
        key: impl IntoKey,
        upload: &UploadId,
        number: PartNumber,
        body: impl Into<Body>,
    ) -> Result<Part> {
        let target = self.target(key);
        let body = body.into();
        let key = target.key(Operation::UploadPart)?;
        self.provider.upload_part(&key, upload, number, body).await
    }

    /// The parts received so far, by number.
    ///
    /// # Errors
    ///
    /// As [`StorageProvider::list_parts`].
    pub async fn list_parts(&self, key: impl IntoKey, upload: &UploadId) -> Result<Vec<Part>> {
        let target = self.target(key);
        self.provider.list_parts(&target.key(Operation::ListParts)?, upload).await
    }

    /// Joins the stated parts into the object.
    pub fn complete_upload<'a>(
        &'a self,
        key: impl IntoKey,
        upload: &'a UploadId,
        parts: &'a [Part],
    ) -> CompleteUpload<'a> {
        CompleteUpload::new(self.target(key), upload, parts)
    }

    /// Gives an upload up and frees its parts; an unknown or finished one is a success.
    ///
    /// # Errors
    ///
    /// As [`StorageProvider::abort_upload`].
    pub async fn abort_upload(&self, key: impl IntoKey, upload: &UploadId) -> Result<()> {
        let target = self.target(key);
        self.provider.abort_upload(&target.key(Operation::AbortUpload)?, upload).await
    }

    /// Lists one page of unfinished uploads below `prefix`.
    ///
    /// # Errors
    ///
    /// As [`StorageProvider::list_uploads`].
    pub async fn list_uploads(
        &self,
        prefix: impl AsRef<str>,
        token: Option<PageToken>,
    ) -> Result<UploadPage> {
        let prefix = Prefix::new(prefix)
            .map_err(|error| error.at(Operation::ListUploads, self.name(), ""))?;
        self.provider.list_uploads(&prefix, token.as_ref()).await
    }
}

/// What a call acts on: the key as the caller gave it, valid or not.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub(crate) provider: &'a dyn StorageProvider,
    pub(crate) key: Result<Key>,
}

impl Target<'_> {
    /// The key, or why it is none.
    pub(crate) fn key(self, operation: Operation) -> Result<Key> {
        self.key.map_err(|error| error.at(operation, self.provider.name(), ""))
    }
}

impl Stack {
    fn build(self) -> Storage {
        let base = Arc::clone(&self.base);
        let wrap = |inner, layer: &Layer| layer(inner, self.scope.clone());
        Storage { provider: self.layers.iter().fold(base, wrap), stack: Arc::new(self) }
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage")
            .field("provider", &self.stack.base)
            .field("layers", &self.layers())
            .field("scope", &self.stack.scope)
            .finish()
    }
}

// Handles go to other threads and tasks.
const _: fn() = || {
    fn is_shared<T: Clone + Send + Sync + 'static>() {}
    is_shared::<Storage>();
};

//! `GcsStorage`: the contract, method by method. What each does lives in the neighbouring modules.

use async_trait::async_trait;
use bytes::Bytes;
use omni_contracts::storage::{
    ByteRange, Capabilities, Capability, CompleteOptions, CopyOptions, DeleteOptions, Deleted,
    Durability, GetOptions, GetResult, Key, Limits, ListPage, ListRequest, ObjectMeta, PageToken,
    Part, PartNumber, Prefix, PresignRequest, PresignedUrl, PutOptions, StorageProvider, UploadId,
    UploadPage, VersionPage, Written,
};
use omni_contracts::{Body, Error, ErrorKind, Operation, Result};

use super::client::Bucket;
use super::error::Intent;
use super::list::Span;
use super::presign::MAX_EXPIRY;
use super::settings::GcsSettings;

/// The product, as configurations name it.
pub(crate) const NAME: &str = "gcs";

/// What Cloud Storage can do in every bucket.
const CAPABILITIES: &[Capability] = &[
    Capability::ConditionalCopy,
    Capability::ConditionalCreate,
    Capability::ConditionalDelete,
    Capability::ConditionalMultipart,
    Capability::ConditionalRead,
    Capability::ConditionalUpdate,
    Capability::MultiProcess,
    Capability::Multipart,
    Capability::OrderedList,
    Capability::UniqueVersions,
];

/// Objects in a bucket of Google Cloud Storage. Cheap to clone.
///
/// ```no_run
/// # async fn example() -> omni_contracts::Result<()> {
/// use omni_contracts::storage::StorageProvider;
/// use omni_provider_gcp::{GcsSettings, GcsStorage};
///
/// let store = GcsStorage::open(GcsSettings::bucket("orders")).await?;
/// store.check().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct GcsStorage {
    pub(crate) bucket: Bucket,
    pub(crate) capabilities: Capabilities,
}

impl GcsStorage {
    /// Prepares access to a bucket. The service is not asked; [`check`](StorageProvider::check) does.
    ///
    /// # Errors
    ///
    /// `Configuration` when a setting cannot work, or no credentials are found.
    pub async fn open(settings: GcsSettings) -> Result<Self> {
        let lacking = settings.lacking()?;
        let bucket = Bucket::connect(settings).await?;
        let mut capabilities = Capabilities::new(Durability::Replicated).with(CAPABILITIES);
        if bucket.settings.versioning {
            capabilities = capabilities.with(&[Capability::Versioning]);
        }
        // Whoever is given a URL would have to be given the customer's key, too.
        if bucket.signer.is_some() && bucket.settings.customer_key.is_none() {
            capabilities = capabilities.with(&[Capability::Presign]);
        }
        let mut capabilities = capabilities.without(&lacking);
        capabilities.limits = Limits {
            max_presign_expiry: capabilities.has(Capability::Presign).then_some(MAX_EXPIRY),
            coalesce_gap: 1 << 20,
            ..Limits::default()
        };
        Ok(Self { bucket, capabilities })
    }

    /// Lists, for that is a right that every use of the contract needs; to look at the bucket itself
    /// needs another.
    async fn try_check(&self) -> Result<()> {
        let settings = &self.bucket.settings;
        self.bucket.span(&Span::default(), 1, None).await.map_err(|error| match error.kind() {
            // As the contract has it where the bucket is what is asked for.
            ErrorKind::Configuration => Error::new(ErrorKind::NotFound, error.message().to_owned()),
            ErrorKind::NotFound => {
                let missing = format!(
                    "there is no bucket {:?}: correct `bucket` or `endpoint`",
                    settings.bucket
                );
                Error::new(ErrorKind::NotFound, missing)
            }
            _ => error,
        })?;
        if !settings.versioning {
            return Ok(());
        }
        let bucket = self.bucket.ask(Intent::Read, self.bucket.bucket().send()).await?;
        if bucket.versioning.is_some_and(|versioning| versioning.enabled) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Configuration,
            format!(
                "the bucket {:?} keeps no versions: turn that on, or leave `versioning` out",
                settings.bucket
            ),
        ))
    }
}

fn at(operation: Operation, resource: &str) -> impl FnOnce(Error) -> Error + '_ {
    move |error| error.at(operation, NAME, resource)
}

#[async_trait]
impl StorageProvider for GcsStorage {
    fn name(&self) -> &str {
        NAME
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn layers(&self) -> Vec<&'static str> {
        Vec::new()
    }

    async fn check(&self) -> Result<()> {
        self.try_check().await.map_err(at(Operation::Check, ""))
    }

    async fn put(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Written> {
        let put = self.try_put(key, body, options).await;
        put.map_err(at(Operation::Put, key.as_str()))
    }

    async fn get(&self, key: &Key, options: &GetOptions) -> Result<GetResult> {
        let get = self.try_get(key, options).await;
        get.map_err(at(Operation::Get, key.as_str()))
    }

    async fn get_ranges(
        &self,
        key: &Key,
        ranges: &[ByteRange],
        options: &GetOptions,
    ) -> Result<Vec<Bytes>> {
        let read = self.try_get_ranges(key, ranges, options).await;
        read.map_err(at(Operation::GetRanges, key.as_str()))
    }

    async fn head(&self, key: &Key, options: &GetOptions) -> Result<ObjectMeta> {
        let head = self.try_head(key, options).await;
        head.map_err(at(Operation::Head, key.as_str()))
    }

    async fn delete(&self, key: &Key, options: &DeleteOptions) -> Result<Deleted> {
        let delete = self.try_delete(key, options).await;
        delete.map_err(at(Operation::Delete, key.as_str()))
    }

    async fn delete_many(&self, keys: &[Key]) -> Vec<Result<Deleted>> {
        self.try_delete_many(keys).await
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage> {
        let list = self.try_list(request).await;
        list.map_err(at(Operation::List, request.prefix.as_str()))
    }

    async fn list_versions(
        &self,
        prefix: &Prefix,
        token: Option<&PageToken>,
        limit: Option<usize>,
    ) -> Result<VersionPage> {
        let list = self.try_list_versions(prefix, token, limit).await;
        list.map_err(at(Operation::ListVersions, prefix.as_str()))
    }

    async fn copy(&self, from: &Key, to: &Key, options: &CopyOptions) -> Result<Written> {
        let copy = self.try_copy(from, to, options).await;
        copy.map_err(at(Operation::Copy, to.as_str()))
    }

    async fn create_upload(&self, key: &Key, options: &PutOptions) -> Result<UploadId> {
        let create = self.try_create_upload(key, options).await;
        create.map_err(at(Operation::CreateUpload, key.as_str()))
    }

    async fn upload_part(
        &self,
        key: &Key,
        upload: &UploadId,
        number: PartNumber,
        body: Body,
    ) -> Result<Part> {
        let part = self.try_upload_part(key, upload, number, body).await;
        part.map_err(at(Operation::UploadPart, key.as_str()))
    }

    async fn list_parts(&self, key: &Key, upload: &UploadId) -> Result<Vec<Part>> {
        let parts = self.try_list_parts(key, upload).await;
        parts.map_err(at(Operation::ListParts, key.as_str()))
    }

    async fn complete_upload(
        &self,
        key: &Key,
        upload: &UploadId,
        parts: &[Part],
        options: &CompleteOptions,
    ) -> Result<Written> {
        let complete = self.try_complete_upload(key, upload, parts, options).await;
        complete.map_err(at(Operation::CompleteUpload, key.as_str()))
    }

    async fn abort_upload(&self, key: &Key, upload: &UploadId) -> Result<()> {
        let abort = self.try_abort_upload(key, upload).await;
        abort.map_err(at(Operation::AbortUpload, key.as_str()))
    }

    async fn list_uploads(&self, prefix: &Prefix, token: Option<&PageToken>) -> Result<UploadPage> {
        let list = self.try_list_uploads(prefix, token).await;
        list.map_err(at(Operation::ListUploads, prefix.as_str()))
    }

    async fn presign(&self, key: &Key, request: &PresignRequest) -> Result<PresignedUrl> {
        let presign = self.try_presign(key, request).await;
        presign.map_err(at(Operation::Presign, key.as_str()))
    }
}

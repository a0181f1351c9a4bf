//! `BlobStorage`: the contract, method by method. What each does lives in the neighbouring modules.

use std::time::Duration;

use async_trait::async_trait;
use azure_core::http::Method;
use bytes::Bytes;
use omni_contracts::storage::{
    ByteRange, Capabilities, Capability, CompleteOptions, CopyOptions, DeleteOptions, Deleted,
    Durability, GetOptions, GetResult, Key, Limits, ListPage, ListRequest, ObjectMeta, PageToken,
    Part, PartNumber, Prefix, PresignRequest, PresignedUrl, PutOptions, StorageProvider, UploadId,
    UploadPage, VersionPage, Written, read_ranges,
};
use omni_contracts::{Body, Error, ErrorKind, Operation, Result};

use super::account::Identity;
use super::client::Container;
use super::error::Intent;
use super::presign::MAX_EXPIRY;
use super::settings::{BlobSettings, wrong};

/// The product, as configurations name it.
pub(crate) const NAME: &str = "azblob";

/// What Azure Blob Storage can do. That its listings are in byte order is documented nowhere: they are
/// in "alphabetical order".
const CAPABILITIES: &[Capability] = &[
    Capability::ConditionalCopy,
    Capability::ConditionalCreate,
    Capability::ConditionalDelete,
    Capability::ConditionalMultipart,
    Capability::ConditionalRead,
    Capability::ConditionalUpdate,
    Capability::MultiProcess,
    Capability::Multipart,
    Capability::Presign,
    Capability::UniqueVersions,
];

/// Objects in a container of Azure Blob Storage. Cheap to clone.
///
/// ```no_run
/// # async fn example() -> omni_contracts::Result<()> {
/// use omni_contracts::storage::StorageProvider;
/// use omni_provider_azure::{BlobSettings, BlobStorage};
///
/// let store = BlobStorage::open(BlobSettings::container("shop", "orders")).await?;
/// store.check().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct BlobStorage {
    pub(crate) container: Container,
    pub(crate) capabilities: Capabilities,
}

impl BlobStorage {
    /// Prepares access to a container. The service is not asked; [`check`](StorageProvider::check) does.
    ///
    /// # Errors
    ///
    /// `Configuration` when a setting cannot work, or two contradict each other.
    pub async fn open(settings: BlobSettings) -> Result<Self> {
        Self::on(Container::connect(settings)?)
    }

    /// The contract over a container.
    pub(crate) fn on(container: Container) -> Result<Self> {
        let mut lacking = container.settings().lacking()?;
        if matches!(container.identity(), Identity::Signature(_) | Identity::Anonymous) {
            lacking.push(Capability::Presign);
        }
        let mut capabilities =
            Capabilities::new(Durability::Replicated).with(CAPABILITIES).without(&lacking);
        capabilities.time_precision = Duration::from_secs(1);
        capabilities.limits = Limits {
            max_presign_expiry: capabilities.has(Capability::Presign).then_some(MAX_EXPIRY),
            coalesce_gap: 1 << 20,
            ..Limits::default()
        };
        Ok(Self { container, capabilities })
    }

    async fn try_check(&self) -> Result<()> {
        let listed = self.container.send(self.listing(&Prefix::ALL, 1), Intent::Read).await;
        listed.map_err(|error| match error.kind() {
            ErrorKind::Configuration => Error::new(ErrorKind::NotFound, error.message().to_owned()),
            _ => error,
        })?;
        // Who may not ask this may use the container all the same.
        let about = self.container.account(Method::Get).query("restype", "account");
        let about = self.container.send(about.query("comp", "properties"), Intent::Read).await;
        match about.as_ref().ok().and_then(|answer| answer.text("x-ms-is-hns-enabled")) {
            Some("true") => Err(wrong(
                "the account has a hierarchical namespace, where `a` and `a/b` cannot both be objects: \
                 use one without",
            )),
            _ => Ok(()),
        }
    }
}

fn at(operation: Operation, resource: &str) -> impl FnOnce(Error) -> Error + '_ {
    move |error| error.at(operation, NAME, resource)
}

#[async_trait]
impl StorageProvider for BlobStorage {
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
        let read = read_ranges(self, key, ranges, options).await;
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
        _token: Option<&PageToken>,
        _limit: Option<usize>,
    ) -> Result<VersionPage> {
        let unsupported = Error::unsupported(Capability::Versioning);
        Err(unsupported.at(Operation::ListVersions, NAME, prefix.as_str()))
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

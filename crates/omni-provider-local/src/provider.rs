//! `LocalStorage`: opening it, and the methods of the contract, which name themselves in their errors
//! and are carried out in `read`, `write` and `uploads`.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use omni_contracts::storage::{
    ByteRange, Capabilities, Capability, CompleteOptions, CopyOptions, DeleteOptions, Deleted,
    GetOptions, GetResult, Key, ListPage, ListRequest, ObjectMeta, PageToken, Part, PartNumber,
    Prefix, PresignRequest, PresignedUrl, PutOptions, StorageProvider, UploadId, UploadPage,
    VersionPage, Written,
};
use omni_contracts::{Body, Error, Operation, Result};

use crate::blobs::Blobs;
use crate::blocking::blocking;
use crate::multipart::UploadsPage;
use crate::readers::Readers;
use crate::settings::LocalSettings;
use crate::stream::Buffers;
use crate::writer::Writer;

/// The product name of this provider.
pub(crate) const NAME: &str = "local";

/// How many deletes of a batch wait at once.
const DELETES: usize = 1000;

/// A store in a folder: an SQLite index, small contents inside it, large ones as files.
///
/// Several instances, in one process or in many, may use the same folder at once. The methods must be
/// called inside a Tokio runtime. Dropping the last handle waits for the writing thread to end.
///
/// Opened by [`LocalStorage::open`].
#[derive(Debug)]
pub struct LocalStorage {
    pub(crate) settings: LocalSettings,
    pub(crate) capabilities: Capabilities,
    pub(crate) index: PathBuf,
    pub(crate) buffers: Arc<Buffers>,
    pub(crate) blobs: Arc<Blobs>,
    // Dropped in this order: the connection that is closed last folds the log into the index.
    pub(crate) readers: Arc<Readers>,
    pub(crate) writer: Writer,
}

impl LocalStorage {
    /// Opens the store in the folder of `settings`, creating both when they are missing, and sweeps
    /// what instances left behind that ended without cleaning up.
    ///
    /// # Errors
    ///
    /// | kind | when |
    /// |---|---|
    /// | `CapacityExceeded` | no space is left |
    /// | `Configuration` | a setting is out of bounds, the path is a file, or the index belongs to another program or format version |
    /// | `Corrupt` | the index is damaged, no SQLite database, or missing beside contents |
    /// | `PermissionDenied` | the folder cannot be written |
    /// | `Unavailable` | another process holds the store for longer than the busy timeout |
    pub async fn open(settings: LocalSettings) -> Result<Self> {
        let opened = blocking(move || crate::open::open(settings)).await;
        opened.map_err(|error| error.at(Operation::Check, NAME, ""))
    }
}

#[async_trait]
impl StorageProvider for LocalStorage {
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
        let get = self.try_get_ranges(key, ranges, options).await;
        get.map_err(at(Operation::GetRanges, key.as_str()))
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
        let options = DeleteOptions::default();
        let mut results = Vec::with_capacity(keys.len());
        for keys in keys.chunks(DELETES) {
            // They wait together, so they share commits.
            let deletes = join_all(keys.iter().map(|key| self.try_delete(key, &options))).await;
            let named = deletes.into_iter().zip(keys);
            results.extend(
                named.map(|(delete, key)| delete.map_err(at(Operation::DeleteMany, key.as_str()))),
            );
        }
        results
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
        let named = at(Operation::ListUploads, prefix.as_str());
        let page = match UploadsPage::new(prefix, token) {
            Ok(page) => page,
            Err(error) => return Err(named(error)),
        };
        let read = self.readers.run(move |index| page.read(index)).await;
        read.map_err(named)
    }

    async fn presign(&self, key: &Key, request: &PresignRequest) -> Result<PresignedUrl> {
        let refused = if request.expires_in.is_zero() {
            Error::invalid("the expiry of a presigned request must be more than 0")
        } else {
            Error::unsupported(Capability::Presign)
        };
        Err(at(Operation::Presign, key.as_str())(refused))
    }
}

fn at(operation: Operation, resource: &str) -> impl FnOnce(Error) -> Error {
    move |error| error.at(operation, NAME, resource)
}

//! `S3Storage`: the contract, method by method. What each does lives in the neighbouring modules.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::presigning::PresigningConfig;
use bytes::Bytes;
use omni_contracts::storage::{
    ByteRange, Capabilities, Capability, CompleteOptions, CopyOptions, DeleteOptions, Deleted,
    Durability, GetOptions, GetResult, Key, Limits, ListPage, ListRequest, ObjectMeta, PageToken,
    Part, PartNumber, Prefix, PresignMethod, PresignRequest, PresignedUrl, PutOptions,
    StorageProvider, UploadId, UploadPage, VersionPage, Written, read_ranges,
};
use omni_contracts::{Body, Error, ErrorKind, Operation, Result};

use super::client::Bucket;
use super::error::{Intent, translate};
use super::settings::{MIN_PART, S3Settings};

/// The product, as configurations name it.
pub(crate) const NAME: &str = "s3";

/// The longest that a presigned request works, as documented by Amazon S3.
const MAX_EXPIRY: Duration = Duration::from_secs(7 * 86_400);

/// What Amazon S3 can do.
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
    Capability::Presign,
];

/// Objects in a bucket of Amazon S3, or of a service that speaks its protocol. Cheap to clone.
///
/// ```no_run
/// # async fn example() -> omni_contracts::Result<()> {
/// use omni_contracts::storage::StorageProvider;
/// use omni_provider_aws::{S3Settings, S3Storage};
///
/// let store = S3Storage::open(S3Settings::bucket("orders")).await?;
/// store.check().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct S3Storage {
    pub(crate) bucket: Bucket,
    pub(crate) capabilities: Capabilities,
}

impl S3Storage {
    /// Prepares access to a bucket. The service is not asked; [`check`](StorageProvider::check) does.
    ///
    /// # Errors
    ///
    /// `Configuration` when a setting cannot work, or no region is known.
    pub async fn open(settings: S3Settings) -> Result<Self> {
        let lacking = settings.lacking()?;
        let bucket = Bucket::connect(settings).await?;
        let mut capabilities =
            Capabilities::new(Durability::Replicated).with(CAPABILITIES).without(&lacking);
        capabilities.time_precision = Duration::from_secs(1);
        capabilities.limits = Limits {
            min_part_size: MIN_PART,
            max_presign_expiry: capabilities.has(Capability::Presign).then_some(MAX_EXPIRY),
            coalesce_gap: 1 << 20,
            ..Limits::default()
        };
        Ok(Self { bucket, capabilities })
    }

    pub(crate) fn translate<E>(&self, error: SdkError<E, HttpResponse>, intent: Intent) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        translate(error, intent, &self.bucket.settings)
    }

    async fn try_presign(&self, key: &Key, request: &PresignRequest) -> Result<PresignedUrl> {
        self.capabilities.expect(Capability::Presign)?;
        self.bucket.expect_own_name(key)?;
        let expiry = request.expires_in;
        if expiry.as_secs() == 0 || expiry > MAX_EXPIRY {
            return Err(Error::invalid(format!(
                "a presigned request expires after 1 second to 7 days, this after {expiry:?}"
            )));
        }
        let config = PresigningConfig::expires_in(expiry)
            .map_err(|error| Error::invalid(error.to_string()))?;
        let expires_at = SystemTime::now() + expiry;
        // Signing asks nobody but the source of the credentials.
        let presigned = match request.method {
            PresignMethod::Get => {
                let get = self.bucket.get(key).presigned(config).await;
                get.map_err(|error| self.translate(error, Intent::Read))
            }
            PresignMethod::Head => {
                let head = self.bucket.head(key).presigned(config).await;
                head.map_err(|error| self.translate(error, Intent::Read))
            }
            PresignMethod::Delete => {
                let delete = self.bucket.delete(key).presigned(config).await;
                delete.map_err(|error| self.translate(error, Intent::Read))
            }
            PresignMethod::Put => {
                let put = self.bucket.put(key).set_content_type(request.content_type.clone());
                let put = put.presigned(config).await;
                put.map_err(|error| self.translate(error, Intent::Read))
            }
        };
        let presigned = presigned?;
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Ok(PresignedUrl {
            url: presigned.uri().to_owned(),
            headers: presigned.headers().map(owned).collect(),
            expires_at,
        })
    }
}

fn at(operation: Operation, resource: &str) -> impl FnOnce(Error) -> Error + '_ {
    move |error| error.at(operation, NAME, resource)
}

#[async_trait]
impl StorageProvider for S3Storage {
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
        let bucket = &self.bucket.settings.bucket;
        // A list, for the answer to a HEAD has no text to explain a refusal.
        let Err(error) = self.bucket.list().max_keys(1).send().await else { return Ok(()) };
        let missing = error.raw_response().is_some_and(|answer| answer.status().as_u16() == 404);
        let error = match missing {
            // As the contract has it where the bucket is what is asked for.
            true => Error::new(
                ErrorKind::NotFound,
                format!("there is no bucket {bucket:?}: correct `bucket`, `region` or `endpoint`"),
            ),
            false => self.translate(error, Intent::Read),
        };
        Err(error.at(Operation::Check, NAME, ""))
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

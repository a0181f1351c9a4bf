//! The requests that a bucket is asked, each with what the settings say about every one of them.

use std::fmt;
use std::sync::Arc;

use google_cloud_auth::signer::Signer;
use google_cloud_gax::options::RequestOptionsBuilder;
use google_cloud_storage::builder::storage::{ReadObject, WriteObject};
use google_cloud_storage::builder::storage_control::{
    ComposeObject, DeleteObject, GetBucket, GetObject, ListObjects, RewriteObject,
};
use google_cloud_storage::client::{Storage, StorageControl};
use google_cloud_storage::model::{CommonObjectRequestParams, Object};
use google_cloud_storage::model_ext::KeyAes256;
use omni_contracts::storage::Attributes;
use omni_contracts::{Error, Result};

use super::connect::{Clients, connect};
use super::describe::{self, Own};
use super::error::{Intent, timed_out, translate};
use super::progress::within;
use super::settings::{GcsSettings, wrong};
use super::source::Source;

/// The largest amount of a copy that one request may be asked to move, where it moves bytes at all.
const MAX_REWRITE: i64 = 512 << 20;

/// A bucket and how to talk to it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Bucket {
    storage: Storage,
    control: StorageControl,
    pub(crate) signer: Option<Signer>,
    pub(crate) settings: Arc<GcsSettings>,
    /// The name of the bucket as the requests have it.
    pub(crate) path: Arc<str>,
    customer: Option<KeyAes256>,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Bucket {
    pub(crate) async fn connect(settings: GcsSettings) -> Result<Self> {
        settings.validate()?;
        let customer = match settings.customer_key()? {
            None => None,
            Some(key) => Some(
                KeyAes256::new(&key).map_err(|_| wrong("customer_key is 32 bytes in base 64"))?,
            ),
        };
        let Clients { storage, control, signer } = connect(&settings).await?;
        let path = format!("projects/_/buckets/{}", settings.bucket).into();
        Ok(Self { storage, control, signer, settings: Arc::new(settings), path, customer })
    }

    /// Waits for an answer as long as the settings say.
    pub(crate) async fn ask<T>(
        &self,
        intent: Intent,
        call: impl Future<Output = google_cloud_storage::Result<T>>,
    ) -> Result<T> {
        match within(self.settings.read_timeout, Box::pin(call)).await {
            None => Err(timed_out(intent, &self.settings)),
            Some(answer) => answer.map_err(|error| self.translate(&error, intent)),
        }
    }

    pub(crate) fn translate(&self, error: &google_cloud_storage::Error, intent: Intent) -> Error {
        translate(error, intent, &self.settings)
    }

    fn project(&self) -> Option<&String> {
        self.settings.user_project.as_ref()
    }

    fn params(&self) -> Option<CommonObjectRequestParams> {
        self.customer.clone().map(CommonObjectRequestParams::from)
    }

    pub(crate) fn read(&self, name: &str) -> ReadObject {
        // We compare checksums ourselves.
        let mut read = self.storage.read_object(&*self.path, name).compute_crc32c(false);
        if let Some(key) = &self.customer {
            read = read.set_key(key.clone());
        }
        match self.project() {
            None => read,
            Some(project) => read.with_quota_project(project),
        }
    }

    pub(crate) fn write(
        &self,
        name: &str,
        source: Source,
        attributes: &Attributes,
        own: &Own,
    ) -> WriteObject<Source> {
        let mut write = self.storage.write_object(&*self.path, name, source);
        let field = |field: &Option<String>| field.clone().unwrap_or_default();
        write = write
            .set_cache_control(field(&attributes.cache_control))
            .set_content_disposition(field(&attributes.content_disposition))
            .set_content_encoding(field(&attributes.content_encoding))
            .set_content_language(field(&attributes.content_language))
            .set_content_type(field(&attributes.content_type))
            .set_metadata(describe::metadata(attributes, own));
        if let Some(class) = &self.settings.storage_class {
            write = write.set_storage_class(class);
        }
        if let Some(key) = &self.settings.kms_key {
            write = write.set_kms_key(key);
        }
        if let Some(key) = &self.customer {
            write = write.set_key(key.clone());
        }
        match self.project() {
            None => write,
            Some(project) => write.with_quota_project(project),
        }
    }

    pub(crate) fn bucket(&self) -> GetBucket {
        self.billed(self.control.get_bucket().set_name(&*self.path))
    }

    pub(crate) fn stat(&self, name: &str) -> GetObject {
        let stat = self.control.get_object().set_bucket(&*self.path).set_object(name);
        self.billed(stat.set_or_clear_common_object_request_params(self.params()))
    }

    pub(crate) fn delete(&self, name: &str) -> DeleteObject {
        let delete = self.control.delete_object().set_bucket(&*self.path).set_object(name);
        self.billed(delete)
    }

    pub(crate) fn list(&self) -> ListObjects {
        self.billed(self.control.list_objects().set_parent(&*self.path))
    }

    pub(crate) fn rewrite(&self, from: &str, to: &str) -> RewriteObject {
        let mut rewrite = self
            .control
            .rewrite_object()
            .set_source_bucket(&*self.path)
            .set_source_object(from)
            .set_destination_bucket(&*self.path)
            .set_destination_name(to)
            .set_max_bytes_rewritten_per_call(MAX_REWRITE)
            .set_or_clear_common_object_request_params(self.params());
        if let Some(key) = &self.settings.kms_key {
            rewrite = rewrite.set_destination_kms_key(key);
        }
        if let Some(params) = self.params() {
            rewrite = rewrite
                .set_copy_source_encryption_algorithm(params.encryption_algorithm)
                .set_copy_source_encryption_key_bytes(params.encryption_key_bytes)
                .set_copy_source_encryption_key_sha256_bytes(params.encryption_key_sha256_bytes);
        }
        self.billed(rewrite)
    }

    pub(crate) fn compose(&self, name: &str, target: Object) -> ComposeObject {
        let target = target.set_bucket(&*self.path).set_name(name);
        let mut compose = self
            .control
            .compose_object()
            .set_destination(target)
            .set_or_clear_common_object_request_params(self.params());
        if let Some(key) = &self.settings.kms_key {
            compose = compose.set_kms_key(key);
        }
        self.billed(compose)
    }

    /// What a copy or a composition is described by.
    pub(crate) fn target(&self, attributes: &Attributes, own: &Own) -> Object {
        let field = |field: &Option<String>| field.clone().unwrap_or_default();
        Object::new()
            .set_cache_control(field(&attributes.cache_control))
            .set_content_disposition(field(&attributes.content_disposition))
            .set_content_encoding(field(&attributes.content_encoding))
            .set_content_language(field(&attributes.content_language))
            .set_content_type(field(&attributes.content_type))
            .set_metadata(describe::metadata(attributes, own))
            .set_storage_class(self.settings.storage_class.clone().unwrap_or_default())
    }

    fn billed<R: RequestOptionsBuilder>(&self, request: R) -> R {
        match self.project() {
            None => request,
            Some(project) => request.with_quota_project(project),
        }
    }
}

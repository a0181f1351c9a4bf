//! The requests that a bucket is asked, each with what the settings say about every one of them.

use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::operation::abort_multipart_upload::builders::AbortMultipartUploadFluentBuilder;
use aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder;
use aws_sdk_s3::operation::copy_object::builders::CopyObjectFluentBuilder;
use aws_sdk_s3::operation::create_multipart_upload::builders::CreateMultipartUploadFluentBuilder;
use aws_sdk_s3::operation::delete_object::builders::DeleteObjectFluentBuilder;
use aws_sdk_s3::operation::delete_objects::builders::DeleteObjectsFluentBuilder;
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::operation::head_object::builders::HeadObjectFluentBuilder;
use aws_sdk_s3::operation::list_multipart_uploads::builders::ListMultipartUploadsFluentBuilder;
use aws_sdk_s3::operation::list_objects_v2::builders::ListObjectsV2FluentBuilder;
use aws_sdk_s3::operation::list_parts::builders::ListPartsFluentBuilder;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::operation::upload_part_copy::builders::UploadPartCopyFluentBuilder;
use aws_sdk_s3::types::{RequestPayer, ServerSideEncryption, StorageClass};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use omni_contracts::storage::{Key, PartNumber};
use omni_contracts::{Error, Result};

use super::blank::stand_in;
use super::connect::connect;
use super::error::{Intent, translate};
use super::settings::{S3Checksums, S3Encryption, S3Settings, wrong};
use super::wire::{Call, Wire};

/// A bucket and how to talk to it. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    client: Client,
    wire: Arc<Wire>,
    pub(crate) settings: Arc<S3Settings>,
    customer: Option<CustomerKey>,
}

/// A key of the caller (SSE-C), as the headers want it.
#[derive(Clone)]
struct CustomerKey {
    key: omni_config::Secret,
    md5: String,
}

impl std::fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CustomerKey(***)")
    }
}

impl CustomerKey {
    fn new(key: &omni_config::Secret) -> Result<Self> {
        match STANDARD.decode(key.expose()) {
            Ok(bytes) if bytes.len() == 32 => {
                Ok(Self { key: key.clone(), md5: STANDARD.encode(Md5::digest(&bytes)) })
            }
            _ => Err(wrong("encryption.key is 32 bytes in base 64")),
        }
    }
}

/// Adds the caller's key to a request that reads or writes contents.
macro_rules! with_customer_key {
    ($bucket:ident, $request:expr) => {{
        let request = $request;
        match &$bucket.customer {
            None => request,
            Some(customer) => request
                .sse_customer_algorithm("AES256")
                .sse_customer_key(customer.key.expose())
                .sse_customer_key_md5(&customer.md5),
        }
    }};
}

/// Adds the caller's key for the source of a copy.
macro_rules! with_source_key {
    ($bucket:ident, $request:expr) => {{
        let request = $request;
        match &$bucket.customer {
            None => request,
            Some(customer) => request
                .copy_source_sse_customer_algorithm("AES256")
                .copy_source_sse_customer_key(customer.key.expose())
                .copy_source_sse_customer_key_md5(&customer.md5),
        }
    }};
}

/// Adds how what is written is kept.
macro_rules! with_keeping {
    ($bucket:ident, $request:expr) => {{
        let request = with_customer_key!($bucket, $request)
            .set_storage_class($bucket.settings.storage_class.as_deref().map(StorageClass::from));
        match &$bucket.settings.encryption {
            None | Some(S3Encryption::Customer { .. }) => request,
            Some(S3Encryption::S3) => request.server_side_encryption(ServerSideEncryption::Aes256),
            Some(S3Encryption::Kms { key_id }) => request
                .server_side_encryption(ServerSideEncryption::AwsKms)
                .set_ssekms_key_id(key_id.clone()),
        }
    }};
}

impl Bucket {
    pub(crate) async fn connect(settings: S3Settings) -> Result<Self> {
        settings.validate()?;
        let customer = match &settings.encryption {
            Some(S3Encryption::Customer { key }) => Some(CustomerKey::new(key)?),
            _ => None,
        };
        let (client, wire) = connect(&settings).await?;
        Ok(Self { client, wire: Arc::new(wire), settings: Arc::new(settings), customer })
    }

    /// A request that reads an object.
    pub(crate) fn reading<'a>(&self, method: &'static str, key: &'a Key) -> Call<'a> {
        self.call(method, key).optional("x-amz-checksum-mode", self.checksums("ENABLED"))
    }

    /// A request that writes an object.
    pub(crate) fn writing<'a>(&self, key: &'a Key) -> Call<'a> {
        let (kind, kms_key) = match &self.settings.encryption {
            None | Some(S3Encryption::Customer { .. }) => (None, None),
            Some(S3Encryption::S3) => (Some("AES256"), None),
            Some(S3Encryption::Kms { key_id }) => (Some("aws:kms"), key_id.clone()),
        };
        self.call("PUT", key)
            .optional("x-amz-storage-class", self.settings.storage_class.clone())
            .optional("x-amz-server-side-encryption", kind)
            .optional("x-amz-server-side-encryption-aws-kms-key-id", kms_key)
    }

    /// A request that writes a part of an upload.
    pub(crate) fn writing_part<'a>(&self, key: &'a Key, id: &str, number: PartNumber) -> Call<'a> {
        let call = self.call("PUT", key).parameter("partNumber", &number.get().to_string());
        call.parameter("uploadId", id)
    }

    fn call<'a>(&self, method: &'static str, key: &'a Key) -> Call<'a> {
        let payer = self.settings.requester_pays.then_some("requester");
        let call = Call::new(method, key).optional("x-amz-request-payer", payer);
        let Some(customer) = &self.customer else { return call };
        call.header("x-amz-server-side-encryption-customer-algorithm", "AES256")
            .header("x-amz-server-side-encryption-customer-key", customer.key.expose())
            .header("x-amz-server-side-encryption-customer-key-md5", &customer.md5)
    }

    /// Sends one of these.
    pub(crate) async fn send(&self, call: Call<'_>, intent: Intent) -> Result<HttpResponse> {
        self.expect_own_name(call.key())?;
        let answer = self.wire.send(call).await;
        answer.map_err(|error| translate(error, intent, &self.settings))
    }

    /// Refuses keys that a request would lead elsewhere with: to the bucket itself, or to another object.
    pub(crate) fn expect_own_name(&self, key: &Key) -> Result<()> {
        if key.as_str().is_empty() {
            return Err(Error::invalid("the key is empty"));
        }
        if key.as_str().starts_with('/') && !self.settings.keeps_leading_slash() {
            return Err(Error::invalid(
                "the key begins with \"/\", which some services drop: say by `keeps_leading_slash` \
                 what this one does",
            ));
        }
        Ok(())
    }

    fn payer(&self) -> Option<RequestPayer> {
        self.settings.requester_pays.then_some(RequestPayer::Requester)
    }

    /// What belongs to checksums of the service, where it has them.
    pub(crate) fn checksums<T>(&self, value: T) -> Option<T> {
        match self.settings.checksums {
            S3Checksums::Crc32c => Some(value),
            S3Checksums::None => None,
        }
    }

    /// What a copy names its source by.
    pub(crate) fn source(&self, key: &Key) -> String {
        let mut text = self.settings.bucket.clone();
        text.push('/');
        for byte in key.as_str().bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                    text.push(char::from(byte));
                }
                _ => text.push_str(&format!("%{byte:02X}")),
            }
        }
        text
    }

    /// A get as the SDK makes it, to be presigned: no header but those that the signature covers.
    pub(crate) fn get(&self, key: &Key) -> GetObjectFluentBuilder {
        let get = self.client.get_object().bucket(&self.settings.bucket).key(stand_in(key));
        with_customer_key!(self, get.set_request_payer(self.payer()))
    }

    pub(crate) fn head(&self, key: &Key) -> HeadObjectFluentBuilder {
        let head = self.client.head_object().bucket(&self.settings.bucket).key(stand_in(key));
        with_customer_key!(self, head.set_request_payer(self.payer()))
    }

    pub(crate) fn put(&self, key: &Key) -> PutObjectFluentBuilder {
        let put = self.client.put_object().bucket(&self.settings.bucket).key(stand_in(key));
        with_keeping!(self, put.set_request_payer(self.payer()))
    }

    pub(crate) fn delete(&self, key: &Key) -> DeleteObjectFluentBuilder {
        let delete = self.client.delete_object().bucket(&self.settings.bucket).key(stand_in(key));
        delete.set_request_payer(self.payer())
    }

    pub(crate) fn delete_many(&self) -> DeleteObjectsFluentBuilder {
        let delete = self.client.delete_objects().bucket(&self.settings.bucket);
        delete.set_request_payer(self.payer())
    }

    pub(crate) fn list(&self) -> ListObjectsV2FluentBuilder {
        let list = self.client.list_objects_v2().bucket(&self.settings.bucket);
        list.set_request_payer(self.payer())
    }

    pub(crate) fn copy(&self, from: &Key, to: &Key) -> CopyObjectFluentBuilder {
        let copy = self.client.copy_object().bucket(&self.settings.bucket).key(stand_in(to));
        let copy = copy.copy_source(self.source(from)).set_request_payer(self.payer());
        with_source_key!(self, with_keeping!(self, copy))
    }

    pub(crate) fn create_upload(&self, key: &Key) -> CreateMultipartUploadFluentBuilder {
        let create =
            self.client.create_multipart_upload().bucket(&self.settings.bucket).key(stand_in(key));
        with_keeping!(self, create.set_request_payer(self.payer()))
    }

    pub(crate) fn copy_part(&self, from: &Key, to: &Key, id: &str) -> UploadPartCopyFluentBuilder {
        let part = self.client.upload_part_copy().bucket(&self.settings.bucket).key(stand_in(to));
        let part = part.copy_source(self.source(from)).upload_id(id);
        let part = part.set_request_payer(self.payer());
        with_source_key!(self, with_customer_key!(self, part))
    }

    pub(crate) fn list_parts(&self, key: &Key, id: &str) -> ListPartsFluentBuilder {
        let list = self.client.list_parts().bucket(&self.settings.bucket).key(stand_in(key));
        with_customer_key!(self, list.upload_id(id).set_request_payer(self.payer()))
    }

    pub(crate) fn complete_upload(
        &self,
        key: &Key,
        id: &str,
    ) -> CompleteMultipartUploadFluentBuilder {
        let complete = self.client.complete_multipart_upload().bucket(&self.settings.bucket);
        let complete = complete.key(stand_in(key)).upload_id(id).set_request_payer(self.payer());
        with_customer_key!(self, complete)
    }

    pub(crate) fn abort_upload(&self, key: &Key, id: &str) -> AbortMultipartUploadFluentBuilder {
        let abort = self.client.abort_multipart_upload().bucket(&self.settings.bucket);
        abort.key(stand_in(key)).upload_id(id).set_request_payer(self.payer())
    }

    pub(crate) fn list_uploads(&self) -> ListMultipartUploadsFluentBuilder {
        let list = self.client.list_multipart_uploads().bucket(&self.settings.bucket);
        list.set_request_payer(self.payer())
    }
}

//! The contract, method by method: validation before the store, context on its errors.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use omni_contracts::storage::{
    ByteRange, Capabilities, Capability, CompleteOptions, CopyOptions, Crc32c, DeleteOptions,
    Deleted, GetOptions, GetResult, Key, ListPage, ListRequest, ObjectMeta, PageToken, Part,
    PartNumber, Prefix, PresignRequest, PresignedUrl, PutOptions, StorageProvider, UploadId,
    UploadPage, VersionPage, WriteCondition, WriteId, Written,
};
use omni_contracts::{Body, Error, ErrorKind, Operation, Result};

use crate::MemoryStorage;
use crate::store::Store;

const NAME: &str = "memory";

#[async_trait]
impl StorageProvider for MemoryStorage {
    fn name(&self) -> &str {
        NAME
    }

    fn capabilities(&self) -> &Capabilities {
        &self.store.capabilities
    }

    fn layers(&self) -> Vec<&'static str> {
        Vec::new()
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }

    async fn put(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Written> {
        let at = |error: Error| error.at(Operation::Put, NAME, key.as_str());
        validate_write(key, options).map_err(at)?;
        let content = self.store.receive(body).await.map_err(at)?;
        let checksum = Crc32c::of(&content);
        checksum.expect(options.checksum).map_err(at)?;
        self.store.publish(key, content, checksum, options).map_err(at)
    }

    async fn get(&self, key: &Key, options: &GetOptions) -> Result<GetResult> {
        let at = |error: Error| error.at(Operation::Get, NAME, key.as_str());
        options.range.validate().map_err(at)?;
        options.expect_supported(self.capabilities()).map_err(at)?;
        let object = self.store.object(key, options).map_err(at)?;
        let range = options.range.resolve(object.meta.size).map_err(at)?;
        let body = Body::from(slice(&object.content, &range));
        Ok(GetResult { meta: object.meta, range, body })
    }

    async fn get_ranges(
        &self,
        key: &Key,
        ranges: &[ByteRange],
        options: &GetOptions,
    ) -> Result<Vec<Bytes>> {
        let at = |error: Error| error.at(Operation::GetRanges, NAME, key.as_str());
        for range in ranges {
            range.validate().map_err(at)?;
        }
        options.expect_supported(self.capabilities()).map_err(at)?;
        let object = self.store.object(key, options).map_err(at)?;
        let read =
            |range: &ByteRange| Ok(slice(&object.content, &range.resolve(object.meta.size)?));
        ranges.iter().map(read).collect::<Result<_>>().map_err(at)
    }

    async fn head(&self, key: &Key, options: &GetOptions) -> Result<ObjectMeta> {
        let at = |error: Error| error.at(Operation::Head, NAME, key.as_str());
        options.expect_supported(self.capabilities()).map_err(at)?;
        Ok(self.store.object(key, options).map_err(at)?.meta)
    }

    async fn delete(&self, key: &Key, options: &DeleteOptions) -> Result<Deleted> {
        let at = |error: Error| error.at(Operation::Delete, NAME, key.as_str());
        options.expect_supported(self.capabilities()).map_err(at)?;
        self.store.delete(key, options).map_err(at)
    }

    async fn delete_many(&self, keys: &[Key]) -> Vec<Result<Deleted>> {
        let options = DeleteOptions::default();
        let delete = |key: &Key| {
            let deleted = self.store.delete(key, &options);
            deleted.map_err(|error| error.at(Operation::DeleteMany, NAME, key.as_str()))
        };
        keys.iter().map(delete).collect()
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage> {
        let at = |error: Error| error.at(Operation::List, NAME, request.prefix.as_str());
        request.validate().map_err(at)?;
        self.store.list(request).map_err(at)
    }

    async fn list_versions(
        &self,
        prefix: &Prefix,
        token: Option<&PageToken>,
        limit: Option<usize>,
    ) -> Result<VersionPage> {
        let at = |error: Error| error.at(Operation::ListVersions, NAME, prefix.as_str());
        self.capabilities().expect(Capability::Versioning).map_err(at)?;
        self.store.list_versions(prefix, token, limit).map_err(at)
    }

    async fn copy(&self, from: &Key, to: &Key, options: &CopyOptions) -> Result<Written> {
        let copy = || {
            expect_portable(to)?;
            if let Some(attributes) = &options.attributes {
                attributes.validate()?;
            }
            if from == to && options.attributes.is_none() {
                return Err(Error::invalid("a copy onto itself needs new attributes"));
            }
            self.store.copy(from, to, options)
        };
        copy().map_err(|error| match error.kind() {
            ErrorKind::NotFound => error.at(Operation::Copy, NAME, from.as_str()),
            _ => error.at(Operation::Copy, NAME, to.as_str()),
        })
    }

    async fn create_upload(&self, key: &Key, options: &PutOptions) -> Result<UploadId> {
        let at = |error: Error| error.at(Operation::CreateUpload, NAME, key.as_str());
        validate_write(key, options).map_err(at)?;
        let stated = options.condition != WriteCondition::Always
            || options.checksum.is_some()
            || options.write_id.is_some();
        if stated {
            let message = "condition, checksum and write id are stated when completing";
            return Err(at(Error::invalid(message)));
        }
        let version = self.store.next_version();
        Ok(self.store.uploads().create(key, Arc::clone(&options.attributes), &version))
    }

    async fn upload_part(
        &self,
        key: &Key,
        upload: &UploadId,
        number: PartNumber,
        body: Body,
    ) -> Result<Part> {
        let at = |error: Error| error.at(Operation::UploadPart, NAME, key.as_str());
        self.store.uploads().get(key, upload).map_err(at)?;
        let content = self.store.receive(body).await.map_err(at)?;
        let part = Part {
            number,
            size: content.len() as u64,
            version: self.store.next_version(),
            checksum: Some(Crc32c::of(&content)),
        };
        self.store.uploads().receive(key, upload, part.clone(), content).map_err(at)?;
        Ok(part)
    }

    async fn list_parts(&self, key: &Key, upload: &UploadId) -> Result<Vec<Part>> {
        let at = |error: Error| error.at(Operation::ListParts, NAME, key.as_str());
        Ok(self.store.uploads().get(key, upload).map_err(at)?.parts())
    }

    async fn complete_upload(
        &self,
        key: &Key,
        upload: &UploadId,
        parts: &[Part],
        options: &CompleteOptions,
    ) -> Result<Written> {
        let at = |error: Error| error.at(Operation::CompleteUpload, NAME, key.as_str());
        complete(&self.store, key, upload, parts, options).map_err(at)
    }

    async fn abort_upload(&self, key: &Key, upload: &UploadId) -> Result<()> {
        self.store.uploads().remove(key, upload);
        Ok(())
    }

    async fn list_uploads(&self, prefix: &Prefix, token: Option<&PageToken>) -> Result<UploadPage> {
        let at = |error: Error| error.at(Operation::ListUploads, NAME, prefix.as_str());
        self.store.uploads().list(prefix, token, self.store.page_size(None)).map_err(at)
    }

    async fn presign(&self, key: &Key, _request: &PresignRequest) -> Result<PresignedUrl> {
        let unsupported = Error::unsupported(Capability::Presign);
        Err(unsupported.at(Operation::Presign, NAME, key.as_str()))
    }
}

fn complete(
    store: &Store,
    key: &Key,
    upload: &UploadId,
    parts: &[Part],
    options: &CompleteOptions,
) -> Result<Written> {
    // Held to the end, so that an upload completes once.
    let mut uploads = store.uploads();
    let write_id = WriteId::new(upload.as_str());
    let received = match uploads.get(key, upload) {
        Ok(received) => received,
        Err(unknown) => {
            let current = store.object(key, &GetOptions::default());
            return match (current, write_id) {
                (Ok(object), Ok(id)) if object.write_id.as_ref() == Some(&id) => {
                    Ok(object.meta.written())
                }
                _ => Err(unknown),
            };
        }
    };
    let (content, checksum) = received.join(parts)?;
    if store.capabilities.limits.max_object_size.is_some_and(|max| content.len() as u64 > max) {
        return Err(Error::new(
            ErrorKind::TooLarge,
            "the parts together are above the largest object",
        ));
    }
    checksum.expect(options.checksum)?;
    let put = PutOptions {
        condition: options.condition.clone(),
        attributes: Arc::clone(&received.attributes),
        checksum: None,
        write_id: Some(write_id?),
    };
    let meta = store.publish(key, content, checksum, &put)?;
    uploads.remove(key, upload);
    Ok(meta)
}

fn validate_write(key: &Key, options: &PutOptions) -> Result<()> {
    expect_portable(key)?;
    if options.attributes.is_empty() { Ok(()) } else { options.attributes.validate() }
}

/// Writes keep the portable profile; `Key::new` says which rule is broken.
fn expect_portable(key: &Key) -> Result<()> {
    if key.is_portable() { Ok(()) } else { Key::new(key.as_str()).map(drop) }
}

/// A slice that shares the stored bytes. The range was clamped to them.
fn slice(content: &Bytes, range: &std::ops::Range<u64>) -> Bytes {
    if range.end - range.start == content.len() as u64 {
        return content.clone();
    }
    content.slice(range.start as usize..range.end as usize)
}

//! The contract, method by method.

use std::ops::Bound;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use omni_contracts::storage::{
    Attributes, ByteRange, Capabilities, Capability, CompleteOptions, CopyOptions, Crc32c,
    DeleteOptions, Deleted, GetOptions, GetResult, Key, ListEntry, ListPage, ListRequest,
    ObjectEntry, ObjectMeta, PageToken, Part, PartNumber, Prefix, PresignRequest, PresignedUrl,
    PutOptions, StorageProvider, UploadId, UploadPage, Version, VersionPage, WriteCondition,
    Written,
};
use omni_contracts::{Body, Error, ErrorKind, Operation, Result};

use crate::SkeletonStorage;
use crate::service::Record;

/// The product, as configurations name it.
const NAME: &str = "skeleton";

#[async_trait]
impl StorageProvider for SkeletonStorage {
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
        Ok(())
    }

    async fn put(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Written> {
        let at = |error: Error| error.at(Operation::Put, NAME, key.as_str());
        validate(key, &options.attributes).map_err(at)?;
        options.expect_supported(&self.capabilities).map_err(at)?;
        let content = body.collect().await.map_err(at)?;
        let checksum = Crc32c::of(&content);
        checksum.expect(options.checksum).map_err(at)?;
        Ok(self.store(key, content, checksum, Arc::clone(&options.attributes)))
    }

    async fn get(&self, key: &Key, options: &GetOptions) -> Result<GetResult> {
        let at = |error: Error| error.at(Operation::Get, NAME, key.as_str());
        options.range.validate().map_err(at)?;
        let Record { meta, content } = self.read(key, options).map_err(at)?;
        let range = options.range.resolve(meta.size).map_err(at)?;
        let body = Body::from(content.slice(range.start as usize..range.end as usize));
        Ok(GetResult { meta, range, body })
    }

    async fn get_ranges(
        &self,
        key: &Key,
        ranges: &[ByteRange],
        options: &GetOptions,
    ) -> Result<Vec<Bytes>> {
        // A product without vectored reads uses `read_ranges`, which needs `conditional-read` to
        // keep to one version. This one reads the object once.
        let at = |error: Error| error.at(Operation::GetRanges, NAME, key.as_str());
        for range in ranges {
            range.validate().map_err(at)?;
        }
        let Record { meta, content } = self.read(key, options).map_err(at)?;
        let slice = |range: &ByteRange| {
            let range = range.resolve(meta.size)?;
            Ok(content.slice(range.start as usize..range.end as usize))
        };
        ranges.iter().map(slice).collect::<Result<_>>().map_err(at)
    }

    async fn head(&self, key: &Key, options: &GetOptions) -> Result<ObjectMeta> {
        let at = |error: Error| error.at(Operation::Head, NAME, key.as_str());
        Ok(self.read(key, options).map_err(at)?.meta)
    }

    async fn delete(&self, key: &Key, options: &DeleteOptions) -> Result<Deleted> {
        let at = |error: Error| error.at(Operation::Delete, NAME, key.as_str());
        options.expect_supported(&self.capabilities).map_err(at)?;
        Ok(Deleted::new(Some(self.service.remove(key))))
    }

    async fn delete_many(&self, keys: &[Key]) -> Vec<Result<Deleted>> {
        keys.iter().map(|key| Ok(Deleted::new(Some(self.service.remove(key))))).collect()
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage> {
        self.page(request).map_err(|error| error.at(Operation::List, NAME, request.prefix.as_str()))
    }

    async fn list_versions(
        &self,
        prefix: &Prefix,
        _token: Option<&PageToken>,
        _limit: Option<usize>,
    ) -> Result<VersionPage> {
        Err(undeclared(Capability::Versioning, Operation::ListVersions, prefix.as_str()))
    }

    async fn copy(&self, from: &Key, to: &Key, options: &CopyOptions) -> Result<Written> {
        let copy = || {
            validate(to, options.attributes.as_ref().unwrap_or(&Attributes::none()))?;
            options.expect_supported(&self.capabilities)?;
            if from == to && options.attributes.is_none() {
                return Err(Error::invalid("a copy onto itself needs new attributes"));
            }
            let source = self.read(from, &GetOptions::default())?;
            if let Some(version) = options.source_version.clone() {
                WriteCondition::IfMatch(version).check(Some(&source.meta.version))?;
            }
            let checksum = source.meta.checksum.unwrap_or_else(|| Crc32c::of(&source.content));
            let attributes = options.attributes.clone().unwrap_or(source.meta.attributes);
            Ok(self.store(to, source.content, checksum, attributes))
        };
        copy().map_err(|error| match error.kind() {
            ErrorKind::NotFound => error.at(Operation::Copy, NAME, from.as_str()),
            _ => error.at(Operation::Copy, NAME, to.as_str()),
        })
    }

    async fn create_upload(&self, key: &Key, _options: &PutOptions) -> Result<UploadId> {
        Err(undeclared(Capability::Multipart, Operation::CreateUpload, key.as_str()))
    }

    async fn upload_part(
        &self,
        key: &Key,
        _upload: &UploadId,
        _number: PartNumber,
        _body: Body,
    ) -> Result<Part> {
        Err(undeclared(Capability::Multipart, Operation::UploadPart, key.as_str()))
    }

    async fn list_parts(&self, key: &Key, _upload: &UploadId) -> Result<Vec<Part>> {
        Err(undeclared(Capability::Multipart, Operation::ListParts, key.as_str()))
    }

    async fn complete_upload(
        &self,
        key: &Key,
        _upload: &UploadId,
        _parts: &[Part],
        _options: &CompleteOptions,
    ) -> Result<Written> {
        Err(undeclared(Capability::Multipart, Operation::CompleteUpload, key.as_str()))
    }

    async fn abort_upload(&self, key: &Key, _upload: &UploadId) -> Result<()> {
        Err(undeclared(Capability::Multipart, Operation::AbortUpload, key.as_str()))
    }

    async fn list_uploads(
        &self,
        prefix: &Prefix,
        _token: Option<&PageToken>,
    ) -> Result<UploadPage> {
        Err(undeclared(Capability::Multipart, Operation::ListUploads, prefix.as_str()))
    }

    async fn presign(&self, key: &Key, _request: &PresignRequest) -> Result<PresignedUrl> {
        Err(undeclared(Capability::Presign, Operation::Presign, key.as_str()))
    }
}

impl SkeletonStorage {
    fn store(
        &self,
        key: &Key,
        content: Bytes,
        checksum: Crc32c,
        attributes: Arc<Attributes>,
    ) -> Written {
        let now = SystemTime::now();
        let record = self.service.put(key, |number, replaced| Record {
            meta: ObjectMeta {
                size: content.len() as u64,
                version: version(number),
                modified: replaced.map_or(now, |record| now.max(record.meta.modified)),
                checksum: Some(checksum),
                attributes,
            },
            content,
        });
        record.meta.written()
    }

    fn read(&self, key: &Key, options: &GetOptions) -> Result<Record> {
        options.expect_supported(&self.capabilities)?;
        let missing = || Error::new(ErrorKind::NotFound, "no object has this key");
        self.service.get(key).ok_or_else(missing)
    }

    fn page(&self, request: &ListRequest) -> Result<ListPage> {
        request.validate()?;
        let max = self.capabilities.limits.max_page_size;
        let limit = request.limit.map_or(max, |limit| limit.min(max));
        let mut page = ListPage::default();
        let mut start = request.scan_start()?;
        while let Some((key, meta)) = start.take().and_then(|start| self.service.first(&start)) {
            if !key.as_str().starts_with(request.prefix.as_str()) {
                break;
            }
            if page.entries.len() == limit {
                page.next = page.entries.last().map(|entry| request.token_after(entry.name()));
                break;
            }
            if let Some(folder) = request.rolled_up(key.as_str()) {
                let folder = Prefix::new(folder)?;
                start = folder.upper_bound().map(Bound::Included);
                page.entries.push(ListEntry::Prefix(folder));
            } else {
                start = Some(Bound::Excluded(key.to_string()));
                let ObjectMeta { size, version, modified, .. } = meta;
                page.entries.push(ListEntry::Object(ObjectEntry { key, size, version, modified }));
            }
        }
        Ok(page)
    }
}

fn version(number: u64) -> Version {
    Version::new(number.to_string()).unwrap_or_else(|_| unreachable!("digits are a version"))
}

fn validate(key: &Key, attributes: &Attributes) -> Result<()> {
    if !key.is_portable() {
        Key::new(key.as_str())?;
    }
    attributes.validate()
}

fn undeclared(capability: Capability, operation: Operation, resource: &str) -> Error {
    Error::unsupported(capability).at(operation, NAME, resource)
}

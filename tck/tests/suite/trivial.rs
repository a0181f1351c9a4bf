//! Providers that do nothing worth a certificate: whatever passes on them checks nothing.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use omni_contracts::storage::{
    Attributes, ByteRange, Capabilities, Capability, CompleteOptions, CopyOptions, DeleteOptions,
    Deleted, Durability, GetOptions, GetResult, Key, ListEntry, ListPage, ListRequest, ObjectEntry,
    ObjectMeta, PageToken, Part, PartNumber, Prefix, PresignRequest, PresignedUrl, PutOptions,
    StorageProvider, UploadId, UploadPage, Version, VersionPage, Written,
};
use omni_contracts::{Body, Error, ErrorKind, Operation, Result};

/// What a trivial provider does with every call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Succeeds, keeps nothing, and has nothing.
    Null,
    /// Succeeds, and answers with what was put last, whatever is asked for.
    Echo,
    /// Fails.
    Error(ErrorKind),
}

/// A provider that declares much and keeps nothing of it.
#[derive(Debug)]
pub(crate) struct Trivial {
    answer: Answer,
    capabilities: Capabilities,
    last: Mutex<Last>,
}

/// What was put last.
#[derive(Clone, Debug)]
struct Last {
    key: Option<Key>,
    content: Bytes,
    attributes: Arc<Attributes>,
    puts: u64,
}

impl Trivial {
    pub(crate) fn new(answer: Answer) -> Self {
        let last = Last { key: None, content: Bytes::new(), attributes: Arc::default(), puts: 0 };
        Self {
            answer,
            capabilities: Capabilities::new(Durability::Memory)
                .with(Capability::ALL)
                .without(&[Capability::MultiProcess, Capability::Presign]),
            last: Mutex::new(last),
        }
    }

    /// Success, or the error that every call fails with.
    fn answer(&self, operation: Operation, resource: &str) -> Result<()> {
        match self.answer {
            Answer::Error(kind) => {
                Err(Error::new(kind, "it is always so").at(operation, self.name(), resource))
            }
            Answer::Null | Answer::Echo => Ok(()),
        }
    }

    fn last(&self) -> Last {
        self.last.lock().unwrap().clone()
    }

    fn meta(&self) -> ObjectMeta {
        let last = self.last();
        ObjectMeta {
            size: last.content.len() as u64,
            version: Version::new(format!("v{}", last.puts)).unwrap(),
            modified: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + last.puts),
            checksum: None,
            attributes: last.attributes,
        }
    }
}

#[async_trait]
impl StorageProvider for Trivial {
    fn name(&self) -> &str {
        "trivial"
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
        self.answer(Operation::Put, key.as_str())?;
        let content = body.collect().await?;
        if self.answer == Answer::Echo {
            let mut last = self.last.lock().unwrap();
            *last = Last {
                key: Some(key.clone()),
                content,
                attributes: Arc::clone(&options.attributes),
                puts: last.puts + 1,
            };
        }
        Ok(self.meta().written())
    }

    async fn get(&self, key: &Key, _: &GetOptions) -> Result<GetResult> {
        self.answer(Operation::Get, key.as_str())?;
        let meta = self.meta();
        Ok(GetResult { range: 0..meta.size, meta, body: Body::from(self.last().content) })
    }

    async fn get_ranges(
        &self,
        key: &Key,
        ranges: &[ByteRange],
        _: &GetOptions,
    ) -> Result<Vec<Bytes>> {
        self.answer(Operation::GetRanges, key.as_str())?;
        Ok(ranges.iter().map(|_| self.last().content).collect())
    }

    async fn head(&self, key: &Key, _: &GetOptions) -> Result<ObjectMeta> {
        self.answer(Operation::Head, key.as_str())?;
        Ok(self.meta())
    }

    async fn delete(&self, key: &Key, _: &DeleteOptions) -> Result<Deleted> {
        self.answer(Operation::Delete, key.as_str())?;
        Ok(Deleted::new(None))
    }

    async fn delete_many(&self, keys: &[Key]) -> Vec<Result<Deleted>> {
        let one = |key: &Key| {
            self.answer(Operation::DeleteMany, key.as_str()).map(|()| Deleted::new(None))
        };
        keys.iter().map(one).collect()
    }

    async fn list(&self, request: &ListRequest) -> Result<ListPage> {
        self.answer(Operation::List, request.prefix.as_str())?;
        let meta = self.meta();
        let entry = |key| {
            let (size, version, modified) = (meta.size, meta.version.clone(), meta.modified);
            ListEntry::Object(ObjectEntry { key, size, version, modified })
        };
        Ok(ListPage { entries: self.last().key.into_iter().map(entry).collect(), next: None })
    }

    async fn list_versions(
        &self,
        prefix: &Prefix,
        _: Option<&PageToken>,
        _: Option<usize>,
    ) -> Result<VersionPage> {
        self.answer(Operation::ListVersions, prefix.as_str())?;
        Ok(VersionPage::default())
    }

    async fn copy(&self, _: &Key, to: &Key, _: &CopyOptions) -> Result<Written> {
        self.answer(Operation::Copy, to.as_str())?;
        Ok(self.meta().written())
    }

    async fn create_upload(&self, key: &Key, _: &PutOptions) -> Result<UploadId> {
        self.answer(Operation::CreateUpload, key.as_str())?;
        Ok(UploadId::new("upload"))
    }

    async fn upload_part(
        &self,
        key: &Key,
        _: &UploadId,
        number: PartNumber,
        body: Body,
    ) -> Result<Part> {
        self.answer(Operation::UploadPart, key.as_str())?;
        let content = body.collect().await?;
        let version = self.meta().version;
        Ok(Part { number, size: content.len() as u64, version, checksum: None })
    }

    async fn list_parts(&self, key: &Key, _: &UploadId) -> Result<Vec<Part>> {
        self.answer(Operation::ListParts, key.as_str()).map(|()| Vec::new())
    }

    async fn complete_upload(
        &self,
        key: &Key,
        _: &UploadId,
        _: &[Part],
        _: &CompleteOptions,
    ) -> Result<Written> {
        self.answer(Operation::CompleteUpload, key.as_str()).map(|()| self.meta().written())
    }

    async fn abort_upload(&self, key: &Key, _: &UploadId) -> Result<()> {
        self.answer(Operation::AbortUpload, key.as_str())
    }

    async fn list_uploads(&self, prefix: &Prefix, _: Option<&PageToken>) -> Result<UploadPage> {
        self.answer(Operation::ListUploads, prefix.as_str()).map(|()| UploadPage::default())
    }

    async fn presign(&self, _: &Key, _: &PresignRequest) -> Result<PresignedUrl> {
        Err(Error::unsupported(Capability::Presign))
    }
}

//! The arguments of each operation, owned, so that a mutant can change them and pass them on.

use bytes::Bytes;
use omni_contracts::storage::{
    ByteRange, CompleteOptions, CopyOptions, DeleteOptions, Deleted, GetOptions, GetResult, Key,
    ListPage, ListRequest, ObjectMeta, PageToken, Part, PartNumber, Prefix, PutOptions,
    StorageProvider, UploadId, UploadPage, VersionPage, Written,
};
use omni_contracts::{Body, Result};

/// `put`; also `create_upload`, with an empty body.
pub(super) struct Put {
    pub(super) key: Key,
    pub(super) body: Body,
    pub(super) options: PutOptions,
}

impl Put {
    pub(super) async fn to(self, provider: &dyn StorageProvider) -> Result<Written> {
        provider.put(&self.key, self.body, &self.options).await
    }

    pub(super) async fn begin(self, provider: &dyn StorageProvider) -> Result<UploadId> {
        provider.create_upload(&self.key, &self.options).await
    }

    /// The same call with its body in one piece, so that its size is known and it can be repeated.
    pub(super) async fn whole(self) -> Result<(Self, Bytes)> {
        let content = self.body.collect().await?;
        Ok((Self { body: content.clone().into(), ..self }, content))
    }

    /// The same call with another content.
    pub(super) fn with(&self, body: impl Into<Body>) -> Self {
        Self { key: self.key.clone(), body: body.into(), options: self.options.clone() }
    }

    pub(super) fn is_streamed(&self) -> bool {
        self.body.as_bytes().is_none()
    }
}

/// `get` and `head`.
#[derive(Clone)]
pub(super) struct Get {
    pub(super) key: Key,
    pub(super) options: GetOptions,
}

impl Get {
    pub(super) async fn from(self, provider: &dyn StorageProvider) -> Result<GetResult> {
        provider.get(&self.key, &self.options).await
    }

    pub(super) async fn head(self, provider: &dyn StorageProvider) -> Result<ObjectMeta> {
        provider.head(&self.key, &self.options).await
    }

    /// The same call for another range.
    pub(super) fn of(&self, range: impl Into<ByteRange>) -> Self {
        let options = GetOptions { range: range.into(), ..self.options.clone() };
        Self { key: self.key.clone(), options }
    }
}

/// `get_ranges`.
pub(super) struct GetRanges {
    pub(super) get: Get,
    pub(super) ranges: Vec<ByteRange>,
}

impl GetRanges {
    pub(super) async fn from(self, provider: &dyn StorageProvider) -> Result<Vec<Bytes>> {
        provider.get_ranges(&self.get.key, &self.ranges, &self.get.options).await
    }
}

/// `delete`.
pub(super) struct Delete {
    pub(super) key: Key,
    pub(super) options: DeleteOptions,
}

impl Delete {
    pub(super) async fn from(self, provider: &dyn StorageProvider) -> Result<Deleted> {
        provider.delete(&self.key, &self.options).await
    }
}

/// `list`.
pub(super) struct List(pub(super) ListRequest);

impl List {
    pub(super) async fn from(self, provider: &dyn StorageProvider) -> Result<ListPage> {
        provider.list(&self.0).await
    }
}

/// `list_versions`, and `list_uploads` without a limit.
pub(super) struct ListMore {
    pub(super) prefix: Prefix,
    pub(super) token: Option<PageToken>,
    pub(super) limit: Option<usize>,
}

impl ListMore {
    pub(super) async fn versions(self, provider: &dyn StorageProvider) -> Result<VersionPage> {
        provider.list_versions(&self.prefix, self.token.as_ref(), self.limit).await
    }

    pub(super) async fn uploads(self, provider: &dyn StorageProvider) -> Result<UploadPage> {
        provider.list_uploads(&self.prefix, self.token.as_ref()).await
    }
}

/// `copy`.
pub(super) struct Copy {
    pub(super) from: Key,
    pub(super) to: Key,
    pub(super) options: CopyOptions,
}

impl Copy {
    pub(super) async fn within(self, provider: &dyn StorageProvider) -> Result<Written> {
        provider.copy(&self.from, &self.to, &self.options).await
    }
}

/// `list_parts` and `abort_upload`.
pub(super) struct Upload {
    pub(super) key: Key,
    pub(super) id: UploadId,
}

impl Upload {
    pub(super) async fn parts(self, provider: &dyn StorageProvider) -> Result<Vec<Part>> {
        provider.list_parts(&self.key, &self.id).await
    }

    pub(super) async fn abort(self, provider: &dyn StorageProvider) -> Result<()> {
        provider.abort_upload(&self.key, &self.id).await
    }
}

/// `upload_part`.
pub(super) struct UploadPart {
    pub(super) upload: Upload,
    pub(super) number: PartNumber,
    pub(super) body: Body,
}

impl UploadPart {
    pub(super) async fn to(self, provider: &dyn StorageProvider) -> Result<Part> {
        let Upload { key, id } = self.upload;
        provider.upload_part(&key, &id, self.number, self.body).await
    }
}

/// `complete_upload`.
pub(super) struct Complete {
    pub(super) upload: Upload,
    pub(super) parts: Vec<Part>,
    pub(super) options: CompleteOptions,
}

impl Complete {
    pub(super) async fn at(self, provider: &dyn StorageProvider) -> Result<Written> {
        let Upload { key, id } = self.upload;
        provider.complete_upload(&key, &id, &self.parts, &self.options).await
    }
}

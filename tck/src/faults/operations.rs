//! What is done while something goes wrong: each operation of the contract, on a small scene.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{TryStreamExt, stream};
use omni_contracts::storage::{
    ByteRange, Capabilities, Capability, CompleteOptions, CopyOptions, Crc32c, DeleteOptions,
    GetOptions, Key, ListEntry, ListRequest, Part, PartNumber, Prefix, PutOptions, StorageProvider,
    UploadId, Version, WriteCondition, WriteId, Written, list_all,
};
use omni_contracts::{Body, Error, ErrorKind, Result};
use tokio::time::{Duration, Instant};

use crate::storage::inputs::payload;

/// The size of the object that is read: half of it is a good deal.
pub(super) const SIZE: usize = 64 << 10;
const SMALL: usize = 700;

/// An operation of the contract, in one of the ways that it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `put` of a new object.
    Put,
    /// `put` over an object.
    Overwrite,
    /// `put` with `IfAbsent` and a write id.
    Create,
    /// `put` with `IfAbsent`, without a write id.
    CreateUnnamed,
    /// `put` with `IfMatch` and a write id.
    Update,
    /// `put` with `IfMatch`, without a write id.
    UpdateUnnamed,
    /// `put` of a stream.
    PutStream,
    /// `put` of what providers send in parts.
    PutLarge,
    /// `get` of a whole object.
    Get,
    /// `get` of a range.
    GetRange,
    /// `get_ranges`.
    GetRanges,
    /// `head`.
    Head,
    /// `list`, all pages.
    List,
    /// `delete`.
    Delete,
    /// `delete` with a condition.
    DeleteIf,
    /// `delete_many`.
    DeleteMany,
    /// `copy`.
    Copy,
    /// `create_upload`.
    CreateUpload,
    /// `upload_part`.
    UploadPart,
    /// `list_parts`.
    ListParts,
    /// `complete_upload`.
    CompleteUpload,
    /// `abort_upload`.
    AbortUpload,
}

use Operation as Op;

impl Op {
    /// Every one.
    pub const ALL: [Self; 22] = [
        Self::Put,
        Self::Overwrite,
        Self::Create,
        Self::CreateUnnamed,
        Self::Update,
        Self::UpdateUnnamed,
        Self::PutStream,
        Self::PutLarge,
        Self::Get,
        Self::GetRange,
        Self::GetRanges,
        Self::Head,
        Self::List,
        Self::Delete,
        Self::DeleteIf,
        Self::DeleteMany,
        Self::Copy,
        Self::CreateUpload,
        Self::UploadPart,
        Self::ListParts,
        Self::CompleteUpload,
        Self::AbortUpload,
    ];

    /// Whether a provider that declares `capabilities` has it.
    #[must_use]
    pub fn is_had_by(self, capabilities: &Capabilities) -> bool {
        let needed = match self {
            Self::Create | Self::CreateUnnamed => Capability::ConditionalCreate,
            Self::Update | Self::UpdateUnnamed => Capability::ConditionalUpdate,
            Self::DeleteIf => Capability::ConditionalDelete,
            _ if self.is_of_uploads() => Capability::Multipart,
            _ => return true,
        };
        capabilities.has(needed)
    }

    pub(super) fn is_of_uploads(self) -> bool {
        matches!(
            self,
            Self::CreateUpload
                | Self::UploadPart
                | Self::ListParts
                | Self::CompleteUpload
                | Self::AbortUpload
        )
    }

    /// Whether it reads a content that has a checksum.
    pub(super) fn reads_a_content(self) -> bool {
        self == Self::Get
    }

    /// Whether it sends a content as a whole.
    pub(super) fn sends_a_content(self) -> bool {
        matches!(
            self,
            Self::Put
                | Self::Overwrite
                | Self::Create
                | Self::CreateUnnamed
                | Self::Update
                | Self::UpdateUnnamed
        )
    }

    /// Whether the contract allows repeating it when it is unknown what it has done.
    pub(super) fn is_repeatable(self) -> bool {
        !matches!(
            self,
            Self::CreateUnnamed
                | Self::UpdateUnnamed
                | Self::PutStream
                | Self::DeleteIf
                | Self::CreateUpload
        )
    }

    /// Whether it may take ten times as long, by `docs/guides/resilience.md`.
    pub(super) fn is_long(self) -> bool {
        matches!(self, Self::GetRanges | Self::DeleteMany | Self::Copy | Self::CompleteUpload)
    }

    /// Whether it depends on what is stored, so that its own success refuses a repeat.
    pub(super) fn is_conditional(self) -> bool {
        matches!(
            self,
            Self::Create
                | Self::CreateUnnamed
                | Self::Update
                | Self::UpdateUnnamed
                | Self::DeleteIf
        )
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A place of its own for one operation: three objects below a prefix, and what the operation needs.
#[derive(Debug)]
pub(super) struct Scene {
    prefix: String,
    version: Version,
    upload: Option<(UploadId, Vec<Part>)>,
    large: usize,
}

/// What an operation answered, in words that are the same on every run, and the version that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) said: String,
    pub(super) version: Option<Version>,
}

/// An operation that has ended.
#[derive(Debug)]
pub(super) struct Acted {
    pub(super) result: Result<Answer>,
    /// Until it answered, without the reading of a content.
    pub(super) called: Duration,
    /// With the reading of a content.
    pub(super) in_all: Duration,
    /// The keys that are said to be deleted.
    pub(super) gone: Vec<String>,
}

/// What is stored below the prefix of a scene, as somebody else sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    /// Size and checksum of each.
    pub(super) objects: BTreeMap<String, (u64, Crc32c)>,
    pub(super) versions: BTreeMap<String, Version>,
    /// Unfinished uploads: the key, and number and size of the parts.
    pub(super) uploads: Vec<(String, Vec<(u16, u64)>)>,
}

impl Scene {
    /// Sets a scene below `prefix`, by a handle that nothing stands in the way of.
    pub(super) async fn set(store: &dyn StorageProvider, prefix: String, op: Op) -> Result<Self> {
        let plain = PutOptions::default();
        let at = |name: &str| Key::new(format!("{prefix}{name}"));
        let version = store.put(&at("old")?, payload(1, SIZE).into(), &plain).await?.version;
        for name in ["b", "c"] {
            store.put(&at(name)?, payload(2, SMALL).into(), &plain).await?;
        }
        let upload = match op.is_of_uploads() && op != Op::CreateUpload {
            false => None,
            true => {
                let key = at("new")?;
                let id = store.create_upload(&key, &plain).await?;
                let mut parts = Vec::new();
                if matches!(op, Op::ListParts | Op::CompleteUpload) {
                    let content = payload(3, SIZE).into();
                    parts.push(store.upload_part(&key, &id, PartNumber::new(1)?, content).await?);
                }
                Some((id, parts))
            }
        };
        let least = usize::try_from(store.capabilities().limits.min_part_size).unwrap_or(0);
        Ok(Self { prefix, version, upload, large: least.max(256 << 10) + 100_000 })
    }

    fn key(&self, name: &str) -> Result<Key> {
        Key::new(format!("{}{name}", self.prefix))
    }

    pub(super) async fn act(&self, op: Op, store: &dyn StorageProvider) -> Acted {
        let begun = Instant::now();
        let (mut called, mut gone) = (None, Vec::new());
        let result = self.answer(op, store, begun, &mut called, &mut gone).await;
        let in_all = begun.elapsed();
        Acted { result, called: called.unwrap_or(in_all), in_all, gone }
    }

    async fn answer(
        &self,
        op: Op,
        store: &dyn StorageProvider,
        begun: Instant,
        called: &mut Option<Duration>,
        gone: &mut Vec<String>,
    ) -> Result<Answer> {
        let (old, new) = (self.key("old")?, self.key("new")?);
        let content = payload(4, SMALL);
        let put = async |key: &Key, body: Body, condition, named: bool| {
            let write_id =
                named.then(|| WriteId::new(self.prefix.replace('/', "-"))).transpose()?;
            let options = PutOptions { condition, write_id, ..PutOptions::default() };
            written(store.put(key, body, &options).await?)
        };
        let whole = || Body::from(content.clone());
        let matching = || WriteCondition::IfMatch(self.version.clone());
        let upload = || {
            let missing = || Error::invalid("the scene has no upload");
            self.upload.as_ref().ok_or_else(missing)
        };
        match op {
            Op::Put => put(&new, whole(), WriteCondition::Always, false).await,
            Op::Overwrite => put(&old, whole(), WriteCondition::Always, false).await,
            Op::Create => put(&new, whole(), WriteCondition::IfAbsent, true).await,
            Op::CreateUnnamed => put(&new, whole(), WriteCondition::IfAbsent, false).await,
            Op::Update => put(&old, whole(), matching(), true).await,
            Op::UpdateUnnamed => put(&old, whole(), matching(), false).await,
            Op::PutStream => {
                let chunks: Vec<Result<Bytes>> =
                    content.chunks(100).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
                let body = Body::from_stream(stream::iter(chunks), Some(SMALL as u64));
                put(&old, body, WriteCondition::Always, false).await
            }
            Op::PutLarge => {
                let large = payload(5, self.large);
                put(&new, large.into(), WriteCondition::Always, false).await
            }
            Op::Get | Op::GetRange => {
                let range = match op {
                    Op::Get => ByteRange::Full,
                    _ => ByteRange::Bounded { start: 1000, end: 50_000 },
                };
                let options = GetOptions { range, ..GetOptions::default() };
                let found = store.get(&old, &options).await?;
                *called = Some(begun.elapsed());
                let (range, version) = (found.range, found.meta.version);
                let content = found.body.collect().await?;
                let said = format!("{range:?}: {} {}", content.len(), Crc32c::of(&content));
                Ok(Answer { said, version: Some(version) })
            }
            Op::GetRanges => {
                let ranges = [0..10, 30_000..60_000, 5..6]
                    .map(|range| ByteRange::Bounded { start: range.start, end: range.end });
                let pieces = store.get_ranges(&old, &ranges, &GetOptions::default()).await?;
                let sums: Vec<_> =
                    pieces.iter().map(|piece| (piece.len(), Crc32c::of(piece))).collect();
                Ok(Answer { said: format!("{sums:?}"), version: None })
            }
            Op::Head => {
                let meta = store.head(&old, &GetOptions::default()).await?;
                Ok(Answer { said: format!("{}", meta.size), version: Some(meta.version) })
            }
            Op::List => {
                let listed = list(store, &self.prefix).await?;
                let said: Vec<_> = listed.iter().map(|(name, size, _)| (name, size)).collect();
                Ok(Answer { said: format!("{said:?}"), version: None })
            }
            Op::Delete | Op::DeleteIf => {
                let if_match = (op == Op::DeleteIf).then(|| self.version.clone());
                let options = DeleteOptions { if_match, ..DeleteOptions::default() };
                // Whether it was there: a repeat tells nothing about that.
                store.delete(&old, &options).await?;
                gone.push("old".to_owned());
                Ok(Answer { said: "deleted".to_owned(), version: None })
            }
            Op::DeleteMany => {
                let names = ["old", "b", "missing"];
                let keys =
                    names.map(|name| self.key(name)).into_iter().collect::<Result<Vec<_>>>()?;
                let mut failed = None;
                for (name, result) in names.iter().zip(store.delete_many(&keys).await) {
                    match result {
                        Ok(_) => gone.push((*name).to_owned()),
                        Err(error) => failed = Some(error),
                    }
                }
                match failed {
                    None => Ok(Answer { said: "deleted".to_owned(), version: None }),
                    Some(error) => Err(error),
                }
            }
            Op::Copy => written(store.copy(&old, &new, &CopyOptions::default()).await?),
            Op::CreateUpload => {
                store.create_upload(&new, &PutOptions::default()).await?;
                Ok(Answer { said: "an upload".to_owned(), version: None })
            }
            Op::UploadPart => {
                let number = PartNumber::new(1)?;
                let part = store.upload_part(&new, &upload()?.0, number, whole()).await?;
                Ok(Answer { said: format!("{} {}", part.number, part.size), version: None })
            }
            Op::ListParts => {
                let parts = store.list_parts(&new, &upload()?.0).await?;
                Ok(Answer { said: format!("{:?}", sizes(&parts)), version: None })
            }
            Op::CompleteUpload => {
                let (id, parts) = upload()?;
                let options = CompleteOptions::default();
                written(store.complete_upload(&new, id, parts, &options).await?)
            }
            Op::AbortUpload => {
                store.abort_upload(&new, &upload()?.0).await?;
                Ok(Answer { said: "aborted".to_owned(), version: None })
            }
        }
    }

    /// What is stored, by a handle that nothing stands in the way of.
    pub(super) async fn stored(&self, store: &dyn StorageProvider, op: Op) -> Result<Stored> {
        let mut stored =
            Stored { objects: BTreeMap::new(), versions: BTreeMap::new(), uploads: Vec::new() };
        for (name, _, _) in list(store, &self.prefix).await? {
            let found = store.get(&self.key(&name)?, &GetOptions::default()).await?;
            stored.versions.insert(name.clone(), found.meta.version);
            let content = match found.body.collect().await {
                // Nobody reads it: no content of any operation.
                Err(error) if error.kind() == ErrorKind::Corrupt => Bytes::from("spoiled"),
                content => content?,
            };
            stored.objects.insert(name, (content.len() as u64, Crc32c::of(&content)));
        }
        if op.is_of_uploads() {
            let prefix = Prefix::new(&*self.prefix)?;
            let mut token = None;
            loop {
                let page = store.list_uploads(&prefix, token.as_ref()).await?;
                for upload in page.entries {
                    let parts = store.list_parts(&upload.key, &upload.id).await?;
                    let name = upload.key.as_str().replacen(&self.prefix, "", 1);
                    stored.uploads.push((name, sizes(&parts)));
                }
                token = page.next;
                if token.is_none() {
                    break;
                }
            }
        }
        Ok(stored)
    }

    /// The name of the object that a write makes.
    pub(super) fn target(op: Op) -> &'static str {
        match op {
            Op::Overwrite | Op::Update | Op::UpdateUnnamed | Op::PutStream => "old",
            Op::Get | Op::GetRange | Op::Head => "old",
            _ => "new",
        }
    }
}

impl Stored {
    /// Whether the same is stored, whatever the versions are. A completed upload may leave parts behind
    /// that are still to be cleared.
    pub(super) fn is(&self, other: &Self, op: Op) -> bool {
        let uploads = op == Op::CompleteUpload || self.uploads == other.uploads;
        self.objects == other.objects && uploads
    }
}

fn written(written: Written) -> Result<Answer> {
    Ok(Answer { said: format!("{}", written.size), version: Some(written.version) })
}

fn sizes(parts: &[Part]) -> Vec<(u16, u64)> {
    parts.iter().map(|part| (part.number.get(), part.size)).collect()
}

async fn list(store: &dyn StorageProvider, prefix: &str) -> Result<Vec<(String, u64, Version)>> {
    let request =
        ListRequest { prefix: Prefix::new(prefix)?, limit: Some(2), ..ListRequest::default() };
    let entries = list_all(store, request);
    let objects = entries.try_filter_map(async |entry| match entry {
        ListEntry::Object(object) => {
            let name = object.key.as_str().replacen(prefix, "", 1);
            Ok(Some((name, object.size, object.version)))
        }
        ListEntry::Prefix(_) => Ok(None),
    });
    objects.try_collect().await
}

/// A store, shared.
pub(super) type Store = Arc<dyn StorageProvider>;

//! `Witness`: what all programs that use the members must agree on, kept in a store of its own by
//! conditional writes: the record, what members have still to receive, and what was in conflict.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::TryStreamExt;
use omni_contracts::storage::{
    Capabilities, Capability, Crc32c, DeleteOptions, GetOptions, Key, ListEntry, ListRequest,
    ObjectMeta, PageToken, Prefix, PutOptions, StorageProvider, Version, WriteCondition, WriteId,
    list_all,
};
use omni_contracts::{Body, Effect, Error, ErrorKind, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::record::{Held, Record};

/// What a witness needs.
const NEEDED: &[Capability] =
    &[Capability::ConditionalCreate, Capability::ConditionalDelete, Capability::ConditionalUpdate];

#[derive(Debug)]
pub(crate) struct Witness {
    store: Arc<dyn StorageProvider>,
    /// Where everything lies, without a slash at the end.
    folder: String,
}

/// What a member should have under a key, before it receives what it lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Expected {
    /// Not known.
    Anything,
    /// No object.
    Nothing,
    /// An object of this size and checksum.
    Content { size: u64, crc32c: Option<u32> },
}

impl Expected {
    pub(crate) fn of(meta: Option<&ObjectMeta>) -> Self {
        match meta {
            None => Self::Nothing,
            Some(meta) => {
                Self::Content { size: meta.size, crc32c: meta.checksum.map(Crc32c::to_u32) }
            }
        }
    }

    /// Whether this is known to be what is expected.
    pub(crate) fn is(self, found: Self) -> bool {
        match (self, found) {
            (Self::Anything, _) | (Self::Nothing, Self::Nothing) => true,
            (
                Self::Content { size, crc32c: Some(crc32c) },
                Self::Content { size: other, crc32c: Some(found) },
            ) => size == other && crc32c == found,
            _ => false,
        }
    }
}

/// A key that a member has still to receive.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    place: Key,
    version: Version,
    pub(crate) key: Key,
    pub(crate) since: SystemTime,
    pub(crate) expected: Expected,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MarkText {
    key: String,
    since_ms: u64,
    expected: Expected,
    /// Makes each writing of it another version, also where versions are sums of contents.
    turn: u64,
}

impl Witness {
    /// # Errors
    ///
    /// `Configuration` when the store lacks what a witness needs.
    pub(crate) fn new(
        store: Arc<dyn StorageProvider>,
        setting: &str,
        instance: &str,
    ) -> Result<Self> {
        for capability in NEEDED {
            if !store.capabilities().has(*capability) {
                let problem = format!(
                    "the instance `{setting}` cannot be the witness: its provider {} does not declare \
                     {capability}",
                    store.name()
                );
                return Err(Error::new(ErrorKind::Configuration, problem));
            }
        }
        let folder = format!("omni-failover/{instance}");
        Key::new(format!("{folder}/record"))?;
        Ok(Self { store, folder })
    }

    /// What members can do, as far as the record is as durable, and as shared, as they are.
    pub(crate) fn limit(&self, mut members: Capabilities) -> Capabilities {
        let own = self.store.capabilities();
        members.durability = members.durability.min(own.durability);
        match own.has(Capability::MultiProcess) {
            true => members,
            false => members.without(&[Capability::MultiProcess]),
        }
    }

    pub(crate) async fn check(&self) -> Result<()> {
        self.store.check().await
    }

    /// The record; `None` when there is none yet.
    pub(crate) async fn record(&self) -> Result<Option<Held>> {
        let place = self.place("record")?;
        let got = self.read(&place).await.map_err(silent)?;
        got.map(|(text, version)| Ok(Held { record: parsed(&place, &text)?, version })).transpose()
    }

    /// Changes the record, unless somebody else did since it was held. `None` when somebody did.
    pub(crate) async fn change(&self, held: Option<&Held>, record: Record) -> Result<Option<Held>> {
        let condition = match held {
            None => WriteCondition::IfAbsent,
            Some(held) => WriteCondition::IfMatch(held.version.clone()),
        };
        let text = json(&record)?;
        match self.put(&self.place("record")?, text, condition).await {
            Ok(version) => Ok(Some(Held { record, version })),
            Err(error) if lost(&error) => Ok(None),
            Err(error) => Err(silent(error)),
        }
    }

    /// Notes that a member has still to receive a key. Until it has, the note stays.
    pub(crate) async fn mark(&self, member: &str, key: &Key, expected: Expected) -> Result<()> {
        let place = self.mark_place(member, key)?;
        let mut text = MarkText {
            key: key.as_str().to_owned(),
            since_ms: millis(SystemTime::now()),
            expected,
            turn: fastrand::u64(..),
        };
        let mut condition = WriteCondition::IfAbsent;
        loop {
            match self.put(&place, json(&text)?, condition).await {
                Ok(_) => return Ok(()),
                Err(error) if lost(&error) => {}
                Err(error) => return Err(silent(error)),
            }
            // What the first note says stays, for it is what the member has. Under a new version: whoever
            // is about to take it away sees that there is more.
            condition = match self.read(&place).await.map_err(silent)? {
                None => WriteCondition::IfAbsent,
                Some((before, version)) => {
                    text = MarkText { turn: fastrand::u64(..), ..parsed(&place, &before)? };
                    WriteCondition::IfMatch(version)
                }
            };
        }
    }

    /// Whether a key is noted for a member.
    pub(crate) async fn is_marked(&self, member: &str, key: &Key) -> Result<bool> {
        let place = self.mark_place(member, key)?;
        match self.store.head(&place, &GetOptions::default()).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(silent(error)),
        }
    }

    /// What a member has still to receive: a page of it, and where the next one begins.
    pub(crate) async fn marks(
        &self,
        member: &str,
        page: Option<PageToken>,
    ) -> Result<(Vec<Mark>, Option<PageToken>)> {
        let folder = Prefix::new(format!("{}/marks/{member}/", self.folder))?;
        let request = ListRequest { token: page, ..ListRequest::prefix(folder) };
        let page = self.store.list(&request).await.map_err(silent)?;
        let mut marks = Vec::new();
        for object in page.entries.iter().filter_map(ListEntry::as_object) {
            let Some((text, version)) = self.read(&object.key).await.map_err(silent)? else {
                continue;
            };
            let text: MarkText = parsed(&object.key, &text)?;
            marks.push(Mark {
                place: object.key.clone(),
                version,
                key: Key::native(text.key),
                since: UNIX_EPOCH + std::time::Duration::from_millis(text.since_ms),
                expected: text.expected,
            });
        }
        Ok((marks, page.next))
    }

    /// What a member has under a key is about to change: a note says what it had, and nobody would know
    /// what it has if this ended half-way. `None` when the key was noted again.
    pub(crate) async fn sending(&self, mark: Mark) -> Result<Option<Mark>> {
        if mark.expected == Expected::Anything {
            return Ok(Some(mark));
        }
        let text = json(&MarkText {
            key: mark.key.as_str().to_owned(),
            since_ms: millis(mark.since),
            expected: Expected::Anything,
            turn: fastrand::u64(..),
        })?;
        match self.put(&mark.place, text, WriteCondition::IfMatch(mark.version.clone())).await {
            Ok(version) => Ok(Some(Mark { version, expected: Expected::Anything, ..mark })),
            Err(error) if lost(&error) => Ok(None),
            Err(error) => Err(silent(error)),
        }
    }

    /// Takes a note away, unless the key was noted again. Whether it was taken away.
    pub(crate) async fn clear(&self, mark: &Mark) -> Result<bool> {
        let options =
            DeleteOptions { if_match: Some(mark.version.clone()), ..DeleteOptions::default() };
        match self.store.delete(&mark.place, &options).await {
            Ok(_) => Ok(true),
            Err(error) if lost(&error) => Ok(false),
            Err(error) => Err(silent(error)),
        }
    }

    /// A member was brought to `brought` with what the primary had at `since`: if the key is noted, then
    /// what was written after that is what the member lacks, over what it was brought to.
    pub(crate) async fn brought(
        &self,
        member: &str,
        key: &Key,
        brought: Expected,
        since: SystemTime,
    ) -> Result<()> {
        let place = self.mark_place(member, key)?;
        while let Some((before, version)) = self.read(&place).await.map_err(silent)? {
            let text = MarkText {
                since_ms: millis(since),
                expected: brought,
                turn: fastrand::u64(..),
                ..parsed(&place, &before)?
            };
            match self.put(&place, json(&text)?, WriteCondition::IfMatch(version)).await {
                Ok(_) => return Ok(()),
                Err(error) if lost(&error) => {}
                Err(error) => return Err(silent(error)),
            }
        }
        Ok(())
    }

    /// Keeps what a member had and nobody else has, before it is replaced.
    pub(crate) async fn keep(
        &self,
        member: &str,
        epoch: u64,
        key: &Key,
        meta: &ObjectMeta,
        content: Body,
    ) -> Result<()> {
        let place = self.kept_place("conflicts", member, epoch, key.as_str())?;
        let options =
            PutOptions { attributes: Arc::clone(&meta.attributes), ..PutOptions::default() };
        self.store.put(&place, content, &options).await.map_err(silent)?;
        let text = json(&ConflictText {
            key: key.as_str().to_owned(),
            member: member.to_owned(),
            epoch,
            version: meta.version.as_str().to_owned(),
            size: meta.size,
            modified_ms: millis(meta.modified),
            content: place.as_str().to_owned(),
        })?;
        let note = self.kept_place("conflict-notes", member, epoch, key.as_str())?;
        self.put(&note, text, WriteCondition::Always).await.map_err(silent)?;
        Ok(())
    }

    pub(crate) async fn conflicts(&self) -> Result<Vec<Conflict>> {
        let folder = Prefix::new(format!("{}/conflict-notes/", self.folder))?;
        let entries: Vec<_> =
            list_all(&*self.store, ListRequest::prefix(folder)).try_collect().await?;
        let mut conflicts = Vec::new();
        for object in entries.iter().filter_map(ListEntry::as_object) {
            let Some((text, _)) = self.read(&object.key).await? else { continue };
            let text: ConflictText = parsed(&object.key, &text)?;
            conflicts.push(Conflict {
                key: text.key,
                member: text.member,
                epoch: text.epoch,
                size: text.size,
                modified: UNIX_EPOCH + std::time::Duration::from_millis(text.modified_ms),
                content: text.content,
            });
        }
        Ok(conflicts)
    }

    /// Removes what was kept: the content first, for without the note nobody would find it.
    pub(crate) async fn forget(&self, conflict: &Conflict) -> Result<()> {
        for folder in ["conflicts", "conflict-notes"] {
            let place = self.kept_place(folder, &conflict.member, conflict.epoch, &conflict.key)?;
            self.store.delete(&place, &DeleteOptions::default()).await.map_err(silent)?;
        }
        Ok(())
    }

    fn kept_place(&self, folder: &str, member: &str, epoch: u64, key: &str) -> Result<Key> {
        self.place(&format!("{folder}/{member}/{epoch}-{}", digest(key)))
    }

    fn place(&self, name: &str) -> Result<Key> {
        Key::new(format!("{}/{name}", self.folder))
    }

    fn mark_place(&self, member: &str, key: &Key) -> Result<Key> {
        self.place(&format!("marks/{member}/{}", digest(key.as_str())))
    }

    async fn read(&self, place: &Key) -> Result<Option<(Bytes, Version)>> {
        match self.store.get(place, &GetOptions::default()).await {
            Ok(got) => Ok(Some((got.body.collect().await?, got.meta.version))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn put(&self, place: &Key, text: Bytes, condition: WriteCondition) -> Result<Version> {
        let write_id = Some(fresh_id()?);
        let options = PutOptions { condition, write_id, ..PutOptions::default() };
        Ok(self.store.put(place, Body::from(text), &options).await?.version)
    }
}

/// What a member had that nobody else has, and that was replaced when it came back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conflict {
    /// The key of the object.
    pub key: String,
    /// The member that had it.
    pub member: String,
    /// The epoch in which it was replaced.
    pub epoch: u64,
    /// The size of the content, in bytes.
    pub size: u64,
    /// When the member had stored it, by its clock.
    pub modified: SystemTime,
    /// The key at the witness under which the content is kept, with its attributes.
    pub content: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConflictText {
    key: String,
    member: String,
    epoch: u64,
    version: String,
    size: u64,
    modified_ms: u64,
    content: String,
}

/// A name for one write, so that its repetition is recognised.
pub(crate) fn fresh_id() -> Result<WriteId> {
    WriteId::new(format!("fo-{:032x}", fastrand::u128(..)))
}

/// Whether somebody else was first.
pub(crate) fn lost(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::AlreadyExists | ErrorKind::PreconditionFailed | ErrorKind::Conflict
    )
}

/// The witness did not do what it was asked for: nobody can say who is primary.
fn silent(error: Error) -> Error {
    if error.kind() == ErrorKind::Corrupt {
        return error;
    }
    let problem = "the witness of the failover cannot be asked, so nothing can be written safely";
    Error::new(ErrorKind::Unavailable, problem).with_effect(Effect::No).with_source(error)
}

/// Keys may be longer than a place at the witness, and hold other characters.
fn digest(key: &str) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(key.as_bytes()) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn parsed<T: DeserializeOwned>(place: &Key, text: &[u8]) -> Result<T> {
    serde_json::from_slice(text).map_err(|error| {
        let problem = format!("what the witness keeps at {} is damaged: {error}", place.as_str());
        Error::new(ErrorKind::Corrupt, problem)
    })
}

fn json(value: &impl Serialize) -> Result<Bytes> {
    let text = serde_json::to_vec(value).map_err(|error| {
        Error::new(ErrorKind::Internal, "what the witness keeps is no JSON").with_source(error)
    })?;
    Ok(Bytes::from(text))
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    u64::try_from(since).unwrap_or(u64::MAX)
}

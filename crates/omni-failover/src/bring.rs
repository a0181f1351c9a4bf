//! Bringing a member to what the primary has under a key, whoever else writes meanwhile.
//!
//! The rule that keeps the order of writes is this: what is sent over a version of the member was read
//! from the primary after that version was seen. Then no older state can replace a newer one, for
//! whoever is late finds another version than he saw.

use std::sync::Arc;

use bytes::Bytes;
use omni_contracts::storage::{
    Attributes, Crc32c, DeleteOptions, GetOptions, Key, ObjectMeta, PutOptions, Version,
    WriteCondition, WriteId,
};
use omni_contracts::{Body, Error, ErrorKind, Result};

use crate::member::Member;
use crate::shared::Shared;
use crate::witness::{fresh_id, lost};

/// How often somebody else may be faster.
const TURNS: usize = 64;

/// What a write has just stored at the primary, where it is still in memory.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) version: Version,
    pub(crate) content: Bytes,
    pub(crate) attributes: Arc<Attributes>,
    pub(crate) write_id: Option<WriteId>,
}

/// What a member has under a key.
pub(crate) async fn look(member: &Member, key: &Key) -> Result<Option<ObjectMeta>> {
    match member.store.head(key, &GetOptions::default()).await {
        Ok(meta) => Ok(Some(meta)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Why a member was not brought to the state of the primary.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// The primary cannot be read.
    Primary(Error, Placed),
    /// The member does not take it.
    Member(Error),
    /// The witness cannot be asked who is primary.
    Witness(Error),
    /// Another member is primary by now.
    Superseded(Placed),
}

/// Whether the member has, or had, what a write has just stored at the primary; if so, under which version,
/// or deleted.
pub(crate) type Placed = Option<Option<Version>>;

impl Stopped {
    pub(crate) fn error(self) -> Error {
        match self {
            Self::Primary(error, _) | Self::Member(error) | Self::Witness(error) => error,
            Self::Superseded(_) => {
                let problem = "another member has become the primary meanwhile";
                Error::new(ErrorKind::Unavailable, problem)
            }
        }
    }
}

/// What is brought.
#[derive(Clone, Debug)]
pub(crate) enum Freight<'a> {
    /// What the primary has.
    Current,
    /// What a write has just stored there under this version, or deleted. `seen` is what the member had
    /// before that, when the primary was the primary; `known` what was written, where it is in memory.
    Write { made: Option<&'a Version>, seen: Option<Version>, known: Option<&'a Known> },
}

/// Brings `member` to what `primary` has.
pub(crate) async fn bring(
    shared: &Shared,
    primary: &Member,
    member: &Member,
    key: &Key,
    freight: Freight<'_>,
) -> Result<Placed, Stopped> {
    let (write, mut seen, mut known) = match freight {
        Freight::Current => (None, None, None),
        Freight::Write { made, seen, known } => (Some(made), Some(seen), known),
    };
    let mut placed: Placed = None;
    for _ in 0..TURNS {
        let before = match seen.take() {
            Some(before) => before,
            None => {
                let there = look(member, key).await.map_err(Stopped::Member)?;
                // What is there may be what another program has written to it as the primary.
                let now = shared.refresh().await.map_err(Stopped::Witness)?;
                if now.record.primary != *primary.name {
                    return Err(Stopped::Superseded(placed));
                }
                there.map(|meta| meta.version)
            }
        };
        let sent = match known.take() {
            Some(known) => {
                let body = Body::from(known.content.clone());
                let attributes = Arc::clone(&known.attributes);
                send(member, key, body, attributes, None, known.write_id.clone(), before)
                    .await
                    .map(|after| (Some(known.version.clone()), Some(after)))
            }
            None => match copy(primary, member, key, before).await {
                Err(Stopped::Primary(error, _)) => return Err(Stopped::Primary(error, placed)),
                sent => sent?,
            },
        };
        match sent {
            Ok((version, after)) => {
                if write == Some(version.as_ref()) {
                    placed = Some(after.clone());
                }
                let now = shared.on_primary(primary, look(primary, key)).await;
                let now = now.map_err(|error| Stopped::Primary(error, placed.clone()))?;
                if now.map(|meta| meta.version) == version {
                    return Ok(placed);
                }
                seen = Some(after);
            }
            Err(error) if lost(&error) => {}
            Err(error) => return Err(Stopped::Member(error)),
        }
    }
    let problem = "the object is written faster than it can be replicated";
    Err(Stopped::Member(Error::new(ErrorKind::Conflict, problem)))
}

/// The version that was sent, and that which the member has it under.
type Sent = Result<(Option<Version>, Option<Version>)>;

/// Sends what the primary has now, over what the member had before.
async fn copy(
    primary: &Member,
    member: &Member,
    key: &Key,
    before: Option<Version>,
) -> Result<Sent, Stopped> {
    let got = match primary.store.get(key, &GetOptions::default()).await {
        Ok(got) => got,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let Some(before) = before else { return Ok(Ok((None, None))) };
            let options = DeleteOptions { if_match: Some(before), ..DeleteOptions::default() };
            let deleted = member.store.delete(key, &options).await;
            return Ok(deleted.map(|_| (None, None)));
        }
        Err(error) => return Err(Stopped::Primary(error, None)),
    };
    let meta = got.meta;
    if before.is_some() {
        // What is there already need not be sent again.
        let there = look(member, key).await.map_err(Stopped::Member)?;
        if let Some(there) = there.filter(|there| is_same(&meta, there)) {
            return Ok(Ok((Some(meta.version), Some(there.version))));
        }
    }
    let id = fresh_id().map_err(Stopped::Member)?;
    let (checksum, attributes) = (meta.checksum, meta.attributes);
    let sent = send(member, key, got.body, attributes, checksum, Some(id), before).await;
    Ok(sent.map(|after| (Some(meta.version), Some(after))))
}

async fn send(
    member: &Member,
    key: &Key,
    body: Body,
    attributes: Arc<Attributes>,
    checksum: Option<Crc32c>,
    write_id: Option<WriteId>,
    before: Option<Version>,
) -> Result<Version> {
    let condition = match before {
        None => WriteCondition::IfAbsent,
        Some(before) => WriteCondition::IfMatch(before),
    };
    let options = PutOptions { condition, attributes, checksum, write_id };
    Ok(member.store.put(key, body, &options).await?.version)
}

/// Whether two objects are known to be the same.
pub(crate) fn is_same(one: &ObjectMeta, other: &ObjectMeta) -> bool {
    one.size == other.size
        && one.checksum.is_some()
        && one.checksum == other.checksum
        && one.attributes == other.attributes
}

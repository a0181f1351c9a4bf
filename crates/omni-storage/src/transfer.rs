//! Between two storages: streamed, of one version, checked by checksum, attributes kept.

use std::fmt;
use std::future::IntoFuture;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt};
use omni_contracts::storage::{Crc32c, Key, ObjectMeta, PutOptions, WriteCondition, WriteId};
use omni_contracts::storage::{Version, Written};
use omni_contracts::{Body, Effect, Error, ErrorKind, Operation, Result};

use crate::{IntoKey, Storage};

/// Copies an object from one storage to another, in bounded memory, when it is awaited.
///
/// What is stored has the size, the checksum and the attributes of the version that was read. A checksum
/// that the source has is enforced by the target before it publishes; one that it does not have is
/// computed on the way and compared with the target's afterwards.
///
/// # Errors
///
/// As [`StorageProvider::get`](crate::StorageProvider::get) and
/// [`StorageProvider::put`](crate::StorageProvider::put); `Corrupt` when the two differ. Dropped, the
/// target holds the old object or the new one.
pub fn copy<'a>(
    from: &'a Storage,
    key: impl IntoKey,
    to: &'a Storage,
    to_key: impl IntoKey,
) -> Transfer<'a> {
    Transfer {
        from,
        key: key.into_key(),
        to,
        target: to_key.into_key(),
        source_version: None,
        condition: WriteCondition::Always,
        write_id: None,
        after_chunk: None,
    }
}

/// What a finished [`copy`] read and wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Copied {
    /// The object that was read.
    pub source: ObjectMeta,
    /// The object that was written.
    pub target: Written,
}

/// What is awaited after each chunk, given its size.
type AfterChunk = Arc<dyn Fn(u64) -> BoxFuture<'static, ()> + Send + Sync>;

/// A copy between two storages; see [`copy`].
#[must_use = "nothing is copied until this is awaited"]
pub struct Transfer<'a> {
    from: &'a Storage,
    key: Result<Key>,
    to: &'a Storage,
    target: Result<Key>,
    source_version: Option<Version>,
    condition: WriteCondition,
    write_id: Option<WriteId>,
    after_chunk: Option<AfterChunk>,
}

impl Transfer<'_> {
    /// Copies only this version of the source: another one is `PreconditionFailed`, of operation `get`,
    /// and nothing is written.
    pub fn source_version(mut self, version: Version) -> Self {
        self.source_version = Some(version);
        self
    }

    /// Writes only when the condition holds on the target.
    pub fn condition(mut self, condition: WriteCondition) -> Self {
        self.condition = condition;
        self
    }

    /// Names the write, so that the same one is recognised when it is repeated.
    pub fn write_id(mut self, id: WriteId) -> Self {
        self.write_id = Some(id);
        self
    }

    /// Awaits what `action` makes of the size of each chunk before the next one is read: to count, or to
    /// slow down.
    pub fn after_chunk(
        mut self,
        action: impl Fn(u64) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Self {
        self.after_chunk = Some(Arc::new(action));
        self
    }

    async fn run(self) -> Result<Copied> {
        let key = self.key.map_err(|error| error.at(Operation::Get, self.from.name(), ""))?;
        let target = self.target.map_err(|error| error.at(Operation::Put, self.to.name(), ""))?;
        let object = self.from.get(&key).await?;
        let source = object.meta().clone();
        if let Some(expected) = self.source_version
            && expected != source.version
        {
            let changed = format!("version {} is current, not {expected}", source.version);
            let changed = Error::new(ErrorKind::PreconditionFailed, changed);
            return Err(changed.at(Operation::Get, self.from.name(), key.as_str()));
        }
        let (body, seen) = counted(object.stream(), source.size, self.after_chunk);
        let options = PutOptions {
            attributes: Arc::clone(&source.attributes),
            checksum: source.checksum,
            condition: self.condition,
            write_id: self.write_id,
        };
        let written = self.to.provider().put(&target, body, &options).await?;
        compare(&written, &source, *seen.lock().unwrap_or_else(PoisonError::into_inner))
            .map_err(|error| error.at(Operation::Put, self.to.name(), target.as_str()))?;
        Ok(Copied { source, target: written })
    }
}

impl<'a> IntoFuture for Transfer<'a> {
    type Output = Result<Copied>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for Transfer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transfer")
            .field("from", &(self.from.name(), &self.key))
            .field("to", &(self.to.name(), &self.target))
            .finish_non_exhaustive()
    }
}

fn compare(stored: &Written, source: &ObjectMeta, sent: Crc32c) -> Result<()> {
    if stored.size == source.size && stored.checksum.is_none_or(|checksum| checksum == sent) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Corrupt, "what was stored is not what was sent")
        .with_effect(Effect::Yes))
}

/// The same body, and the checksum of what has gone through it.
fn counted(body: Body, length: u64, after: Option<AfterChunk>) -> (Body, Arc<Mutex<Crc32c>>) {
    let seen = Arc::new(Mutex::new(Crc32c::default()));
    let sum = Arc::clone(&seen);
    if let (Some(bytes), None) = (body.as_bytes(), &after) {
        *seen.lock().unwrap_or_else(PoisonError::into_inner) = Crc32c::of(bytes);
        return (body, seen);
    }
    let counting = body.inspect(move |chunk| {
        if let Ok(bytes) = chunk {
            sum.lock().unwrap_or_else(PoisonError::into_inner).update(bytes);
        }
    });
    let Some(after) = after else { return (Body::from_stream(counting, Some(length)), seen) };
    let slowed = counting.and_then(move |chunk| {
        let after = Arc::clone(&after);
        async move {
            after(chunk.len() as u64).await;
            Ok(chunk)
        }
    });
    (Body::from_stream(slowed, Some(length)), seen)
}

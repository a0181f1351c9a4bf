//! Between two storages: streamed, of one version, checked by checksum, attributes kept.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt;
use omni_contracts::storage::{Crc32c, Written};
use omni_contracts::{Body, Effect, Error, ErrorKind, Operation, Result};

use crate::{IntoKey, Storage};

/// Copies an object from one storage to another, in bounded memory.
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
pub async fn copy(
    from: &Storage,
    key: impl IntoKey,
    to: &Storage,
    to_key: impl IntoKey,
) -> Result<Written> {
    let target = to_key.into_key();
    let target = target.map_err(|error| error.at(Operation::Put, to.name(), ""))?;
    let object = from.get(key).await?;
    let source = object.meta().clone();
    let (body, seen) = counted(object.stream(), source.size);
    let mut put = to.put(&target, body).attributes(source.attributes);
    if let Some(checksum) = source.checksum {
        put = put.checksum(checksum);
    }
    let stored = put.await?;
    let sent = *seen.lock().unwrap_or_else(PoisonError::into_inner);
    if stored.size != source.size || stored.checksum.is_some_and(|checksum| checksum != sent) {
        return Err(Error::new(ErrorKind::Corrupt, "what was stored is not what was sent")
            .with_effect(Effect::Yes)
            .at(Operation::Put, to.name(), target.as_str()));
    }
    Ok(stored)
}

/// The same body, and the checksum of what has gone through it.
fn counted(body: Body, length: u64) -> (Body, Arc<Mutex<Crc32c>>) {
    let seen = Arc::new(Mutex::new(Crc32c::default()));
    let sum = Arc::clone(&seen);
    if let Some(bytes) = body.as_bytes() {
        *seen.lock().unwrap_or_else(PoisonError::into_inner) = Crc32c::of(bytes);
        return (body, seen);
    }
    let counting = body.inspect(move |chunk| {
        if let Ok(bytes) = chunk {
            sum.lock().unwrap_or_else(PoisonError::into_inner).update(bytes);
        }
    });
    (Body::from_stream(counting, Some(length)), seen)
}

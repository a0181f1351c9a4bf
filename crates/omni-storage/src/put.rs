//! `Put`: storing an object from what is at hand.

use std::future::IntoFuture;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use futures_util::future::BoxFuture;
use omni_contracts::storage::{Crc32c, PutOptions, WriteCondition, WriteId, Written};
use omni_contracts::{Body, Operation, Result};

use crate::attributes::{attribute_setters, condition_setters};
use crate::handle::Target;

/// A put that is sent when it is awaited; see [`Storage::put`](crate::Storage::put).
///
/// A put with a condition carries a fresh random [`WriteId`], so that a layer may repeat it when its
/// answer was lost and does not mistake its own object for somebody else's.
///
/// # Errors
///
/// As [`StorageProvider::put`](crate::StorageProvider::put).
#[derive(Debug)]
#[must_use = "nothing is stored until this is awaited"]
pub struct Put<'a> {
    target: Target<'a>,
    body: Body,
    options: PutOptions,
}

impl<'a> Put<'a> {
    pub(crate) fn new(target: Target<'a>, body: Body) -> Self {
        Self { target, body, options: PutOptions::default() }
    }

    condition_setters!(|self| self.options.condition);
    attribute_setters!(|self| Arc::make_mut(&mut self.options.attributes));

    /// The content must have this checksum; else `Corrupt`, and nothing is stored.
    pub fn checksum(mut self, checksum: Crc32c) -> Self {
        self.options.checksum = Some(checksum);
        self
    }

    /// Names this write, to repeat it safely also from another process.
    pub fn write_id(mut self, id: WriteId) -> Self {
        self.options.write_id = Some(id);
        self
    }
}

impl<'a> IntoFuture for Put<'a> {
    type Output = Result<Written>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move {
            let provider = self.target.provider;
            let key = self.target.key(Operation::Put)?;
            name(&mut self.options)?;
            provider.put(&key, self.body, &self.options).await
        })
    }
}

/// Gives a conditional write that has no id a fresh random one.
pub(crate) fn name(options: &mut PutOptions) -> Result<()> {
    if options.write_id.is_none() && options.condition != WriteCondition::Always {
        options.write_id = Some(fresh_write_id()?);
    }
    Ok(())
}

/// 128 bits that nobody can foresee, from the keys that the standard library draws for its hash maps;
/// 22 characters fit a write id without an allocation.
fn fresh_write_id() -> Result<WriteId> {
    static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(Default::default);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut text = [0; 22];
    let halves = text.chunks_exact_mut(11).zip(KEYS.iter());
    for (half, keys) in halves {
        let mut bits = keys.hash_one(count);
        for digit in half {
            *digit = DIGITS[(bits & 63) as usize];
            bits >>= 6;
        }
    }
    WriteId::new(std::str::from_utf8(&text).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn write_ids_are_fresh() {
        let ids: HashSet<_> = (0..10_000).map(|_| fresh_write_id().unwrap()).collect();
        assert_eq!(ids.len(), 10_000);
    }

    #[test]
    fn only_conditional_writes_get_one() {
        let mut options = PutOptions::default();
        name(&mut options).unwrap();
        assert_eq!(options.write_id, None);
        options.condition = WriteCondition::IfAbsent;
        name(&mut options).unwrap();
        let first = options.write_id.clone();
        assert!(first.is_some());
        name(&mut options).unwrap();
        assert_eq!(options.write_id, first, "a stated id stays");
    }
}

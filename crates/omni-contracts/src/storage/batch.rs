//! `Batch`: a `delete_many` made of attempts, each of which sends what is still to be done.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Deleted, Key, StorageProvider};
use crate::{Effect, Error, ErrorKind, Operation, Result};

pub(super) struct Batch<'a> {
    keys: &'a [Key],
    slots: Mutex<Vec<Slot>>,
}

/// What is known of one key.
#[derive(Default)]
struct Slot {
    /// `None` before the first answer, and while an attempt is under way.
    result: Option<Result<Deleted>>,
    /// Whether an earlier attempt may have deleted it.
    doubt: bool,
}

impl<'a> Batch<'a> {
    pub(super) fn new(keys: &'a [Key]) -> Self {
        let slots = keys.iter().map(|_| Slot::default()).collect();
        Self { keys, slots: Mutex::new(slots) }
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Deletes what no attempt has settled yet. Fails as a whole when another attempt can help, so that
    /// whoever repeats attempts sees it.
    pub(super) async fn attempt(&self, inner: &(impl StorageProvider + ?Sized)) -> Result<()> {
        let open = self.open();
        if open.len() == self.keys.len() {
            let results = inner.delete_many(self.keys).await;
            return self.record(&open, results);
        }
        let keys: Vec<_> = open.iter().filter_map(|index| self.keys.get(*index)).cloned().collect();
        let results = inner.delete_many(&keys).await;
        self.record(&open, results)
    }

    /// The indices of what is to be sent.
    fn open(&self) -> Vec<usize> {
        let mut slots = self.slots();
        let mut open = Vec::with_capacity(slots.len());
        for (index, slot) in slots.iter_mut().enumerate() {
            match &slot.result {
                Some(Ok(_)) => continue,
                Some(Err(error)) if !may_help(error) => continue,
                Some(Err(error)) => slot.doubt |= error.effect() == Effect::Unknown,
                None => {}
            }
            slot.result = None;
            open.push(index);
        }
        open
    }

    fn record(&self, open: &[usize], results: Vec<Result<Deleted>>) -> Result<()> {
        let mut slots = self.slots();
        let mut failed: Option<Error> = None;
        for (index, result) in open.iter().zip(results) {
            let Some(slot) = slots.get_mut(*index) else { continue };
            let result = result.map_err(|error| doubted(error, slot.doubt));
            if let Err(error) = &result
                && may_help(error)
            {
                let longer = |known: &Error| error.retry_after() > known.retry_after();
                if failed.as_ref().is_none_or(longer) {
                    failed = Some(copy(error));
                }
            }
            slot.result = Some(result);
        }
        failed.map_or(Ok(()), Err)
    }

    /// A result for each key; `outcome` is of those that no attempt has answered.
    pub(super) fn results(self, outcome: Result<()>, provider: &str) -> Vec<Result<Deleted>> {
        let slots = self.slots.into_inner().unwrap_or_else(PoisonError::into_inner);
        let unanswered = outcome.err().unwrap_or_else(|| {
            Error::new(ErrorKind::Internal, "no result for the key").with_effect(Effect::Unknown)
        });
        let settled = |(slot, key): (Slot, &Key)| {
            let result = slot.result.unwrap_or_else(|| {
                Err(doubted(copy(&unanswered), slot.doubt).with_resource(key.as_str()))
            });
            result.map_err(|error| error.at(Operation::DeleteMany, provider, key.as_str()))
        };
        slots.into_iter().zip(self.keys).map(settled).collect()
    }
}

/// Whether another attempt can help, and does no harm.
fn may_help(error: &Error) -> bool {
    error.is_retryable() && error.effect() != Effect::Yes
}

fn doubted(error: Error, doubt: bool) -> Error {
    match error.effect() {
        Effect::No if doubt => error.with_effect(Effect::Unknown),
        _ => error,
    }
}

/// The same error for another key, without its cause.
fn copy(error: &Error) -> Error {
    let copy = Error::new(error.kind(), error.message().to_owned())
        .with_retryable(error.is_retryable())
        .with_effect(error.effect());
    match error.retry_after() {
        Some(wait) => copy.with_retry_after(wait),
        None => copy,
    }
}

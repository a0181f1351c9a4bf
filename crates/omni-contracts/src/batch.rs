//! `Batch`: a call about many things made of attempts, each of which sends what is still to be done.

use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Call, Effect, Error, ErrorKind, Idempotency, Result};

/// What came of each of `items` so far, which gives a `T`.
pub(crate) struct Batch<'a, I: Clone, T> {
    items: &'a [I],
    idempotency: Idempotency,
    slots: Mutex<Vec<Slot<T>>>,
}

/// What is known of one item.
struct Slot<T> {
    /// `None` before the first answer, and while an attempt is under way.
    result: Option<Result<T>>,
    /// Whether an earlier attempt may have done it.
    doubt: bool,
}

/// What one attempt sends.
pub(crate) struct Open<'a, I: Clone> {
    indices: Vec<usize>,
    pub(crate) items: Cow<'a, [I]>,
}

impl<'a, I: Clone, T> Batch<'a, I, T> {
    pub(crate) fn new(items: &'a [I], idempotency: Idempotency) -> Self {
        let slots = items.iter().map(|_| Slot { result: None, doubt: false }).collect();
        Self { items, idempotency, slots: Mutex::new(slots) }
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Slot<T>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What no attempt has settled yet.
    pub(crate) fn open(&self) -> Open<'a, I> {
        let mut slots = self.slots();
        let mut indices = Vec::with_capacity(slots.len());
        for (index, slot) in slots.iter_mut().enumerate() {
            match &slot.result {
                Some(Ok(_)) => continue,
                Some(Err(error)) if !may_help(error, self.idempotency) => continue,
                Some(Err(error)) => slot.doubt |= error.effect() == Effect::Unknown,
                None => {}
            }
            slot.result = None;
            indices.push(index);
        }
        let items = match indices.len() == self.items.len() {
            true => Cow::Borrowed(self.items),
            false => indices.iter().filter_map(|index| self.items.get(*index)).cloned().collect(),
        };
        Open { indices, items }
    }

    /// Notes the results of an attempt. Fails as a whole when another one can help, so that whoever
    /// repeats attempts sees it.
    pub(crate) fn record(&self, open: &Open<'_, I>, results: Vec<Result<T>>) -> Result<()> {
        let mut slots = self.slots();
        let mut failed: Option<Error> = None;
        for (index, result) in open.indices.iter().zip(results) {
            let Some(slot) = slots.get_mut(*index) else { continue };
            let result = result.map_err(|error| doubted(error, slot.doubt));
            if let Err(error) = &result
                && may_help(error, self.idempotency)
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

    /// A result for each item, which `resource` names; `outcome` is of those that no attempt has
    /// answered.
    pub(crate) fn results<'r>(
        self,
        outcome: Result<()>,
        call: &Call<'_>,
        resource: impl Fn(&'r I) -> &'r str,
    ) -> Vec<Result<T>>
    where
        'a: 'r,
    {
        let slots = self.slots.into_inner().unwrap_or_else(PoisonError::into_inner);
        let unanswered = outcome.err().unwrap_or_else(|| {
            Error::new(ErrorKind::Internal, "no result for the item").with_effect(Effect::Unknown)
        });
        let settled = |(slot, item): (Slot<T>, &'r I)| {
            let result = slot.result.unwrap_or_else(|| {
                Err(doubted(copy(&unanswered), slot.doubt).with_resource(resource(item)))
            });
            result.map_err(|error| error.at(call.operation, call.provider, resource(item)))
        };
        slots.into_iter().zip(self.items).map(settled).collect()
    }
}

/// Whether another attempt can help, and does no harm.
fn may_help(error: &Error, idempotency: Idempotency) -> bool {
    let harmless = match error.effect() {
        Effect::No => true,
        Effect::Unknown => idempotency == Idempotency::Idempotent,
        Effect::Yes => false,
    };
    error.is_retryable() && harmless
}

fn doubted(error: Error, doubt: bool) -> Error {
    match error.effect() {
        Effect::No if doubt => error.with_effect(Effect::Unknown),
        _ => error,
    }
}

/// The same error for another item, without its cause.
fn copy(error: &Error) -> Error {
    let copy = Error::new(error.kind(), error.message().to_owned())
        .with_retryable(error.is_retryable())
        .with_effect(error.effect());
    match error.retry_after() {
        Some(wait) => copy.with_retry_after(wait),
        None => copy,
    }
}

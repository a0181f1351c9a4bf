//! `Doubt`: whether an attempt of a call may have had an effect that nobody knows of.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};

use omni_contracts::{Call, Effect, Error, Result};

/// Whether an attempt that is under way, was cut off or lost its answer may have had effect.
#[derive(Debug)]
pub(crate) struct Doubt {
    /// Whether the operation can have an effect at all.
    changes: bool,
    open: AtomicBool,
}

impl Doubt {
    /// None yet.
    pub(crate) fn of(call: &Call<'_>) -> Self {
        Self { changes: call.operation.changes(), open: AtomicBool::new(false) }
    }

    /// Runs an attempt, which is in doubt until it is answered.
    pub(crate) async fn watch<T>(&self, attempt: impl Future<Output = Result<T>>) -> Result<T> {
        if !self.changes {
            return attempt.await;
        }
        let before = self.open.swap(true, Ordering::Relaxed);
        let result = attempt.await;
        let lost = result.as_ref().is_err_and(|error| error.effect() == Effect::Unknown);
        self.open.store(before || lost, Ordering::Relaxed);
        result
    }

    /// The effect of a call that ends without an answer.
    pub(crate) fn effect(&self) -> Effect {
        match self.open.load(Ordering::Relaxed) {
            true => Effect::Unknown,
            false => Effect::No,
        }
    }

    /// The error, which must not deny what an earlier attempt may have done.
    pub(crate) fn told(&self, error: Error) -> Error {
        match error.effect() {
            Effect::No if self.open.load(Ordering::Relaxed) => error.with_effect(Effect::Unknown),
            _ => error,
        }
    }
}

//! `Retry`: repeats attempts that failed, where the contract says that it is safe, as long as time and
//! budget last.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use omni_contracts::{Call, Effect, Error, Idempotency, Result};
use tokio::time::{Instant, sleep};

use crate::RetrySettings;
use crate::doubt::Doubt;

/// Repeats attempts that failed.
#[derive(Debug)]
pub(crate) struct Retry(pub(crate) Option<Repeats>);

#[derive(Debug)]
pub(crate) struct Repeats {
    settings: RetrySettings,
    budget: Budget,
}

impl Repeats {
    pub(crate) fn new(settings: RetrySettings) -> Self {
        Self { budget: Budget::new(settings.share, settings.reserve), settings }
    }

    /// How long to wait before the attempt after `tries` of them.
    fn wait(&self, tries: u32, error: &Error) -> Duration {
        let doubled = 1u32.checked_shl(tries - 1).unwrap_or(u32::MAX);
        let longest = self.settings.first_wait.saturating_mul(doubled);
        let longest = longest.min(self.settings.longest_wait);
        longest.mul_f64(fastrand::f64()).max(error.retry_after().unwrap_or_default())
    }
}

impl Retry {
    pub(crate) async fn around<T, F, Fut>(
        &self,
        call: &Call<'_>,
        doubt: &Doubt,
        attempt: F,
    ) -> Result<T>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        let Some(repeats) = &self.0 else {
            return attempt().await;
        };
        repeats.budget.earn();
        let mut tries = 1;
        loop {
            let error = match attempt().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            // What an earlier attempt may have done, the failure of a later one does not undo.
            let error = doubt.told(error);
            if tries >= repeats.settings.attempts || !may_repeat(call, &error) {
                return Err(error);
            }
            let wait = repeats.wait(tries, &error);
            // The wait is what a service asks for: it may be beyond all time.
            let end = Instant::now().checked_add(wait);
            let in_time = |deadline| end.is_some_and(|end| end < Instant::from_std(deadline));
            if !call.deadline.is_none_or(in_time) || !repeats.budget.spend() {
                return Err(error);
            }
            if !wait.is_zero() {
                Box::pin(sleep(wait)).await;
            }
            tries += 1;
        }
    }
}

/// Whether another attempt can help, and does no harm.
fn may_repeat(call: &Call<'_>, error: &Error) -> bool {
    let harmless = match error.effect() {
        Effect::No => true,
        Effect::Unknown => call.idempotency == Idempotency::Idempotent,
        Effect::Yes => false,
    };
    error.is_retryable() && harmless && call.replayable
}

/// How many repeats all calls together may still have.
#[derive(Debug)]
struct Budget {
    /// What each call adds, in thousandths of a repeat.
    earned: u64,
    /// The most that can be saved up.
    most: u64,
    left: Mutex<u64>,
}

/// Thousandths of a repeat.
const REPEAT: u64 = 1000;

impl Budget {
    fn new(share: f64, reserve: u32) -> Self {
        let most = u64::from(reserve) * REPEAT;
        // Checked to be from 0 to 1.
        let earned = (share * REPEAT as f64).round() as u64;
        Self { earned, most: most.max(REPEAT), left: Mutex::new(most) }
    }

    fn earn(&self) {
        if self.earned > 0 {
            let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
            *left = (*left + self.earned).min(self.most);
        }
    }

    fn spend(&self) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        match left.checked_sub(REPEAT) {
            None => false,
            Some(rest) => {
                *left = rest;
                true
            }
        }
    }
}

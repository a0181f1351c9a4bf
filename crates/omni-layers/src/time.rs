//! How long a call and an attempt may take: `Deadline`, `AttemptTimeout`.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, poll_immediate, select};
use omni_contracts::{Call, Error, ErrorKind, Result};
use tokio::time::{Instant, sleep_until};

use crate::doubt::Doubt;

/// How much longer the operations have that may take minutes.
const LONG: u32 = 10;

/// What a duration is cut to: in a year, nobody waits any more, and instants cannot overflow.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// A limit for calls of an ordinary size.
#[derive(Debug)]
pub(crate) struct Limit {
    time: Duration,
    /// Bytes per second.
    slowest: u64,
    /// The setting that it comes from.
    setting: &'static str,
}

impl Limit {
    pub(crate) fn new(time: Duration, slowest: u64, setting: &'static str) -> Self {
        Self { time, slowest, setting }
    }

    /// How long this call may take; `None` for one that takes as long as its source.
    fn of(&self, call: &Call<'_>) -> Option<Duration> {
        if !call.replayable {
            return None;
        }
        let payload = match call.size {
            None | Some(0) => Duration::ZERO,
            Some(size) => {
                let seconds = size as f64 / self.slowest as f64;
                Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST)
            }
        };
        let time =
            if call.operation.is_long() { self.time.saturating_mul(LONG) } else { self.time };
        Some(time.saturating_add(payload).saturating_add(call.wait).min(LONGEST))
    }
}

/// Ends a call, with all its attempts, in time.
#[derive(Debug)]
pub(crate) struct Deadline(pub(crate) Option<Limit>);

impl Deadline {
    /// When the call must have ended: the configured limit or the caller's, whichever is earlier.
    ///
    /// # Errors
    ///
    /// `Timeout` when that was before now.
    pub(crate) fn of(&self, call: &Call<'_>) -> Result<Option<std::time::Instant>> {
        let limit = self.0.as_ref().and_then(|limit| limit.of(call));
        if limit.is_none() && call.deadline.is_none() {
            return Ok(None);
        }
        let now = Instant::now().into_std();
        if call.deadline.is_some_and(|deadline| deadline <= now) {
            let problem = "the deadline had passed before the call began";
            return Err(Error::new(ErrorKind::Timeout, problem).at_call(call));
        }
        let configured = limit.map(|time| now + time);
        Ok(configured.into_iter().chain(call.deadline).min())
    }

    /// Runs the call until its deadline, which is already set.
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
        let Some(deadline) = call.deadline.map(Instant::from_std) else {
            return attempt().await;
        };
        match before(|| deadline, attempt()).await {
            Some(result) => result,
            None => Err(cut_off(call, doubt, "no success before the deadline".to_owned())),
        }
    }
}

/// Gives up an attempt that is not answered.
#[derive(Debug)]
pub(crate) struct AttemptTimeout(pub(crate) Option<Limit>);

impl AttemptTimeout {
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
        let limit = self.0.as_ref().and_then(|limit| Some((limit.setting, limit.of(call)?)));
        let Some((setting, time)) = limit else {
            return attempt().await;
        };
        match before(|| Instant::now() + time, attempt()).await {
            Some(result) => result,
            None => Err(cut_off(call, doubt, format!("no answer within {time:?}, by {setting}"))),
        }
    }
}

/// The result of a future that is ready before `deadline`, at which it is not polled any more. Many are
/// at once, and need no timer.
async fn before<T>(
    deadline: impl FnOnce() -> Instant,
    future: impl Future<Output = T>,
) -> Option<T> {
    let mut future = pin!(future);
    if let Some(result) = poll_immediate(future.as_mut()).await {
        return Some(result);
    }
    // Apart, for a timer is large. It is asked first.
    match select(Box::pin(sleep_until(deadline())), future).await {
        Either::Left(_) => None,
        Either::Right((result, _)) => Some(result),
    }
}

/// The error of a call that was cut off.
fn cut_off(call: &Call<'_>, doubt: &Doubt, problem: String) -> Error {
    Error::new(ErrorKind::Timeout, problem).with_effect(doubt.effect()).at_call(call)
}

/// Errors that arise here rather than in a provider.
pub(crate) trait AtCall {
    /// Names the operation, the provider and the resource.
    fn at_call(self, call: &Call<'_>) -> Self;
}

impl AtCall for Error {
    fn at_call(self, call: &Call<'_>) -> Self {
        self.at(call.operation, call.provider, call.resource)
    }
}

//! `RateLimit` and `ConcurrencyLimit`: how many attempts may begin, and how many may be under way.

use std::future::Future;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};

use governor::clock::{Clock, ReasonablyRealtime};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use omni_contracts::Result;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep};

use crate::{RateSettings, Usage};

/// Limits how many attempts begin in a time.
#[derive(Debug)]
pub(crate) struct RateLimit(pub(crate) Option<Rate>);

/// The rate, and those who wait for their turn.
#[derive(Debug)]
pub(crate) struct Rate {
    limiter: RateLimiter<NotKeyed, InMemoryState, Tokio, NoOpMiddleware<Nanos>>,
    /// Held by the one who waits for the next turn; the others queue behind.
    turn: Mutex<()>,
}

/// The clock of the runtime, which tests can stop.
#[derive(Clone, Debug)]
struct Tokio(Instant);

impl Clock for Tokio {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.elapsed().into()
    }
}

impl ReasonablyRealtime for Tokio {}

impl Rate {
    pub(crate) fn new(settings: &RateSettings) -> Self {
        // Both are checked to be at least 1.
        let number = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let per_second = number(settings.per_second);
        let quota =
            Quota::per_second(per_second).allow_burst(settings.burst.map_or(per_second, number));
        let limiter = RateLimiter::direct_with_clock(quota, Tokio(Instant::now()));
        Self { limiter, turn: Mutex::new(()) }
    }

    /// Waits for a turn, after those who came before.
    async fn turn(&self) {
        let _turn = self.turn.lock().await;
        while let Err(not_until) = self.limiter.check() {
            sleep(not_until.wait_time_from(self.limiter.clock().now())).await;
        }
    }
}

impl RateLimit {
    pub(crate) async fn around<T, F, Fut>(&self, attempt: F) -> Result<T>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        if let Some(rate) = &self.0 {
            // Apart, as everything that is large and rarely there.
            Box::pin(rate.turn()).await;
        }
        attempt().await
    }
}

/// Limits how many attempts are under way.
#[derive(Debug)]
pub(crate) struct ConcurrencyLimit(pub(crate) Option<Places>);

/// The places, and who waits for one.
#[derive(Debug)]
pub(crate) struct Places {
    limit: usize,
    free: Semaphore,
    waiting: AtomicUsize,
}

impl Places {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, free: Semaphore::new(limit), waiting: AtomicUsize::new(0) }
    }

    /// How many are taken, and are waited for.
    pub(crate) fn usage(&self) -> Usage {
        Usage {
            limit: self.limit,
            used: self.limit.saturating_sub(self.free.available_permits()),
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }

    /// Waits for a place, after those who came before.
    async fn place(&self) -> Option<SemaphorePermit<'_>> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        // It is never closed.
        self.free.acquire().await.ok()
    }
}

/// One who waits, until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ConcurrencyLimit {
    pub(crate) async fn around<T, F, Fut>(&self, attempt: F) -> Result<T>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        let _place = match &self.0 {
            None => None,
            Some(places) => match places.free.try_acquire() {
                Ok(place) => Some(place),
                Err(_) => Box::pin(places.place()).await,
            },
        };
        attempt().await
    }
}

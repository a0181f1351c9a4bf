//! Time limits: of a request as a whole, and of one whose content may take as long as it moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

/// Waits for a call at most `limit` long; `None` when that passed.
pub(crate) async fn within<F: Future>(limit: Duration, call: F) -> Option<F::Output> {
    timeout(limit, call).await.ok()
}

/// Where a content is on its way out, as its source tells.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    start: Instant,
    /// Milliseconds after `start` at which the content last moved; [`WAITING`] while the source is what
    /// is waited for.
    last: Arc<AtomicU64>,
}

const WAITING: u64 = u64::MAX;

impl Progress {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), last: Arc::new(AtomicU64::new(0)) }
    }

    /// The source is asked: what it takes is not the service's time.
    pub(crate) fn waits(&self) {
        self.last.store(WAITING, Ordering::Relaxed);
    }

    /// The source has given.
    pub(crate) fn moves(&self) {
        let passed = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(WAITING - 1);
        self.last.store(passed, Ordering::Relaxed);
    }

    /// Waits for a call as long as its content moves at least every `limit`; `None` when it did not.
    pub(crate) async fn within<F: Future>(&self, limit: Duration, call: F) -> Option<F::Output> {
        let mut call = std::pin::pin!(call);
        loop {
            let now = Instant::now();
            let deadline = match self.last.load(Ordering::Relaxed) {
                WAITING => now + limit,
                last => self.start + Duration::from_millis(last) + limit,
            };
            if deadline <= now {
                return None;
            }
            tokio::select! {
                done = &mut call => return Some(done),
                () = sleep_until(deadline) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_time_of_the_service_is_limited() {
        let limit = Duration::from_millis(10);
        let stopped = Progress::new();
        assert!(stopped.within(limit, std::future::pending::<()>()).await.is_none());
        let waiting = Progress::new();
        waiting.waits();
        let source = tokio::time::sleep(5 * limit);
        assert!(waiting.within(limit, source).await.is_some());
        waiting.moves();
        assert!(waiting.within(limit, std::future::pending::<()>()).await.is_none());
    }
}

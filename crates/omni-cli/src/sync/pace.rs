//! `Pace`: how fast bytes may go, for all transfers together.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A limit that transfers share. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    /// Bytes per second; `None`: no limit.
    limit: Option<u64>,
    /// When the next byte may go.
    next: Arc<Mutex<Instant>>,
}

impl Pace {
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Self { limit, next: Arc::new(Mutex::new(Instant::now())) }
    }

    /// Ends when `bytes` more have had their time.
    pub(crate) async fn take(&self, bytes: u64) {
        let Some(limit) = self.limit else { return };
        let until = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            // Time that nobody used is gone: no burst follows a pause.
            let share = Duration::from_secs_f64(bytes as f64 / limit as f64);
            *next = (*next).max(Instant::now()) + share;
            *next
        };
        tokio::time::sleep_until(until).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_transfers_together_keep_to_the_limit() {
        let (pace, begun) = (Pace::new(Some(1000)), Instant::now());
        let takes = (0..5).map(|_| async {
            for _ in 0..4 {
                pace.take(100).await;
            }
        });
        futures_util::future::join_all(takes).await;
        assert_eq!(begun.elapsed().as_millis(), 2000);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let begun = Instant::now();
        pace.take(1000).await;
        assert_eq!(begun.elapsed().as_millis(), 1000);
    }
}

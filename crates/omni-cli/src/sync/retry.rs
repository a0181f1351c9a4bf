//! Trying again what may pass. Single requests are repeated by the layers around each storage; what is
//! repeated here is a content that broke on its way, as a whole.

use std::time::Duration;

use omni_storage::Result;

/// How often an object whose failure may pass is tried again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retry(pub(crate) u32);

impl Retry {
    /// Tries again what may pass, after a while that grows, or that the service asks for.
    pub(crate) async fn repeated<T>(self, attempt: impl AsyncFn() -> Result<T>) -> Result<T> {
        let mut tried = 0;
        loop {
            match attempt().await {
                Err(error) if error.is_retryable() && tried < self.0 => {
                    let grown = Duration::from_millis(200 << tried.min(6));
                    let wait = grown.mul_f64(0.5 + 0.5 * rand::random::<f64>());
                    tokio::time::sleep(error.retry_after().unwrap_or(wait)).await;
                    tried += 1;
                }
                outcome => return outcome,
            }
        }
    }
}

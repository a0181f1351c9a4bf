//! Work that blocks, run beside the asynchronous tasks.

use std::panic::resume_unwind;

use omni_contracts::{Error, ErrorKind, Result};
use tokio::task::{JoinError, JoinHandle};

/// Runs `work` where blocking is allowed. Dropped, the work still runs to its end.
pub(crate) async fn blocking<T, F>(work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T> + Send + 'static,
{
    finished(tokio::task::spawn_blocking(work)).await
}

/// The outcome of work that was begun earlier.
pub(crate) async fn finished<T>(work: JoinHandle<Result<T>>) -> Result<T> {
    joined(work.await)
}

/// The outcome of work that has ended.
pub(crate) fn joined<T>(work: std::result::Result<Result<T>, JoinError>) -> Result<T> {
    match work {
        Ok(outcome) => outcome,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(error) => {
            Err(Error::new(ErrorKind::Unavailable, "the runtime is shutting down")
                .with_source(error))
        }
    }
}

//! `Hedge`: asks a second time where a read takes long, and takes the answer that comes first.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use omni_contracts::{Call, Operation, Result};
use tokio::time::timeout;

/// Asks a second time where a read takes long.
#[derive(Debug)]
pub(crate) struct Hedge(pub(crate) Option<Duration>);

impl Hedge {
    pub(crate) async fn around<T, F, Fut>(&self, call: &Call<'_>, attempt: F) -> Result<T>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        match self.0.filter(|_| may_hedge(call.operation)) {
            None => attempt().await,
            // Apart, for it is large: two attempts at once.
            Some(after) => Box::pin(hedged(after, attempt)).await,
        }
    }
}

async fn hedged<T, F, Fut>(after: Duration, attempt: F) -> Result<T>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T>>,
{
    let mut first = pin!(attempt());
    if let Ok(result) = timeout(after, first.as_mut()).await {
        return result;
    }
    let second = pin!(attempt());
    match select(first, second).await {
        Either::Left((Ok(value), _)) | Either::Right((Ok(value), _)) => Ok(value),
        // The other one may still succeed; of two failures, the later one is told.
        Either::Left((Err(_), second)) => second.await,
        Either::Right((Err(_), first)) => first.await,
    }
}

/// Whether an operation only reads, and costs little to ask for twice.
fn may_hedge(operation: Operation) -> bool {
    use Operation::{Get, GetRanges, Head, List};
    matches!(operation, Get | GetRanges | Head | List)
}

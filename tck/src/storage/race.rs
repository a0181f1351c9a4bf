//! Many calls at the same time.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::Barrier;

use crate::check::Failure;

/// Runs `racers` futures in parallel, all released at once.
pub(crate) async fn race<T, F, Fut>(racers: usize, racer: F) -> std::result::Result<Vec<T>, Failure>
where
    F: Fn(usize) -> Fut,
    Fut: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let barrier = Arc::new(Barrier::new(racers));
    let tasks = (0..racers).map(|number| {
        let barrier = Arc::clone(&barrier);
        let future = racer(number);
        tokio::spawn(async move {
            barrier.wait().await;
            future.await
        })
    });
    let outcomes = join_all(tasks.collect::<Vec<_>>()).await;
    outcomes
        .into_iter()
        .map(|outcome| {
            outcome.map_err(|panic| {
                Failure::new(
                    format!("{racers} calls at the same time"),
                    "an answer",
                    format!("the call panicked: {panic}"),
                )
            })
        })
        .collect()
}

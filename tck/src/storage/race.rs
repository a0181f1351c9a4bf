//! Racers that really begin together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Barrier;

use crate::check::Failure;

/// Runs the racers at once, each in a task of its own, and returns their results in order.
///
/// # Errors
///
/// A failure when a racer panics.
pub(crate) async fn race<T, F>(racers: Vec<F>) -> Result<Vec<T>, Failure>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let line = Arc::new(StartingLine::of(racers.len()));
    let tasks: Vec<_> = racers
        .into_iter()
        .map(|racer| {
            let line = Arc::clone(&line);
            tokio::spawn(async move {
                line.start().await;
                racer.await
            })
        })
        .collect();
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        results.push(finished(task.await)?);
    }
    Ok(results)
}

/// As [`race`], with the racers that `make` makes of their numbers.
///
/// # Errors
///
/// A failure when a racer panics.
pub(crate) async fn race_of<T, F>(
    racers: usize,
    make: impl Fn(usize) -> F,
) -> Result<Vec<T>, Failure>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    race((0..racers).map(make).collect()).await
}

/// The result of a task that must not panic.
///
/// # Errors
///
/// A failure that shows the panic.
pub(crate) fn finished<T>(joined: Result<T, tokio::task::JoinError>) -> Result<T, Failure> {
    joined.map_err(|error| {
        Failure::new("a task that calls the provider", "the task ends", error.to_string())
    })
}

struct StartingLine {
    all_here: Barrier,
    started: AtomicUsize,
    racers: usize,
}

impl StartingLine {
    fn of(racers: usize) -> Self {
        Self { all_here: Barrier::new(racers.max(1)), started: AtomicUsize::new(0), racers }
    }

    /// Waits for all racers, and then, without giving up the thread, for a second one: woken tasks
    /// begin one after the other, and only tasks on two threads can meet in a window of microseconds.
    async fn start(&self) {
        const PATIENCE: Duration = Duration::from_micros(300);
        self.all_here.wait().await;
        self.started.fetch_add(1, Ordering::SeqCst);
        let since = Instant::now();
        while self.started.load(Ordering::SeqCst) < self.racers.min(2) && since.elapsed() < PATIENCE
        {
            std::hint::spin_loop();
        }
    }
}

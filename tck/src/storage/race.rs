//! Racers that really begin together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use omni_contracts::storage::{Durability, StorageProvider};
use tokio::runtime::Handle;
use tokio::sync::Barrier;

use crate::Context;
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

/// Lets two threads act at the same moment, `count` times; returns what both came to, each time.
///
/// Two tasks can share a thread for a whole race. Two threads that meet before each act are together
/// to a fraction of a microsecond: for windows that [`race`] seldom meets.
///
/// # Errors
///
/// A failure when one of them panics.
pub(crate) async fn duels<T, A, F>(count: usize, act: A) -> Result<Vec<[T; 2]>, Failure>
where
    T: Send + 'static,
    A: Fn(usize, usize) -> F + Send + Sync + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let act = Arc::new(act);
    let met: Arc<Vec<AtomicUsize>> = Arc::new((0..count).map(|_| AtomicUsize::new(0)).collect());
    let [one, other] = [0, 1].map(|who| {
        let (act, runtime) = (Arc::clone(&act), Handle::current());
        let meetings = Meetings(Arc::clone(&met));
        let duelist = async move {
            let mut results = Vec::with_capacity(count);
            let begun = Instant::now();
            for duel in 0..count {
                // Made before the meeting, so that only the act itself comes after it.
                let acting = act(duel, who);
                meetings.meet(duel, begun);
                // One of the two a little later, by turns, to try every alignment.
                if duel % 2 == who {
                    let late = Duration::from_nanos(duel as u64 / 2 % 16 * 120);
                    spun_until(late, || false);
                }
                results.push(acting.await);
            }
            results
        };
        tokio::task::spawn_blocking(move || runtime.block_on(duelist))
    });
    let (one, other) = (finished(one.await)?, finished(other.await)?);
    Ok(one.into_iter().zip(other).map(|(one, other)| [one, other]).collect())
}

/// How many duels tell: where nothing is written to a disk a duel costs little, and the windows are
/// narrow.
pub(crate) fn telling(cx: &Context, store: &dyn StorageProvider) -> usize {
    cx.rounds(match store.capabilities().durability {
        Durability::Memory => 600,
        _ => 64,
    })
}

/// How many are at each meeting. Who is gone, at the end or by a panic, keeps nobody waiting.
struct Meetings(Arc<Vec<AtomicUsize>>);

impl Meetings {
    /// Spins for longer than a time slice: a thread that yields shares its processor with the other by
    /// turns, one that spins is moved away from it. Where that does not help for long, it yields.
    fn meet(&self, number: usize, begun: Instant) {
        const BUDGET: Duration = Duration::from_secs(1);
        self.0[number].fetch_add(1, Ordering::SeqCst);
        let long = if begun.elapsed() < BUDGET { 20_000 } else { 50 };
        let patience = Duration::from_micros(long);
        while !spun_until(patience, || self.0[number].load(Ordering::SeqCst) >= 2) {
            std::thread::yield_now();
        }
    }
}

impl Drop for Meetings {
    fn drop(&mut self) {
        for meeting in &*self.0 {
            meeting.fetch_add(2, Ordering::SeqCst);
        }
    }
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
        const PATIENCE: Duration = Duration::from_micros(100);
        self.all_here.wait().await;
        self.started.fetch_add(1, Ordering::SeqCst);
        spun_until(PATIENCE, || self.started.load(Ordering::SeqCst) >= self.racers.min(2));
    }
}

/// Waits without giving up the thread, so long at most; whether what was waited for came.
fn spun_until(patience: Duration, here: impl Fn() -> bool) -> bool {
    let since = Instant::now();
    while !here() {
        if since.elapsed() >= patience {
            return false;
        }
        std::hint::spin_loop();
    }
    true
}

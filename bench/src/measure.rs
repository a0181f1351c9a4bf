//! Interleaved measurement: every round runs all contestants forth and back (A B B A), the first one
//! twice as a control of the machine.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use crate::{ALLOCATOR, Failure};

/// How much to run.
pub(crate) struct Plan<'a> {
    pub(crate) rounds: usize,
    pub(crate) only: &'a [&'a str],
}

impl Plan<'_> {
    pub(crate) fn wants(&self, id: &str) -> bool {
        self.only.is_empty() || self.only.contains(&id)
    }
}

type Batch = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// One contestant: runs a number of operations.
pub(crate) struct Contestant {
    name: &'static str,
    /// Keeps less than the others do, so the bar does not count it.
    keeps_less: bool,
    run: Box<dyn Fn(u64) -> Batch + Send + Sync>,
}

/// A contestant of a closure that makes the future of `n` operations.
pub(crate) fn contestant<F, Fut>(name: &'static str, run: F) -> Contestant
where
    F: Fn(u64) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let run = Box::new(move |operations| Box::pin(run(operations)) as Batch);
    Contestant { name, keeps_less: false, run }
}

/// A contestant that does the same again, as often as is asked for.
pub(crate) fn repeated<F, Fut>(name: &'static str, once: F) -> Contestant
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let once = Arc::new(once);
    contestant(name, move |operations| {
        let once = Arc::clone(&once);
        async move {
            for _ in 0..operations {
                once().await?;
            }
            Ok(())
        }
    })
}

impl Contestant {
    /// Shown beside the others, but not counted by the bar: it makes a weaker promise.
    pub(crate) fn keeping_less(mut self) -> Self {
        self.keeps_less = true;
        self
    }
}

/// The bar: the best peer's time over ours must be at least `factor`; without a peer, ours must take at
/// most as many seconds.
#[derive(Clone, Copy)]
pub(crate) struct Bar {
    pub(crate) words: &'static str,
    pub(crate) factor: f64,
}

/// A finished case. Ours is the first contestant.
pub(crate) struct Case {
    pub(crate) id: &'static str,
    pub(crate) title: String,
    pub(crate) unit: &'static str,
    pub(crate) bar: Bar,
    pub(crate) results: Vec<Measured>,
    /// How much the same contestant differed from itself, in percent; `None` where it ran once.
    pub(crate) control: Option<f64>,
}

pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) keeps_less: bool,
    pub(crate) minimum: f64,
    pub(crate) median: f64,
    pub(crate) p90: f64,
    pub(crate) allocations: f64,
}

impl Case {
    /// The best peer's median over ours, and whether the bar is kept.
    pub(crate) fn verdict(&self) -> (Option<f64>, bool) {
        let ours = self.results[0].median;
        let peers = self.results[1..].iter().filter(|peer| !peer.keeps_less);
        let ratio = peers.map(|peer| peer.median / ours).reduce(f64::min);
        let kept = match ratio {
            Some(ratio) => ratio >= self.bar.factor,
            None => ours <= self.bar.factor * 1e9,
        };
        (ratio, kept)
    }
}

/// What a case is about.
pub(crate) struct About {
    pub(crate) id: &'static str,
    pub(crate) title: String,
    pub(crate) unit: &'static str,
    pub(crate) bar: Bar,
    /// Operations per batch.
    pub(crate) operations: u64,
}

/// Runs a case. `contestants[0]` is ours.
pub(crate) async fn measure(
    plan: &Plan<'_>,
    about: About,
    contestants: Vec<Contestant>,
) -> Result<Case, Failure> {
    let count = contestants.len();
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); count + 1];
    let mut allocations = vec![0.0; count];
    eprintln!("{} {}", about.id, about.title);
    for contestant in &contestants {
        (contestant.run)(about.operations.div_ceil(4)).await?;
    }
    for round in 0..plan.rounds {
        // The control is the first contestant under another index.
        let forth = (0..=count).collect::<Vec<_>>();
        let order: Vec<usize> =
            if round % 2 == 0 { forth } else { forth.into_iter().rev().collect() };
        for index in order {
            let contestant = &contestants[index % count];
            let before = ALLOCATOR.stats().allocations;
            let begun = Instant::now();
            (contestant.run)(about.operations).await?;
            let elapsed = begun.elapsed().as_nanos() as f64;
            times[index].push(elapsed / about.operations as f64);
            let allocated = ALLOCATOR.stats().allocations - before;
            allocations[index % count] = allocated as f64 / about.operations as f64;
        }
    }
    let control = Some({
        let (a, b) = (quantile(&mut times[0], 0.5), quantile(&mut times[count], 0.5));
        (a - b).abs() / a.min(b) * 100.0
    });
    let results = contestants
        .iter()
        .enumerate()
        .map(|(index, contestant)| Measured {
            name: contestant.name,
            keeps_less: contestant.keeps_less,
            minimum: quantile(&mut times[index], 0.0),
            median: quantile(&mut times[index], 0.5),
            p90: quantile(&mut times[index], 0.9),
            allocations: allocations[index],
        })
        .collect();
    let About { id, title, unit, bar, .. } = about;
    Ok(Case { id, title, unit, bar, results, control })
}

/// Runs what takes long, and prepares itself, once each.
pub(crate) async fn measure_once(
    about: About,
    contestants: Vec<Contestant>,
) -> Result<Case, Failure> {
    let About { id, title, unit, bar, operations } = about;
    eprintln!("{id} {title}");
    let mut results = Vec::new();
    for Contestant { name, keeps_less, run } in contestants {
        let begun = Instant::now();
        run(operations).await?;
        let time = begun.elapsed().as_nanos() as f64 / operations as f64;
        let (minimum, median, p90) = (time, time, time);
        results.push(Measured { name, keeps_less, minimum, median, p90, allocations: 0.0 });
    }
    Ok(Case { id, title, unit, bar, results, control: None })
}

fn quantile(times: &mut [f64], q: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    times[((times.len() - 1) as f64 * q).round() as usize]
}

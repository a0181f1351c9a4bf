//! `STO-166`: random programs over the whole contract, on the provider and on the reference model.

mod choose;
mod compare;
mod program;
mod reads;
mod run;
mod tokens;
mod words;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use omni_contracts::storage::{Capabilities, Durability};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use rand::Rng;
use rand::rngs::StdRng;
use tokio::runtime::Handle;

use self::choose::Length;
use crate::check::{check, holds, ok};
use crate::deviation::{Deviation, LeftOut};
use crate::{Check, Context, Failure, Outcome, Place, Subject};

pub(crate) use self::program::Step;

pub(crate) const CHECKS: &[Check] = &[check!(
    "STO-166",
    agrees_with_the_reference_model,
    "follow the steps: the last one gives something else than the contract says"
)];

/// The most programs of a run.
const PROGRAMS: usize = 400;

/// The fewest, however long they take; the last of so many is a long one.
const FEWEST: usize = 40;

/// How long to look for a failing program, in memory and on anything slower.
const BUDGETS: [Duration; 2] = [Duration::from_millis(1200), Duration::from_secs(6)];

/// How long to look for a shorter failing program.
const SHRINKING: Duration = Duration::from_secs(15);

async fn agrees_with_the_reference_model(cx: &Context) -> Outcome {
    let capabilities = cx.open().await?.capabilities().clone();
    let in_memory = capabilities.durability == Durability::Memory;
    let search = Search {
        rng: cx.rng("programs"),
        capabilities,
        left_out: Deviation::left_out(cx.subject().deviations()),
        fewest: cx.rounds(FEWEST),
        most: PROGRAMS,
        budget: BUDGETS[usize::from(!in_memory)],
    };
    let subject = Arc::clone(cx.subject());
    let (root, store) = (cx.place().root.to_owned(), cx.place().store.to_owned());
    // The programs have stores of their own.
    ok("freeing a store", subject.free(&cx.place()).await)?;
    let runtime = Handle::current();
    let searching = move || {
        let mut stores = Stores::new(root, store);
        search.first_failure(|program| {
            runtime.block_on(stores.run(subject.as_ref(), program)).map(drop)
        })
    };
    match tokio::task::spawn_blocking(searching).await {
        Ok(Found { failure: None, .. }) => Ok(()),
        Ok(Found { programs, failure: Some((_, failure)) }) => Err(Failure {
            situation: format!("program {programs}: {}", failure.situation),
            ..failure
        }),
        Err(error) => holds("running a random program", false, "no panic", error.to_string()),
    }
}

/// Stores for one program each.
pub(crate) struct Stores {
    root: PathBuf,
    name: String,
    used: usize,
}

impl Stores {
    pub(crate) fn new(root: PathBuf, name: String) -> Self {
        Self { root, name, used: 0 }
    }

    /// Runs a program on a new store; returns what each step gave.
    pub(crate) async fn run(
        &mut self,
        subject: &dyn Subject,
        program: &[Step],
    ) -> Result<Vec<String>, Failure> {
        self.used += 1;
        let store = format!("{}-{}", self.name, self.used);
        let place = Place { root: &self.root, store: &store };
        let outcome = run::run(subject, &place, program).await;
        let freed = ok("freeing a store", subject.free(&place).await);
        outcome.and_then(|steps| freed.map(|()| steps))
    }
}

/// A search for a program that fails.
pub(crate) struct Search {
    pub(crate) rng: StdRng,
    /// What the programs may use.
    pub(crate) capabilities: Capabilities,
    /// What they may not.
    pub(crate) left_out: Option<LeftOut>,
    /// How many programs are tried, however long they take; the last of so many is a long one.
    pub(crate) fewest: usize,
    pub(crate) most: usize,
    /// How long to search.
    pub(crate) budget: Duration,
}

/// What a search came to.
pub(crate) struct Found {
    /// How many programs were tried.
    pub(crate) programs: usize,
    /// The shortest failing program that was found, and how it fails.
    pub(crate) failure: Option<(Vec<Step>, Failure)>,
}

impl Search {
    /// Tries programs until one fails, which is then made shorter.
    pub(crate) fn first_failure(
        mut self,
        run: impl FnMut(&[Step]) -> Result<(), Failure>,
    ) -> Found {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let config = Config {
            failure_persistence: None,
            max_shrink_time: SHRINKING.as_millis() as u32,
            ..Config::default()
        };
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let mut runner = TestRunner::new_with_rng(config, rng);
        let begun = Instant::now();
        let run = Mutex::new(run);
        for number in 0..self.most {
            if number >= self.fewest && begun.elapsed() > self.budget {
                return Found { programs: number, failure: None };
            }
            let long = number % self.fewest == self.fewest - 1;
            let length = if long { Length::Long } else { Length::Short };
            // The last failure is that of the shortest failing program.
            let shortest: Mutex<Option<(Vec<Step>, Failure)>> = Mutex::new(None);
            let programs =
                choose::programs(&self.capabilities, self.left_out, &mut self.rng, length);
            let Ok(tree) = programs.new_tree(&mut runner) else { continue };
            let _ = runner.run_one(tree, |program| {
                let outcome = (run.lock().unwrap_or_else(PoisonError::into_inner))(&program);
                outcome.map_err(|failure| {
                    let reason = failure.seen.clone();
                    *shortest.lock().unwrap_or_else(PoisonError::into_inner) =
                        Some((program, failure));
                    TestCaseError::fail(reason)
                })
            });
            let failure = shortest.into_inner().unwrap_or_else(PoisonError::into_inner);
            if failure.is_some() {
                return Found { programs: number + 1, failure };
            }
        }
        Found { programs: self.most, failure: None }
    }
}

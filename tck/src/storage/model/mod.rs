//! `STO-166`: random programs over the whole contract, on the provider and on the reference model.

mod choose;
mod compare;
mod program;
mod reads;
mod run;
mod tokens;
mod words;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use omni_contracts::storage::Durability;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use rand::Rng;
use tokio::runtime::Handle;

use self::choose::Length;
use crate::check::{check, holds, ok};
use crate::{Check, Context, Failure, Outcome, Place};

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
    let budget = BUDGETS[usize::from(!in_memory)];
    let mut seed = [0; 32];
    let mut keys = cx.rng("programs");
    keys.fill_bytes(&mut seed);
    let subject = Arc::clone(cx.subject());
    let (root, store) = (cx.place().root.to_owned(), cx.place().store.to_owned());
    // The programs have stores of their own.
    ok("freeing a store", subject.free(&cx.place()).await)?;
    let (runtime, fewest) = (Handle::current(), cx.rounds(FEWEST));
    let search = move || {
        let config = Config {
            failure_persistence: None,
            max_shrink_time: SHRINKING.as_millis() as u32,
            ..Config::default()
        };
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let mut runner = TestRunner::new_with_rng(config, rng);
        let begun = Instant::now();
        let mut stores = 0;
        for number in 0..PROGRAMS {
            if number >= fewest && begun.elapsed() > budget {
                break;
            }
            let length = if number % fewest == fewest - 1 { Length::Long } else { Length::Short };
            // The last failure is that of the shortest failing program.
            let shortest: Mutex<Option<Failure>> = Mutex::new(None);
            let counter = Mutex::new(&mut stores);
            let programs = choose::programs(&capabilities, &mut keys, length);
            let Ok(tree) = programs.new_tree(&mut runner) else { continue };
            let _ = runner.run_one(tree, |program| {
                let store = {
                    let mut counter = counter.lock().unwrap_or_else(PoisonError::into_inner);
                    **counter += 1;
                    format!("{store}-{}", **counter)
                };
                let place = Place { root: &root, store: &store };
                let outcome = runtime.block_on(async {
                    let outcome = run::run(subject.as_ref(), &place, &program).await;
                    outcome.and(ok("freeing a store", subject.free(&place).await))
                });
                outcome.map_err(|failure| {
                    let reason = failure.seen.clone();
                    *shortest.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
                    TestCaseError::fail(reason)
                })
            });
            if let Some(failure) = shortest.into_inner().unwrap_or_else(PoisonError::into_inner) {
                return Err(Failure {
                    situation: format!("program {}: {}", number + 1, failure.situation),
                    ..failure
                });
            }
        }
        Ok(())
    };
    match tokio::task::spawn_blocking(search).await {
        Ok(outcome) => outcome,
        Err(error) => holds("running a random program", false, "no panic", error.to_string()),
    }
}

//! `compare`: the same random programs on several subjects, until two of them differ.

use std::sync::Arc;
use std::time::Duration;

use omni_contracts::storage::{Capabilities, Capability};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use crate::run::runtime;
use crate::storage::model::{Found, Search, Stores};
use crate::{Deviation, Failure, Place, Subject};

/// What comparing came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// The names of the subjects.
    pub subjects: Vec<String>,
    /// The capabilities that all declare: what the programs use.
    pub capabilities: Vec<String>,
    /// The seed of the programs.
    pub seed: u64,
    /// How many programs ran on each.
    pub programs: usize,
    /// The first difference; `None`: there was none.
    pub difference: Option<Difference>,
}

/// A program on which subjects differ, the shortest that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The subject that does not do what the contract says.
    pub subject: String,
    /// What it does instead, with its steps.
    pub failure: Failure,
    /// What each of the others gave in these steps; where it fails too, up to there.
    pub others: Vec<(String, Vec<String>)>,
}

/// Runs up to `programs` random programs, the same on every subject, and stops at the first that does
/// not give on all what the contract says. What the contract leaves open, such as the texts of versions,
/// is no difference; neither is a capability that one does not declare, for no program uses it.
///
/// Makes its own runtime: an async program calls it through `spawn_blocking`.
///
/// # Errors
///
/// Which subject cannot be opened, and why.
///
/// # Panics
///
/// When the system gives no threads.
pub fn compare(
    subjects: &[Arc<dyn Subject>],
    programs: usize,
    seed: u64,
) -> Result<Comparison, String> {
    let runtime = runtime();
    let root = tempfile::Builder::new().prefix("omni-tck-").tempdir();
    let root = root.map_err(|error| format!("no folder for the run: {error}"))?;
    let run = format!("{:08x}", rand::random::<u32>());
    let mut capabilities: Option<Capabilities> = None;
    for subject in subjects {
        let store = format!("probe-{run}");
        let place = Place { root: root.path(), store: &store };
        let declared = runtime.block_on(declared(&**subject, &place));
        let declared = declared.map_err(|error| format!("{}: {error}", subject.name()))?;
        let common = capabilities.unwrap_or_else(|| declared.clone());
        let lacking: Vec<Capability> =
            common.iter().filter(|capability| !declared.has(*capability)).collect();
        capabilities = Some(common.without(&lacking));
    }
    let capabilities = capabilities.ok_or("there is nothing to compare")?;
    let mut stores: Vec<_> = subjects
        .iter()
        .map(|_| Stores::new(root.path().to_owned(), format!("diff-{run}")))
        .collect();
    let names: Vec<String> = subjects.iter().map(|subject| subject.name().to_owned()).collect();
    let mut failing = 0;
    let search = Search {
        rng: StdRng::seed_from_u64(seed),
        capabilities: capabilities.clone(),
        left_out: subjects.iter().find_map(|subject| Deviation::left_out(subject.deviations())),
        fewest: programs.max(1),
        most: programs.max(1),
        budget: Duration::MAX,
    };
    let Found { programs, failure } = search.first_failure(|program| {
        for (number, subject) in subjects.iter().enumerate() {
            failing = number;
            runtime.block_on(stores[number].run(&**subject, program))?;
        }
        Ok(())
    });
    let difference = failure.map(|(program, failure)| Difference {
        subject: names[failing].clone(),
        others: answers(&runtime, subjects, &mut stores, &program, failing),
        failure,
    });
    runtime.shutdown_background();
    let capabilities = capabilities.iter().map(|capability| capability.to_string()).collect();
    Ok(Comparison { subjects: names, capabilities, seed, programs, difference })
}

async fn declared(
    subject: &dyn Subject,
    place: &Place<'_>,
) -> omni_contracts::Result<Capabilities> {
    subject.prepare().await?;
    let store = subject.open(place).await?;
    store.check().await?;
    let declared = store.capabilities().clone();
    subject.free(place).await?;
    Ok(declared)
}

fn answers(
    runtime: &Runtime,
    subjects: &[Arc<dyn Subject>],
    stores: &mut [Stores],
    program: &[crate::storage::model::Step],
    failing: usize,
) -> Vec<(String, Vec<String>)> {
    let others = subjects.iter().zip(stores).enumerate().filter(|(number, _)| *number != failing);
    let answer = |(_, (subject, stores)): (usize, (&Arc<dyn Subject>, &mut Stores))| {
        let steps = runtime.block_on(stores.run(&**subject, program));
        (subject.name().to_owned(), steps.unwrap_or_else(|failure| failure.steps))
    };
    others.map(answer).collect()
}

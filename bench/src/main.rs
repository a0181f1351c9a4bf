//! The benchmarks against the peers, all contestants in one process and one run. Started by
//! `cargo xtask bench`; writes `bench.md`, `bench-clouds.md`, `bench-builds.md` and `failover.md` in
//! `docs/reports`, and their data.
//!
//! Options: `embedded`, `clouds`, `builds` or `failover` first, to run only that group; ids of cases (`B1 B4`)
//! to run only those and write nothing; `--quick` for fewer rounds, and to write nothing; `--rounds=500` for
//! the rounds of each failover. The clouds need the program rclone.

mod builds;
mod failover;
mod layers;
mod listeners;
mod listing;
mod local;
mod measure;
mod memory;
mod migration;
mod report;
mod s3;
mod server;
mod suite;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use measure::{Case, Plan};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

/// Counts allocations per call.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

const EMBEDDED: &str = "embedded";
const CLOUDS: &str = "clouds";
const BUILDS: &str = "builds";
const FAILOVER: &str = "failover";
const GROUPS: &[&str] = &[EMBEDDED, CLOUDS, BUILDS, FAILOVER];

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    if tck::worker::requested().is_some() {
        // The kit runs this program again for its checks with several processes.
        return tck::worker::serve(Arc::new(tck::subjects::Local));
    }
    if omni_drill::requested() {
        return omni_drill::serve();
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let outcome = runtime.map_err(Failure::from).and_then(|runtime| match server::requested() {
        true => runtime.block_on(server::serve()),
        false => runtime.block_on(run()),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let only: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|argument| argument.starts_with('B')).collect();
    let plan = Plan { rounds: if quick { 3 } else { 9 }, only: &only };
    let report = |name: &str, cases: Vec<Case>| {
        let page = report::markdown(&cases);
        println!("{page}");
        if only.is_empty() && !quick {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reports");
            std::fs::write(folder.join(format!("{name}.md")), page)?;
            std::fs::write(folder.join(format!("{name}.json")), report::json(&cases)?)?;
        }
        Ok::<_, Failure>(())
    };
    let group = arguments.first().map(String::as_str).filter(|first| GROUPS.contains(first));
    if group.is_none_or(|group| group == EMBEDDED) {
        let mut cases: Vec<Case> = Vec::new();
        cases.extend(memory::cases(&plan).await?);
        cases.extend(layers::cases(&plan).await?);
        cases.extend(local::cases(&plan).await?);
        cases.extend(listing::cases(&plan).await?);
        cases.extend(suite::cases(&plan).await?);
        report("bench", cases)?;
    }
    if group.is_none_or(|group| group == CLOUDS) {
        let mut cases: Vec<Case> = Vec::new();
        cases.extend(s3::cases(&plan).await?);
        cases.extend(migration::cases(&plan).await?);
        report("bench-clouds", cases)?;
    }
    if group.is_none_or(|group| group == BUILDS) {
        report("bench-builds", builds::cases(&plan).await?)?;
    }
    if group.is_none_or(|group| group == FAILOVER) && plan.wants("B10") {
        let stated = arguments.iter().find_map(|argument| argument.strip_prefix("--rounds="));
        let rounds = match stated.map(str::parse).transpose()? {
            Some(rounds) => rounds,
            None if quick => 5,
            None => 500,
        };
        failover::run(rounds, only.is_empty() && !quick).await?;
    }
    Ok(())
}

//! `tck::main`: the suite as a test binary, one line per clause, for `cargo test` and nextest.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use libtest_mimic::{Arguments, Failed, Trial};
use omni_contracts::Contract;
use tokio::runtime::Runtime;

use crate::report::{ClauseReport, Report, Status};
use crate::run::{Header, Options, runtime};
use crate::session::{Planned, Session};
use crate::{Subject, worker};

/// The folder that reports are written to, one folder per subject in it.
const REPORT: &str = "OMNI_TCK_REPORT";
/// The seed of the run.
const SEED: &str = "OMNI_TCK_SEED";
/// The share of the rounds and inputs.
const SHARE: &str = "OMNI_TCK_SHARE";

/// The whole `main` of a test target that certifies `subjects`; the target sets `harness = false`.
///
/// Understands the arguments of a libtest binary: each clause is a test named
/// `local::STO-012::keys_do_not_alias`. A clause that is not claimed or not tested is shown as
/// ignored, with the reason as its kind; asked for by `--ignored`, it fails, for nothing ran.
/// A clause that the back-end itself is declared to break has the reason as its kind; its line is ok
/// when its check fails.
///
/// Environment: `OMNI_TCK_SEED=42` repeats a run; `OMNI_TCK_SHARE=1` tries every round and input, which
/// back-ends that are slow do not by default ([`Subject::share`]); `OMNI_TCK_REPORT=dir` writes the
/// reports to `dir/<subject>`.
///
/// ```no_run
/// # use std::process::ExitCode;
/// # use std::sync::Arc;
/// # let my_subject = tck::FnSubject::new("mine", tck::Evidence::Embedded, |_| async {
/// #     Err(omni_contracts::Error::invalid("an example"))
/// # });
/// # fn run(my_subject: impl tck::Subject) -> ExitCode {
/// tck::main(vec![Arc::new(my_subject)])
/// # }
/// ```
#[must_use]
pub fn main(subjects: Vec<Arc<dyn Subject>>) -> ExitCode {
    if let Some(name) = worker::requested() {
        return match subjects.into_iter().find(|known| known.name() == name) {
            Some(subject) => worker::serve(subject),
            None => refuse(&format!("no subject has the name {name:?}")),
        };
    }
    let mut arguments = Arguments::from_args();
    let mut options = Options { rerun: command(), ..Options::default() };
    if let Some(seed) = std::env::var_os(SEED) {
        match seed.to_str().and_then(|seed| seed.parse().ok()) {
            Some(seed) => options.seed = seed,
            None => return refuse(&format!("{SEED} must be a whole number from 0")),
        }
    }
    if let Some(share) = std::env::var_os(SHARE) {
        match share.to_str().and_then(|share| share.parse().ok()) {
            Some(share) if share > 0.0 && share <= 1.0 => options.share = Some(share),
            _ => return refuse(&format!("{SHARE} must be a number above 0 and at most 1")),
        }
    }
    arguments.test_threads.get_or_insert(options.parallel);
    let runtime = Arc::new(runtime());
    let runs: Vec<_> = subjects
        .into_iter()
        .map(|subject| Arc::new(Run::open(subject, &options, &runtime)))
        .collect();
    let trials = trials(&runs, &runtime);
    if !arguments.list {
        eprintln!("seed {}", options.seed);
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    let written = match std::env::var_os(REPORT) {
        Some(folder) if !arguments.list => write(runs, &PathBuf::from(folder)),
        _ => Ok(()),
    };
    if let Some(runtime) = Arc::into_inner(runtime) {
        // A check that was given up may still block a thread.
        runtime.shutdown_background();
    }
    match written {
        Ok(()) => conclusion.exit_code(),
        Err(error) => refuse(&format!("the report was not written: {error}")),
    }
}

/// One subject in this test binary, and what is known about its clauses so far.
struct Run {
    subject: String,
    contract: Contract,
    header: Header,
    session: Result<Session, String>,
    results: Mutex<HashMap<&'static str, ClauseReport>>,
}

impl Run {
    fn open(subject: Arc<dyn Subject>, options: &Options, runtime: &Runtime) -> Self {
        let (name, contract) = (subject.name().to_owned(), subject.contract());
        let mut header = Header::new(&*subject, options);
        let session = runtime.block_on(Session::open(subject, options));
        if let Ok(session) = &session {
            header.declared(session);
        }
        Self { subject: name, contract, header, session, results: Mutex::default() }
    }

    fn try_clause(&self, planned: &Planned, runtime: &Runtime) -> Result<(), Failed> {
        let session = self
            .session
            .as_ref()
            .map_err(|error| Failed::from(format!("the subject cannot be opened: {error}")))?;
        let result = runtime.block_on(session.run(planned));
        let outcome = match (&result.status, result.explain()) {
            // A line cannot say more than ok or failed; what deviates has it in its kind.
            (Status::Passed | Status::Deviates { .. }, _) => Ok(()),
            (_, Some(explained)) => Err(Failed::from(explained)),
            (other, None) => Err(Failed::from(format!("nothing ran: {}", kind(other)))),
        };
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        results.insert(planned.clause.id, result);
        outcome
    }

    fn report(self) -> Report {
        let session = match self.session {
            Ok(session) => session,
            Err(error) => return self.header.unreachable(error),
        };
        let mut results = self.results.into_inner().unwrap_or_else(PoisonError::into_inner);
        let clauses = Planned::all(self.contract).map(|planned| {
            results.remove(planned.clause.id).unwrap_or_else(|| session.without_running(&planned))
        });
        self.header.finish(clauses.collect())
    }
}

/// Clause by clause, of all subjects: while one back-end computes, another is asked.
fn trials(runs: &[Arc<Run>], runtime: &Arc<Runtime>) -> Vec<Trial> {
    let of_contract = |contract: Contract| {
        let of = move |planned: Planned| {
            let runs = runs.iter().filter(move |run| run.contract == contract);
            runs.map(move |run| trial(run, planned, runtime))
        };
        Planned::all(contract).flat_map(of)
    };
    Contract::ALL.iter().flat_map(|contract| of_contract(*contract)).collect()
}

fn trial(run: &Arc<Run>, planned: Planned, runtime: &Arc<Runtime>) -> Trial {
    let known = match &run.session {
        Ok(session) => session.known(&planned),
        Err(_) => None,
    };
    let deviation = run.session.as_ref().ok().and_then(|open| open.deviation(&planned));
    let deviates = deviation.map(|deviation| format!("deviates: {}", deviation.reason));
    let name = format!("{}::{}", run.subject, planned.name());
    let (run, runtime) = (Arc::clone(run), Arc::clone(runtime));
    let trial = Trial::test(name, move || run.try_clause(&planned, &runtime));
    match known {
        None => trial.with_kind(deviates.unwrap_or_default()),
        Some(status) => trial.with_kind(kind(&status)).with_ignored_flag(true),
    }
}

/// Why a clause does not run, for the test line.
fn kind(status: &Status) -> String {
    match status {
        Status::NotClaimed { capability } => format!("not claimed: {capability}"),
        Status::Untested { reason } => format!("untested: {reason}"),
        other => other.as_str().to_owned(),
    }
}

/// The command that runs one line of this binary alone.
fn command() -> String {
    let package =
        std::env::var("CARGO_PKG_NAME").map_or(String::new(), |name| format!(" -p {name}"));
    let program = std::env::current_exe().unwrap_or_default();
    let stem = program.file_stem().unwrap_or_default().to_string_lossy();
    // Cargo names a test binary `target-hash`.
    let target = stem.rsplit_once('-').map_or(&*stem, |(target, _)| target);
    format!("{SEED}={{seed}} cargo test{package} --test {target} -- {{subject}}::{{id}}")
}

fn write(runs: Vec<Arc<Run>>, folder: &Path) -> std::io::Result<()> {
    if std::env::var_os("NEXTEST").is_some() {
        eprintln!("no report: nextest runs each clause in a process of its own; use cargo test");
        return Ok(());
    }
    // The tests, which shared the runs, have ended.
    for run in runs.into_iter().filter_map(Arc::into_inner) {
        let folder = folder.join(&run.subject);
        let report = run.report();
        report.write(&folder)?;
        eprintln!("{}: {}, see {}", report.subject, report.verdict(), folder.display());
    }
    Ok(())
}

fn refuse(problem: &str) -> ExitCode {
    eprintln!("error: {problem}");
    ExitCode::from(2)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Evidence, Failure, FnSubject};

    #[test]
    fn a_failing_line_says_all_that_is_needed() {
        let planned = Planned::all(Contract::Storage).next().unwrap();
        let failure = Failure::new("get of \"a\"", "5 bytes", "4 bytes");
        let failure = failure.with_steps(vec!["put \"a\"".to_owned()]);
        let options = Options { seed: 42, rerun: command(), ..Options::default() };
        let mut report = planned.report(Status::Failed(failure), Duration::ZERO, None);
        report.run_alone = Some(options.run_alone("mine", &report.id));
        let text = report.explain().unwrap();
        for part in [
            "STO-001: A `get` after an acknowledged `put`",
            "situation: get of \"a\"\nexpected:  5 bytes\nseen:      4 bytes\n  step   1: put \"a\"",
            "hint:      ",
            "OMNI_TCK_SEED=42 cargo test -p tck --test tck -- mine::STO-001",
        ] {
            assert!(text.contains(part), "{part:?} is not in:\n{text}");
        }
    }

    /// The provider in memory, which cannot be opened for STO-002, with deviations of that clause, of
    /// one that it keeps, and of one not claimed.
    struct Declaring(omni_provider_memory::MemoryStorage);

    #[async_trait::async_trait]
    impl Subject for Declaring {
        fn name(&self) -> &str {
            "declaring"
        }

        fn evidence(&self) -> Evidence {
            Evidence::Embedded
        }

        fn deviations(&self) -> &str {
            "[[deviation]]\nclause = \"STO-001\"\nreason = \"why\"\nevidence = \"how\"\n\
             [[deviation]]\nclause = \"STO-002\"\nreason = \"why\"\nevidence = \"how\"\n\
             [[deviation]]\nclause = \"STO-164\"\nreason = \"why\"\nevidence = \"how\"\n"
        }

        async fn open(
            &self,
            place: &crate::Place<'_>,
        ) -> omni_contracts::Result<Arc<dyn omni_contracts::storage::StorageProvider>> {
            match place.store.starts_with("sto-002") {
                true => Err(omni_contracts::Error::invalid("the back-end cannot")),
                false => Ok(Arc::new(self.0.clone())),
            }
        }
    }

    #[test]
    fn a_line_that_deviates_runs_and_says_so() {
        let runtime = Arc::new(runtime());
        let subject =
            Arc::new(Declaring(omni_provider_memory::MemoryStorage::new(Default::default())));
        let run = Arc::new(Run::open(subject, &Options::default(), &runtime));
        let declared = ["STO-001", "STO-002", "STO-164"];
        for trial in trials(&[Arc::clone(&run)], &runtime) {
            let id = trial.name().split("::").nth(1).unwrap();
            let deviates = trial.kind() == "deviates: why";
            assert_eq!(deviates, declared.contains(&id), "{id}");
            assert!(!deviates || !trial.has_ignored_flag(), "{id}");
        }
        for planned in
            Planned::all(Contract::Storage).filter(|planned| declared.contains(&planned.clause.id))
        {
            match run.try_clause(&planned, &runtime) {
                Ok(()) => assert_eq!(planned.clause.id, "STO-002"),
                Err(failed) => {
                    let message = failed.message().unwrap();
                    assert!(message.contains("remove the deviation of"), "{message}");
                    assert_ne!(planned.clause.id, "STO-002");
                }
            }
        }
        assert!(run.results.lock().unwrap().values().all(|result| result.status != Status::Passed));
    }

    #[test]
    fn a_subject_that_cannot_be_opened_fails_every_line() {
        let subject = FnSubject::new("gone", Evidence::Embedded, |_| async {
            Err(omni_contracts::Error::invalid("nobody is there"))
        });
        let runtime = Arc::new(runtime());
        let run = Run::open(Arc::new(subject), &Options::default(), &runtime);
        for planned in Planned::all(Contract::Storage) {
            let failed = run.try_clause(&planned, &runtime).unwrap_err();
            assert!(failed.message().unwrap().contains("nobody is there"));
        }
        let trials = trials(&[Arc::new(run)], &runtime);
        assert!(trials.iter().all(|trial| !trial.has_ignored_flag()));
    }
}

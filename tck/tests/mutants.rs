//! Who tests the checks: every mutant must be killed by the check of its clause, and no check may kill
//! the honest provider below it. `OMNI_BLESS=1` writes `docs/reports/mutants.md` anew.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use omni_contracts::Contract;
use tck::mutants::{Base, Mutant, MutantSubject, mutants};
use tck::spec::{self, Clause, Level};
use tck::{Check, Context, Declaration, Outcome, Subject, worker};
use tokio::runtime::Runtime;

/// The longest that a check may take. A check that is given up has killed nothing.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The choices of the checks are the same in every run.
const SEED: u64 = 1;

fn main() -> ExitCode {
    if let Some(name) = worker::requested() {
        return serve(&name);
    }
    let arguments = Arguments::from_args();
    let runtime = Arc::new(
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(4)
            .enable_all()
            .build()
            .expect("the system gives threads"),
    );
    let mut trials = vec![
        Trial::test("every_core_clause_has_a_mutant", every_core_clause_has_a_mutant),
        Trial::test("names_are_unique", names_are_unique),
        Trial::test("report_is_current", report_is_current),
    ];
    for mutant in mutants() {
        let runtime = Arc::clone(&runtime);
        trials.push(Trial::test(format!("{mutant:?}"), move || is_killed(&runtime, mutant)));
    }
    let honest: BTreeSet<_> = mutants().map(|mutant| (mutant.base(), mutant.clause)).collect();
    for (base, clause) in honest {
        let runtime = Arc::clone(&runtime);
        let name = format!("honest::{base:?}::{clause}").to_lowercase();
        trials.push(Trial::test(name, move || honest_is_spared(&runtime, base, clause)));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The process that a check started to use its subject from elsewhere.
fn serve(name: &str) -> ExitCode {
    let honest = Base::ALL.iter().map(|base| MutantSubject::honest(*base));
    let subject = mutants().map(MutantSubject::new).chain(honest).find(|s| s.name() == name);
    match subject {
        Some(subject) => worker::serve(Arc::new(subject)),
        None => {
            eprintln!("worker: no mutant has the name {name}");
            ExitCode::FAILURE
        }
    }
}

fn is_killed(runtime: &Runtime, mutant: &Mutant) -> Result<(), Failed> {
    let clause = clause(mutant.clause)?;
    match run(runtime, MutantSubject::new(mutant), clause)? {
        Err(failure) => {
            // Seen with `--nocapture`: whether it was killed for what it does wrong.
            println!("{mutant:?}: {}\n{failure}\n", mutant.wrong);
            Ok(())
        }
        Ok(()) => Err(format!("survived: {}\nclause: {}", mutant.wrong, clause.text).into()),
    }
}

fn honest_is_spared(runtime: &Runtime, base: Base, id: &str) -> Result<(), Failed> {
    let outcome = run(runtime, MutantSubject::honest(base), clause(id)?)?;
    outcome.map_err(|failure| failure.to_string().into())
}

fn run(runtime: &Runtime, subject: MutantSubject, clause: &Clause) -> Result<Outcome, Failed> {
    let check = check(clause.id).ok_or_else(|| format!("{} has no check", clause.id))?;
    let root = tempfile::tempdir()?;
    let subject: Arc<dyn Subject> = Arc::new(subject);
    let context = Context::new(subject, root.path().to_owned(), "store".to_owned(), SEED);
    runtime.block_on(async {
        let provider = context.open().await.map_err(|failure| failure.to_string())?;
        if !clause.level.binds(&Declaration::from(provider.capabilities())) {
            return Err(format!("{} does not bind this base", clause.id).into());
        }
        drop(provider);
        // A panic is no verdict about the clause.
        let running = tokio::spawn(async move { (check.run)(&context).await });
        Ok(tokio::time::timeout(TIME_LIMIT, running).await??)
    })
}

fn every_core_clause_has_a_mutant() -> Result<(), Failed> {
    let missing: Vec<_> = spec::clauses(Contract::Storage)
        .iter()
        .filter(|clause| clause.level == Level::Core)
        .filter(|clause| !mutants().any(|mutant| mutant.clause == clause.id))
        .map(|clause| clause.id)
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("without mutant: {missing:?}").into()) }
}

fn names_are_unique() -> Result<(), Failed> {
    let mut names = BTreeSet::new();
    for mutant in mutants() {
        if !names.insert(format!("{mutant:?}")) {
            return Err(format!("twice: {mutant:?}").into());
        }
    }
    Ok(())
}

fn report_is_current() -> Result<(), Failed> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reports/mutants.md");
    let report = report()?;
    if std::env::var_os("OMNI_BLESS").is_some() {
        return Ok(std::fs::write(path, report)?);
    }
    match std::fs::read_to_string(path)? == report {
        true => Ok(()),
        false => Err("docs/reports/mutants.md is stale; write it with OMNI_BLESS=1".into()),
    }
}

fn report() -> Result<String, Failed> {
    let clauses = spec::clauses(Contract::Storage);
    let covered = |level: fn(Level) -> bool| {
        let bound = || clauses.iter().filter(|clause| level(clause.level));
        let with = |clause: &&Clause| mutants().any(|mutant| mutant.clause == clause.id);
        (bound().filter(with).count(), bound().count())
    };
    let (core, all_core) = covered(|level| level == Level::Core);
    let (other, all_other) = covered(|level| level != Level::Core);
    let mut report = format!(
        "# Mutants\n\n\
         Providers that are wrong on purpose, each in one way, to test the checks. `cargo test -p tck \
         --test mutants` requires that each is killed by the check of the clause that it breaks, and \
         that the same check spares the honest provider. This page is written by that test with \
         `OMNI_BLESS=1`.\n\n\
         {} mutants; {core} of {all_core} core clauses and {other} of {all_other} others have at least \
         one.\n\n\
         | Clause | Mutant | What it does wrong | Killed by |\n|---|---|---|---|\n",
        mutants().count(),
    );
    let mut sorted: Vec<_> = mutants().collect();
    sorted.sort_by_key(|mutant| clauses.iter().position(|clause| clause.id == mutant.clause));
    for mutant in sorted {
        let killer = check(mutant.clause).map_or("-", |check| check.name);
        let Mutant { clause, name, wrong, .. } = mutant;
        writeln!(report, "| {clause} | `{name}` | {wrong} | `{killer}` |")?;
    }
    Ok(report)
}

fn check(id: &str) -> Option<&'static Check> {
    tck::storage::checks().find(|check| check.id == id)
}

fn clause(id: &str) -> Result<&'static Clause, Failed> {
    spec::clause(id).ok_or_else(|| format!("no clause has the id {id}").into())
}

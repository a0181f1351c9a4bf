//! Who tests the checks of messaging: each mutant must be killed by the check of its clause, and no check
//! may kill the honest provider. `OMNI_BLESS=1` writes `docs/reports/messaging-mutants.md` anew.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use omni_contracts::Contract;
use tck::mutants::{MessagingMutant, messaging_mutants};
use tck::spec::{self, Level};
use tck::{Check, Context, Outcome, execute};
use tokio::runtime::Runtime;

/// The longest that a check may take. A check that is given up has killed nothing.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The choices of the checks are the same in every run.
const SEED: u64 = 1;

fn main() -> ExitCode {
    let runtime = Arc::new(Runtime::new().expect("the system gives threads"));
    let mut trials = vec![
        Trial::test("every_core_clause_has_a_mutant", every_core_clause_has_a_mutant),
        Trial::test("names_are_unique", names_are_unique),
        Trial::test("report_is_current", report_is_current),
    ];
    let honest: BTreeSet<_> = messaging_mutants().map(|mutant| mutant.clause).collect();
    for clause in honest {
        let runtime = Arc::clone(&runtime);
        let name = format!("honest::{}", clause.to_lowercase());
        let spared = move || run(&runtime, &MessagingMutant::HONEST, clause)?.map_err(shown);
        trials.push(Trial::test(name, spared));
    }
    for mutant in messaging_mutants() {
        let runtime = Arc::clone(&runtime);
        trials.push(Trial::test(format!("{mutant:?}"), move || is_killed(&runtime, mutant)));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn shown(failure: tck::Failure) -> Failed {
    failure.to_string().into()
}

fn is_killed(runtime: &Runtime, mutant: &MessagingMutant) -> Result<(), Failed> {
    match run(runtime, mutant, mutant.clause)? {
        Err(failure) => {
            // Seen with `--nocapture`: whether it was killed for what it does wrong.
            println!("{mutant:?}: {}\n{failure}\n", mutant.wrong);
            Ok(())
        }
        Ok(()) => Err(format!("survived: {}", mutant.wrong).into()),
    }
}

fn run(runtime: &Runtime, mutant: &MessagingMutant, id: &str) -> Result<Outcome, Failed> {
    let check = check(id).ok_or_else(|| format!("{id} has no check"))?;
    let root = tempfile::tempdir()?;
    let subject = Arc::new(mutant.subject());
    let context = Context::new(subject, root.path().to_owned(), "place".to_owned(), SEED);
    runtime.block_on(async {
        // A panic is no verdict about the clause.
        let running = tokio::spawn(execute(check, context));
        Ok(tokio::time::timeout(TIME_LIMIT, running).await??)
    })
}

fn check(id: &str) -> Option<&'static Check> {
    tck::messaging::checks().find(|check| check.id == id)
}

fn every_core_clause_has_a_mutant() -> Result<(), Failed> {
    let missing: Vec<_> = spec::clauses(Contract::Messaging)
        .iter()
        .filter(|clause| clause.level == Level::Core)
        .filter(|clause| !messaging_mutants().any(|mutant| mutant.clause == clause.id))
        .map(|clause| clause.id)
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("without mutant: {missing:?}").into()) }
}

fn names_are_unique() -> Result<(), Failed> {
    let mut names = BTreeSet::new();
    match messaging_mutants().find(|mutant| !names.insert(format!("{mutant:?}"))) {
        None => Ok(()),
        Some(mutant) => Err(format!("twice: {mutant:?}").into()),
    }
}

fn report_is_current() -> Result<(), Failed> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reports/messaging-mutants.md");
    let mut report = format!(
        "# Mutants of messaging\n\n\
         Messaging that is wrong on purpose, each in one way. `cargo test -p tck --test messaging` requires \
         that each is killed by the check of the clause that it breaks, and that the same check spares the \
         honest provider. This page is written by that test with `OMNI_BLESS=1`.\n\n\
         {} mutants of {} clauses.\n\n| Clause | Mutant | What it does wrong | Killed by |\n|---|---|---|---|\n",
        messaging_mutants().count(),
        spec::clauses(Contract::Messaging).len(),
    );
    for mutant in messaging_mutants() {
        let killer = check(mutant.clause).map_or("-", |check| check.name);
        let MessagingMutant { clause, name, wrong, .. } = mutant;
        writeln!(report, "| {clause} | `{name}` | {wrong} | `{killer}` |")?;
    }
    if std::env::var_os("OMNI_BLESS").is_some() {
        return Ok(std::fs::write(path, report)?);
    }
    match std::fs::read_to_string(path)? == report {
        true => Ok(()),
        false => {
            Err("docs/reports/messaging-mutants.md is stale; write it with OMNI_BLESS=1".into())
        }
    }
}

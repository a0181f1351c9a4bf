//! The clauses of `docs/spec/failover.md`, kept by `omni-failover`; and who tests their checks: each
//! mutant must be killed by the check of its clause. `OMNI_BLESS=1` writes
//! `docs/reports/failover-mutants.md` anew.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use tck::failover::{
    FailoverCheck, FailoverMutant, FailoverSubject, OmniFailover, checks, mutants,
};
use tck::spec;

fn main() -> ExitCode {
    let mut trials = vec![
        Trial::test("every_clause_has_a_check_and_every_check_a_clause", ids_agree),
        Trial::test("every_clause_has_a_mutant", every_clause_has_a_mutant),
        Trial::test("names_are_unique", names_are_unique),
        Trial::test("report_is_current", report_is_current),
    ];
    for check in checks() {
        trials.push(Trial::test(format!("omni-failover::{check:?}"), move || kept(check)));
    }
    for mutant in mutants() {
        trials.push(Trial::test(format!("mutant::{mutant:?}"), move || is_killed(mutant)));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn kept(check: &FailoverCheck) -> Result<(), Failed> {
    let subject: Arc<dyn FailoverSubject> = Arc::new(OmniFailover);
    let text = spec::failover_clauses().iter().find(|clause| clause.id == check.id);
    let text = text.map_or("", |clause| clause.text);
    check.run(&subject).map_err(|failure| format!("{text}\n{failure}").into())
}

fn is_killed(mutant: &FailoverMutant) -> Result<(), Failed> {
    let check = checks().find(|check| check.id == mutant.clause);
    let check = check.ok_or_else(|| format!("{} has no check", mutant.clause))?;
    let subject: Arc<dyn FailoverSubject> = Arc::new(*mutant);
    match check.run(&subject) {
        Err(failure) => {
            // Seen with `--nocapture`: whether it was killed for what it does wrong.
            println!("{mutant:?}: {}\n{failure}\n", mutant.wrong);
            Ok(())
        }
        Ok(()) => Err(format!("survived: {}", mutant.wrong).into()),
    }
}

fn ids_agree() -> Result<(), Failed> {
    let clauses: BTreeSet<_> = spec::failover_clauses().iter().map(|clause| clause.id).collect();
    let known: Vec<_> = checks().map(|check| check.id).collect();
    let checked: BTreeSet<_> = known.iter().copied().collect();
    if checked.len() != known.len() {
        return Err("a clause has two checks".into());
    }
    match clauses == checked {
        true => Ok(()),
        false => Err(format!("different: {:?}", clauses.symmetric_difference(&checked)).into()),
    }
}

fn every_clause_has_a_mutant() -> Result<(), Failed> {
    let without = |clause: &&spec::Clause| !mutants().any(|mutant| mutant.clause == clause.id);
    let missing: Vec<_> =
        spec::failover_clauses().iter().filter(without).map(|clause| clause.id).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("without mutant: {missing:?}").into()) }
}

fn names_are_unique() -> Result<(), Failed> {
    let mut names = BTreeSet::new();
    match mutants().find(|mutant| !names.insert(format!("{mutant:?}"))) {
        None => Ok(()),
        Some(mutant) => Err(format!("twice: {mutant:?}").into()),
    }
}

fn report_is_current() -> Result<(), Failed> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reports/failover-mutants.md");
    let mut report = format!(
        "# Mutants of failover\n\n\
         Failovers that are wrong on purpose, each in one way. `cargo test -p tck --test failover` requires \
         that each is killed by the check of the clause that it breaks, and that `omni-failover` keeps \
         every clause. This page is written by that test with `OMNI_BLESS=1`.\n\n\
         {} mutants of {} clauses.\n\n| Clause | Mutant | What it does wrong |\n|---|---|---|\n",
        mutants().count(),
        spec::failover_clauses().len(),
    );
    for mutant in mutants() {
        let FailoverMutant { clause, name, wrong, .. } = mutant;
        writeln!(report, "| {clause} | `{name}` | {wrong} |")?;
    }
    if std::env::var_os("OMNI_BLESS").is_some() {
        return Ok(std::fs::write(path, report)?);
    }
    match std::fs::read_to_string(path)? == report {
        true => Ok(()),
        false => {
            Err("docs/reports/failover-mutants.md is stale; write it with OMNI_BLESS=1".into())
        }
    }
}

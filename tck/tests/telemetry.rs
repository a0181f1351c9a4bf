//! The clauses of `docs/spec/observability.md`, kept by `omni-telemetry`; and who tests their checks:
//! each mutant must be killed by the check of its clause. `OMNI_BLESS=1` writes
//! `docs/reports/telemetry-mutants.md` anew.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use tck::spec;
use tck::telemetry::{
    OmniTelemetry, TelemetryCheck, TelemetryMutant, TelemetrySubject, checks, mutants,
};

fn main() -> ExitCode {
    let mut trials = vec![
        Trial::test("every_clause_has_a_check_and_every_check_a_clause", ids_agree),
        Trial::test("every_clause_has_a_mutant", every_clause_has_a_mutant),
        Trial::test("report_is_current", report_is_current),
    ];
    for check in checks() {
        trials.push(Trial::test(format!("omni-telemetry::{check:?}"), move || kept(check)));
    }
    for mutant in mutants() {
        trials.push(Trial::test(format!("mutant::{mutant:?}"), move || is_killed(mutant)));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn kept(check: &TelemetryCheck) -> Result<(), Failed> {
    let subject: Arc<dyn TelemetrySubject> = Arc::new(OmniTelemetry);
    let text = spec::telemetry_clauses().iter().find(|clause| clause.id == check.id);
    let text = text.map_or("", |clause| clause.text);
    check.run(&subject).map_err(|failure| format!("{text}\n{failure}").into())
}

fn is_killed(mutant: &TelemetryMutant) -> Result<(), Failed> {
    let check = checks().find(|check| check.id == mutant.clause);
    let check = check.ok_or_else(|| format!("{} has no check", mutant.clause))?;
    let subject: Arc<dyn TelemetrySubject> = Arc::new(*mutant);
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
    let clauses: BTreeSet<_> = spec::telemetry_clauses().iter().map(|clause| clause.id).collect();
    let known: Vec<_> = checks().map(|check| check.id).collect();
    let checked: BTreeSet<_> = known.iter().copied().collect();
    match clauses == checked && checked.len() == known.len() {
        true => Ok(()),
        false => Err(format!("different: {:?}", clauses.symmetric_difference(&checked)).into()),
    }
}

fn every_clause_has_a_mutant() -> Result<(), Failed> {
    let without = |clause: &&spec::Clause| !mutants().any(|mutant| mutant.clause == clause.id);
    let missing: Vec<_> =
        spec::telemetry_clauses().iter().filter(without).map(|clause| clause.id).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("without mutant: {missing:?}").into()) }
}

fn report_is_current() -> Result<(), Failed> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reports/telemetry-mutants.md");
    let mut report = format!(
        "# Mutants of the suite of telemetry\n\n\
         Telemetry that records something else than what happened, each in one way. \
         `cargo test -p tck --test telemetry --features telemetry` requires that each is killed by the \
         check of the clause that it breaks. This page is written by that test with `OMNI_BLESS=1`.\n\n\
         {} mutants of {} clauses.\n\n| Clause | Mutant | What it does wrong |\n|---|---|---|\n",
        mutants().count(),
        checks().count(),
    );
    for TelemetryMutant { clause, name, wrong, .. } in mutants() {
        writeln!(report, "| {clause} | `{name}` | {wrong} |")?;
    }
    if std::env::var_os("OMNI_BLESS").is_some() {
        return Ok(std::fs::write(path, report)?);
    }
    match std::fs::read_to_string(path)? == report {
        true => Ok(()),
        false => {
            Err("docs/reports/telemetry-mutants.md is stale; write it with OMNI_BLESS=1".into())
        }
    }
}

//! The clauses of `docs/spec/faults.md`, kept by the providers that speak over a network; and who tests
//! their rules: each mutant must be found out by the rule of its clause. `OMNI_BLESS=1` writes
//! `docs/reports/fault-mutants.md` anew; `OMNI_TCK_SEED` and `OMNI_TCK_SHARE` are as for `certify`;
//! `OMNI_TCK_FAULTS=10000` tries at least so many operations with two or three faults on each provider.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Failed, Trial};
use tck::faults::{Fault, FaultMutant, FaultOptions, Observation, RULES, Rule, mutants, observe};
use tck::{Failure, Subject, spec, subjects};

fn main() -> ExitCode {
    let mut trials = vec![
        Trial::test("every_clause_has_a_rule_and_every_rule_a_clause", ids_agree),
        Trial::test("every_clause_has_a_mutant", every_clause_has_a_mutant),
        Trial::test("report_is_current", report_is_current),
    ];
    let seed = number("OMNI_TCK_SEED").unwrap_or(1.0) as u64;
    let most = number("OMNI_TCK_FAULTS");
    let share = number("OMNI_TCK_SHARE").or(most.map(|_| 1.0));
    eprintln!("seed {seed}");
    let runs: Vec<_> = networked()
        .into_iter()
        .map(|(subject, usual, untold)| {
            let share = share.unwrap_or(usual);
            let mut options = FaultOptions { share, ..FaultOptions::all(seed) };
            options.faults.retain(|fault| !untold.contains(fault));
            if let Some(most) = most {
                // With layers and without.
                options.pairs = (most / (2 * options.operations.len()) as f64).ceil() as usize;
            }
            Arc::new(Run { subject, options, noted: OnceLock::new() })
        })
        .collect();
    // By rules, so that all subjects are tried at once: they wait, most of the time.
    for rule in RULES {
        for run in &runs {
            let run = Arc::clone(run);
            let name = format!("{}::{rule:?}", run.subject.name());
            trials.push(Trial::test(name, move || run.kept(rule)));
        }
    }
    for mutant in mutants() {
        trials.push(Trial::test(format!("mutant::{mutant:?}"), move || is_found_out(mutant)));
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(runs.len() + 1);
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn number(variable: &str) -> Option<f64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// A subject, the share of the faults that is tried on it, for emulators serve one request after the
/// other, and what it cannot tell.
type Networked = (Arc<dyn Subject>, f64, &'static [Fault]);

fn networked() -> Vec<Networked> {
    vec![
        // Azurite says `InvalidOperation` where the service documents `Md5Mismatch`.
        #[cfg(feature = "provider-azure")]
        (Arc::new(subjects::Blob), 0.15, &[Fault::SpoilRequest]),
        #[cfg(feature = "provider-aws")]
        (Arc::new(subjects::S3::on_ministack()), 0.15, &[]),
        // Is sent no checksums, for it answers with wrong ones.
        #[cfg(feature = "provider-aws")]
        (Arc::new(subjects::S3::on_moto()), 0.15, &[Fault::SpoilRequest]),
        (Arc::new(subjects::Gcs::plain()), 0.3, &[]),
        (Arc::new(subjects::Gcs::by_http()), 0.5, &[]),
    ]
}

/// A subject, and what was noted about it when the first of its clauses was judged.
struct Run {
    subject: Arc<dyn Subject>,
    options: FaultOptions,
    noted: OnceLock<Result<Vec<Observation>, Failure>>,
}

impl Run {
    fn kept(&self, rule: &Rule) -> Result<(), Failed> {
        let noted = self.noted.get_or_init(|| {
            let noted = runtime().block_on(observe(&*self.subject, &self.options));
            if let Ok(noted) = &noted {
                let slow = noted.iter().filter(|seen| seen.is_slow()).count();
                let (name, count) = (self.subject.name(), noted.len());
                eprintln!("{name}: {count} operations with faults, during {slow} a slow back-end");
            }
            noted
        });
        let clause = spec::fault_clauses().iter().find(|clause| clause.id == rule.id);
        let text = clause.map_or("", |clause| clause.text);
        let noted = noted.as_ref().map_err(ToString::to_string)?;
        rule.judge(noted).map_err(|failure| format!("{text}\n{failure}").into())
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().expect("the system gives a runtime")
}

fn is_found_out(mutant: &'static FaultMutant) -> Result<(), Failed> {
    let rule = RULES.iter().find(|rule| rule.id == mutant.clause);
    let rule = rule.ok_or_else(|| format!("{} has no rule", mutant.clause))?;
    let noted = runtime()
        .block_on(mutant.observe(&subjects::Gcs::by_http()))
        .map_err(|failure| failure.to_string())?;
    match rule.judge(&noted) {
        Err(failure) => {
            // Seen with `--nocapture`: whether it was found out for what it does wrong.
            println!("{mutant:?}: {}\n{failure}\n", mutant.wrong);
            Ok(())
        }
        Ok(()) => Err(format!("survived: {}", mutant.wrong).into()),
    }
}

fn ids_agree() -> Result<(), Failed> {
    let clauses: BTreeSet<_> = spec::fault_clauses().iter().map(|clause| clause.id).collect();
    let rules: BTreeSet<_> = RULES.iter().map(|rule| rule.id).collect();
    match clauses == rules && rules.len() == RULES.len() {
        true => Ok(()),
        false => Err(format!("different: {:?}", clauses.symmetric_difference(&rules)).into()),
    }
}

fn every_clause_has_a_mutant() -> Result<(), Failed> {
    let without = |rule: &&Rule| !mutants().any(|mutant| mutant.clause == rule.id);
    let missing: Vec<_> = RULES.iter().filter(without).map(|rule| rule.id).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("without mutant: {missing:?}").into()) }
}

fn report_is_current() -> Result<(), Failed> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reports/fault-mutants.md");
    let mut report = format!(
        "# Mutants of the fault suite\n\n\
         Providers and layers that tell something else about faults than what happened, each in one \
         way. `cargo test -p tck --test faults --features provider-gcp` requires that each is found \
         out by the rule of the clause that it breaks. This page is written by that test with \
         `OMNI_BLESS=1`.\n\n\
         {} mutants of {} clauses.\n\n| Clause | Mutant | What it does wrong |\n|---|---|---|\n",
        mutants().count(),
        RULES.len(),
    );
    for FaultMutant { clause, name, wrong, .. } in mutants() {
        writeln!(report, "| {clause} | `{name}` | {wrong} |")?;
    }
    if std::env::var_os("OMNI_BLESS").is_some() {
        return Ok(std::fs::write(path, report)?);
    }
    match std::fs::read_to_string(path)? == report {
        true => Ok(()),
        false => Err("docs/reports/fault-mutants.md is stale; write it with OMNI_BLESS=1".into()),
    }
}

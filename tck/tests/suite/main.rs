//! Tests of the suite itself: that it is complete, that it certifies nothing worthless, and what
//! becomes of a run that goes wrong. The mutants have a test of their own.

mod compare;
mod deviations;
mod pool;
mod reports;
mod trivial;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use omni_contracts::storage::StorageProvider;
use omni_contracts::{Error, ErrorKind};
use tck::report::Status;
use tck::{Evidence, FnSubject, Options, Subject, Verdict, certify, spec};

use crate::trivial::{Answer, Trivial};

#[test]
fn every_clause_has_a_check_and_nothing_else_has() {
    let clauses: BTreeSet<_> = spec::all_clauses().map(|clause| clause.id).collect();
    let mut suite = BTreeSet::new();
    let mut ids = tck::checks().map(|check| check.id);
    let twice: Vec<_> = ids.by_ref().filter(|id| !suite.insert(*id)).collect();
    assert!(twice.is_empty(), "in the suite more than once: {twice:?}");
    let missing: Vec<_> = clauses.difference(&suite).collect();
    assert!(missing.is_empty(), "clauses without a check: {missing:?}");
    let unknown: Vec<_> = suite.difference(&clauses).collect();
    assert!(unknown.is_empty(), "checks without a clause: {unknown:?}");
}

#[test]
fn check_names_and_hints_say_something() {
    let mut names = BTreeSet::new();
    for check in tck::checks() {
        assert!(names.insert(check.name), "two checks have one name: {}", check.name);
        assert!(check.hint.len() > 10, "{check:?} has no hint");
    }
}

#[test]
fn a_provider_that_keeps_nothing_passes_nothing() {
    passes_nothing(&[Answer::Null]);
}

#[test]
fn a_provider_that_answers_with_the_last_write_passes_nothing() {
    passes_nothing(&[Answer::Echo]);
}

#[test]
fn a_provider_that_always_fails_passes_nothing() {
    let answers: Vec<_> = ErrorKind::ALL.iter().copied().map(Answer::Error).collect();
    passes_nothing(&answers);
}

fn passes_nothing(answers: &[Answer]) {
    let mut passed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut hung: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for &answer in answers {
        let stores = Mutex::new(BTreeMap::new());
        let subject = FnSubject::new("trivial", Evidence::Embedded, move |place| {
            let mut stores = stores.lock().unwrap();
            let new = || Arc::new(Trivial::new(answer));
            let store: &Arc<_> = stores.entry(place.store.to_owned()).or_insert_with(new);
            let store: Arc<dyn StorageProvider> = Arc::<Trivial>::clone(store);
            async move { Ok(store) }
        });
        let options =
            Options { seed: 1, time_limit: Some(Duration::from_secs(10)), ..Options::default() };
        let report = certify(Arc::new(subject), &options, &mut |_| {});
        assert_eq!(report.verdict(), Verdict::NotCertified);
        for clause in report.clauses.iter().filter(|clause| clause.status == Status::Passed) {
            passed.entry(clause.id.clone()).or_default().push(format!("{answer:?}"));
        }
        for (clause, _) in report.failures().filter(|(_, why)| why.seen.contains("given up")) {
            hung.entry(clause.id.clone()).or_default().push(format!("{answer:?}"));
        }
    }
    assert!(passed.is_empty(), "checks that check nothing, and who passes them: {passed:#?}");
    assert!(hung.is_empty(), "checks that wait forever, and for whom: {hung:#?}");
}

#[test]
fn a_subject_that_cannot_be_opened_is_not_certified() {
    let subject = FnSubject::new("gone", Evidence::Embedded, |_| async {
        Err(Error::new(ErrorKind::Unavailable, "nobody is there"))
    });
    let report = certify(Arc::new(subject), &Options::default(), &mut |_| {});
    assert_eq!(report.verdict(), Verdict::NotCertified);
    assert_eq!(report.count("passed"), 0);
    assert_eq!(report.count("not run"), report.clauses.len());
    assert!(report.unreachable.unwrap().contains("nobody is there"));
}

#[test]
fn a_subject_that_panics_or_hangs_is_not_certified() {
    let panics = FnSubject::new("panics", Evidence::Embedded, |_| async { panic!("boom") });
    let hangs = FnSubject::new("hangs", Evidence::Embedded, |_| std::future::pending());
    for (subject, limit, why) in [
        (Arc::new(panics) as Arc<dyn Subject>, 10_000, "panic: boom"),
        (Arc::new(hangs), 50, "no end within 50ms"),
    ] {
        let options =
            Options { time_limit: Some(Duration::from_millis(limit)), ..Options::default() };
        let report = certify(subject, &options, &mut |_| {});
        assert_eq!(report.verdict(), Verdict::NotCertified);
        assert!(report.unreachable.unwrap().contains(why));
    }
}

//! Deviations: what becomes of a clause that the back-end is declared to break, and of a declaration
//! that is wrong.

use std::sync::Arc;

use async_trait::async_trait;
use omni_contracts::storage::StorageProvider;
use tck::report::{ClauseReport, Status};
use tck::{Evidence, Options, Place, Report, Subject, Verdict, certify, subjects};

use crate::trivial::{Answer, Trivial};

/// The provider in memory, or one that keeps nothing, with deviations.
struct Declaring {
    memory: subjects::Memory,
    keeps_nothing: bool,
    deviations: String,
}

impl Declaring {
    fn new(clauses: &[&str]) -> Self {
        let table = |clause: &&str| {
            format!("[[deviation]]\nclause = \"{clause}\"\nreason = \"why\"\nevidence = \"how\"\n")
        };
        let deviations = clauses.iter().map(table).collect();
        Self { memory: subjects::Memory::default(), keeps_nothing: false, deviations }
    }
}

#[async_trait]
impl Subject for Declaring {
    fn name(&self) -> &str {
        "declaring"
    }

    fn evidence(&self) -> Evidence {
        Evidence::Emulator { name: "wrong".to_owned(), version: "1".to_owned() }
    }

    fn deviations(&self) -> &str {
        &self.deviations
    }

    async fn open(&self, place: &Place<'_>) -> omni_contracts::Result<Arc<dyn StorageProvider>> {
        match self.keeps_nothing {
            true => Ok(Arc::new(Trivial::new(Answer::Null))),
            false => self.memory.open(place).await,
        }
    }
}

fn run(subject: Declaring, only: &str) -> Report {
    let options = Options { only: vec![only.to_owned()], ..Options::default() };
    certify(Arc::new(subject), &options, &mut |_| {})
}

fn clause<'a>(report: &'a Report, id: &str) -> &'a ClauseReport {
    report.clauses.iter().find(|clause| clause.id == id).unwrap()
}

#[test]
fn a_check_that_fails_as_declared_deviates() {
    let subject = Declaring { keeps_nothing: true, ..Declaring::new(&["STO-001"]) };
    let report = run(subject, "STO-001");
    let result = clause(&report, "STO-001");
    let Status::Deviates { reason, evidence, failure } = &result.status else {
        panic!("{:?}", result.status);
    };
    assert_eq!((&**reason, &**evidence), ("why", "how"));
    assert!(!failure.seen.is_empty());
    assert!(result.run_alone.is_some());
    assert_eq!(result.explain(), None);
    assert_eq!((report.count("deviates"), report.count("passed")), (1, 0));
}

#[test]
fn a_check_that_passes_uses_no_deviation() {
    let report = run(Declaring::new(&["STO-001"]), "STO-001");
    let explained = clause(&report, "STO-001").explain().unwrap();
    assert!(explained.contains("the check passed; remove the deviation of STO-001"), "{explained}");
    assert_eq!(report.verdict(), Verdict::NotCertified);
}

#[test]
fn a_check_may_pass_that_is_broken_only_by_a_race() {
    let mut subject = Declaring::new(&["STO-001"]);
    subject.deviations += "sometimes = true\n";
    let report = run(subject, "STO-001");
    assert_eq!(clause(&report, "STO-001").status, Status::Passed);
    let mut subject = Declaring { keeps_nothing: true, ..Declaring::new(&["STO-001"]) };
    subject.deviations += "sometimes = true\n";
    let report = run(subject, "STO-001");
    assert!(matches!(clause(&report, "STO-001").status, Status::Deviates { .. }));
}

#[test]
fn programs_that_leave_something_out_have_to_pass() {
    let leaving_out = |keeps_nothing| {
        let mut subject = Declaring { keeps_nothing, ..Declaring::new(&["STO-166"]) };
        subject.deviations += "programs_without = \"attributes-of-copies\"\n";
        clause(&run(subject, "STO-166"), "STO-166").status.clone()
    };
    assert_eq!(leaving_out(false), Status::Passed);
    assert!(matches!(leaving_out(true), Status::Failed(_)));
}

#[test]
fn what_is_not_claimed_uses_no_deviation() {
    // The provider in memory is in one process, and does not presign.
    for id in ["STO-164", "STO-145"] {
        let report = run(Declaring::new(&[id]), id);
        let result = clause(&report, id);
        assert!(!result.claimed, "{id}");
        let explained = result.explain().unwrap();
        assert!(explained.contains("not claimed: "), "{explained}");
        assert!(explained.contains(&format!("remove the deviation of {id}")), "{explained}");
        assert_eq!(report.verdict(), Verdict::NotCertified);
        // Not selected, it is as without the deviation.
        let report = run(Declaring::new(&[id]), "STO-001");
        assert!(matches!(clause(&report, id).status, Status::NotClaimed { .. }));
        assert_eq!(report.verdict(), Verdict::Incomplete);
    }
}

/// A subject whose back-end is not to be had.
struct Unprepared;

#[async_trait]
impl Subject for Unprepared {
    fn name(&self) -> &str {
        "unprepared"
    }

    fn evidence(&self) -> Evidence {
        Evidence::Embedded
    }

    async fn prepare(&self) -> omni_contracts::Result<()> {
        Err(omni_contracts::Error::invalid("no server"))
    }

    async fn open(&self, _: &Place<'_>) -> omni_contracts::Result<Arc<dyn StorageProvider>> {
        panic!("opened without its server")
    }
}

#[test]
fn what_cannot_be_prepared_is_not_certified() {
    let report = certify(Arc::new(Unprepared), &Options::default(), &mut |_| {});
    assert_eq!(report.verdict(), Verdict::NotCertified);
    assert!(report.unreachable.unwrap().contains("no server"));
}

#[test]
fn a_wrong_declaration_is_no_run() {
    let report = run(Declaring::new(&["STO-001", "STO-001"]), "STO-001");
    assert_eq!(report.verdict(), Verdict::NotCertified);
    assert!(report.unreachable.unwrap().contains("two deviations of STO-001"));
}

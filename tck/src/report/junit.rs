//! The report as JUnit XML, for continuous integration.

use std::io;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report as Xml, TestCase, TestCaseStatus, TestSuite};

use super::{ClauseReport, Report, Status};

/// One suite per section, one case per clause; what did not run is skipped, with the reason.
pub(super) fn render(report: &Report) -> io::Result<String> {
    let mut xml = Xml::new(format!("omni-tck {}", report.subject));
    let elapsed = report.finished.duration_since(report.started);
    xml.set_time(Duration::try_from(elapsed).unwrap_or_default());
    if let Some(error) = &report.unreachable {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(error);
        let mut suite = TestSuite::new(format!("{}.open", report.subject));
        suite.add_test_case(TestCase::new("opening the subject", status));
        xml.add_test_suite(suite);
    }
    for clauses in report.clauses.chunk_by(|a, b| a.section == b.section) {
        let mut suite = TestSuite::new(format!("{}.{}", report.subject, clauses[0].section));
        suite.add_test_cases(clauses.iter().map(|clause| case(report, clause)));
        xml.add_test_suite(suite);
    }
    xml.to_string().map_err(io::Error::other)
}

fn case(report: &Report, clause: &ClauseReport) -> TestCase {
    let skipped = |reason: &str| {
        let mut status = TestCaseStatus::skipped();
        status.set_message(reason);
        status
    };
    let status = match &clause.status {
        Status::Passed => TestCaseStatus::success(),
        Status::Failed(failure) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status
                .set_message(format!("expected {}; seen {}", failure.expected, failure.seen))
                .set_type(clause.level.as_str())
                .set_description(clause.explain().unwrap_or_default());
            status
        }
        Status::Deviates { reason, evidence, failure } => skipped(&format!(
            "deviates: {reason}; evidence: {evidence}; expected {}; seen {}",
            failure.expected, failure.seen
        )),
        Status::NotClaimed { capability } => skipped(&format!("not claimed: {capability}")),
        Status::Untested { reason } => skipped(&format!("untested: {reason}")),
        Status::NotRun => skipped("not run"),
    };
    let name = clause.check.as_deref().unwrap_or("untested");
    let mut case = TestCase::new(format!("{}::{name}", clause.id), status);
    case.set_classname(&report.subject)
        .set_time(Duration::try_from_secs_f64(clause.duration_ms / 1000.0).unwrap_or_default());
    case
}

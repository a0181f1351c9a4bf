//! Reports: written, read back, compared. A selected part of the suite on the provider in memory is
//! their material.

use std::fs;
use std::sync::Arc;

use tck::report::{DeclaredLimits, Meaning, Status};
use tck::{Event, Failure, Options, Report, Verdict, certify, diff, subjects};

fn report(options: &Options) -> Report {
    certify(Arc::new(subjects::Memory::default()), options, &mut |_| {})
}

/// The beginning of the suite, with everything else made to look as if it had passed.
fn whole() -> Report {
    let mut report = report(&Options { only: vec!["STO-001".to_owned()], ..Options::default() });
    for clause in &mut report.clauses {
        if clause.claimed {
            clause.status = Status::Passed;
        }
    }
    report
}

fn clause<'a>(report: &'a mut Report, id: &str) -> &'a mut Status {
    &mut report.clauses.iter_mut().find(|clause| clause.id == id).unwrap().status
}

#[test]
fn the_verdict_needs_every_claimed_clause() {
    let mut report = whole();
    assert_eq!(report.verdict(), Verdict::Certified);
    *clause(&mut report, "STO-003") = Status::Untested { reason: "nobody knows how".to_owned() };
    assert_eq!(report.verdict(), Verdict::NotCertified);
    *clause(&mut report, "STO-002") = Status::NotRun;
    assert_eq!(report.verdict(), Verdict::Incomplete);
    *clause(&mut report, "STO-003") = Status::Failed(Failure::new("a", "b", "c"));
    assert_eq!(report.verdict(), Verdict::NotCertified);
    assert!(!report.profiles()[0].is_passed());
}

/// What a back-end breaks.
fn deviates() -> Status {
    Status::Deviates {
        reason: "it <forgets>".to_owned(),
        evidence: "`PUT /a` and `GET /a`: 404".to_owned(),
        failure: Failure::new("get of \"a\"", "1 byte", "nothing"),
    }
}

#[test]
fn a_deviation_is_neither_a_pass_nor_a_failure() {
    let mut report = whole();
    *clause(&mut report, "STO-003") = deviates();
    assert_eq!(report.verdict(), Verdict::Deviating);
    assert_eq!(report.verdict().to_string(), "certified but for its back-end");
    let core = report.profiles()[0];
    assert_eq!((core.deviating, core.failed, core.is_passed()), (1, 0, false));
    *clause(&mut report, "STO-002") = Status::NotRun;
    assert_eq!(report.verdict(), Verdict::Incomplete);
    *clause(&mut report, "STO-002") = Status::Untested { reason: "nobody knows how".to_owned() };
    assert_eq!(report.verdict(), Verdict::NotCertified);
    *clause(&mut report, "STO-002") = Status::Failed(Failure::new("a", "b", "c"));
    assert_eq!(report.verdict(), Verdict::NotCertified);
}

#[test]
fn a_deviation_is_shown_with_reason_and_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let mut report = whole();
    *clause(&mut report, "STO-003") = deviates();
    report.write(folder.path()).unwrap();
    let path = |name| folder.path().join(name);
    assert_eq!(Report::read(&path("report.json")).unwrap(), report);
    let read = |name| fs::read_to_string(path(name)).unwrap();
    for (name, parts) in [
        ("report.json", &["certified but for its back-end", "\"status\": \"deviates\""][..]),
        ("junit.xml", &["<skipped message=\"deviates: it &lt;forgets&gt;; evidence: `PUT /a`"]),
        (
            "report.html",
            &[
                "Certified but for its back-end</span>",
                "<h2>What the back-end itself breaks</h2>",
                "<dt>Back-end</dt><dd>it &lt;forgets&gt;</dd><dt>Evidence</dt><dd><code>PUT /a</code>",
                "<b>1</b> deviates",
                "<a href=\"#failure-STO-003\">STO-003</a>",
            ],
        ),
    ] {
        let text = read(name);
        for part in parts {
            assert!(text.contains(part), "{part:?} is not in {name}:\n{text}");
        }
    }
    assert!(!read("report.html").contains("What failed"));
}

#[test]
fn a_diff_shows_what_the_back_end_breaks() {
    let (sound, mut broken) = (whole(), whole());
    *clause(&mut broken, "STO-003") = deviates();
    let lost = diff(&sound, &broken).to_string();
    assert!(lost.contains("lost\n  STO-003                passed -> deviates"), "{lost}");
    assert!(lost.contains("certified -> certified but for its back-end"), "{lost}");
    assert_eq!(diff(&broken, &sound).changes[1].meaning, Meaning::Gained);
    let mut failed = whole();
    *clause(&mut failed, "STO-003") = Status::Failed(Failure::new("a", "b", "c"));
    let different = diff(&failed, &broken);
    assert!(different.changes.iter().all(|change| change.meaning == Meaning::Different));
}

#[test]
fn a_selection_is_run_and_is_no_certificate() {
    let options = Options { only: vec!["STO-00".to_owned()], seed: 7, ..Options::default() };
    let (mut started, mut finished) = (0, 0);
    let subject = Arc::new(subjects::Memory::default());
    let report = certify(subject, &options, &mut |event| match event {
        Event::Started { clause } => started += usize::from(clause.id.starts_with("STO-00")),
        Event::Finished { done, total, .. } => {
            finished += 1;
            assert_eq!(done, finished);
            assert_eq!(total, 8);
        }
    });
    assert_eq!((started, finished), (8, 8));
    assert_eq!(report.verdict(), Verdict::Incomplete);
}

#[test]
fn a_report_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut written = whole();
    *clause(&mut written, "STO-001") =
        Status::Failed(Failure::new("s", "e", "s").with_steps(vec!["put".to_owned()]));
    written.changes = Some(diff(&whole(), &written));
    written.write(folder.path()).unwrap();
    assert_eq!(Report::read(&folder.path().join("report.json")).unwrap(), written);
    let mut names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["junit.xml", "report.html", "report.json"], "nothing unfinished is left");
}

#[test]
fn what_is_no_report_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.json");
    for (text, problem) in [
        ("", "not a report"),
        ("{\"format\": 1}", "not a report: missing field"),
        ("{\"format\": 99}", "format 99; this program reads format 1"),
    ] {
        fs::write(&path, text).unwrap();
        let error = Report::read(&path).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
        assert!(error.contains("x.json"), "{error}");
    }
    assert!(Report::read(&folder.path().join("none")).unwrap_err().to_string().contains("none"));
}

#[test]
fn nothing_that_a_provider_says_is_markup() {
    let folder = tempfile::tempdir().unwrap();
    let mut report = whole();
    let evil = "</code><script>alert(1)</script>]]>\u{0}";
    report.subject = evil.to_owned();
    *clause(&mut report, "STO-001") =
        Status::Failed(Failure::new(evil, evil, evil).with_steps(vec![evil.to_owned()]));
    report.declared.as_mut().unwrap().product = evil.to_owned();
    report.write(folder.path()).unwrap();
    for name in ["report.html", "junit.xml"] {
        let page = fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(page.contains("&lt;script"), "{name}");
        assert!(!page.contains("<script"), "{name}");
        assert!(!page.contains('\0'), "{name}");
    }
}

#[test]
fn a_diff_says_what_is_lost_and_gained() {
    let (from, mut to) = (whole(), whole());
    assert_eq!(diff(&from, &to).to_string(), "memory and memory: no difference");
    to.subject = "other".to_owned();
    *clause(&mut to, "STO-080") = Status::Failed(Failure::new("a", "b", "c"));
    let declared = to.declared.as_mut().unwrap();
    declared.capabilities.retain(|name| name != "multipart");
    declared.capabilities.push("multi-process".to_owned());
    let DeclaredLimits::Storage { max_object_size, .. } = &mut declared.limits else { panic!() };
    *max_object_size = None;
    let diff = diff(&from, &to);
    let seen: Vec<_> =
        diff.changes.iter().map(|change| (change.meaning, change.what.as_str())).collect();
    assert_eq!(
        seen,
        [
            (Meaning::Lost, "multipart"),
            (Meaning::Lost, "STO-080"),
            (Meaning::Different, "verdict"),
            (Meaning::Different, "largest object"),
            (Meaning::Gained, "multi-process"),
        ]
    );
    let text = diff.to_string();
    assert!(text.starts_with("from memory to other\n\nlost\n  multipart"), "{text}");
    assert!(text.contains("largest object         32 MiB -> unlimited"), "{text}");
}

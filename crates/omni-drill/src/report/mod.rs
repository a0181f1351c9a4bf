//! `Report`: what came of a drill, in numbers, and whether that is what was demanded.

mod html;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use omni_failover::{FailoverSettings, Replication, Status};
use serde::Serialize;

use crate::plan::{Fault, Plan};
use crate::recorder::{Finding, Ran, Recorder, Wrong};
use crate::run::{Done, is_whole};

/// How many findings are written down in full.
const SHOWN: usize = 100;

/// The most points of the timeline.
const POINTS: u64 = 600;

/// What came of a drill.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// What it was about.
    pub title: String,
    /// The instance that was drilled.
    pub instance: String,
    /// By which it is repeated.
    pub seed: u64,
    /// When the load began, in microseconds since 1970.
    pub started: u64,
    /// How long the load lasted, in seconds.
    pub seconds: f64,
    /// What it is evidence of, by instance.
    pub evidence: BTreeMap<String, String>,
    /// Programs and clients of each of them.
    pub load: [usize; 2],
    /// How many calls ended.
    pub calls: usize,
    /// How many writes and deletes were acknowledged.
    pub acknowledged: u64,
    /// How many errors the application saw, by kind.
    pub errors: BTreeMap<String, u64>,
    /// The first error of each kind.
    pub examples: BTreeMap<String, String>,
    /// How often a program that was started again could not open the instance at first.
    pub refusals: u64,
    /// What was done.
    pub faults: Vec<FaultReport>,
    /// From a fault to the first success, for each client, over all faults, in milliseconds.
    pub rto: Times,
    /// The calls that met a fault, in milliseconds.
    pub met: Times,
    /// All calls, in milliseconds.
    pub all: Times,
    /// What cannot be true, by kind.
    pub wrong: BTreeMap<Wrong, usize>,
    /// The first of them.
    pub findings: Vec<Finding>,
    /// The greatest age of what was lost, in milliseconds; `None` when nothing was.
    pub rpo: Option<f64>,
    /// How much a member had that nobody else had, and that was replaced and kept.
    pub conflicts: usize,
    /// What was demanded.
    pub targets: Vec<Target>,
    /// Why the drill gave up.
    pub aborted: Option<String>,
    /// Why what was written could not be removed.
    pub left: Option<String>,
    /// Who was primary, and where members stood, whenever that changed.
    pub changes: Vec<Change>,
    /// What happened when.
    pub timeline: Timeline,
}

/// What came of one fault.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct FaultReport {
    /// What.
    pub fault: Fault,
    /// To whom.
    pub on: String,
    /// When, in seconds from the beginning of the load.
    pub at: f64,
    /// How long, in seconds.
    pub lasted: Option<f64>,
    /// From the fault to the end of the first call that was begun after it and succeeded, for each
    /// client, in milliseconds.
    pub rto: Times,
    /// The calls that met it, in milliseconds.
    pub met: Times,
    /// How many clients had no success from then on.
    pub stranded: usize,
    /// Who was primary afterwards, where that changed.
    pub primary: Option<String>,
    /// From the end of the fault until every member counted again, in seconds.
    pub returned: Option<f64>,
}

/// The middle and the end of some times, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Times {
    /// How many there are.
    pub count: usize,
    /// Half are no longer.
    pub p50: f64,
    /// One in a hundred is longer.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// Something that was demanded.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Target {
    /// What.
    pub name: String,
    /// What was demanded, in words.
    pub demanded: String,
    /// What was seen, in words.
    pub seen: String,
    /// Whether it was kept.
    pub kept: bool,
}

/// A change of the record.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// When, in seconds from the beginning of the load.
    pub at: f64,
    /// The epoch.
    pub epoch: u64,
    /// Who is primary.
    pub primary: String,
    /// Where the others stand.
    pub others: BTreeMap<String, String>,
}

/// The course of a drill, in steps of equal length.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Timeline {
    /// The length of a step, in milliseconds.
    pub step: u64,
    /// How many calls succeeded.
    pub succeeded: Vec<u64>,
    /// How many failed.
    pub failed: Vec<u64>,
    /// The longest call that ended, in milliseconds.
    pub slowest: Vec<f64>,
}

/// What a drill knows beside what clients were told.
pub(crate) struct Facts {
    pub(crate) seed: u64,
    pub(crate) started: u64,
    pub(crate) ended: u64,
    pub(crate) done: Vec<Done>,
    pub(crate) statuses: Vec<(u64, Status)>,
    pub(crate) promised: Option<FailoverSettings>,
    pub(crate) evidence: BTreeMap<String, String>,
    pub(crate) refusals: u64,
    pub(crate) conflicts: usize,
    pub(crate) aborted: Option<String>,
    /// Whether everything that waited was sent in the end.
    pub(crate) settled: bool,
    pub(crate) left: Option<String>,
}

impl Times {
    fn of(mut micros: Vec<u64>) -> Self {
        micros.sort_unstable();
        let at = |share: f64| {
            let place = (micros.len() as f64 * share).ceil() as usize;
            millis(micros.get(place.saturating_sub(1)).copied().unwrap_or_default())
        };
        Self { count: micros.len(), p50: at(0.5), p99: at(0.99), max: at(1.0) }
    }
}

fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

fn seconds(micros: u64) -> f64 {
    millis(micros) / 1000.0
}

/// A call, and the program of its client.
type CallOf<'a> = (usize, &'a Ran);

impl Report {
    pub(crate) fn new(plan: &Plan, facts: Facts, recorders: &[&Recorder]) -> Self {
        let calls: Vec<CallOf<'_>> = recorders
            .iter()
            .enumerate()
            .flat_map(|(program, recorder)| recorder.ran.iter().map(move |ran| (program, ran)))
            .collect();
        let (mut errors, mut examples) = (BTreeMap::new(), BTreeMap::new());
        for recorder in recorders {
            for (kind, count) in &recorder.errors {
                *errors.entry(kind.clone()).or_default() += count;
            }
            for (kind, text) in &recorder.examples {
                examples.entry(kind.clone()).or_insert_with(|| text.clone());
            }
        }
        let mut findings: Vec<Finding> =
            recorders.iter().flat_map(|recorder| recorder.findings.iter().cloned()).collect();
        findings.sort_by_key(|finding| finding.at);
        let mut wrong = BTreeMap::new();
        for finding in &findings {
            *wrong.entry(finding.wrong).or_default() += 1;
        }
        let (mut rtos, mut mets) = (Vec::new(), Vec::new());
        let faults: Vec<_> = (0..facts.done.len())
            .map(|at| fault(&facts, at, &calls, plan.load.programs, &mut rtos, &mut mets))
            .collect();
        let rpo = findings.iter().filter_map(|finding| age(&facts, finding)).max();
        let started = facts.started;
        let after = |at: u64| seconds(at.saturating_sub(started));
        let mut report = Self {
            title: plan.title.clone(),
            instance: plan.instance.clone(),
            seed: facts.seed,
            started,
            seconds: after(facts.ended),
            evidence: facts.evidence.clone(),
            load: [plan.load.programs, plan.load.clients],
            calls: calls.len(),
            acknowledged: recorders.iter().map(|recorder| recorder.acknowledged).sum(),
            errors,
            examples,
            refusals: facts.refusals,
            faults,
            rto: Times::of(rtos),
            met: Times::of(mets),
            all: Times::of(calls.iter().map(|(_, ran)| took(ran)).collect()),
            wrong,
            findings: findings.into_iter().take(SHOWN).collect(),
            rpo: rpo.map(millis),
            conflicts: facts.conflicts,
            targets: Vec::new(),
            aborted: facts.aborted.clone(),
            left: facts.left.clone(),
            changes: facts
                .statuses
                .iter()
                .map(|(at, status)| Change {
                    at: after(*at),
                    epoch: status.epoch,
                    primary: status.primary.clone(),
                    others: status
                        .others
                        .iter()
                        .map(|other| (other.name.clone(), other.standing.as_str().to_owned()))
                        .collect(),
                })
                .collect(),
            timeline: timeline(&facts, &calls),
        };
        report.targets = targets(plan, &facts, &report);
        report
    }

    /// Whether everything that was demanded was kept.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.aborted.is_none() && self.targets.iter().all(|target| target.kept)
    }

    /// Writes `drill.json` and `drill.html` into a folder.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("drill.json"), serde_json::to_vec_pretty(self)?)?;
        std::fs::write(folder.join("drill.html"), html::page(self))
    }
}

fn took(ran: &Ran) -> u64 {
    ran.ended.saturating_sub(ran.begun)
}

/// How old what was lost was when the fault came.
fn age(facts: &Facts, finding: &Finding) -> Option<u64> {
    let since = finding.since.filter(|_| finding.wrong == Wrong::Lost)?;
    let faults = facts.done.iter().map(|done| done.began);
    let fault = faults.filter(|began| (since..=finding.at).contains(began)).max();
    Some(fault.unwrap_or(finding.at).saturating_sub(since))
}

fn fault(
    facts: &Facts,
    place: usize,
    calls: &[CallOf<'_>],
    programs: usize,
    rtos: &mut Vec<u64>,
    mets: &mut Vec<u64>,
) -> FaultReport {
    let done = &facts.done[place];
    let next = facts.done.get(place + 1).map_or(facts.ended, |next| next.began);
    let mut firsts: BTreeMap<(usize, usize), u64> = BTreeMap::new();
    for (program, ran) in calls {
        if ran.succeeded && ran.begun >= done.began {
            let first = firsts.entry((*program, ran.client)).or_insert(u64::MAX);
            *first = (*first).min(ran.ended - done.began);
        }
    }
    let clients = calls.iter().map(|(_, ran)| ran.client + 1).max().unwrap_or_default();
    let own: Vec<u64> = firsts.into_values().collect();
    let until = done.began + own.iter().max().copied().unwrap_or_default();
    let met = |ran: &Ran| ran.ended >= done.began && ran.begun <= until;
    let met: Vec<u64> =
        calls.iter().filter(|(_, ran)| met(ran)).map(|(_, ran)| took(ran)).collect();
    let before = facts.statuses.iter().rfind(|(at, _)| *at < done.began);
    let before = before.map(|(_, status)| &status.primary);
    let changed = facts.statuses.iter().find(|(at, status)| {
        (done.began..next).contains(at) && before.is_some_and(|before| *before != status.primary)
    });
    let returned = done.ended.and_then(|ended| {
        let known = facts.statuses.iter().rfind(|(at, _)| *at <= ended);
        let later = facts.statuses.iter().filter(|(at, _)| *at > ended);
        let mut states = known
            .into_iter()
            .map(|(_, status)| (ended, status))
            .chain(later.map(|(at, status)| (*at, status)));
        states.find(|(_, status)| is_whole(status)).map(|(at, _)| at - ended)
    });
    rtos.extend(&own);
    mets.extend(&met);
    FaultReport {
        fault: done.fault,
        on: done.on.clone(),
        at: seconds(done.began.saturating_sub(facts.started)),
        lasted: done.ended.map(|ended| seconds(ended - done.began)),
        stranded: (programs * clients).saturating_sub(own.len()),
        rto: Times::of(own),
        met: Times::of(met),
        primary: changed.map(|(_, status)| status.primary.clone()),
        returned: returned.map(seconds),
    }
}

fn timeline(facts: &Facts, calls: &[CallOf<'_>]) -> Timeline {
    let length = facts.ended.saturating_sub(facts.started) / 1000;
    let step = (length / POINTS).max(100);
    let count = usize::try_from(length / step + 1).unwrap_or(1);
    let mut timeline = Timeline {
        step,
        succeeded: vec![0; count],
        failed: vec![0; count],
        slowest: vec![0.0; count],
    };
    for (_, ran) in calls {
        let place = ran.ended.saturating_sub(facts.started) / 1000 / step;
        let place = usize::try_from(place).unwrap_or(usize::MAX).min(count - 1);
        let counts = if ran.succeeded { &mut timeline.succeeded } else { &mut timeline.failed };
        counts[place] += 1;
        timeline.slowest[place] = timeline.slowest[place].max(millis(took(ran)));
    }
    timeline
}

fn targets(plan: &Plan, facts: &Facts, report: &Report) -> Vec<Target> {
    let mut targets = Vec::new();
    let mut demand = |name: &str, demanded: String, seen: String, kept: bool| {
        targets.push(Target { name: name.to_owned(), demanded, seen, kept });
    };
    let words = |limit: Duration| format!("at most {limit:?}");
    let within = |seen: f64, limit: Duration| seen <= limit.as_secs_f64() * 1000.0;
    let promised = facts.promised.as_ref();
    let rto = plan.targets.rto.or_else(|| promised.and_then(|promised| promised.targets.rto));
    if let Some(rto) = rto {
        let stranded: usize = report.faults.iter().map(|fault| fault.stranded).sum();
        let mut seen = format!("{:.0} ms, p99 {:.0} ms", report.rto.max, report.rto.p99);
        if stranded > 0 {
            seen.push_str(&format!("; {stranded} times a client had no success any more"));
        }
        let kept = stranded == 0 && within(report.rto.max, rto);
        demand("rto", words(rto), seen, kept);
    }
    let promised_rpo = promised.map(|promised| match promised.replication {
        Replication::Sync => Duration::ZERO,
        _ => promised.targets.rpo.unwrap_or(Duration::from_secs(30)),
    });
    let rpo = plan.targets.rpo.or(promised_rpo).unwrap_or_default();
    let lost = report.wrong.get(&Wrong::Lost).copied().unwrap_or_default();
    let (demanded, kept) = match rpo.is_zero() {
        true => ("nothing is lost".to_owned(), lost == 0),
        false => (
            format!("nothing is lost that is older than {rpo:?}"),
            report.rpo.is_none_or(|seen| within(seen, rpo)),
        ),
    };
    let seen = match report.rpo {
        None if lost == 0 => format!("nothing of {} acknowledged writes", report.acknowledged),
        None => format!("{lost} lost"),
        Some(age) => format!("{lost} lost, up to {age:.0} ms old"),
    };
    demand("rpo", demanded, seen, kept);
    for (wrong, name, demanded) in [
        (Wrong::Mixed, "whole contents", "no content that nobody wrote"),
        (Wrong::AlreadyExists, "own objects", "nobody is told that his object is somebody else's"),
        (Wrong::Differs, "equal members", "members that count have the same in the end"),
    ] {
        let count = report.wrong.get(&wrong).copied().unwrap_or_default();
        let settled = wrong != Wrong::Differs || facts.settled || facts.aborted.is_some();
        let seen = match settled {
            true => format!("{count} found"),
            false => format!("{count} found, and not all was sent in the end"),
        };
        demand(name, demanded.to_owned(), seen, count == 0 && settled);
    }
    if let Some(p99) = plan.targets.p99 {
        let seen = format!("{:.0} ms of {} calls", report.met.p99, report.met.count);
        demand("p99", words(p99), seen, within(report.met.p99, p99));
    }
    if let Some(most) = plan.targets.errors {
        let count: u64 = report.errors.values().sum();
        demand("errors", format!("at most {most}"), count.to_string(), count <= most);
    }
    if let Some(limit) = plan.targets.returned {
        let ended = report.faults.iter().filter(|fault| fault.lasted.is_some());
        let times: Option<Vec<f64>> = ended.map(|fault| fault.returned).collect();
        let longest = times.map(|times| times.into_iter().fold(0.0, f64::max));
        let seen =
            longest.map_or("not all returned".to_owned(), |longest| format!("{longest:.1} s"));
        let kept = longest.is_some_and(|longest| within(longest * 1000.0, limit));
        demand("return", words(limit), seen, kept);
    }
    targets
}

/// The words of a report for people.
impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{}: {} calls in {:.1} s, {} acknowledged, {} errors; seed {}",
            self.instance,
            self.calls,
            self.seconds,
            self.acknowledged,
            self.errors.values().sum::<u64>(),
            self.seed
        )?;
        // Of many, what was worst is below.
        for fault in self.faults.iter().take(12) {
            write!(
                f,
                "  {:>6.1} s  {} {}: first success after {:.0} ms (p50 {:.0}), calls up to {:.0} ms",
                fault.at,
                fault.fault.as_str(),
                fault.on,
                fault.rto.max,
                fault.rto.p50,
                fault.met.max
            )?;
            if let Some(primary) = &fault.primary {
                write!(f, ", primary is {primary}")?;
            }
            if let Some(returned) = fault.returned {
                write!(f, ", all back after {returned:.1} s")?;
            }
            writeln!(f)?;
        }
        if self.faults.len() > 12 {
            writeln!(
                f,
                "  ... {} faults; first success after {:.0} ms at most, p99 {:.0} ms, p50 {:.0} ms",
                self.faults.len(),
                self.rto.max,
                self.rto.p99,
                self.rto.p50
            )?;
        }
        for (kind, count) in &self.errors {
            let example = self.examples.get(kind).map_or("", String::as_str);
            writeln!(f, "  error       {count} {kind}, the first: {example}")?;
        }
        for finding in self.findings.iter().take(10) {
            let at = seconds(finding.at.saturating_sub(self.started));
            writeln!(f, "  wrong       {at:.1} s {}: {}", finding.key, finding.text)?;
        }
        if self.conflicts > 0 {
            writeln!(f, "  conflicts   {} objects were replaced, and kept", self.conflicts)?;
        }
        for target in &self.targets {
            let verdict = if target.kept { "kept  " } else { "MISSED" };
            writeln!(
                f,
                "  {verdict}  {}: {}; seen: {}",
                target.name, target.demanded, target.seen
            )?;
        }
        if let Some(left) = &self.left {
            writeln!(f, "  what was written could not be removed: {left}")?;
        }
        match (&self.aborted, self.is_kept()) {
            (Some(why), _) => write!(f, "given up: {why}"),
            (None, true) => write!(f, "every target was kept"),
            (None, false) => write!(f, "a target was missed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Begun, Call, Ended, Outcome};

    const SECOND: u64 = 1_000_000;

    /// A client that puts for ten seconds, ten times a second, but for the second after 3 s.
    fn recorder() -> Recorder {
        let mut recorder = Recorder::new("d");
        for turn in 0..100 {
            if (31..40).contains(&turn) {
                continue;
            }
            let at = turn * SECOND / 10;
            let (call, key) = (Call::Put, 0);
            recorder.begun(Begun { client: 0, call, key, number: turn, at });
            let took = if turn == 30 { SECOND } else { 1000 };
            recorder.ended(&Ended { client: 0, outcome: Outcome::Written, at: at + took });
        }
        recorder
    }

    fn report(text: &str, recorder: &Recorder, done: Vec<Done>) -> Report {
        let plan = Plan::from_toml(&format!("instance = 'main'\n{text}")).unwrap();
        let facts = Facts {
            seed: 1,
            started: 0,
            ended: 10 * SECOND,
            done,
            statuses: Vec::new(),
            promised: None,
            evidence: BTreeMap::new(),
            refusals: 0,
            conflicts: 0,
            aborted: None,
            settled: true,
            left: None,
        };
        Report::new(&plan, facts, &[recorder])
    }

    fn fault(began: u64) -> Done {
        Done { fault: Fault::Kill, on: "primary".to_owned(), began, ended: None }
    }

    #[test]
    fn from_the_fault_to_the_first_success() {
        let report = report("targets = { rto = '999ms' }", &recorder(), vec![fault(3 * SECOND)]);
        assert_eq!((report.rto.count, report.rto.max), (1, 1000.0));
        assert_eq!(report.faults[0].met.max, 1000.0);
        assert!(!report.is_kept());
        assert_eq!((report.timeline.succeeded[29], report.timeline.succeeded[35]), (1, 0));
        assert_eq!((report.timeline.slowest[40], report.calls), (1000.0, 91));
        assert!(
            report.to_string().contains("MISSED  rto: at most 999ms; seen: 1000 ms"),
            "{report}"
        );
    }

    #[test]
    fn a_client_without_success_is_no_quick_one() {
        let report = report(
            "targets = { rto = '8s' }",
            &recorder(),
            vec![fault(3 * SECOND + 1), fault(10 * SECOND)],
        );
        assert_eq!((report.faults[0].stranded, report.faults[1].stranded), (0, 1));
        assert_eq!(report.faults[0].rto.max, 1000.999);
        assert!(!report.is_kept());
    }

    #[test]
    fn what_is_lost_has_an_age() {
        let mut recorder = recorder();
        recorder.begun(Begun { client: 0, call: Call::Get, key: 0, number: 0, at: 10 * SECOND });
        // Acknowledged at 9.701 s, so what was put at 9.8 and 9.9 s is lost.
        let content = crate::protocol::Content::Whole(97);
        let outcome = Outcome::Read(content);
        recorder.ended(&Ended { client: 0, outcome, at: 10 * SECOND + 1 });
        for (rpo, kept) in [("0s", false), ("100ms", false), ("150ms", true)] {
            let text = format!("targets = {{ rpo = '{rpo}' }}");
            let fault = fault(9 * SECOND + 900_000 + 5000);
            let report = report(&text, &recorder, vec![fault]);
            assert_eq!(report.rpo, Some(104.0));
            assert_eq!(report.is_kept(), kept, "{rpo}");
        }
    }
}

//! `certify`: the whole suite on one subject. How a single check runs lives in `session`.

use std::collections::HashSet;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use omni_contracts::Contract;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::Subject;
use crate::report::{ClauseReport, Environment, FORMAT, Report, Status};
use crate::session::{Planned, Session};
use crate::spec::{self, Clause};

/// How a run is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// Beginnings of ids, as `STO-0`: only these clauses run. Empty: all.
    pub only: Vec<String>,
    /// The same seed makes the same choices.
    pub seed: u64,
    /// How long one check may take; `None`: as the subject says. Above it, it fails.
    pub time_limit: Option<Duration>,
    /// The share of the rounds and inputs that checks try; `None`: as the subject says.
    pub share: Option<f64>,
    /// How many checks run at once.
    pub parallel: usize,
    /// The command that runs one clause alone, for people to copy; `{subject}`, `{id}` and `{seed}`
    /// are filled in.
    pub rerun: String,
    /// An earlier report; the new one shows the differences to it.
    pub previous: Option<Report>,
    /// Cancelled, it ends the run: checks are given up, and [`certify`] returns when nothing of them
    /// is left. What has not ended by then has not run, in the report.
    pub stop: CancellationToken,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            only: Vec::new(),
            seed: rand::random::<u32>().into(),
            time_limit: None,
            share: None,
            // Checks mostly wait: for disks and for networks.
            parallel: 2 * std::thread::available_parallelism().map_or(2, |cpus| cpus.get().min(8)),
            rerun: "omni certify {subject} --only {id} --seed {seed}".to_owned(),
            previous: None,
            stop: CancellationToken::new(),
        }
    }
}

impl Options {
    /// The command that runs the check of a clause alone.
    pub(crate) fn run_alone(&self, subject: &str, id: &str) -> String {
        self.rerun
            .replace("{subject}", subject)
            .replace("{id}", id)
            .replace("{seed}", &self.seed.to_string())
    }

    fn selects(&self, id: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|prefix| id.starts_with(prefix.as_str()))
    }
}

/// What happens during a run, as it happens.
#[derive(Debug)]
pub enum Event<'a> {
    /// A check begins.
    Started {
        /// Its clause.
        clause: &'static Clause,
    },
    /// The outcome of a clause is known.
    Finished {
        /// The outcome.
        result: &'a ClauseReport,
        /// How many outcomes are known now.
        done: usize,
        /// How many there will be.
        total: usize,
    },
}

/// Runs the suite on `subject` and reports.
///
/// Makes its own multi-thread runtime: an async program calls it through `spawn_blocking`. A subject
/// that cannot be opened gives a report that is not certified.
///
/// Some clauses start the running program again, as another process on the same store: a program that
/// calls this asks [`worker::requested`](crate::worker::requested) first thing in its `main`.
///
/// # Panics
///
/// When the system gives no threads.
#[must_use]
pub fn certify(
    subject: Arc<dyn Subject>,
    options: &Options,
    on_event: &mut dyn FnMut(Event<'_>),
) -> Report {
    let runtime = runtime();
    let mut report = Header::new(&*subject, options);
    let opening = options.stop.run_until_cancelled(Session::open(subject, options));
    let report = match runtime.block_on(opening) {
        None => report.unreachable("the run was stopped".to_owned()),
        Some(Err(error)) => report.unreachable(error),
        Some(Ok(session)) => {
            report.declared(&session);
            let results = run_all(&runtime, session, options, on_event);
            report.finish(results)
        }
    };
    // A check that was given up may still block a thread. Only who stops a run waits for that, for he
    // is about to remove what the thread works on.
    match options.stop.is_cancelled() {
        true => runtime.shutdown_timeout(STOPPING),
        false => runtime.shutdown_background(),
    }
    report
}

/// How long a run that is stopped waits for threads that are blocked.
const STOPPING: Duration = Duration::from_secs(10);

/// The runtime of a run. More threads than cores: the system then interrupts tasks anywhere, which
/// shows races, and a provider that blocks a thread does not stop the run.
pub(crate) fn runtime() -> Runtime {
    let cpus = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cpus.max(8))
        .enable_all()
        .build()
        .expect("the system gives threads")
}

/// What the runtime tells the caller's thread, which alone calls back.
enum Message {
    Started(&'static Clause),
    Finished(Box<ClauseReport>),
}

fn run_all(
    runtime: &Runtime,
    session: Session,
    options: &Options,
    on_event: &mut dyn FnMut(Event<'_>),
) -> Vec<ClauseReport> {
    let contract = session.declaration.contract();
    let (mut selected, others): (Vec<_>, Vec<_>) =
        Planned::all(contract).partition(|planned| options.selects(planned.clause.id));
    selected.sort_by_key(Planned::is_alone);
    let total = selected.len();
    let mut results: Vec<_> =
        others.iter().map(|planned| session.without_running(planned)).collect();
    let (sender, receiver) = mpsc::channel();
    let parallel = options.parallel.max(1);
    let stop = options.stop.clone();
    let running = runtime.spawn(async move {
        let one = async |planned: Planned| {
            // Sending fails only when nobody waits for the results any more.
            let _ = sender.send(Message::Started(planned.clause));
            let _ = sender.send(Message::Finished(Box::new(session.run(&planned).await)));
        };
        let all = stream::iter(selected).for_each_concurrent(parallel, one);
        tokio::select! {
            () = all => {}
            () = stop.cancelled() => {}
        }
    });
    let mut done = 0;
    for message in receiver {
        match message {
            Message::Started(clause) => on_event(Event::Started { clause }),
            Message::Finished(result) => {
                done += 1;
                on_event(Event::Finished { result: &result, done, total });
                results.push(*result);
            }
        }
    }
    // The folder of the run goes with the task.
    let _ = runtime.block_on(running);
    let ran: HashSet<_> = results.iter().map(|result| result.id.clone()).collect();
    let stopped = Planned::all(contract).filter(|planned| !ran.contains(planned.clause.id));
    results.extend(stopped.map(|planned| planned.report(Status::NotRun, Duration::ZERO, None)));
    results
}

/// A report whose clauses are still to come.
pub(crate) struct Header {
    report: Report,
    contract: Contract,
    previous: Option<Report>,
}

impl Header {
    pub(crate) fn new(subject: &dyn Subject, options: &Options) -> Self {
        let now = Timestamp::now();
        Self {
            report: Report {
                format: FORMAT,
                subject: subject.name().to_owned(),
                evidence: subject.evidence(),
                declared: None,
                unreachable: None,
                contract_version: omni_contracts::VERSION.to_owned(),
                tool_version: env!("CARGO_PKG_VERSION").to_owned(),
                seed: options.seed,
                share: options.share.unwrap_or_else(|| subject.share()),
                only: options.only.clone(),
                started: now,
                finished: now,
                environment: Environment::current(),
                clauses: Vec::new(),
                changes: None,
            },
            contract: subject.contract(),
            previous: options.previous.clone(),
        }
    }

    pub(crate) fn declared(&mut self, session: &Session) {
        self.report.declared = Some(session.declared());
    }

    pub(crate) fn unreachable(mut self, error: String) -> Report {
        self.report.unreachable = Some(error);
        let clauses = Planned::all(self.contract)
            .map(|planned| planned.report(Status::NotRun, Duration::ZERO, None))
            .collect();
        self.finish(clauses)
    }

    pub(crate) fn finish(mut self, mut clauses: Vec<ClauseReport>) -> Report {
        let clauses_of = spec::clauses(self.contract);
        let position = |id: &str| clauses_of.iter().position(|known| known.id == id);
        clauses.sort_by_key(|clause| position(&clause.id));
        self.report.clauses = clauses;
        self.report.finished = Timestamp::now();
        self.report.changes =
            self.previous.as_ref().map(|previous| crate::diff(previous, &self.report));
        self.report
    }
}

//! One run of the suite on one subject: the store of each check, its time limit, and what becomes of
//! checks that panic or hang. Which clauses run, and what is made of the results, live in `run`.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use omni_contracts::{Contract, Error};
use tempfile::TempDir;
use tokio::sync::{RwLock, Semaphore};

use crate::report::{ClauseReport, Declared, Status};
use crate::spec::{self, Clause};
use crate::{
    Check, Context, Declaration, Deviation, Failure, Options, Place, Subject, checks, execute,
    messaging, storage,
};

/// Checks that measure time or memory, or load the machine: nothing else runs beside them.
const ALONE: &[&str] = &["STO-191"];

/// Held by what runs in this process, of whatever subject; alone by what runs alone.
static TURN: RwLock<()> = RwLock::const_new(());

/// How long a subject may take to get its back-end ready: what is missing is downloaded.
const PREPARATION: Duration = Duration::from_secs(20 * 60);

/// What to do about one clause.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planned {
    pub(crate) clause: &'static Clause,
    pub(crate) check: Option<&'static Check>,
}

impl Planned {
    /// Every clause of a contract, in the order of the pages.
    pub(crate) fn all(contract: Contract) -> impl Iterator<Item = Self> {
        spec::clauses(contract)
            .iter()
            .map(|clause| Self { clause, check: checks().find(|check| check.id == clause.id) })
    }

    /// `STO-012::keys_do_not_alias`.
    pub(crate) fn name(&self) -> String {
        let check = self.check.map_or("untested", |check| check.name);
        format!("{}::{check}", self.clause.id)
    }

    pub(crate) fn is_alone(&self) -> bool {
        ALONE.contains(&self.clause.id)
    }

    /// The outcome, where it is known without running anything.
    pub(crate) fn known(&self, declared: &Declaration) -> Option<Status> {
        if self.check.is_none() {
            return Some(Status::Untested { reason: "the suite has no check for it".to_owned() });
        }
        let capability = self.clause.level.to_string();
        (!self.clause.level.binds(declared)).then_some(Status::NotClaimed { capability })
    }

    /// The report of an outcome.
    pub(crate) fn report(
        &self,
        status: Status,
        duration: Duration,
        declared: Option<&Declaration>,
    ) -> ClauseReport {
        ClauseReport {
            id: self.clause.id.to_owned(),
            check: self.check.map(|check| check.name.to_owned()),
            section: self.clause.section.to_owned(),
            level: self.clause.level.to_string(),
            claimed: declared.is_some_and(|declared| self.clause.level.binds(declared)),
            text: self.clause.text.to_owned(),
            intent: self.clause.intent.to_owned(),
            hint: self.check.map(|check| check.hint.to_owned()),
            status,
            run_alone: None,
            duration_ms: duration.as_secs_f64() * 1000.0,
        }
    }
}

/// A subject that was opened once, and where the checks run on it.
pub(crate) struct Session {
    subject: Arc<dyn Subject>,
    root: TempDir,
    run: String,
    options: Options,
    time_limit: Duration,
    /// A permit for each store that there can be at once.
    places: Semaphore,
    /// What the subject was seen to be unable to do at all; then nothing it is asked can be a pass.
    worthless: Option<Failure>,
    /// What the back-end itself breaks.
    deviations: Vec<Deviation>,
    pub(crate) product: String,
    pub(crate) declaration: Declaration,
}

impl Session {
    /// Prepares the subject and opens a first store, to see that the back-end answers and what it declares.
    pub(crate) async fn open(subject: Arc<dyn Subject>, options: &Options) -> Result<Self, String> {
        let deviations = Deviation::read_all(subject.deviations())?;
        let preparing = Arc::clone(&subject);
        contained(PREPARATION, async move { preparing.prepare().await })
            .await
            .map_err(|gave_up| gave_up.to_string())?
            .map_err(|error| error.to_string())?;
        let root = tempfile::Builder::new()
            .prefix("omni-tck-")
            .tempdir()
            .map_err(|error| format!("no folder for the run: {error}"))?;
        let limit = options.time_limit.unwrap_or_else(|| subject.time_limit());
        let run = format!("{:08x}", rand::random::<u32>());
        let store = format!("probe-{run}");
        let folder = root.path().to_owned();
        let probed = store.clone();
        let context = Context::new(Arc::clone(&subject), folder, store, options.seed);
        let probe = async move { probe(&context).await };
        let (product, declaration, worthless) = contained(limit, probe)
            .await
            .map_err(|gave_up| gave_up.to_string())?
            .map_err(|error| error.to_string())?;
        let places = subject.parallel().unwrap_or(Semaphore::MAX_PERMITS);
        let session = Self {
            subject,
            root,
            run,
            options: options.clone(),
            time_limit: limit,
            places: Semaphore::new(places),
            worthless,
            deviations,
            product,
            declaration,
        };
        session.free(probed).await;
        Ok(session)
    }

    /// What the subject declares.
    pub(crate) fn declared(&self) -> Declared {
        Declared::new(&self.product, &self.declaration)
    }

    /// The outcome of a clause that is left out. One with a deviation never is: where nothing can run
    /// for it, it fails.
    pub(crate) fn known(&self, planned: &Planned) -> Option<Status> {
        let known = planned.known(&self.declaration)?;
        self.deviation(planned).is_none().then_some(known)
    }

    /// What the back-end is declared to break of a clause.
    pub(crate) fn deviation(&self, planned: &Planned) -> Option<&Deviation> {
        self.deviations.iter().find(|deviation| deviation.clause == planned.clause.id)
    }

    /// Runs the check of a clause that binds the subject, or says why not.
    pub(crate) async fn run(&self, planned: &Planned) -> ClauseReport {
        let known = planned.known(&self.declaration);
        let (status, duration) = match (known, planned.check) {
            (None, Some(check)) if planned.is_alone() => {
                let _turn = TURN.write().await;
                self.execute(check).await
            }
            (None, Some(check)) => {
                let _turn = TURN.read().await;
                self.execute(check).await
            }
            (Some(status), _) => (status, Duration::ZERO),
            (None, None) => (Status::NotRun, Duration::ZERO),
        };
        let status = match (self.deviation(planned), &self.worthless, status) {
            (Some(deviation), _, status) => deviating(status, deviation),
            // Who keeps nothing breaks many promises, and seems to keep those about absence.
            (None, Some(worthless), Status::Passed) => Status::Failed(worthless.clone()),
            (None, _, status) => status,
        };
        let mut report = planned.report(status, duration, Some(&self.declaration));
        if matches!(report.status, Status::Failed(_) | Status::Deviates { .. }) {
            report.run_alone = Some(self.options.run_alone(self.subject.name(), &report.id));
        }
        report
    }

    /// The report of a clause whose check was not selected.
    pub(crate) fn without_running(&self, planned: &Planned) -> ClauseReport {
        let status = planned.known(&self.declaration).unwrap_or(Status::NotRun);
        planned.report(status, Duration::ZERO, Some(&self.declaration))
    }

    async fn execute(&self, check: &'static Check) -> (Status, Duration) {
        let store = format!("{}-{}", check.id.to_ascii_lowercase(), self.run);
        let root = self.root.path().to_owned();
        let seed = self.options.seed;
        let context = Context::new(Arc::clone(&self.subject), root, store.clone(), seed);
        let context = match self.options.share {
            Some(share) => context.with_share(share),
            None => context,
        };
        // Waiting for a store is not the provider's time. The semaphore is never closed.
        let _place = self.places.acquire().await;
        let started = Instant::now();
        let limit = self.time_limit;
        let outcome = contained(limit, execute(check, context)).await;
        let duration = started.elapsed();
        self.free(store).await;
        let status = match outcome {
            Ok(Ok(())) => Status::Passed,
            Ok(Err(failure)) => Status::Failed(failure),
            Err(gave_up) => {
                Status::Failed(Failure::new("running the check", "an outcome", gave_up.to_string()))
            }
        };
        (status, duration)
    }

    /// Frees the store of a check. That it cannot be freed says nothing about the check.
    async fn free(&self, store: String) {
        let (subject, root) = (Arc::clone(&self.subject), self.root.path().to_owned());
        let freeing = async move {
            let _ = subject.free(&Place { root: &root, store: &store }).await;
            let _ = tokio::fs::remove_dir_all(root.join(&store)).await;
        };
        let _ = contained(self.time_limit, freeing).await;
    }
}

/// The outcome of a clause that the back-end is declared to break. Never a pass.
fn deviating(status: Status, deviation: &Deviation) -> Status {
    let unused = |why: &str| Status::Failed(deviation.unused(why));
    match status {
        // What the back-end breaks was left out.
        status @ (Status::Passed | Status::Failed(_)) if deviation.programs_without.is_some() => {
            status
        }
        Status::Failed(failure) => Status::Deviates {
            reason: deviation.reason.clone(),
            evidence: deviation.evidence.clone(),
            failure,
        },
        Status::Passed if deviation.sometimes => Status::Passed,
        Status::Passed => unused("the check passed"),
        Status::NotClaimed { capability } => {
            unused(&format!("nothing ran, for the clause is not claimed: {capability}"))
        }
        Status::Untested { reason } => {
            unused(&format!("nothing ran, for there is no check: {reason}"))
        }
        other => other,
    }
}

/// What the subject is called and declares, and why nothing that it is asked can be a pass: a provider that
/// does not do the least is reported by its clauses; this keeps those about absence from passing on it.
async fn probe(context: &Context) -> Result<(String, Declaration, Option<Failure>), Error> {
    let (subject, place) = (context.subject(), context.place());
    match subject.contract() {
        Contract::Messaging => {
            let provider = subject.open_messaging(&place).await?;
            provider.check().await?;
            let worthless = messaging::delivers_two_messages(&*provider).await.err();
            Ok((provider.name().to_owned(), provider.capabilities().into(), worthless))
        }
        _ => {
            let provider = subject.open(&place).await?;
            provider.check().await?;
            let worthless = storage::keeps_two_objects(&*provider).await.err();
            Ok((provider.name().to_owned(), provider.capabilities().into(), worthless))
        }
    }
}

/// Why a future of somebody else's code has no result.
#[derive(Debug)]
enum GaveUp {
    Panicked(String),
    TimeLimit(Duration),
}

impl std::fmt::Display for GaveUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Panicked(message) => write!(f, "panic: {message}"),
            Self::TimeLimit(limit) => write!(f, "no end within {limit:?}, given up"),
        }
    }
}

/// Runs provider code on a task of its own, so that neither a panic nor a blocked thread takes the
/// run with it.
async fn contained<T: Send + 'static>(
    limit: Duration,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, GaveUp> {
    let mut task = tokio::spawn(work);
    match tokio::time::timeout(limit, &mut task).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) if error.is_panic() => Err(GaveUp::Panicked(message(&*error.into_panic()))),
        Ok(Err(error)) => Err(GaveUp::Panicked(error.to_string())),
        Err(_) => {
            task.abort();
            Err(GaveUp::TimeLimit(limit))
        }
    }
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_result() {
        let outcome = contained(Duration::from_secs(5), async { panic!("at {}", 7) }).await;
        let gave_up: GaveUp = outcome.map(|(): ()| ()).unwrap_err();
        assert_eq!(gave_up.to_string(), "panic: at 7");
    }

    #[tokio::test]
    async fn a_hanging_future_is_given_up() {
        let outcome = contained(Duration::from_millis(10), std::future::pending::<()>()).await;
        assert!(outcome.unwrap_err().to_string().contains("no end within"));
    }

    #[test]
    fn checks_that_run_alone_are_clauses() {
        for id in ALONE {
            assert!(spec::clause(id).is_some(), "{id}");
        }
    }
}

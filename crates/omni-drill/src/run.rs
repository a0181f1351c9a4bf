//! A drill from its beginning to its report.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use omni_contracts::{Error, ErrorKind, Result};
use omni_failover::{FailoverSettings, Observer, Standing, Status};
use omni_storage::{Config, Storage};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::load::{Heard, Program};
use crate::plan::{Fault, PROGRAM, Plan};
use crate::program::{config, look};
use crate::protocol::{Assignment, Source, key, now};
use crate::recorder::{Finding, Wrong};
use crate::report::{Facts, Report};
use crate::stage::Stage;

/// How often it is looked whether something has to be done.
const TICK: Duration = Duration::from_millis(20);

/// How often the record of the failover is read.
const LOOK: Duration = Duration::from_millis(100);

/// How long clients may take to have success after the last fault.
const SUCCESS: Duration = Duration::from_secs(60);

/// How long members may take to return where no target says it.
const RETURNING: Duration = Duration::from_secs(120);

/// Where a drill finds its configuration, and how it repeats an earlier one.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The file of the configuration, where the plan has no instances; by default the conventional one.
    pub file: Option<PathBuf>,
    /// Its profile.
    pub profile: Option<String>,
    /// Decides what clients call, and what goes wrong at random.
    pub seed: u64,
}

/// A fault that was done.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    pub(crate) fault: Fault,
    pub(crate) on: String,
    pub(crate) began: u64,
    pub(crate) ended: Option<u64>,
}

/// Runs a drill. `told` is called with what happens, in words.
///
/// The program that calls this must begin with [`requested`](crate::requested) and
/// [`serve`](crate::serve), for the load is made by that same program.
///
/// # Errors
///
/// `Configuration` for a plan that does not fit the configuration; whatever keeps the servers and the
/// load from starting. A target that is missed is no error: the report says it.
pub async fn run(
    plan: &Plan,
    options: &Options,
    told: &mut (dyn FnMut(&str) + Send),
) -> Result<Report> {
    let folder = tempfile::Builder::new().prefix("omni-drill-").tempdir();
    let folder = folder.map_err(|error| Error::new(ErrorKind::Unavailable, error.to_string()))?;
    let source = Source {
        file: options.file.clone(),
        profile: options.profile.clone(),
        ..Source::default()
    };
    told("starting servers");
    let stage = Stage::set(plan, source, folder.path()).await?;
    let config = config(&stage.source)?;
    let watched = Watched::open(&config, &plan.instance).await?;
    let id: u64 = rand::rng().random();
    let drill = Drill {
        plan,
        config,
        stage,
        watched,
        prefix: format!("omni-drill/{id:016x}"),
        rng: StdRng::seed_from_u64(options.seed),
        seed: options.seed,
        programs: Vec::new(),
        heard: Vec::new(),
        done: Vec::new(),
        begun: Instant::now(),
        refusals: 0,
    };
    drill.run(told).await
}

struct Drill<'a> {
    plan: &'a Plan,
    config: Config,
    stage: Stage,
    watched: Watched,
    prefix: String,
    rng: StdRng,
    seed: u64,
    /// `None` while it is not there.
    programs: Vec<Option<Program>>,
    heard: Vec<Heard>,
    done: Vec<Done>,
    begun: Instant,
    /// How often a program that was started again could not open the instance.
    refusals: u64,
}

/// The drill gave up, and why.
struct Abort(String);

/// What to do at a time of the plan.
enum Step {
    Begin(usize),
    End(usize),
}

impl Drill<'_> {
    async fn run(mut self, told: &mut (dyn FnMut(&str) + Send)) -> Result<Report> {
        for program in 0..self.plan.load.programs {
            self.heard.push(Heard::new(&format!("{}/p{program:02}", self.prefix)));
            let started = Program::start(&self.assignment(program), &self.heard[program]).await?;
            self.programs.push(Some(started));
        }
        self.begun = Instant::now();
        let started = now();
        told("the load has begun");
        let aborted = match self.go(told).await? {
            Ok(()) => None,
            Err(Abort(why)) => Some(why),
        };
        if aborted.is_some() {
            // So that the calls that are under way end, and what was written can be removed.
            let open: Vec<_> =
                self.done.iter().filter(|done| done.ended.is_none()).cloned().collect();
            for Done { fault, on, .. } in open.into_iter().filter(|done| done.on != PROGRAM) {
                self.stage.end(fault, &on).await?;
            }
        }
        told("the load ends");
        for program in std::mem::take(&mut self.programs).into_iter().flatten() {
            program.end().await?;
        }
        let ended = now();
        // What goes on for ever, goes on for the look at what is left, too: members that are away are
        // not looked at.
        let (settled, aborted) = match aborted {
            Some(why) => (false, Some(why)),
            None => match self.settle(told).await {
                Ok(settled) => (settled, None),
                // Somebody was asked who is away for good.
                Err(error) => (false, Some(format!("what is left cannot be read: {error:?}"))),
            },
        };
        let conflicts = match &self.watched.observer {
            // A witness that is away for good has nothing to tell.
            Some(observer) => observer.conflicts().await.unwrap_or_default(),
            None => Vec::new(),
        };
        let conflicts = conflicts.iter().filter(|conflict| conflict.key.starts_with(&self.prefix));
        let conflicts = conflicts.count();
        told("removing what was written");
        let left = self.clean_up().await.err().map(|error| format!("{error:?}"));
        let facts = Facts {
            seed: self.seed,
            started,
            ended,
            done: self.done,
            statuses: self.watched.stop(),
            promised: self.watched.settings.clone(),
            evidence: self.stage.evidence.clone(),
            refusals: self.refusals,
            conflicts,
            aborted,
            settled,
            left,
        };
        let heard: Vec<_> = self.heard.iter().map(Heard::recorder).collect();
        Ok(Report::new(self.plan, facts, &heard.iter().map(|heard| &**heard).collect::<Vec<_>>()))
    }

    fn assignment(&self, program: usize) -> Assignment {
        let first = self.heard[program].recorder().highest + 1;
        Assignment {
            source: self.stage.source.clone(),
            instance: self.plan.instance.clone(),
            load: self.plan.load.clone(),
            prefix: format!("{}/p{program:02}", self.prefix),
            seed: self.seed ^ ((program as u64) << 48) ^ first,
            first,
        }
    }

    /// The faults, and the rest of the load.
    async fn go(
        &mut self,
        told: &mut (dyn FnMut(&str) + Send),
    ) -> Result<std::result::Result<(), Abort>> {
        let mut steps = Vec::new();
        for (index, fault) in self.plan.faults.iter().enumerate() {
            steps.push((fault.after, Step::Begin(index)));
            steps.extend(fault.lasts.map(|lasts| (fault.after + lasts, Step::End(index))));
        }
        steps.sort_by_key(|(at, _)| *at);
        let mut places = BTreeMap::new();
        for (at, step) in steps {
            if let Err(abort) = self.wait_until(self.begun + at).await? {
                return Ok(Err(abort));
            }
            match step {
                Step::Begin(index) => {
                    let planned = &self.plan.faults[index];
                    places.insert(index, self.begin(planned.fault, &planned.on, told).await?);
                }
                Step::End(index) => {
                    let planned = &self.plan.faults[index];
                    if self.stage.forgets(planned.fault, &planned.on)
                        && let Err(abort) = self.wait_until_missed(&planned.on).await?
                    {
                        return Ok(Err(abort));
                    }
                    self.end(places[&index], told).await?;
                }
            }
        }
        let rounds = self.plan.random.as_ref().map_or(0, |random| random.rounds);
        for round in 1..=rounds {
            if let Err(abort) = self.round(round, told).await? {
                return Ok(Err(abort));
            }
        }
        if let Err(abort) = self.wait_until(self.begun + self.plan.load.lasts).await? {
            return Ok(Err(abort));
        }
        if let Err(abort) = self.wait_for_return().await? {
            return Ok(Err(abort));
        }
        self.wait_for_success().await
    }

    /// Waits until every client has had success after the last fault.
    async fn wait_for_success(&mut self) -> Result<std::result::Result<(), Abort>> {
        let last = self.done.iter().map(|done| done.began).max().unwrap_or_default();
        let clients = self.plan.load.clients;
        let deadline = Instant::now() + SUCCESS;
        while Instant::now() < deadline
            && !self.heard.iter().all(|heard| heard.recorder().have_success_since(last, clients))
        {
            if let Some(why) = self.gives_up()? {
                return Ok(Err(Abort(why)));
            }
            sleep(TICK).await;
        }
        Ok(Ok(()))
    }

    /// A fault at a random moment, of random length.
    async fn round(
        &mut self,
        round: usize,
        told: &mut (dyn FnMut(&str) + Send),
    ) -> Result<std::result::Result<(), Abort>> {
        let Some(random) = &self.plan.random else { return Ok(Ok(())) };
        let moment = self.rng.random_range(Duration::ZERO..=random.within);
        let least = Duration::from_millis(10).min(random.lasts);
        let lasts = self.rng.random_range(least..=random.lasts);
        let mut possible = Vec::new();
        for on in &random.on {
            for fault in &random.faults {
                let fits = match on.as_str() {
                    PROGRAM => *fault == Fault::Kill,
                    on => !fault.is_of_a_process() || self.plan.servers.contains_key(on),
                };
                if fits {
                    possible.push((*fault, on.as_str()));
                }
            }
        }
        let Some((fault, on)) = possible.choose(&mut self.rng).copied() else {
            let problem = "none of random.faults can be done to anybody of random.on";
            return Err(Error::new(ErrorKind::Configuration, problem));
        };
        told(&format!("round {round}"));
        if let Err(abort) = self.wait_until(Instant::now() + moment).await? {
            return Ok(Err(abort));
        }
        let place = self.begin(fault, on, told).await?;
        if let Err(abort) = self.wait_until(Instant::now() + lasts).await? {
            return Ok(Err(abort));
        }
        if self.stage.forgets(fault, on)
            && let Err(abort) = self.wait_until_missed(on).await?
        {
            return Ok(Err(abort));
        }
        self.end(place, told).await?;
        self.wait_for_return().await
    }

    async fn begin(
        &mut self,
        fault: Fault,
        on: &str,
        told: &mut (dyn FnMut(&str) + Send),
    ) -> Result<usize> {
        told(&format!("{} {on}", fault.as_str()));
        let done = Done { fault, on: on.to_owned(), began: now(), ended: None };
        self.done.push(done);
        if on == PROGRAM {
            if let Some(program) = self.programs[0].take() {
                program.kill().await?;
            }
        } else {
            self.stage.begin(fault, on).await?;
        }
        Ok(self.done.len() - 1)
    }

    async fn end(&mut self, place: usize, told: &mut (dyn FnMut(&str) + Send)) -> Result<()> {
        let Done { fault, on, .. } = self.done[place].clone();
        told(&format!("{} {on} is over", fault.as_str()));
        if on == PROGRAM {
            self.start_again().await?;
        } else {
            self.stage.end(fault, &on).await?;
        }
        self.done[place].ended = Some(now());
        Ok(())
    }

    /// Starts the first program again, as whoever runs an application does: until it runs.
    async fn start_again(&mut self) -> Result<()> {
        loop {
            match Program::start(&self.assignment(0), &self.heard[0]).await {
                Ok(program) => {
                    self.programs[0] = Some(program);
                    return Ok(());
                }
                Err(error) if self.begun.elapsed() >= self.plan.abort.after => return Err(error),
                Err(_) => {
                    self.refusals += 1;
                    sleep(LOOK).await;
                }
            }
        }
    }

    async fn wait_until(&mut self, moment: Instant) -> Result<std::result::Result<(), Abort>> {
        while Instant::now() < moment {
            if let Some(why) = self.gives_up()? {
                return Ok(Err(Abort(why)));
            }
            sleep(TICK.min(moment - Instant::now())).await;
        }
        Ok(Ok(()))
    }

    /// Waits until every member counts again that is not away for good, and has for long enough that nobody
    /// is about to find otherwise: two faults at once are not what is drilled.
    async fn wait_for_return(&mut self) -> Result<std::result::Result<(), Abort>> {
        let for_good = self.done.iter().any(|done| done.ended.is_none());
        let limit = self.plan.targets.returned.unwrap_or(RETURNING);
        let deadline = Instant::now() + limit + RETURNING;
        let settled = self.watched.settling();
        // What has just ended may not have been found yet.
        let earliest = Instant::now() + if self.done.is_empty() { Duration::ZERO } else { settled };
        while !for_good
            && Instant::now() < deadline
            && (Instant::now() < earliest || !self.watched.has_been_whole(settled))
        {
            if let Some(why) = self.gives_up()? {
                return Ok(Err(Abort(why)));
            }
            sleep(TICK).await;
        }
        Ok(Ok(()))
    }

    /// Waits until it is seen that a member is away. One that was started again before that, without what
    /// it had, could not be told from one that was there all the while.
    async fn wait_until_missed(&mut self, on: &str) -> Result<std::result::Result<(), Abort>> {
        let deadline = Instant::now() + RETURNING;
        while self.watched.counts(on) && Instant::now() < deadline {
            if let Some(why) = self.gives_up()? {
                return Ok(Err(Abort(why)));
            }
            sleep(TICK).await;
        }
        Ok(Ok(()))
    }

    fn gives_up(&mut self) -> Result<Option<String>> {
        for (number, program) in self.programs.iter_mut().enumerate() {
            if program.as_mut().is_some_and(Program::has_ended) {
                let problem = format!("program {number} of the load ended by itself");
                return Err(Error::new(ErrorKind::Internal, problem));
            }
        }
        let abort = &self.plan.abort;
        if self.begun.elapsed() >= abort.after {
            return Ok(Some(format!("it has taken {:?}", abort.after)));
        }
        let errors = || -> u64 {
            self.heard.iter().map(|heard| heard.recorder().errors.values().sum::<u64>()).sum()
        };
        Ok(match abort.errors {
            Some(most) if errors() > most => {
                Some(format!("the application has seen {} errors", errors()))
            }
            _ => None,
        })
    }

    /// Looks at what is there when all is quiet: by the instance, and by each member alone.
    async fn settle(&mut self, told: &mut (dyn FnMut(&str) + Send)) -> Result<bool> {
        told("looking at what is there");
        let storage = Storage::from_config(&self.config, &self.plan.instance).await?;
        let mut settled = true;
        if let Some(observer) = &self.watched.observer {
            let waits = async {
                loop {
                    let status = observer.status().await?;
                    let waiting = status.iter().flat_map(|status| &status.others);
                    let counted = waiting.filter(|member| member.standing != Standing::Out);
                    if counted.map(|member| member.waiting).sum::<usize>() == 0 {
                        return Ok::<_, Error>(());
                    }
                    sleep(LOOK).await;
                }
            };
            settled = timeout(RETURNING, waits).await.is_ok_and(|waited| waited.is_ok());
        }
        let mut places = vec![(None, storage)];
        for member in self.watched.counted() {
            let storage = Storage::from_config(&self.config, &member).await?;
            places.push((Some(member), storage));
        }
        let size = usize::try_from(self.plan.load.size).unwrap_or(usize::MAX);
        for (program, heard) in self.heard.iter().enumerate() {
            let written = heard.recorder().written();
            for (client, at, name) in written {
                let looks = places.iter().map(|(_, storage)| look(storage, &name, size));
                let looks: Vec<_> = join_all(looks).await.into_iter().collect::<Result<_>>()?;
                debug_assert_eq!(name, key(&format!("{}/p{program:02}", self.prefix), client, at));
                let mut recorder = heard.recorder();
                recorder.look(client, at, looks[0], now());
                for ((member, _), seen) in places.iter().zip(&looks).skip(1) {
                    if *seen != looks[0] {
                        let member = member.as_deref().unwrap_or_default();
                        let text = format!("{member} has {seen:?}, the primary {:?}", looks[0]);
                        let (wrong, key) = (Wrong::Differs, name.clone());
                        recorder.findings.push(Finding {
                            wrong,
                            key,
                            at: now(),
                            since: None,
                            text,
                        });
                    }
                }
            }
        }
        Ok(settled)
    }

    async fn clean_up(&self) -> Result<()> {
        let storage = Storage::from_config(&self.config, &self.plan.instance).await?;
        let folder = format!("{}/", self.prefix);
        let mut keys = Vec::new();
        let mut entries = storage.list(folder.as_str()).stream();
        while let Some(entry) = entries.next().await {
            keys.push(entry?.name().to_owned());
        }
        for key in keys {
            storage.delete(key.as_str()).await?;
        }
        Ok(())
    }
}

/// The failover as its witness has it; for another provider, nothing.
struct Watched {
    settings: Option<FailoverSettings>,
    observer: Option<Arc<Observer>>,
    statuses: Arc<Mutex<Vec<(u64, Status)>>>,
    looking: Option<JoinHandle<()>>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(looking) = &self.looking {
            looking.abort();
        }
    }
}

impl Watched {
    async fn open(config: &Config, instance: &str) -> Result<Self> {
        let section = config.section("storage", instance)?;
        let statuses: Arc<Mutex<Vec<(u64, Status)>>> = Arc::default();
        if !FailoverSettings::PROVIDERS.contains(&section.provider()) {
            return Ok(Self { settings: None, observer: None, statuses, looking: None });
        }
        let labels = |name: &str| Ok(config.section("storage", name)?.labels().clone());
        let settings = FailoverSettings::of(&section, labels)?;
        let witness = Storage::from_config(config, &settings.witness).await?;
        let witness = Arc::clone(witness.provider());
        let observer = Arc::new(Observer::new(instance, &settings, witness)?);
        let (seeing, noting) = (Arc::clone(&observer), Arc::clone(&statuses));
        let looking = tokio::spawn(async move {
            loop {
                // A witness that does not answer is a fault like others.
                if let Ok(Some(status)) = seeing.standings().await {
                    let mut known = noting.lock().unwrap_or_else(PoisonError::into_inner);
                    if known.last().is_none_or(|(_, last)| last.epoch != status.epoch) {
                        known.push((now(), status));
                    }
                }
                sleep(LOOK).await;
            }
        });
        Ok(Self {
            settings: Some(settings),
            observer: Some(observer),
            statuses,
            looking: Some(looking),
        })
    }

    fn now(&self) -> Option<Status> {
        let statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
        statuses.last().map(|(_, status)| status.clone())
    }

    /// How long it may take until an absence that is over was found, at the latest.
    fn settling(&self) -> Duration {
        let probing =
            |settings: &FailoverSettings| 2 * (settings.probe_timeout + settings.probe_every);
        self.settings.as_ref().map_or(Duration::ZERO, probing) + 2 * LOOK
    }

    /// Whether every member counts, and nothing has changed for so long.
    fn has_been_whole(&self, settled: Duration) -> bool {
        let statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((since, status)) = statuses.last() else { return true };
        is_whole(status) && Duration::from_micros(now().saturating_sub(*since)) >= settled
    }

    fn counts(&self, member: &str) -> bool {
        self.now().is_some_and(|status| {
            status.primary == member
                || status.others.iter().any(|other| other.name == member && counts(other.standing))
        })
    }

    /// The members that have everything when all is quiet.
    fn counted(&self) -> Vec<String> {
        let Some(status) = self.now() else { return Vec::new() };
        let others = status.others.iter().filter(|other| counts(other.standing));
        let others = others.map(|other| other.name.clone());
        [status.primary].into_iter().chain(others).collect()
    }

    fn stop(&mut self) -> Vec<(u64, Status)> {
        if let Some(looking) = self.looking.take() {
            looking.abort();
        }
        std::mem::take(&mut *self.statuses.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn counts(standing: Standing) -> bool {
    matches!(standing, Standing::InSync | Standing::Following)
}

pub(crate) fn is_whole(status: &Status) -> bool {
    status.others.iter().all(|other| counts(other.standing))
}

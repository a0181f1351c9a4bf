//! The suite of `docs/spec/faults.md`: what an application is told when the network or the back-end
//! fails, and whether it is true.
//!
//! A proxy stands between the provider and its back-end, and lets one exchange after the other go wrong,
//! each in every way, and by chance several. What came of it is noted, seen by a handle that nothing
//! stands in the way of; the clauses are judged on these notes. The same seed gives the same faults.

mod http1;
mod http2;
mod operations;
mod plan;
mod proxy;
mod rules;

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use omni_contracts::storage::{GetOptions, Intercepted, Key, StorageProvider};
use omni_contracts::{Error, ErrorKind, Result, Scope};
use omni_layers::{LayerSettings, Layers};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use tokio::time::Duration;

pub use self::operations::Operation;
pub use self::plan::{Fault, Plan};
pub use self::proxy::{Exchange, Proxy};
pub use self::rules::{RULES, Rule};

use self::operations::{Acted, Scene, Store, Stored};
use crate::check::{Failure, ok};
use crate::{Place, Subject, Through};

pub use crate::mutants::{FaultMutant, fault_mutants as mutants};

/// How long providers wait for a silent back-end.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long they wait for it when nothing goes wrong.
const CALM: Duration = Duration::from_secs(60);

/// The deadline of a call through the layers.
const DEADLINE: Duration = Duration::from_secs(10);

/// The layers that stand around the provider in one half of the notes: those that applications have,
/// with times that a test can wait for.
pub(crate) const LAYERS: &str = r#"
    deadline = "10s"
    attempt_timeout = "2s"
    slowest_transfer = "1GiB"
    retry = { attempts = 4, first_wait = "5ms", longest_wait = "50ms", reserve = 100000 }
    off = ["breaker"]
"#;

/// How many operations are under way at once.
const PARALLEL: usize = 8;

/// What a run tries.
#[derive(Clone, Debug)]
pub struct FaultOptions {
    /// Decides which faults come together, and what is left out where not all is tried.
    pub seed: u64,
    /// The share of the faults that are tried, above 0 and at most 1.
    pub share: f64,
    /// The operations.
    pub operations: Vec<Operation>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// For each operation, how often two or three things go wrong.
    pub pairs: usize,
}

impl FaultOptions {
    /// Every operation and fault.
    #[must_use]
    pub fn all(seed: u64) -> Self {
        Self {
            seed,
            share: 1.0,
            operations: Operation::ALL.to_vec(),
            faults: Fault::ALL.to_vec(),
            pairs: 12,
        }
    }
}

/// What a mutant puts around the provider.
type Twist<'a> = &'a (dyn Fn(Store) -> Store + Send + Sync);

/// An operation without a fault: what it comes to, and in how many exchanges.
#[derive(Debug)]
struct Clean {
    said: String,
    after: Stored,
    exchanges: usize,
}

/// One operation, during which something went wrong.
#[derive(Debug)]
pub struct Observation {
    operation: Operation,
    /// Whether the layers stood around the provider.
    layered: bool,
    plan: Plan,
    acted: Acted,
    before: Stored,
    after: Stored,
    clean: Arc<Clean>,
    exchanges: Vec<Exchange>,
    /// What came of a get afterwards, by the same handle, when all was well again.
    next: Result<()>,
    /// Whether the back-end was slow by itself: then more went wrong than the plan says.
    slow: bool,
}

impl Observation {
    /// The situation, in words.
    fn situation(&self) -> String {
        let Self { operation, plan, layered, .. } = self;
        let around = if *layered { "with layers" } else { "without layers" };
        format!("{operation} {around}, its exchanges: {plan}")
    }

    /// The exchanges, for a failure.
    fn steps(&self) -> Vec<String> {
        let Some(first) = self.exchanges.first().map(|exchange| exchange.begun) else {
            return Vec::new();
        };
        let step = |exchange: &Exchange| {
            let at = exchange.begun.duration_since(first).as_millis();
            format!("{at:>5} ms  {:<14} {}", exchange.fault.as_str(), exchange.request)
        };
        self.exchanges.iter().map(step).collect()
    }

    /// The one exchange that went wrong, if nothing else did.
    fn only(&self) -> Option<&Exchange> {
        let mut wrong = self.exchanges.iter().filter(|exchange| exchange.fault != Fault::Pass);
        wrong.next().filter(|_| wrong.next().is_none() && !self.slow)
    }

    /// Whether the back-end was slow by itself.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        self.slow
    }
}

/// Lets things go wrong for a subject, and notes what came of it.
///
/// # Errors
///
/// What failed although nothing stood in its way, or that the subject has no server.
pub async fn observe(
    subject: &dyn Subject,
    options: &FaultOptions,
) -> Result<Vec<Observation>, Failure> {
    observe_with(subject, options, &|provider| provider, LAYERS).await
}

pub(crate) async fn observe_with(
    subject: &dyn Subject,
    options: &FaultOptions,
    twist: Twist<'_>,
    layers: &str,
) -> Result<Vec<Observation>, Failure> {
    ok("preparing the subject", subject.prepare().await)?;
    let root = tempfile::Builder::new().prefix("omni-tck-").tempdir();
    let root = root.map_err(|error| Failure::new("a folder", "one", error.to_string()))?;
    let store = format!("faults-{:08x}", rand::random::<u32>());
    let place = Place { root: root.path(), store: &store };
    let direct = ok("opening the store", subject.open(&place).await)?;
    let operations = options.operations.iter().filter(|op| op.is_had_by(direct.capabilities()));
    let sessions: Vec<_> = operations
        .flat_map(|op| [false, true].map(|layered| (*op, layered)))
        .map(|(operation, layered)| Session {
            subject,
            place,
            direct: Arc::clone(&direct),
            options,
            twist,
            layers: layered.then_some(layers),
            operation,
        })
        .collect();
    let parallel = subject.parallel().unwrap_or(PARALLEL);
    let noted: Vec<_> =
        stream::iter(sessions.iter().map(Session::run)).buffered(parallel).collect().await;
    ok("freeing the store", subject.free(&place).await)?;
    let noted: Vec<Vec<_>> = noted.into_iter().collect::<Result<_, _>>()?;
    Ok(noted.into_iter().flatten().collect())
}

/// One operation, and everything that goes wrong with it, one after the other.
struct Session<'a> {
    subject: &'a dyn Subject,
    place: Place<'a>,
    direct: Store,
    options: &'a FaultOptions,
    twist: Twist<'a>,
    /// The layers around the provider, if any.
    layers: Option<&'a str>,
    operation: Operation,
}

impl Session<'_> {
    async fn run(&self) -> Result<Vec<Observation>, Failure> {
        let server = ok("asking for the server", self.subject.server().await)?;
        let server = server.ok_or_else(|| {
            Failure::new("a proxy", "a subject with a server", "one that has none")
        })?;
        let proxy = Proxy::start(server).await;
        let proxy = proxy.map_err(|error| Failure::new("a proxy", "a port", error.to_string()))?;
        let clean = self.opened(&proxy, CALM).await?;
        let clean = Arc::new(self.clean(&proxy, &*clean).await?);
        let store = self.opened(&proxy, PATIENCE).await?;
        let store = ok("putting layers around it", self.around(store))?;
        let mut noted = Vec::new();
        for (number, plan) in self.plans(clean.exchanges).into_iter().enumerate() {
            noted.push(self.observe(&proxy, &*store, number, plan, &clean).await?);
        }
        Ok(noted)
    }

    /// The provider, through the proxy.
    async fn opened(&self, proxy: &Proxy, patience: Duration) -> Result<Store, Failure> {
        let through = Through { address: proxy.address(), patience };
        let store = self.subject.open_through(&self.place, &through).await;
        Ok((self.twist)(ok("opening the store through a proxy", store)?))
    }

    fn is_layered(&self) -> bool {
        self.layers.is_some()
    }

    fn around(&self, provider: Store) -> Result<Store> {
        let Some(layers) = self.layers else { return Ok(provider) };
        let settings: LayerSettings =
            toml::from_str(layers).map_err(|error| Error::invalid(error.message().to_owned()))?;
        let layers = Layers::new(&settings)?;
        Ok(Arc::new(Intercepted::new(layers, provider, Scope::default())))
    }

    fn prefix(&self, number: impl std::fmt::Display) -> String {
        let around = if self.is_layered() { "layered" } else { "alone" };
        format!("{}-{around}/{number}/", self.operation)
    }

    async fn clean(&self, proxy: &Proxy, store: &dyn StorageProvider) -> Result<Clean, Failure> {
        let op = self.operation;
        let situation = format!("{op}, when nothing goes wrong");
        let scene = Scene::set(&*self.direct, self.prefix("clean"), op).await;
        let scene = ok(&*situation, scene)?;
        proxy.plan(Plan::default());
        let acted = scene.act(op, store).await;
        let exchanges = proxy.exchanges().len();
        let said = ok(&*situation, acted.result)?.said;
        let after = ok(&*situation, scene.stored(&*self.direct, op).await)?;
        Ok(Clean { said, after, exchanges })
    }

    /// Everything that goes wrong, in an order that the seed decides alone.
    fn plans(&self, exchanges: usize) -> Vec<Plan> {
        let op = self.operation;
        let seed = self.options.seed ^ ((op as u64) << 1 | u64::from(self.is_layered())) << 32;
        let mut rng = StdRng::seed_from_u64(seed);
        let faults = self.options.faults.iter().copied();
        let faults: Vec<_> = faults.filter(|fault| happens_to(*fault, op)).collect();
        let one = |passed| faults.iter().map(move |fault| Plan::one(passed, *fault));
        let mut plans: Vec<_> = (0..exchanges).flat_map(one).collect();
        for _ in 0..self.options.pairs {
            let length = exchanges + 3;
            let mut plan = vec![Fault::Pass; length];
            for _ in 0..rng.random_range(2..=3) {
                let at = rng.random_range(0..length);
                plan[at] = faults.choose(&mut rng).copied().unwrap_or(Fault::Pass);
            }
            plans.push(Plan(plan));
        }
        // What is read is never left out: it is the content that breaks.
        plans.retain(|_| rng.random::<f64>() < self.options.share || op == Operation::Get);
        plans
    }

    async fn observe(
        &self,
        proxy: &Proxy,
        store: &dyn StorageProvider,
        number: usize,
        plan: Plan,
        clean: &Arc<Clean>,
    ) -> Result<Observation, Failure> {
        let op = self.operation;
        let situation = || format!("{op}, before or after its exchanges: {plan}");
        let prefix = self.prefix(number);
        let scene = ok(situation(), Scene::set(&*self.direct, prefix.clone(), op).await)?;
        let before = ok(situation(), scene.stored(&*self.direct, op).await)?;
        proxy.plan(plan.clone());
        let acted = scene.act(op, store).await;
        proxy.quiet().await;
        let exchanges = proxy.exchanges();
        let after = ok(situation(), scene.stored(&*self.direct, op).await)?;
        proxy.plan(Plan::default());
        let untouched = format!("{prefix}c");
        let reading = read(store, &untouched);
        let late = |_| Err(Error::new(ErrorKind::Timeout, "no answer by the deadline"));
        let next = tokio::time::timeout(DEADLINE, reading).await.unwrap_or_else(late);
        proxy.quiet().await;
        let slow = [&exchanges, &proxy.exchanges()].into_iter().any(|seen| is_slow(seen));
        let clean = Arc::clone(clean);
        let layered = self.is_layered();
        Ok(Observation {
            operation: op,
            layered,
            plan,
            acted,
            before,
            after,
            clean,
            exchanges,
            next,
            slow,
        })
    }
}

async fn read(store: &dyn StorageProvider, key: &str) -> Result<()> {
    store.get(&Key::new(key)?, &GetOptions::default()).await?.body.collect().await.map(drop)
}

/// Whether the back-end alone took so long that who waits may have lost patience: then its silence is a
/// fault, too, and not one that the plan knows.
fn is_slow(exchanges: &[Exchange]) -> bool {
    exchanges.iter().map(|exchange| exchange.took).sum::<Duration>() > PATIENCE / 2
}

/// Turned bits are seen by who has a checksum, in what goes wrong with whole contents.
fn happens_to(fault: Fault, op: Operation) -> bool {
    match fault {
        Fault::SpoilRequest => op.sends_a_content(),
        Fault::SpoilAnswer => op.reads_a_content(),
        _ => true,
    }
}

/// How long an operation may take.
fn limit(observation: &Observation) -> Duration {
    let exchanges = observation.exchanges.len() as u32;
    match observation.layered {
        // Ten times the deadline, and a tenth.
        true if observation.operation.is_long() => DEADLINE * 11,
        true => DEADLINE * 11 / 10,
        // Silence is waited out twice.
        false => PATIENCE * 2 * (exchanges + 1),
    }
}

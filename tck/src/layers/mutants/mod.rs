//! Layers that are wrong on purpose, each in one way: each must be caught by the check of its clause.
//! Adding one is adding an entry to a table.

mod calls;
mod limits;
mod retry;

use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, TryFutureExt};
use omni_contracts::storage::{Intercepted, StorageProvider};
use omni_contracts::{Body, Call, Effect, Error, ErrorKind, Interceptor, Result};
use omni_layers::{Layer, LayerSettings, Layers};
use tokio::time::{Duration, Instant};

use super::subject::read;
use super::{LayersSubject, Wrapped};

/// Layers that are wrong in one way.
#[derive(Clone, Copy)]
pub struct LayerMutant {
    /// The clause that they break, and whose check must fail on them.
    pub clause: &'static str,
    /// The name, as an identifier.
    pub name: &'static str,
    /// What they do wrong.
    pub wrong: &'static str,
    twist: Twist,
}

impl std::fmt::Debug for LayerMutant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}::{}", self.clause, self.name)
    }
}

/// What is done instead of what the honest layers do; [`HONEST`] is nothing.
#[derive(Clone, Copy)]
struct Twist {
    settings: fn(&mut LayerSettings),
    /// What the layers are told of a call.
    call: fn(&mut Call<'_>),
    /// What they are told of an attempt that failed.
    told: fn(Error) -> Error,
    /// What the caller is told.
    error: fn(Error) -> Error,
    names: fn(&mut Vec<&'static str>),
    /// These stand outside of all others.
    outside: &'static [Layer],
    /// What the others are told of a call.
    inner: fn(&mut Call<'_>),
    leak: Leak,
    /// One call at a time.
    alone: bool,
    /// New layers for each call.
    fresh: bool,
    /// The bodies, by their number.
    body: fn(u32, &Call<'_>, Body) -> Body,
    /// A breaker of little thought instead of the honest one.
    breaker: Option<Naive>,
    /// Around the layers.
    above: Option<fn(Inner) -> Inner>,
}

/// A provider, with layers or without.
type Inner = Arc<dyn StorageProvider>;

/// What is forgotten instead of being dropped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leak {
    Nothing,
    Attempts,
    Calls,
}

const HONEST: Twist = Twist {
    settings: |_| (),
    call: |_| (),
    told: |error| error,
    error: |error| error,
    names: |_| (),
    outside: &[],
    inner: |_| (),
    leak: Leak::Nothing,
    alone: false,
    fresh: false,
    body: |_, _, body| body,
    breaker: None,
    above: None,
};

/// Every mutant.
pub fn mutants() -> impl Iterator<Item = &'static LayerMutant> {
    [calls::MUTANTS, retry::MUTANTS, limits::MUTANTS].into_iter().flatten()
}

const fn mutant(
    clause: &'static str,
    name: &'static str,
    wrong: &'static str,
    twist: Twist,
) -> LayerMutant {
    LayerMutant { clause, name, wrong, twist }
}

/// The error without its wait and its cause.
fn stripped(error: &Error) -> Error {
    let copy = Error::new(error.kind(), error.message().to_owned())
        .with_retryable(error.is_retryable())
        .with_effect(error.effect());
    match error.operation() {
        None => copy,
        Some(operation) => copy.at(
            operation,
            error.provider().unwrap_or_default(),
            error.resource().unwrap_or_default(),
        ),
    }
}

/// As if nothing had happened.
fn denied(error: Error) -> Error {
    match error.effect() {
        Effect::Unknown => error.with_effect(Effect::No),
        _ => error,
    }
}

fn of_kind(error: &Error, kind: ErrorKind) -> Error {
    Error::new(kind, error.message().to_owned()).with_effect(error.effect())
}

fn forget_deadline(call: &mut Call<'_>) {
    call.deadline = None;
}

impl LayersSubject for LayerMutant {
    fn name(&self) -> &str {
        self.name
    }

    fn wrap(&self, settings: &str, provider: Arc<dyn StorageProvider>) -> Result<Wrapped> {
        let twisted = Arc::new(Twisted::new(self.twist, read(settings)?)?);
        let above = self.twist.above;
        Ok(Box::new(move |scope| {
            let inner = Arc::clone(&provider);
            let layered = Arc::new(Intercepted::new(Arc::clone(&twisted), inner, scope));
            match above {
                None => layered,
                Some(above) => above(layered),
            }
        }))
    }
}

/// The layers with the twist.
struct Twisted {
    twist: Twist,
    settings: LayerSettings,
    names: Vec<&'static str>,
    outer: Layers,
    inner: Option<Layers>,
    breaker: Option<NaiveBreaker>,
    turn: tokio::sync::Mutex<()>,
    bodies: AtomicU32,
}

impl std::fmt::Debug for Twisted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Twisted").finish_non_exhaustive()
    }
}

impl Twisted {
    fn new(twist: Twist, stated: LayerSettings) -> Result<Self> {
        let mut names = Layers::new(&stated)?.layers();
        (twist.names)(&mut names);
        let mut settings = stated;
        (twist.settings)(&mut settings);
        let breaker = twist.breaker.filter(|_| settings.has(Layer::Breaker));
        if breaker.is_some() {
            settings.off.push(Layer::Breaker);
        }
        let without = |take: fn(&[Layer], Layer) -> bool| {
            let off = Layer::ORDER.iter().filter(|layer| take(twist.outside, **layer));
            let off = settings.off.iter().chain(off).copied().collect();
            Layers::new(&LayerSettings { off, ..settings.clone() })
        };
        let (outer, inner) = match twist.outside {
            [] => (Layers::new(&settings)?, None),
            _ => (
                without(|outside, layer| !outside.contains(&layer))?,
                Some(without(|outside, layer| outside.contains(&layer))?),
            ),
        };
        Ok(Self {
            twist,
            settings,
            names,
            outer,
            inner,
            breaker: breaker.map(NaiveBreaker::new),
            turn: tokio::sync::Mutex::default(),
            bodies: AtomicU32::new(0),
        })
    }
}

/// What is called once per attempt.
type Attempt<'a, T> = dyn Fn() -> BoxFuture<'a, Result<T>> + Send + Sync + 'a;

/// A future that is forgotten when it is dropped early.
async fn leaked<T>(future: impl Future<Output = T>) -> T {
    let mut future = ManuallyDrop::new(Box::pin(future));
    let value = future.as_mut().await;
    drop(ManuallyDrop::into_inner(future));
    value
}

impl Interceptor for Twisted {
    fn name(&self) -> &'static str {
        "twisted"
    }

    fn layers(&self) -> Vec<&'static str> {
        self.names.clone()
    }

    async fn around<T, F, Fut>(&self, call: &Call<'_>, attempt: F) -> Result<T>
    where
        T: Send,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        let twist = &self.twist;
        let _turn = match twist.alone {
            true => Some(self.turn.lock().await),
            false => None,
        };
        let fresh = match twist.fresh {
            true => Some(Layers::new(&self.settings)?),
            false => None,
        };
        let outer = fresh.as_ref().unwrap_or(&self.outer);
        let mut call = call.clone();
        (twist.call)(&mut call);
        let call = &call;
        // Boxed, so that the layers are compiled for each type of result only once.
        let told = || -> BoxFuture<'_, Result<T>> {
            match twist.leak {
                Leak::Attempts => leaked(attempt()).map_err(twist.told).boxed(),
                _ => attempt().map_err(twist.told).boxed(),
            }
        };
        let told: &Attempt<'_, T> = &told;
        let split = || -> BoxFuture<'_, Result<T>> {
            let Some(layers) = &self.inner else { return told() };
            let split = async move {
                let mut call = call.clone();
                (twist.inner)(&mut call);
                layers.around(&call, told).await
            };
            split.boxed()
        };
        let split: &Attempt<'_, T> = &split;
        let guarded = || -> BoxFuture<'_, Result<T>> {
            match &self.breaker {
                None => split(),
                Some(breaker) => breaker.around(call, split).boxed(),
            }
        };
        let guarded: &Attempt<'_, T> = &guarded;
        let whole = outer.around(call, guarded);
        let result = match twist.leak {
            Leak::Calls => leaked(whole).await,
            _ => whole.await,
        };
        result.map_err(twist.error)
    }

    fn body(&self, call: &Call<'_>, body: Body) -> Body {
        let number = self.bodies.fetch_add(1, Ordering::Relaxed) + 1;
        (self.twist.body)(number, call, body)
    }
}

/// A breaker that judges by ten calls and the half of them, stays open for 5s, and knows neither the
/// age of outcomes nor of calls, nor callers who leave.
#[derive(Clone, Copy)]
struct Naive {
    /// One call tries at a time.
    exclusive: bool,
    /// Closed, it begins to count anew.
    forgets: bool,
    /// Whatever comes of the try closes it.
    believes: bool,
}

const NAIVE: Naive = Naive { exclusive: true, forgets: true, believes: false };

struct NaiveBreaker {
    naive: Naive,
    state: Mutex<NaiveState>,
}

#[derive(Default)]
struct NaiveState {
    calls: u32,
    failures: u32,
    opened: Option<Instant>,
    trying: bool,
}

impl NaiveBreaker {
    const OPEN_FOR: Duration = Duration::from_secs(5);

    fn new(naive: Naive) -> Self {
        Self { naive, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, NaiveState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn around<T, F, Fut>(&self, call: &Call<'_>, attempt: F) -> Result<T>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        self.enter(call)?;
        let result = attempt().await;
        let failed =
            |error: &Error| matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout);
        self.end(result.as_ref().is_err_and(failed));
        result
    }

    fn enter(&self, call: &Call<'_>) -> Result<()> {
        let mut state = self.state();
        let Some(opened) = state.opened else { return Ok(()) };
        let left = (opened + Self::OPEN_FOR).saturating_duration_since(Instant::now());
        if !left.is_zero() || (state.trying && self.naive.exclusive) {
            let error = Error::new(ErrorKind::Unavailable, "open").with_retry_after(left);
            return Err(error.at(call.operation, call.provider, call.resource));
        }
        state.trying = true;
        Ok(())
    }

    fn end(&self, failed: bool) {
        let mut state = self.state();
        if state.opened.is_some() {
            state.trying = false;
            if failed && !self.naive.believes {
                state.opened = Some(Instant::now());
                return;
            }
            state.opened = None;
            if self.naive.forgets {
                (state.calls, state.failures) = (0, 0);
            }
            return;
        }
        state.calls += 1;
        state.failures += u32::from(failed);
        if state.calls >= 10 && 2 * state.failures >= state.calls {
            state.opened = Some(Instant::now());
        }
    }
}

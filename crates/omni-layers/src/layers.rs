//! `Layers`: all of them around a call, in the one order that keeps their promises.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use futures_util::future::BoxFuture;
use omni_contracts::{Body, Call, Error, ErrorKind, Interceptor, Result};

use crate::breaker::{Breaker, Circuit};
use crate::doubt::Doubt;
use crate::hedge::Hedge;
use crate::limits::{ConcurrencyLimit, Places, Rate, RateLimit};
use crate::retry::{Repeats, Retry};
use crate::settings::{Layer, LayerSettings};
use crate::time::{AttemptTimeout, Deadline, Limit};

/// The layers around every call, for one back-end: what they count, they count for all calls that pass
/// through the same value.
///
/// The order is fixed (clause `LAY-003`): outside, the deadline ends everything; the breaker sees what
/// calls come to, not single attempts; limits and the attempt timeout are for each attempt, and waiting
/// for a limit takes nothing from the attempt's time.
#[derive(Debug)]
pub struct Layers {
    names: Vec<&'static str>,
    deadline: Deadline,
    breaker: Breaker,
    retry: Retry,
    hedge: Hedge,
    rate: RateLimit,
    concurrency: ConcurrencyLimit,
    attempt_timeout: AttemptTimeout,
}

impl Layers {
    /// The layers that `settings` ask for.
    ///
    /// # Errors
    ///
    /// `Configuration` for a value out of bounds.
    pub fn new(settings: &LayerSettings) -> Result<Self> {
        settings.check()?;
        let limit = |layer, time, setting| {
            settings.has(layer).then(|| Limit::new(time, settings.slowest_transfer, setting))
        };
        let has = |layer| settings.has(layer);
        let rate = settings.rate.as_ref().filter(|_| has(Layer::RateLimit));
        let concurrency = settings.concurrency.filter(|_| has(Layer::ConcurrencyLimit));
        let on = Layer::ORDER.iter().filter(|layer| has(**layer));
        Ok(Self {
            names: on.map(|layer| layer.as_str()).collect(),
            deadline: Deadline(limit(Layer::Deadline, settings.deadline, "deadline")),
            breaker: Breaker(has(Layer::Breaker).then(|| Circuit::new(settings.breaker.clone()))),
            retry: Retry(has(Layer::Retry).then(|| Repeats::new(settings.retry.clone()))),
            hedge: Hedge(settings.hedge_after.filter(|_| has(Layer::Hedge))),
            rate: RateLimit(rate.map(Rate::new)),
            concurrency: ConcurrencyLimit(concurrency.map(Places::new)),
            attempt_timeout: AttemptTimeout(limit(
                Layer::AttemptTimeout,
                settings.attempt_timeout,
                "attempt_timeout",
            )),
        })
    }
}

/// How full the back-end is, as far as the layers know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Saturation {
    /// The places of the concurrency limit, if there is one.
    pub concurrency: Option<Usage>,
    /// Where the circuit breaker stands, if there is one.
    pub breaker: Option<BreakerState>,
}

/// The places of a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// How many there are.
    pub limit: usize,
    /// How many attempts have one.
    pub used: usize,
    /// How many attempts wait for one.
    pub waiting: usize,
}

/// Where a circuit breaker stands, the worse the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BreakerState {
    /// Calls pass.
    Closed,
    /// One call is trying, or may.
    HalfOpen,
    /// Calls are refused.
    Open,
}

impl Layers {
    /// How full the back-end is.
    #[must_use]
    pub fn saturation(&self) -> Saturation {
        Saturation {
            concurrency: self.concurrency.0.as_ref().map(Places::usage),
            breaker: self.breaker.0.as_ref().map(Circuit::shown),
        }
    }
}

/// An attempt of a call, which keeps what it gives.
type Attempt<'a> = dyn Fn() -> BoxFuture<'a, Result<()>> + Send + Sync + 'a;

impl Layers {
    /// Makes attempts until one succeeds or no more is allowed.
    fn repeat<'a>(
        &'a self,
        call: &Call<'a>,
        attempt: &'a Attempt<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        let mut call = call.clone();
        Box::pin(async move {
            call.deadline = self.deadline.of(&call)?;
            let doubt = Doubt::of(&call);
            let (call, doubt) = (&call, &doubt);
            let watched = || doubt.watch(attempt());
            let watched = &watched;
            let timed = move || self.attempt_timeout.around(call, doubt, watched);
            let limited = move || self.concurrency.around(timed);
            let paced = move || self.rate.around(limited);
            let hedged = move || self.hedge.around(call, paced);
            let repeated = move || self.retry.around(call, doubt, hedged);
            let guarded = move || self.breaker.around(call, repeated);
            self.deadline.around(call, doubt, guarded).await
        })
    }
}

#[deny(clippy::missing_trait_methods)]
impl Interceptor for Layers {
    fn name(&self) -> &'static str {
        "layers"
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
        // Kept here, not handed from layer to layer: so those are compiled once, in this crate, and not
        // for every operation of every contract in every application.
        let given = Mutex::new(None);
        let attempt = || -> BoxFuture<'_, Result<()>> {
            let attempt = attempt();
            Box::pin(async {
                let value = attempt.await?;
                *given.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
                Ok(())
            })
        };
        self.repeat(call, &attempt).await?;
        let given = given.into_inner().unwrap_or_else(PoisonError::into_inner);
        given.ok_or_else(|| Error::new(ErrorKind::Internal, "a success without a value"))
    }

    fn body(&self, _: &Call<'_>, body: Body) -> Body {
        body
    }
}

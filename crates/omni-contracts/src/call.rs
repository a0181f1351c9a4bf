//! `Call` describes one operation to cross-cutting layers; `Interceptor` is what they implement, once
//! for all contracts. Each contract has one adapter: [`storage::Intercepted`](crate::storage::Intercepted),
//! [`messaging::Intercepted`](crate::messaging::Intercepted).

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::{Body, Idempotency, Operation, Result};

/// One operation, as layers see it: enough to time, retry, limit, trace or forbid it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Call<'a> {
    /// The contract that the operation belongs to.
    pub contract: Contract,
    /// The operation.
    pub operation: Operation,
    /// The provider's product name.
    pub provider: &'a str,
    /// What is acted on: a key, the prefix of a listing, a topic, a subscription.
    pub resource: &'a str,
    /// Whether the call may be repeated when it is unknown whether it took effect.
    pub idempotency: Idempotency,
    /// Whether the payload can be sent again: false while a one-time stream is the source.
    pub replayable: bool,
    /// Payload size in bytes, where known.
    pub size: Option<u64>,
    /// How long the back-end is asked to wait for something to happen, on top of the time that its work
    /// takes.
    pub wait: Duration,
    /// When the caller stops waiting.
    pub deadline: Option<Instant>,
    /// On whose behalf the call is made.
    pub scope: &'a Scope,
}

impl<'a> Call<'a> {
    /// A call with the contract's idempotency for `operation`, no payload and no deadline.
    #[must_use]
    pub fn new(
        contract: Contract,
        operation: Operation,
        provider: &'a str,
        resource: &'a str,
        scope: &'a Scope,
    ) -> Self {
        Self {
            contract,
            operation,
            provider,
            resource,
            idempotency: operation.idempotency(),
            replayable: true,
            size: None,
            wait: Duration::ZERO,
            deadline: scope.deadline,
            scope,
        }
    }
}

/// On whose behalf calls are made. Set on a handle; every layer can read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The tenant that owns the data.
    pub tenant: Option<Arc<str>>,
    /// The user or service that acts.
    pub principal: Option<Arc<str>>,
    /// Free labels that policies may read, such as `residency = "eu"`.
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// When the caller stops waiting.
    pub deadline: Option<Instant>,
}

/// A contract of the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Contract {
    /// Messages by topics and subscriptions.
    Messaging,
    /// Objects under keys.
    Storage,
}

impl Contract {
    /// Every contract.
    pub const ALL: &'static [Self] = &[Self::Messaging, Self::Storage];

    /// The contract's name, as it stands in configurations, spans and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Messaging => "messaging",
            Self::Storage => "storage",
        }
    }
}

/// A cross-cutting concern, written once and applied to every operation of every contract.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use omni_contracts::{Call, Interceptor, Result};
///
/// #[derive(Debug, Default)]
/// struct Count(AtomicU64);
///
/// impl Interceptor for Count {
///     fn name(&self) -> &'static str {
///         "count"
///     }
///
///     async fn around<T, F, Fut>(&self, _call: &Call<'_>, attempt: F) -> Result<T>
///     where
///         T: Send,
///         F: Fn() -> Fut + Send + Sync,
///         Fut: Future<Output = Result<T>> + Send,
///     {
///         self.0.fetch_add(1, Ordering::Relaxed);
///         attempt().await
///     }
/// }
/// ```
pub trait Interceptor: Send + Sync + fmt::Debug + 'static {
    /// The layer's name, as [`layers`](crate::storage::StorageProvider::layers) shows it.
    fn name(&self) -> &'static str;

    /// The layers that this one is made of, outermost first.
    fn layers(&self) -> Vec<&'static str> {
        vec![self.name()]
    }

    /// Runs the operation by calling `attempt`, any number of times.
    ///
    /// An attempt after the first fails with `Internal` when [`Call::replayable`] is false.
    /// Dropping the returned future drops the attempt.
    fn around<T, F, Fut>(
        &self,
        call: &Call<'_>,
        attempt: F,
    ) -> impl Future<Output = Result<T>> + Send
    where
        T: Send,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send;

    /// Sees the bytes of a body: the payload on its way in, the content on its way out. A body whose
    /// [bytes are in memory](Body::as_bytes) must stay so: as a stream it could not be sent again.
    fn body(&self, call: &Call<'_>, body: Body) -> Body {
        let _ = call;
        body
    }
}

/// One interceptor in several stacks: what it counts, it counts for all of them.
#[deny(clippy::missing_trait_methods)]
impl<I: Interceptor> Interceptor for Arc<I> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn layers(&self) -> Vec<&'static str> {
        (**self).layers()
    }

    fn around<T, F, Fut>(
        &self,
        call: &Call<'_>,
        attempt: F,
    ) -> impl Future<Output = Result<T>> + Send
    where
        T: Send,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        (**self).around(call, attempt)
    }

    fn body(&self, call: &Call<'_>, body: Body) -> Body {
        (**self).body(call, body)
    }
}

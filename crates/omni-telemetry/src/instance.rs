//! `Instance`: what is recorded about one configured instance.

use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use omni_contracts::{Contract, Gauge, Gauges, Operation};
use omni_layers::{BreakerState, Layers, Usage};
use opentelemetry::KeyValue;
use opentelemetry::logs::{AnyValue, LogRecord, Logger, Severity};

use crate::calls::Calls;
use crate::pipeline::Pipeline;
use crate::record::Outcome;
use crate::table::{CONTRACT, DIRECTION, INSTANCE, MEMBER, OPERATION, PROVIDER, STATE};

/// One configured instance, such as `storage.main`. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub struct Instance(pub(crate) Arc<Shared>);

impl Instance {
    /// The layer that records calls, to be put outside of all others.
    #[must_use]
    pub fn calls(&self) -> Calls {
        Calls(Arc::clone(&self.0))
    }

    /// Tells how full these layers are, as long as they exist.
    pub fn watch(&self, layers: &Arc<Layers>) {
        let mut watched = self.0.state.layers.lock().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|layers| layers.strong_count() > 0);
        watched.push(Arc::downgrade(layers));
    }
}

impl Instance {
    /// Records what the provider tells of itself, as far as it is in [`METRICS`](crate::METRICS), as long
    /// as it exists.
    pub fn hear(&self, gauges: &Gauges) {
        let mut told = self.0.state.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|gauges| !gauges().is_empty());
        told.push(Arc::clone(gauges));
    }
}

/// An instance, and where what is recorded of it goes.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) state: Arc<State>,
}

/// What is known of an instance. It does not hold the pipeline: who reads metrics may be the last who
/// holds it.
pub(crate) struct State {
    pub(crate) contract: Contract,
    pub(crate) name: Arc<str>,
    pub(crate) provider: Arc<str>,
    /// Calls that are not answered yet.
    pub(crate) active: AtomicI64,
    layers: Mutex<Vec<Weak<Layers>>>,
    /// Where the breaker stood when it was last looked at.
    breaker: AtomicU8,
    operations: [OnceLock<OfOperation>; Operation::ALL.len()],
    /// What the provider tells of itself.
    told: Mutex<Vec<Gauges>>,
}

/// The attributes of an operation, made once: alone, and with what is most often added.
#[derive(Debug)]
pub(crate) struct OfOperation {
    pub(crate) attributes: Vec<KeyValue>,
    succeeded: Vec<KeyValue>,
    pub(crate) transmitted: Vec<KeyValue>,
    pub(crate) received: Vec<KeyValue>,
}

impl OfOperation {
    /// With an outcome.
    pub(crate) fn with(&self, outcome: Outcome, record: impl FnOnce(&[KeyValue])) {
        if outcome == Outcome::OK {
            return record(&self.succeeded);
        }
        let all: Vec<_> = self.attributes.iter().cloned().chain(outcome.attributes()).collect();
        record(&all);
    }
}

/// How full an instance is, all its layers together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fullness {
    pub(crate) places: Option<Usage>,
    pub(crate) breaker: Option<BreakerState>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("name", &self.name).finish_non_exhaustive()
    }
}

impl State {
    pub(crate) fn new(contract: Contract, name: &str, provider: &str) -> Self {
        Self {
            contract,
            name: name.into(),
            provider: provider.into(),
            active: AtomicI64::new(0),
            layers: Mutex::default(),
            breaker: AtomicU8::new(0),
            operations: std::array::from_fn(|_| OnceLock::new()),
            told: Mutex::default(),
        }
    }

    /// The attributes of what is recorded about the instance as a whole.
    pub(crate) fn attributes(&self) -> Vec<KeyValue> {
        vec![
            KeyValue::new(CONTRACT, self.contract.as_str()),
            KeyValue::new(PROVIDER, Arc::clone(&self.provider)),
            KeyValue::new(INSTANCE, Arc::clone(&self.name)),
        ]
    }

    /// What is recorded with every call of an operation.
    pub(crate) fn of(&self, operation: Operation) -> &OfOperation {
        self.operations[operation as usize].get_or_init(|| {
            let mut attributes = self.attributes();
            attributes.insert(1, KeyValue::new(OPERATION, operation.as_str()));
            let and = |more: KeyValue| [&attributes[..], &[more]].concat();
            OfOperation {
                succeeded: attributes.iter().cloned().chain(Outcome::OK.attributes()).collect(),
                transmitted: and(KeyValue::new(DIRECTION, "transmit")),
                received: and(KeyValue::new(DIRECTION, "receive")),
                attributes,
            }
        })
    }

    /// What the provider tells under a name, with its attributes. Of several that are opened under the same
    /// name, what the last one tells.
    pub(crate) fn told(&self, name: &str) -> Vec<(f64, Vec<KeyValue>)> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let last = told.iter().rev().map(|gauges| gauges()).find(|gauges| !gauges.is_empty());
        let named = last.into_iter().flatten().filter(|gauge| gauge.name == name);
        let with_attributes = |gauge: Gauge| {
            let mut attributes = self.attributes();
            attributes.extend(gauge.part.map(|part| KeyValue::new(MEMBER, part)));
            (gauge.value, attributes)
        };
        named.map(with_attributes).collect()
    }

    /// Calls that are not answered yet.
    pub(crate) fn active(&self) -> i64 {
        self.active.load(Ordering::Relaxed)
    }

    pub(crate) fn fullness(&self) -> Fullness {
        let layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = Fullness::default();
        for layers in layers.iter().filter_map(Weak::upgrade) {
            let one = layers.saturation();
            if let Some(usage) = one.concurrency {
                let places = all.places.get_or_insert_default();
                places.limit += usage.limit;
                places.used += usage.used;
                places.waiting += usage.waiting;
            }
            all.breaker = all.breaker.max(one.breaker);
        }
        all
    }

    /// Where the breaker stands, if that is elsewhere than before.
    fn breaker_change(&self) -> Option<BreakerState> {
        let state = self.fullness().breaker?;
        let before = self.breaker.swap(state as u8, Ordering::Relaxed);
        (before != state as u8).then_some(state)
    }
}

impl Shared {
    /// Tells when the breaker stands elsewhere than before, after a call that may have failed.
    pub(crate) fn breaker_may_have_changed(&self, failed: bool) {
        let Some(logger) = &self.pipeline.logger else { return };
        // One that lets calls pass goes on to, until one fails.
        if !failed && self.state.breaker.load(Ordering::Relaxed) == BreakerState::Closed as u8 {
            return;
        }
        let Some(state) = self.state.breaker_change() else { return };
        let (text, severity, level) = match state {
            BreakerState::Closed => ("closed", Severity::Info, "INFO"),
            BreakerState::HalfOpen => ("half_open", Severity::Info, "INFO"),
            BreakerState::Open => ("open", Severity::Warn, "WARN"),
        };
        let mut record = logger.create_log_record();
        record.set_event_name("omni.breaker.changed");
        record.set_severity_number(severity);
        record.set_severity_text(level);
        record.set_body(AnyValue::from(format!("the circuit breaker is {text}")));
        record.add_attribute(CONTRACT, self.state.contract.as_str());
        record.add_attribute(PROVIDER, self.state.provider.to_string());
        record.add_attribute(INSTANCE, self.state.name.to_string());
        record.add_attribute(STATE, text);
        logger.emit(record);
    }
}

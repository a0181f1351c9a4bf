//! What a provider tells of itself beside answering calls.

use std::sync::Arc;

/// A value as it is now: how far a replica is behind, how often something happened until now.
#[derive(Clone, Debug, PartialEq)]
pub struct Gauge {
    /// The name of the metric, as `omni-telemetry` has it: `omni.failover.epoch`.
    pub name: &'static str,
    /// The part of the provider that it is about, such as a member; `None` for the whole.
    pub part: Option<Arc<str>>,
    /// The value, in the unit of the metric.
    pub value: f64,
}

impl Gauge {
    /// A value of the whole.
    #[must_use]
    pub fn new(name: &'static str, value: f64) -> Self {
        Self { name, part: None, value }
    }

    /// A value of a part.
    #[must_use]
    pub fn of(name: &'static str, part: &Arc<str>, value: f64) -> Self {
        Self { name, part: Some(Arc::clone(part)), value }
    }
}

/// Asks for the values as they are now; there are none any more when the provider is gone.
pub type Gauges = Arc<dyn Fn() -> Vec<Gauge> + Send + Sync>;

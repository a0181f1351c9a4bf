//! What is recorded, as data: instruments and dashboards are made from it.

use std::borrow::Cow;
use std::sync::LazyLock;

use omni_contracts::{Contract, ErrorKind, Operation};

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// The name in OpenTelemetry: `omni.client.operation.duration`.
    pub name: &'static str,
    /// What it is.
    pub instrument: Instrument,
    /// The unit, in the notation of UCUM.
    pub unit: &'static str,
    /// What it says.
    pub about: &'static str,
    /// The names of its attributes.
    pub attributes: &'static [&'static str],
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instrument {
    /// A distribution.
    Histogram,
    /// A sum that only grows.
    Counter,
    /// A sum that goes up and down.
    UpDownCounter,
    /// A value as it is now.
    Gauge,
}

impl Metric {
    /// The name that Prometheus gives it, by the rules of OpenTelemetry; a histogram has series
    /// `_bucket`, `_count` and `_sum` of it.
    ///
    /// ```
    /// let duration = &omni_telemetry::METRICS[0];
    /// assert_eq!(duration.prometheus(), "omni_client_operation_duration_seconds");
    /// ```
    #[must_use]
    pub fn prometheus(&self) -> String {
        let name = self.name.replace('.', "_");
        let unit = match self.unit {
            "s" => "_seconds",
            "By" => "_bytes",
            _ => "",
        };
        let total = if self.instrument == Instrument::Counter { "_total" } else { "" };
        format!("{name}{unit}{total}")
    }
}

/// The name of the span of a call: contract and operation.
pub(crate) fn span_name(contract: Contract, operation: Operation) -> Cow<'static, str> {
    /// By contract and operation, in the order of their lists.
    static NAMES: LazyLock<Vec<Vec<String>>> = LazyLock::new(|| {
        let name = |contract: &Contract, operation: &Operation| {
            format!("{}.{operation}", contract.as_str())
        };
        let all = |contract| Operation::ALL.iter().map(|one| name(contract, one)).collect();
        Contract::ALL.iter().map(all).collect()
    });
    let known = NAMES.get(contract as usize).and_then(|names| names.get(operation as usize));
    Cow::Borrowed(known.map_or("omni", String::as_str))
}

/// The contract: `storage`.
pub(crate) const CONTRACT: &str = "omni.contract";
/// The operation: `get`.
pub(crate) const OPERATION: &str = "omni.operation";
/// The product: `s3`.
pub(crate) const PROVIDER: &str = "omni.provider";
/// The name in the configuration: `main`.
pub(crate) const INSTANCE: &str = "omni.instance";
/// What came of it: `ok`, `cancelled`, or the kind of the error.
pub(crate) const OUTCOME: &str = "omni.outcome";
/// The kind of the error, of what is a failure.
pub(crate) const ERROR_TYPE: &str = "error.type";
/// Which way a content went.
pub(crate) const DIRECTION: &str = "network.io.direction";
/// How many attempts were begun.
pub(crate) const ATTEMPTS: &str = "omni.attempts";
/// Which attempt an event is about.
pub(crate) const ATTEMPT: &str = "omni.attempt";
/// Whether what failed had effect.
pub(crate) const EFFECT: &str = "omni.effect";
/// The size of the payload.
pub(crate) const SIZE: &str = "omni.size";
/// The key or prefix.
pub(crate) const RESOURCE: &str = "omni.resource";
/// What the error says.
pub(crate) const MESSAGE: &str = "exception.message";
/// A member of what is made of several instances.
pub(crate) const MEMBER: &str = "omni.member";
/// Where a circuit breaker stands.
pub(crate) const STATE: &str = "omni.breaker.state";

/// An attribute, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The name.
    pub name: &'static str,
    /// What it says, and which values it has.
    pub about: &'static str,
    /// Whether it is there only when asked for, by `keys = true`.
    pub asked_for: bool,
}

const fn attribute(name: &'static str, about: &'static str) -> Attribute {
    Attribute { name, about, asked_for: false }
}

/// All of them. No other ones stand on spans, metrics and log records.
pub const ATTRIBUTES: &[Attribute] = &[
    attribute(CONTRACT, "the contract: `storage`"),
    attribute(OPERATION, "the operation: `get`"),
    attribute(PROVIDER, "the product behind it: `s3`"),
    attribute(INSTANCE, "the name in the configuration: `main`"),
    attribute(OUTCOME, "`ok`, `cancelled`, or the kind of the error"),
    attribute(ERROR_TYPE, "the kind of the error, of failures only"),
    attribute(DIRECTION, "`transmit` or `receive`"),
    attribute(ATTEMPTS, "on spans: how many attempts were begun"),
    attribute(ATTEMPT, "on events: which attempt, from 1"),
    attribute(EFFECT, "of failures that may have changed something: `yes` or `unknown`"),
    attribute(SIZE, "on spans: the bytes of the payload, where known"),
    attribute(MEMBER, "the name of a member, of `omni.failover.*`"),
    attribute(STATE, "on log records: `closed`, `half_open` or `open`"),
    Attribute { asked_for: true, ..attribute(RESOURCE, "on spans: the key or prefix") },
    Attribute { asked_for: true, ..attribute(MESSAGE, "on log records: what the error says") },
];

const OF_INSTANCE: &[&str] = &[CONTRACT, PROVIDER, INSTANCE];
const OF_MEMBER: &[&str] = &[CONTRACT, PROVIDER, INSTANCE, MEMBER];
const OF_OUTCOME: &[&str] = &[CONTRACT, OPERATION, PROVIDER, INSTANCE, OUTCOME, ERROR_TYPE];

pub(crate) const DURATION: &Metric = &METRICS[0];
pub(crate) const RETRIES: &Metric = &METRICS[1];
pub(crate) const CONTENT_SIZE: &Metric = &METRICS[2];
pub(crate) const CONTENT_DURATION: &Metric = &METRICS[3];
pub(crate) const ACTIVE: &Metric = &METRICS[4];
pub(crate) const USED: &Metric = &METRICS[5];
pub(crate) const LIMIT: &Metric = &METRICS[6];
pub(crate) const WAITING: &Metric = &METRICS[7];
pub(crate) const BREAKER: &Metric = &METRICS[8];
pub(crate) const EPOCH: &Metric = &METRICS[9];
pub(crate) const SWITCHES: &Metric = &METRICS[10];
pub(crate) const CONFLICTS: &Metric = &METRICS[11];
pub(crate) const RPO: &Metric = &METRICS[12];
pub(crate) const STANDING: &Metric = &METRICS[13];
pub(crate) const TO_SEND: &Metric = &METRICS[14];
pub(crate) const BEHIND: &Metric = &METRICS[15];

/// Those that providers tell of themselves.
pub(crate) const TOLD: &[&Metric] = &[EPOCH, SWITCHES, CONFLICTS, RPO, STANDING, TO_SEND, BEHIND];

/// Every metric.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "omni.client.operation.duration",
        instrument: Instrument::Histogram,
        unit: "s",
        about: "how long calls took until they were answered, with all attempts and waits",
        attributes: OF_OUTCOME,
    },
    Metric {
        name: "omni.client.operation.retries",
        instrument: Instrument::Counter,
        unit: "{attempt}",
        about: "attempts after the first of a call",
        attributes: &[CONTRACT, OPERATION, PROVIDER, INSTANCE],
    },
    Metric {
        name: "omni.client.content.size",
        instrument: Instrument::Counter,
        unit: "By",
        about: "bytes of contents, as handed to attempts and as read by the application",
        attributes: &[CONTRACT, OPERATION, PROVIDER, INSTANCE, DIRECTION],
    },
    Metric {
        name: "omni.client.content.duration",
        instrument: Instrument::Histogram,
        unit: "s",
        about: "how long contents were read, from the answer to their end",
        attributes: OF_OUTCOME,
    },
    Metric {
        name: "omni.client.active_operations",
        instrument: Instrument::UpDownCounter,
        unit: "{operation}",
        about: "calls that are not answered yet",
        attributes: OF_INSTANCE,
    },
    Metric {
        name: "omni.client.concurrency.used",
        instrument: Instrument::Gauge,
        unit: "{attempt}",
        about: "attempts that have a place of the concurrency limit",
        attributes: OF_INSTANCE,
    },
    Metric {
        name: "omni.client.concurrency.limit",
        instrument: Instrument::Gauge,
        unit: "{attempt}",
        about: "places of the concurrency limit",
        attributes: OF_INSTANCE,
    },
    Metric {
        name: "omni.client.concurrency.waiting",
        instrument: Instrument::Gauge,
        unit: "{attempt}",
        about: "attempts that wait for a place",
        attributes: OF_INSTANCE,
    },
    Metric {
        name: "omni.client.breaker.state",
        instrument: Instrument::Gauge,
        unit: "{state}",
        about: "where the circuit breaker stands: 0 closed, 1 half open, 2 open",
        attributes: OF_INSTANCE,
    },
    Metric {
        name: "omni.failover.epoch",
        instrument: Instrument::Gauge,
        unit: "{epoch}",
        about: "the epoch of the record: every change of a member's standing is a new one",
        attributes: OF_INSTANCE,
    },
    Metric {
        name: "omni.failover.switches",
        instrument: Instrument::Counter,
        unit: "{switch}",
        about: "how often this program has seen another member become primary",
        attributes: OF_INSTANCE,
    },
    Metric {
        name: "omni.failover.conflicts",
        instrument: Instrument::Counter,
        unit: "{object}",
        about: "what this program has kept before it was replaced at a member that came back",
        attributes: OF_INSTANCE,
    },
    Metric {
        name: "omni.failover.rpo",
        instrument: Instrument::Gauge,
        unit: "s",
        about: "how far a member may be behind; none where nothing waits",
        attributes: OF_INSTANCE,
    },
    Metric {
        name: "omni.failover.standing",
        instrument: Instrument::Gauge,
        unit: "{standing}",
        about: "where a member stands: 0 out, 1 joining, 2 in sync or following, 3 primary",
        attributes: OF_MEMBER,
    },
    Metric {
        name: "omni.failover.waiting",
        instrument: Instrument::Gauge,
        unit: "{key}",
        about: "keys that wait to be sent to a member, of which this program knows",
        attributes: OF_MEMBER,
    },
    Metric {
        name: "omni.failover.behind",
        instrument: Instrument::Gauge,
        unit: "s",
        about: "how long the oldest of them has been waiting; 0 when none does",
        attributes: OF_MEMBER,
    },
];

/// Where the buckets of times end, in seconds: from what memory takes to what a deadline allows.
pub(crate) const BUCKETS: [f64; 18] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 30.0, 60.0,
];

/// An error, as a value of `omni.outcome`; and whether it is a failure. What answers a question, as
/// `not_found` does, is none.
#[must_use]
pub fn outcome(kind: ErrorKind) -> (&'static str, bool) {
    match kind {
        ErrorKind::AlreadyExists => ("already_exists", false),
        ErrorKind::LeaseLost => ("lease_lost", true),
        ErrorKind::NotFound => ("not_found", false),
        ErrorKind::NotModified => ("not_modified", false),
        ErrorKind::PreconditionFailed => ("precondition_failed", false),
        ErrorKind::CapacityExceeded => ("capacity_exceeded", true),
        ErrorKind::Closed => ("closed", true),
        ErrorKind::Configuration => ("configuration", true),
        ErrorKind::Conflict => ("conflict", true),
        ErrorKind::Corrupt => ("corrupt", true),
        ErrorKind::Internal => ("internal", true),
        ErrorKind::InvalidArgument => ("invalid_argument", true),
        ErrorKind::OutOfRange => ("out_of_range", true),
        ErrorKind::PermissionDenied => ("permission_denied", true),
        ErrorKind::PolicyDenied => ("policy_denied", true),
        ErrorKind::Throttled => ("throttled", true),
        ErrorKind::Timeout => ("timeout", true),
        ErrorKind::TooLarge => ("too_large", true),
        ErrorKind::Unauthenticated => ("unauthenticated", true),
        ErrorKind::Unavailable => ("unavailable", true),
        ErrorKind::Unsupported => ("unsupported", true),
        _ => ("other", true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_kinds() {
        for kind in ErrorKind::ALL {
            assert_eq!(outcome(*kind).0, kind.as_str().replace(' ', "_"));
        }
    }

    #[test]
    fn spans_are_named_by_contract_and_operation() {
        for contract in Contract::ALL {
            for operation in Operation::ALL {
                let name = format!("{}.{operation}", contract.as_str());
                assert_eq!(span_name(*contract, *operation), name);
            }
        }
    }

    #[test]
    fn metrics_have_known_attributes() {
        for metric in METRICS {
            for name in metric.attributes {
                let known = ATTRIBUTES.iter().find(|attribute| attribute.name == *name);
                assert!(known.is_some_and(|known| !known.asked_for), "{name} of {}", metric.name);
            }
        }
    }
}

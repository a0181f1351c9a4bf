//! OpenTelemetry for the contracts: a span, metrics and, where something fails, a log record of every
//! operation, with no code of the application.
//!
//! What is recorded is `docs/spec/observability.md`, the clauses `OBS-`; [`METRICS`] is the same as data,
//! and the dashboards and alert rules of [`dashboards`] are made from it.
//!
//! An application that opens its storage by configuration, with the feature `telemetry` of
//! `omni-storage`, writes a table and nothing else:
//!
//! ```toml
//! [default.telemetry]
//! endpoint = "http://localhost:4318"
//! service = "orders"
//! ```
//!
//! What was recorded is sent in the background, and the rest when the last handle is dropped. Nothing of
//! this touches global state: an application that has its own subscriber of `tracing`, or its own
//! OpenTelemetry, keeps it. With `export = "application"` its own OpenTelemetry is used:
//! [`Telemetry::global`].
//!
//! Who puts layers together by hand does this, too:
//!
//! ```
//! use omni_contracts::Contract;
//! use omni_telemetry::{Attempts, Telemetry, TelemetrySettings};
//!
//! # fn program() -> omni_contracts::Result<()> {
//! let telemetry = Telemetry::start(&TelemetrySettings::default())?;
//! let instance = telemetry.instance(Contract::Storage, "main", "s3");
//! let (outermost, innermost) = (instance.calls(), Attempts);
//! # drop((outermost, innermost));
//! telemetry.flush()?;
//! # Ok(())
//! # }
//! ```

mod calls;
mod content;
pub mod dashboards;
mod instance;
#[cfg_attr(not(feature = "otlp"), path = "otlp/without.rs")]
mod otlp;
mod pipeline;
mod record;
mod settings;
mod table;

pub use calls::{Attempts, Calls};
pub use instance::Instance;
pub use pipeline::Telemetry;
pub use settings::{Export, Headers, Protocol, Signal, TelemetrySettings};
pub use table::{ATTRIBUTES, Attribute, Instrument, METRICS, Metric, outcome};

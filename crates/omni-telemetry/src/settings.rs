//! The table `telemetry`.

use std::collections::BTreeMap;
use std::time::Duration;

use omni_config::Secret;
use omni_contracts::{Error, ErrorKind, Result};
use serde::Deserialize;

/// What is recorded, and where it is sent: the table `[default.telemetry]` of a configuration.
///
/// What is not stated is what the environment variables of OpenTelemetry say, as
/// `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_SERVICE_NAME`; else the default that is named here.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TelemetrySettings {
    /// Who sends it: by default `"otlp"`, by this crate.
    pub export: Export,
    /// The receiver of OTLP, as `"http://localhost:4318"`, without a path; by default that, and by gRPC
    /// `"http://localhost:4317"`.
    pub endpoint: Option<String>,
    /// How OTLP is spoken: by default `"http"`.
    pub protocol: Protocol,
    /// Fields that are sent with every request, as `{ authorization = "..." }`; their values are
    /// secrets.
    pub headers: Headers,
    /// How long the receiver may take to answer; by default `"10s"`.
    #[serde(deserialize_with = "omni_config::Duration::optional_std")]
    pub timeout: Option<Duration>,
    /// What is sent; by default `["traces", "metrics", "logs"]`.
    pub signals: Vec<Signal>,
    /// The name of the service; by default `"unknown_service"`.
    pub service: Option<String>,
    /// More attributes of the resource, as `{ "deployment.environment.name" = "production" }`.
    pub attributes: BTreeMap<String, String>,
    /// The share of the traces that begin here which are recorded: 0 to 1, by default 1. Where a trace
    /// has begun elsewhere, it was decided there.
    pub sample: Option<f64>,
    /// How often metrics are sent; by default `"60s"`.
    #[serde(deserialize_with = "omni_config::Duration::optional_std")]
    pub interval: Option<Duration>,
    /// How many spans, and how many log records, wait to be sent at most: what comes when they are as
    /// many is lost, and no call waits. 1 to 100 000, by default 2048.
    pub queue: Option<usize>,
    /// How long spans and log records are gathered before they are sent; by default `"5s"` and `"1s"`.
    #[serde(deserialize_with = "omni_config::Duration::optional_std")]
    pub delay: Option<Duration>,
    /// Whether keys and the texts of errors are recorded; by default not.
    pub keys: bool,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self {
            export: Export::Otlp,
            endpoint: None,
            protocol: Protocol::Http,
            headers: Headers::default(),
            timeout: None,
            signals: vec![Signal::Traces, Signal::Metrics, Signal::Logs],
            service: None,
            attributes: BTreeMap::new(),
            sample: None,
            interval: None,
            queue: None,
            delay: None,
            keys: false,
        }
    }
}

/// The queue is allocated as a whole when telemetry starts.
const LONGEST_QUEUE: usize = 100_000;

/// Who sends what is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Export {
    /// This crate, by OTLP.
    Otlp,
    /// The application: the global providers of its own OpenTelemetry, as they are when a storage is
    /// opened. Log records have no global provider, and are not made.
    Application,
}

/// How OTLP is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Protocol buffers over HTTP.
    Http,
    /// gRPC, with the feature `grpc`, in `omni-storage` `telemetry-grpc`.
    Grpc,
}

/// A kind of what is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signal {
    /// Spans.
    Traces,
    /// Metrics.
    Metrics,
    /// Log records.
    Logs,
}

/// Fields of requests, whose values are secrets.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Headers(pub BTreeMap<String, Secret>);

impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        let exposed = |headers: &Self| -> Vec<(String, String)> {
            let pair =
                |(name, value): (&String, &Secret)| (name.clone(), value.expose().to_owned());
            headers.0.iter().map(pair).collect()
        };
        exposed(self) == exposed(other)
    }
}

impl TelemetrySettings {
    /// Refuses values that are out of bounds.
    ///
    /// # Errors
    ///
    /// `Configuration`, with the value and what is allowed.
    pub fn check(&self) -> Result<()> {
        let wrong = |problem: &str| Err(Error::new(ErrorKind::Configuration, problem.to_owned()));
        let is_url = |url: &str| url.starts_with("http://") || url.starts_with("https://");
        if self.endpoint.as_deref().is_some_and(|url| !is_url(url)) {
            return wrong("`endpoint` has to begin with http:// or https://");
        }
        if self.sample.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return wrong("`sample` has to be from 0 to 1");
        }
        if self.queue.is_some_and(|queue| !(1..=LONGEST_QUEUE).contains(&queue)) {
            return wrong("`queue` has to be from 1 to 100000");
        }
        for (name, time) in
            [("timeout", self.timeout), ("interval", self.interval), ("delay", self.delay)]
        {
            if time == Some(Duration::ZERO) {
                return wrong(&format!("`{name}` has to be longer than nothing"));
            }
        }
        Ok(())
    }
}

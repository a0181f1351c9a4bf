//! What stands in where nothing is sent by OTLP.

use omni_contracts::{Error, ErrorKind, Result};

use crate::TelemetrySettings;
use crate::pipeline::Providers;

/// Nothing runs in the background.
#[derive(Debug, Default)]
pub(crate) struct Background;

/// # Errors
///
/// `Configuration`, always.
pub(crate) fn providers(_: &TelemetrySettings) -> Result<Providers> {
    let problem = "`export = \"otlp\"` needs the feature `otlp` of omni-telemetry";
    Err(Error::new(ErrorKind::Configuration, problem))
}

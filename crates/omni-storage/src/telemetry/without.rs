//! `Telemetry` of a program that is compiled without it: there is none, and none that was asked for.

use std::convert::Infallible;
use std::sync::Arc;

use omni_config::Config;
use omni_contracts::storage::StorageProvider;
use omni_contracts::{Gauges, Result};
use omni_layers::Layers;

use crate::Storage;

pub(crate) struct Telemetry(Infallible);

impl Telemetry {
    /// # Errors
    ///
    /// `Configuration` when the configuration has a table `telemetry`.
    pub(crate) fn from_config(config: &Config) -> Result<Option<Self>> {
        if !config.has_table("telemetry") {
            return Ok(None);
        }
        let problem =
            "telemetry is not compiled in: the feature `telemetry` of omni-storage adds it";
        Err(config.wrong_table("telemetry", problem).into())
    }

    pub(crate) fn around(
        &self,
        _: Arc<dyn StorageProvider>,
        _: Layers,
        _: &str,
        _: &[Gauges],
    ) -> Storage {
        match self.0 {}
    }
}

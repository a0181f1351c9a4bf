//! Telemetry around a storage that is opened by configuration.

use std::sync::Arc;

use omni_config::Config;
use omni_contracts::storage::StorageProvider;
use omni_contracts::{Contract, Gauges, Result};
use omni_layers::Layers;
use omni_telemetry::Attempts;

use crate::Storage;

pub(crate) struct Telemetry(omni_telemetry::Telemetry);

impl Telemetry {
    /// # Errors
    ///
    /// As [`omni_telemetry::Telemetry::from_config`].
    pub(crate) fn from_config(config: &Config) -> Result<Option<Self>> {
        Ok(omni_telemetry::Telemetry::from_config(config)?.map(Self))
    }

    /// A storage that is recorded: its calls outside of all layers, its attempts inside.
    pub(crate) fn around(
        &self,
        provider: Arc<dyn StorageProvider>,
        layers: Layers,
        name: &str,
        told: &[Gauges],
    ) -> Storage {
        let instance = self.0.instance(Contract::Storage, name, provider.name());
        let layers = Arc::new(layers);
        instance.watch(&layers);
        for gauges in told {
            instance.hear(gauges);
        }
        Storage::from_provider(provider)
            .with_interceptor(Attempts)
            .with_interceptor(layers)
            .with_interceptor(instance.calls())
    }
}

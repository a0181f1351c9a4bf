//! `Stage`: a provider that answers by a script, layers, telemetry, and what was recorded.

use std::sync::Arc;

use omni_contracts::storage::{
    DeleteOptions, GetOptions, Key, ListRequest, PutOptions, StorageProvider,
};
use omni_contracts::{Body, Contract, Error, Gauges, Result};
use omni_layers::{LayerSettings, Layers};
use omni_provider_memory::MemoryStorage;
use omni_telemetry::Telemetry;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};

use super::recorded::{Keeper, Recorded};
use super::{INSTANCE, TelemetrySubject};
use crate::layers::scene::{NAME, Step, scripted};

/// Layers that repeat at once, and only when a check wants it.
const LAYERS: &str = r#"
    retry = { attempts = 3, first_wait = "1ms", longest_wait = "2ms", reserve = 100000 }
    breaker = { calls = 100000, share = 1.0, window = "1h" }
"#;

/// How a stage is set up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setup<'a> {
    pub(super) layers: &'a str,
    pub(super) keys: bool,
    pub(super) sampled: bool,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self { layers: LAYERS, keys: false, sampled: true }
    }
}

/// Where a check makes its calls.
pub(super) struct Stage<'a> {
    subject: &'a dyn TelemetrySubject,
    keeper: Keeper,
    pub(super) traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
    telemetry: Telemetry,
    /// Beside layers and telemetry.
    pub(super) inner: MemoryStorage,
    /// Through them.
    pub(super) store: Arc<dyn StorageProvider>,
}

impl<'a> Stage<'a> {
    /// The provider answers by `script`, and by its last step from then on.
    pub(super) fn new(subject: &'a dyn TelemetrySubject, script: &[Step]) -> Self {
        Self::with(subject, script, Setup::default())
    }

    pub(super) fn with(
        subject: &'a dyn TelemetrySubject,
        script: &[Step],
        setup: Setup<'_>,
    ) -> Self {
        let (inner, provider) = scripted(script);
        Self::of(subject, inner, provider, setup)
    }

    pub(super) fn of(
        subject: &'a dyn TelemetrySubject,
        inner: MemoryStorage,
        provider: Arc<dyn StorageProvider>,
        Setup { layers, keys, sampled }: Setup<'_>,
    ) -> Self {
        let keeper = Keeper::default();
        let sampler = if sampled { Sampler::AlwaysOn } else { Sampler::AlwaysOff };
        let traces = SdkTracerProvider::builder()
            .with_simple_exporter(keeper.clone())
            .with_sampler(sampler)
            .build();
        // It is read when a check asks.
        let reader = PeriodicReader::builder(keeper.clone());
        let reader = reader.with_interval(std::time::Duration::from_secs(86_400)).build();
        let metrics = SdkMeterProvider::builder().with_reader(reader).build();
        let logs = SdkLoggerProvider::builder().with_simple_exporter(keeper.clone()).build();
        let telemetry = Telemetry::with_providers(traces.clone(), metrics.clone(), logs, keys);
        let store = subject.around(&telemetry, of(layers), provider);
        Self { subject, keeper, traces, metrics, telemetry, inner, store }
    }

    /// From now on the provider tells that of itself.
    pub(super) fn tells(&self, gauges: &Gauges) {
        let instance = self.telemetry.instance(Contract::Storage, INSTANCE, NAME);
        instance.hear(gauges);
    }

    /// What was recorded until now.
    pub(super) fn recorded(&self) -> Recorded {
        // Only fails for exporters that do, and ours does not.
        let _ = self.metrics.force_flush();
        self.subject.recorded(self.keeper.recorded().clone())
    }

    pub(super) async fn put(&self, name: &str, content: &'static str) -> Result<()> {
        put(&*self.store, name, content).await
    }

    pub(super) async fn get(&self, name: &str) -> Result<Body> {
        Ok(self.store.get(&key(name), &GetOptions::default()).await?.body)
    }

    pub(super) async fn head(&self, name: &str) -> Result<()> {
        self.store.head(&key(name), &GetOptions::default()).await.map(drop)
    }

    pub(super) async fn delete(&self, name: &str) -> Result<()> {
        self.store.delete(&key(name), &DeleteOptions::default()).await.map(drop)
    }

    pub(super) async fn list(&self) -> Result<()> {
        self.store.list(&ListRequest::default()).await.map(drop)
    }
}

/// The layers of a table of settings.
pub(super) fn of(layers: &str) -> Layers {
    let settings: Result<LayerSettings, _> = toml::from_str(layers);
    let settings = settings.unwrap_or_else(|error| panic!("{error}"));
    Layers::new(&settings).unwrap_or_else(|error: Error| panic!("{error}"))
}

pub(super) fn key(text: &str) -> Key {
    Key::new(text).unwrap_or_else(|error| panic!("{error}"))
}

pub(super) async fn put(
    store: &dyn StorageProvider,
    name: &str,
    content: &'static str,
) -> Result<()> {
    store.put(&key(name), Body::from(content), &PutOptions::default()).await.map(drop)
}

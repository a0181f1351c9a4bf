//! B2: the same work with the layers of production around: of ours those that are on by default, a
//! concurrency limit, and telemetry, with nobody who listens and with the SDK of OpenTelemetry.

use omni_contracts::Contract;
use omni_storage::{LayerSettings, Layers, Storage};
use omni_telemetry::{Attempts, Telemetry};
use opendal::layers::{
    ConcurrentLimitLayer, LoggingLayer, MetricsLayer, OtelMetricsLayer, OtelTraceLayer, RetryLayer,
    TimeoutLayer, TracingLayer,
};
use opendal::{Operator, services};
use opentelemetry_sdk::logs::SdkLoggerProvider;

use crate::measure::{About, Bar, Case, Plan, measure};
use crate::memory::{omni, opendal};
use crate::{Failure, listeners};

pub(crate) async fn cases(plan: &Plan<'_>) -> Result<Vec<Case>, Failure> {
    if !plan.wants("B2") {
        return Ok(Vec::new());
    }
    let mut cases = Vec::new();
    // As long as nobody has set a provider, nobody listens.
    let silent = recorded(&Telemetry::global(false))?;
    let operator = limited()?
        .layer(LoggingLayer::default())
        .layer(TracingLayer::new())
        .layer(MetricsLayer::new());
    compare(plan, "all layers, nobody listens", &silent, &operator, &mut cases).await?;

    let (traces, metrics) = (listeners::ours::traces(), listeners::ours::metrics());
    let logs = SdkLoggerProvider::builder().build();
    let heard = recorded(&Telemetry::with_providers(traces, metrics, logs, false))?;
    opentelemetry_0_32::global::set_tracer_provider(listeners::theirs::traces());
    opentelemetry_0_32::global::set_meter_provider(listeners::theirs::metrics());
    let meter = opentelemetry_0_32::global::meter("opendal");
    let operator = limited()?
        .layer(LoggingLayer::default())
        .layer(OtelTraceLayer::new())
        .layer(OtelMetricsLayer::builder().register(&meter));
    compare(plan, "all layers, OpenTelemetry listens", &heard, &operator, &mut cases).await?;
    Ok(cases)
}

/// Ours in memory, with everything around.
fn recorded(telemetry: &Telemetry) -> Result<Storage, Failure> {
    let memory = omni_provider_memory::MemoryStorage::new(Default::default());
    let settings = LayerSettings { concurrency: Some(1024), ..LayerSettings::default() };
    let layers = std::sync::Arc::new(Layers::new(&settings)?);
    let instance = telemetry.instance(Contract::Storage, "main", "memory");
    instance.watch(&layers);
    let storage = Storage::new(memory).with_interceptor(Attempts).with_interceptor(layers);
    Ok(storage.with_interceptor(instance.calls()))
}

/// Theirs in memory, with what ours has but for telemetry.
fn limited() -> Result<Operator, Failure> {
    Ok(Operator::new(services::Memory::default())?
        .layer(TimeoutLayer::new())
        .layer(RetryLayer::new())
        .layer(ConcurrentLimitLayer::new(1024)))
}

async fn compare(
    plan: &Plan<'_>,
    how: &str,
    storage: &Storage,
    operator: &Operator,
    cases: &mut Vec<Case>,
) -> Result<(), Failure> {
    for work in ["put", "get", "head"] {
        let about = About {
            id: "B2",
            title: format!("memory, 1 KiB {work}, {how}"),
            unit: "ns",
            bar: Bar { words: "at least 3 x faster", factor: 3.0 },
            operations: 20_000,
        };
        let contestants = vec![omni(storage, work), opendal("opendal, 6 layers", operator, work)];
        cases.push(measure(plan, about, contestants).await?);
    }
    Ok(())
}

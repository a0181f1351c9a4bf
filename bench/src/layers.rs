//! B2: the same work with the layers of production around: of ours those that are on by default and a
//! concurrency limit. Telemetry is not among ours yet; opendal's logs and traces have nobody who listens.

use omni_storage::{LayerSettings, Layers, Storage};
use opendal::layers::{
    ConcurrentLimitLayer, LoggingLayer, MetricsLayer, RetryLayer, TimeoutLayer, TracingLayer,
};
use opendal::{Operator, services};

use crate::Failure;
use crate::measure::{About, Bar, Case, Plan, measure};
use crate::memory::{omni, opendal};

pub(crate) async fn cases(plan: &Plan<'_>) -> Result<Vec<Case>, Failure> {
    if !plan.wants("B2") {
        return Ok(Vec::new());
    }
    let memory = omni_provider_memory::MemoryStorage::new(Default::default());
    let settings = LayerSettings { concurrency: Some(1024), ..LayerSettings::default() };
    let storage = Storage::new(memory).with_interceptor(Layers::new(&settings)?);
    let operator = Operator::new(services::Memory::default())?
        .layer(TimeoutLayer::new())
        .layer(RetryLayer::new())
        .layer(ConcurrentLimitLayer::new(1024))
        .layer(LoggingLayer::default())
        .layer(TracingLayer::new())
        .layer(MetricsLayer::new());
    let mut cases = Vec::new();
    for work in ["put", "get", "head"] {
        let about = About {
            id: "B2",
            title: format!("memory, 1 KiB {work}, with layers"),
            unit: "ns",
            bar: Bar { words: "at least 3 x faster", factor: 3.0 },
            operations: 20_000,
        };
        let contestants = vec![omni(&storage, work), opendal("opendal, 6 layers", &operator, work)];
        cases.push(measure(plan, about, contestants).await?);
    }
    Ok(cases)
}

//! B2: the same work with seven layers around. Ours are pass-through interceptors: this is the price
//! of the layering itself; the layers of production have a price of their own.

use std::future::Future;

use omni_contracts::{Call, Interceptor, Result};
use omni_storage::Storage;
use opendal::layers::{
    ConcurrentLimitLayer, LoggingLayer, MetricsLayer, RetryLayer, TimeoutLayer, TracingLayer,
};
use opendal::{Operator, services};

use crate::Failure;
use crate::measure::{About, Bar, Case, Plan, measure};
use crate::memory::{omni, opendal};

const LAYERS: usize = 7;

pub(crate) async fn cases(plan: &Plan<'_>) -> Result<Vec<Case>, Failure> {
    if !plan.wants("B2") {
        return Ok(Vec::new());
    }
    let memory = omni_provider_memory::MemoryStorage::new(Default::default());
    let storage =
        (0..LAYERS).fold(Storage::new(memory), |storage, _| storage.with_interceptor(Pass));
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
            title: format!("memory, 1 KiB {work}, {LAYERS} pass-through interceptors"),
            unit: "ns",
            bar: Bar { words: "at least 3 x faster", factor: 3.0 },
            operations: 20_000,
        };
        let contestants = vec![omni(&storage, work), opendal("opendal, 6 layers", &operator, work)];
        cases.push(measure(plan, about, contestants).await?);
    }
    Ok(cases)
}

/// A layer that does nothing.
#[derive(Debug)]
struct Pass;

impl Interceptor for Pass {
    fn name(&self) -> &'static str {
        "pass"
    }

    fn around<T, F, Fut>(&self, _: &Call<'_>, attempt: F) -> impl Future<Output = Result<T>> + Send
    where
        T: Send,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        attempt()
    }
}

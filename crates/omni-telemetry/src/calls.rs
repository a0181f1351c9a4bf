//! `Calls` and `Attempts`: the interceptors, one outside of all layers and one inside of them.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;

use omni_contracts::{Body, Call, Interceptor, Result};

use crate::content;
use crate::instance::Shared;
use crate::record::Record;

/// Records calls: the outermost layer. [`Attempts`] is the innermost.
#[derive(Clone, Debug)]
pub struct Calls(pub(crate) Arc<Shared>);

/// Records the attempts of calls and their contents: the innermost layer. Alone it records nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attempts;

/// A call that is being made; dropped, it has ended.
struct Making(Arc<Record>);

impl Drop for Making {
    fn drop(&mut self) {
        self.0.ended();
    }
}

#[deny(clippy::missing_trait_methods)]
impl Interceptor for Calls {
    fn name(&self) -> &'static str {
        "telemetry"
    }

    fn layers(&self) -> Vec<&'static str> {
        vec![self.name()]
    }

    async fn around<T, F, Fut>(&self, call: &Call<'_>, attempt: F) -> Result<T>
    where
        T: Send,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        let making = Making(Record::begin(&self.0, call));
        let mut attempt = pin!(attempt());
        let result = poll_fn(|task| {
            let _current = making.0.enter();
            attempt.as_mut().poll(task)
        });
        let result = result.await;
        making.0.answered(result.as_ref().err());
        result
    }

    fn body(&self, _: &Call<'_>, body: Body) -> Body {
        body
    }
}

#[deny(clippy::missing_trait_methods)]
impl Interceptor for Attempts {
    fn name(&self) -> &'static str {
        "telemetry"
    }

    /// None of its own: it belongs to [`Calls`].
    fn layers(&self) -> Vec<&'static str> {
        Vec::new()
    }

    async fn around<T, F, Fut>(&self, _: &Call<'_>, attempt: F) -> Result<T>
    where
        T: Send,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        let Some(record) = Record::current() else { return attempt().await };
        let number = record.attempt();
        let result = attempt().await;
        if let Err(error) = &result {
            record.attempt_failed(number, error);
        }
        result
    }

    fn body(&self, call: &Call<'_>, body: Body) -> Body {
        match Record::current() {
            Some(record) => content::watched(&record, call, body),
            None => body,
        }
    }
}

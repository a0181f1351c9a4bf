//! Spans: calls, their parents, outcomes, attempts and contents.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::StreamExt;
use omni_contracts::storage::Intercepted;
use omni_contracts::{Body, Call, ErrorKind, Interceptor, Result, Scope};
use opentelemetry::Context;
use opentelemetry::context::FutureExt;
use opentelemetry::trace::{TraceContextExt, Tracer, TracerProvider};

use super::{CORRUPT, DURATION, has, only, same};
use crate::check::ok;
use crate::layers::scene::{DONE, DOWN, Fault, HANGS, LOST, NAME, Step, scripted};
use crate::telemetry::recorded::Recorded;
use crate::telemetry::stage::{Setup, Stage};
use crate::telemetry::{INSTANCE, TelemetrySubject};
use crate::{Failure, Outcome};

pub(super) async fn a_call_is_a_span(subject: &dyn TelemetrySubject) -> Outcome {
    let stage = Stage::new(subject, &[DONE]);
    ok("a put", stage.put("a", "12345").await)?;
    ok("a head", stage.head("a").await)?;
    ok("a list", stage.list().await)?;
    ok("a delete", stage.delete("a").await)?;
    let recorded = stage.recorded();
    let names: Vec<_> = recorded.spans.iter().map(|span| &*span.name).collect();
    let expected = ["storage.put", "storage.head", "storage.list", "storage.delete"];
    same("the spans of four calls", &expected[..], &names[..])?;
    for span in &recorded.spans {
        let situation = format!("the span {}", span.name);
        same(&*situation, true, span.client)?;
        same(&*situation, true, span.ended >= span.begun)?;
        let operation = span.name.trim_start_matches("storage.");
        for (name, value) in [
            ("omni.contract", "storage"),
            ("omni.operation", operation),
            ("omni.provider", NAME),
            ("omni.instance", INSTANCE),
            ("omni.attempts", "1"),
            ("omni.outcome", "ok"),
        ] {
            same(format!("{name} of {situation}"), value, &*has(span, name))?;
        }
    }
    same("the size of a put", "5", &*has(only(&recorded, "storage.put")?, "omni.size"))
}

/// Notes which span is current while a provider works, and while its contents are read.
#[derive(Clone, Debug, Default)]
struct Current(Arc<Mutex<BTreeSet<String>>>);

impl Current {
    fn note(&self) {
        let id = Context::current().span().span_context().span_id().to_string();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
    }

    fn noted(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl Interceptor for Current {
    fn name(&self) -> &'static str {
        "current"
    }

    async fn around<T, F, Fut>(&self, _: &Call<'_>, attempt: F) -> Result<T>
    where
        T: Send,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        self.note();
        attempt().await
    }

    fn body(&self, _: &Call<'_>, body: Body) -> Body {
        if body.as_bytes().is_some() {
            return body;
        }
        let (current, length) = (self.clone(), body.length());
        Body::from_stream(body.inspect(move |_| current.note()), length)
    }
}

pub(super) async fn parents_are_right(subject: &dyn TelemetrySubject) -> Outcome {
    let current = Current::default();
    let (inner, provider) = scripted(&[DONE, DONE, Step::breaks(2, CORRUPT)]);
    let provider = Arc::new(Intercepted::new(current.clone(), provider, Scope::default()));
    let stage = Stage::of(subject, inner, provider, Setup::default());
    ok("a put outside of all spans", stage.put("a", "12345").await)?;
    let tracer = stage.traces.tracer("application");
    let above = Context::new().with_span(tracer.start("above"));
    let id = above.span().span_context().span_id().to_string();
    let trace = above.span().span_context().trace_id().to_string();
    let head = stage.head("a").with_context(above.clone()).await;
    ok("a head within a span", head)?;
    let body = ok("a get within a span", stage.get("a").with_context(above.clone()).await)?;
    // Read by somebody else, where no span is current.
    let _ = body.collect().await;
    above.span().end();
    let recorded = stage.recorded();
    same("the parent of a call outside", "", &*only(&recorded, "storage.put")?.parent)?;
    for name in ["storage.head", "storage.get"] {
        let span = only(&recorded, name)?;
        same(format!("the parent of {name}"), &*id, &*span.parent)?;
        same(format!("the trace of {name}"), &*trace, &*span.trace)?;
    }
    let mut spans: Vec<_> = recorded
        .spans
        .iter()
        .filter(|span| span.name != "above")
        .map(|span| span.id.clone())
        .collect();
    spans.sort();
    same("what is current while the provider works", &spans[..], &current.noted()[..])
}

pub(super) async fn outcomes_are_told(subject: &dyn TelemetrySubject) -> Outcome {
    for kind in ErrorKind::ALL {
        let layers = r#"off = ["retry", "breaker"]"#;
        let setup = Setup { layers, ..Setup::default() };
        let stage = Stage::with(subject, &[Step::fails(Fault::new(*kind))], setup);
        let failed = stage.head("a").await.err().map(|error| error.kind());
        same("the error of the provider", Some(*kind), failed)?;
        let name = kind.as_str().replace(' ', "_");
        let answers = ["already_exists", "not_found", "not_modified", "precondition_failed"];
        let error_type = if answers.contains(&&*name) { "" } else { &*name };
        told(&stage.recorded(), &format!("a head that fails with {kind}"), &name, error_type)?;
    }
    let stage = Stage::new(subject, &[DONE]);
    ok("a list", stage.list().await)?;
    told(&stage.recorded(), "a list that succeeds", "ok", "")
}

/// What one span and one metric say of one call.
fn told(recorded: &Recorded, situation: &str, outcome: &str, error_type: &str) -> Outcome {
    let [span] = &recorded.spans[..] else {
        return Err(Failure::new(situation, "one span", format!("{:?}", recorded.spans)));
    };
    same(format!("omni.outcome of the span of {situation}"), outcome, &*has(span, "omni.outcome"))?;
    same(format!("error.type of the span of {situation}"), error_type, &*has(span, "error.type"))?;
    same(format!("the status of {situation}"), !error_type.is_empty(), span.error)?;
    let points: Vec<_> = recorded.points(DURATION).collect();
    let [point] = points[..] else {
        return Err(Failure::new(situation, "one series", format!("{points:?}")));
    };
    let of = |name: &str| point.attributes.get(name).map_or("", String::as_str);
    same(format!("omni.outcome of the metric of {situation}"), outcome, of("omni.outcome"))?;
    same(format!("error.type of the metric of {situation}"), error_type, of("error.type"))
}

pub(super) async fn attempts_are_told(subject: &dyn TelemetrySubject) -> Outcome {
    let stage = Stage::new(subject, &[Step::fails(DOWN), Step::fails(LOST), DONE]);
    ok("a list that succeeds at last", stage.list().await)?;
    let recorded = stage.recorded();
    let span = only(&recorded, "storage.list")?;
    same("omni.attempts of a call of three", "3", &*has(span, "omni.attempts"))?;
    let events: Vec<_> = span
        .events
        .iter()
        .map(|(name, event)| {
            let of = |name: &str| event.get(name).cloned().unwrap_or_default();
            format!("{name} {} {}", of("omni.attempt"), of("error.type"))
        })
        .collect();
    let expected = ["omni.attempt 1 unavailable", "omni.attempt 2 unavailable"];
    same("the events of a call of three attempts", &expected.map(str::to_owned)[..], &events[..])?;
    told(&recorded, "a call that succeeded at last", "ok", "")?;

    let stage = Stage::new(subject, &[Step::fails(DOWN)]);
    let failed = stage.list().await.is_err();
    same("a list that never succeeds fails", true, failed)?;
    let recorded = stage.recorded();
    let span = only(&recorded, "storage.list")?;
    same("omni.attempts of a call that gave up", "3", &*has(span, "omni.attempts"))?;
    same("the events of a call that gave up", 3, span.events.len())?;
    let stage = Stage::new(subject, &[Step::fails(Fault::new(ErrorKind::NotFound))]);
    let missing = stage.head("a").await.is_err();
    same("a head of what is not there fails", true, missing)?;
    same("events of an answer", 0, only(&stage.recorded(), "storage.head")?.events.len())
}

pub(super) async fn contents_belong_to_their_call(subject: &dyn TelemetrySubject) -> Outcome {
    let stage = Stage::new(subject, &[DONE, Step::breaks(2, CORRUPT)]);
    ok("a put", stage.put("a", "12345").await)?;
    let mut body = ok("a get", stage.get("a").await)?;
    let first = body.next().await.transpose();
    same("the first chunk", Some(Bytes::from("12")), ok("reading", first)?)?;
    same("spans of a get that is being read", 0, stage.recorded().spans("storage.get").count())?;
    let before = SystemTime::now();
    let broken = body.next().await.is_some_and(|chunk| chunk.is_err());
    same("the content breaks off", true, broken)?;
    drop(body);
    let recorded = stage.recorded();
    let span = only(&recorded, "storage.get")?;
    same("omni.outcome of a get whose content broke off", "corrupt", &*has(span, "omni.outcome"))?;
    same("error.type of it", "corrupt", &*has(span, "error.type"))?;
    same("the status of it", true, span.error)?;
    same("that it ended with its content", true, span.ended >= before)?;
    let logged = recorded.logs.iter().any(|log| log.span == span.id);
    same("a log record of it", true, logged)
}

pub(super) async fn dropped_calls_are_cancelled(subject: &dyn TelemetrySubject) -> Outcome {
    let stage = Stage::new(subject, &[HANGS]);
    let given_up = tokio::time::timeout(Duration::from_millis(20), stage.list()).await;
    same("a list that is not answered is given up", true, given_up.is_err())?;
    let recorded = stage.recorded();
    same("log records of it", 0, recorded.logs.len())?;
    told(&recorded, "a list that was given up", "cancelled", "")
}

//! The checks, in the order of the clauses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use omni_contracts::storage::{
    Attributes, ByteRange, GetOptions, Intercepted, ListRequest, Prefix, PutOptions,
    StorageProvider, WriteCondition,
};
use omni_contracts::{Body, Call, Effect, ErrorKind, Interceptor, Operation, Result, Scope};
use omni_telemetry::{ATTRIBUTES, Instrument, METRICS, Signal, TelemetrySettings};
use opentelemetry::Context;
use opentelemetry::context::FutureExt;
use opentelemetry::trace::{TraceContextExt, Tracer, TracerProvider};

use super::receiver::Receiver;
use super::recorded::{Recorded, Span};
use super::stage::{Setup, Stage, key, of, put};
use super::{INSTANCE, TelemetryCheck, TelemetrySubject, check};
use crate::check::ok;
use crate::layers::scene::{DONE, DOWN, Fault, HANGS, LOST, NAME, Step, scripted};
use crate::{Failure, Outcome};

pub(super) const CHECKS: &[TelemetryCheck] = &[
    check!("OBS-001", a_call_is_a_span),
    check!("OBS-002", parents_are_right),
    check!("OBS-003", outcomes_are_told),
    check!("OBS-004", attempts_are_told),
    check!("OBS-005", contents_belong_to_their_call),
    check!("OBS-006", dropped_calls_are_cancelled),
    check!("OBS-010", durations_are_counted),
    check!("OBS-011", retries_are_counted),
    check!("OBS-012", bytes_are_counted),
    check!("OBS-013", contents_are_timed),
    check!("OBS-014", active_calls_are_counted),
    check!("OBS-015", saturation_is_read),
    check!("OBS-016", counts_are_those_of_the_calls),
    check!("OBS-017", attributes_are_known),
    check!("OBS-020", failures_are_logged),
    check!("OBS-021", breakers_are_logged),
    check!("OBS-030", secrets_are_kept),
    check!("OBS-031", keys_are_told_when_asked_for),
    check!("OBS-040", nothing_changes),
    check!("OBS-041", a_receiver_is_not_waited_for),
    check!("OBS-042", nothing_is_left_behind),
    check!("OBS-043", what_is_not_sampled_is_counted),
    check!("OBS-050", queries_name_what_is_recorded),
];

const DURATION: &str = "omni.client.operation.duration";
const CORRUPT: Fault = Fault::new(ErrorKind::Corrupt);

fn same<T, U>(situation: impl Into<String>, expected: T, seen: U) -> Outcome
where
    T: PartialEq<U> + std::fmt::Debug,
    U: std::fmt::Debug,
{
    match expected == seen {
        true => Ok(()),
        false => Err(Failure::new(situation, format!("{expected:?}"), format!("{seen:?}"))),
    }
}

fn has(span: &Span, name: &str) -> String {
    span.attributes.get(name).cloned().unwrap_or_default()
}

/// The one span of a name.
fn only<'a>(recorded: &'a Recorded, name: &str) -> std::result::Result<&'a Span, Failure> {
    let spans: Vec<_> = recorded.spans(name).collect();
    match spans[..] {
        [span] => Ok(span),
        _ => Err(Failure::new(
            format!("the spans `{name}`"),
            "one",
            format!("{} of {:?}", spans.len(), recorded.spans),
        )),
    }
}

async fn a_call_is_a_span(subject: &dyn TelemetrySubject) -> Outcome {
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

async fn parents_are_right(subject: &dyn TelemetrySubject) -> Outcome {
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

async fn outcomes_are_told(subject: &dyn TelemetrySubject) -> Outcome {
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

async fn attempts_are_told(subject: &dyn TelemetrySubject) -> Outcome {
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

async fn contents_belong_to_their_call(subject: &dyn TelemetrySubject) -> Outcome {
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

async fn dropped_calls_are_cancelled(subject: &dyn TelemetrySubject) -> Outcome {
    let stage = Stage::new(subject, &[HANGS]);
    let given_up = tokio::time::timeout(Duration::from_millis(20), stage.list()).await;
    same("a list that is not answered is given up", true, given_up.is_err())?;
    let recorded = stage.recorded();
    same("log records of it", 0, recorded.logs.len())?;
    told(&recorded, "a list that was given up", "cancelled", "")
}

async fn durations_are_counted(subject: &dyn TelemetrySubject) -> Outcome {
    let wait = Duration::from_millis(30);
    let stage = Stage::new(subject, &[DONE.after(wait), Step::fails(DOWN), DONE.after(wait), DONE]);
    let begun = Instant::now();
    ok("a list", stage.list().await)?;
    ok("a list with a retry", stage.list().await)?;
    ok("a list at once", stage.list().await)?;
    let took = begun.elapsed().as_secs_f64();
    let recorded = stage.recorded();
    let count: u64 = recorded.points(DURATION).map(|point| point.count).sum();
    same("the values of three calls", 3, count)?;
    let sum: f64 = recorded.points(DURATION).map(|point| point.sum).sum();
    let least = (wait * 2).as_secs_f64();
    match (least..=took).contains(&sum) {
        true => Ok(()),
        false => Err(Failure::new(
            "the sum of the times of three calls, in seconds",
            format!("from {least} to {took}"),
            sum.to_string(),
        )),
    }
}

async fn retries_are_counted(subject: &dyn TelemetrySubject) -> Outcome {
    const RETRIES: &str = "omni.client.operation.retries";
    let down = Step::fails(DOWN);
    let stage = Stage::new(subject, &[DONE, down, down, DONE, down, DONE]);
    for _ in 0..3 {
        ok("a list", stage.list().await)?;
    }
    let of = [("omni.operation", "list"), ("omni.provider", NAME), ("omni.instance", INSTANCE)];
    let sum = stage.recorded().sum(RETRIES, &of);
    same("the retries of three lists of one, three and two attempts", Some(3.0), sum)
}

async fn bytes_are_counted(subject: &dyn TelemetrySubject) -> Outcome {
    const SIZE: &str = "omni.client.content.size";
    let stage = Stage::new(subject, &[Step::fails(DOWN), DONE]);
    ok("a put of 5 bytes at the second attempt", stage.put("a", "12345").await)?;
    let chunks = stream::iter([Ok(Bytes::from("123")), Ok(Bytes::from("4567"))]);
    let streamed = Body::from_stream(chunks, None);
    let options = PutOptions::default();
    ok("a put of a stream", stage.store.put(&key("b"), streamed, &options).await)?;
    let body = ok("a get", stage.get("b").await)?;
    ok("reading", body.collect().await)?;
    let ranges = [ByteRange::from(0..2), ByteRange::from(3..6)];
    let ranges = stage.store.get_ranges(&key("b"), &ranges, &GetOptions::default()).await;
    ok("a get of two ranges", ranges)?;
    let recorded = stage.recorded();
    for (operation, direction, bytes) in
        [("put", "transmit", 2 * 5 + 7), ("get", "receive", 7), ("get_ranges", "receive", 5)]
    {
        let with = [("omni.operation", operation), ("network.io.direction", direction)];
        let sum = recorded.sum(SIZE, &with);
        same(format!("the bytes of {operation}"), Some(f64::from(bytes)), sum)?;
    }
    Ok(())
}

async fn contents_are_timed(subject: &dyn TelemetrySubject) -> Outcome {
    const DURATION: &str = "omni.client.content.duration";
    let content = |chunks: &'static [Option<&'static str>]| {
        let chunks = chunks.iter().map(|chunk| match chunk {
            Some(text) => Ok(Bytes::from(*text)),
            None => Err(CORRUPT.error(Operation::Get, "a")),
        });
        Body::from_stream(stream::iter(chunks), None)
    };
    for (chunks, read, outcome, error_type) in [
        (&[Some("12"), Some("3")][..], 9, "ok", ""),
        (&[Some("12"), None], 9, "corrupt", "corrupt"),
        (&[Some("12"), Some("3")], 1, "cancelled", ""),
    ] {
        let (inner, provider) = scripted(&[DONE]);
        let replaced = Replaced(Arc::new(move || content(chunks)));
        let provider = Arc::new(Intercepted::new(replaced, provider, Scope::default()));
        let stage = Stage::of(subject, inner, provider, Setup::default());
        ok("a put beside the layers", put(&stage.inner, "a", "1").await)?;
        let mut body = ok("a get", stage.get("a").await)?;
        for _ in 0..read {
            let _ = body.next().await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(body);
        let recorded = stage.recorded();
        let points: Vec<_> = recorded.points(DURATION).collect();
        let [point] = points[..] else {
            return Err(Failure::new(outcome, "one series", format!("{points:?}")));
        };
        let of = |name: &str| point.attributes.get(name).map_or("", String::as_str);
        let situation = format!("a content that is {outcome}");
        same(&*situation, (outcome, error_type), (of("omni.outcome"), of("error.type")))?;
        same(format!("the values of {situation}"), 1, point.count)?;
        same(format!("20 ms of {situation}"), true, point.sum >= 0.02)?;
    }
    Ok(())
}

/// Gives every get another content.
#[derive(Clone)]
struct Replaced(Arc<dyn Fn() -> Body + Send + Sync>);

impl std::fmt::Debug for Replaced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Replaced")
    }
}

impl Interceptor for Replaced {
    fn name(&self) -> &'static str {
        "replaced"
    }

    async fn around<T, F, Fut>(&self, _: &Call<'_>, attempt: F) -> Result<T>
    where
        T: Send,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        attempt().await
    }

    fn body(&self, call: &Call<'_>, body: Body) -> Body {
        if call.operation == Operation::Get { (self.0)() } else { body }
    }
}

async fn active_calls_are_counted(subject: &dyn TelemetrySubject) -> Outcome {
    const ACTIVE: &str = "omni.client.active_operations";
    let stage = Stage::new(subject, &[HANGS, HANGS, DONE]);
    let of = [("omni.provider", NAME), ("omni.instance", INSTANCE)];
    let active = || stage.recorded().sum(ACTIVE, &of);
    {
        let (mut one, mut two) = (Box::pin(stage.list()), Box::pin(stage.head("a")));
        for call in [&mut one as &mut (dyn Future<Output = Result<()>> + Unpin + Send), &mut two] {
            same("a call that hangs", true, futures_util::poll!(call).is_pending())?;
        }
        same("active calls, of two that hang", Some(2.0), active())?;
        drop(one);
        same("active calls, of one that hangs", Some(1.0), active())?;
    }
    ok("a list", stage.list().await)?;
    same("active calls, when all have ended", Some(0.0), active())
}

async fn saturation_is_read(subject: &dyn TelemetrySubject) -> Outcome {
    let gauge = |recorded: &Recorded, name: &str| {
        recorded.sum(&format!("omni.client.{name}"), &[("omni.instance", INSTANCE)])
    };
    let layers = r#"
        concurrency = 2
        breaker = { calls = 1, share = 1.0, open_for = "1h" }
        off = ["retry"]
    "#;
    let setup = Setup { layers, ..Setup::default() };
    let script = [HANGS, HANGS, Step::fails(DOWN)];
    let stage = Stage::with(subject, &script, setup);
    {
        let mut calls: Vec<_> = (0..3).map(|_| Box::pin(stage.list())).collect();
        for call in &mut calls {
            same("a call that hangs", true, futures_util::poll!(call).is_pending())?;
        }
        let recorded = stage.recorded();
        for (name, value) in [
            ("concurrency.limit", 2.0),
            ("concurrency.used", 2.0),
            ("concurrency.waiting", 1.0),
            ("breaker.state", 0.0),
        ] {
            same(
                format!("{name}, of three calls at two places"),
                Some(value),
                gauge(&recorded, name),
            )?;
        }
    }
    same("a list of what is down fails", true, stage.list().await.is_err())?;
    let recorded = stage.recorded();
    same("breaker.state, when it has opened", Some(2.0), gauge(&recorded, "breaker.state"))?;
    same("concurrency.used, when all have ended", Some(0.0), gauge(&recorded, "concurrency.used"))?;
    same("concurrency.waiting, then", Some(0.0), gauge(&recorded, "concurrency.waiting"))?;

    let setup = Setup { layers: r#"off = ["breaker"]"#, ..Setup::default() };
    let stage = Stage::with(subject, &[DONE], setup);
    ok("a list", stage.list().await)?;
    let recorded = stage.recorded();
    for name in ["concurrency.limit", "concurrency.used", "concurrency.waiting", "breaker.state"] {
        same(format!("{name} of a layer that is off"), None, gauge(&recorded, name))?;
    }
    Ok(())
}

async fn counts_are_those_of_the_calls(subject: &dyn TelemetrySubject) -> Outcome {
    const CALLS: usize = 5_000;
    let (down, lost) = (Step::fails(DOWN), Step::fails(LOST));
    let missing = Step::fails(Fault::new(ErrorKind::NotFound));
    let slow = DONE.after(Duration::from_micros(200));
    // In an order that has no common period with that of the operations.
    let script: Vec<_> = [DONE, down, slow, missing, DONE, lost, DONE, Step::fails(CORRUPT), slow]
        .into_iter()
        .cycle()
        .take(CALLS * 3)
        .collect();
    let stage = Stage::with(subject, &script, Setup::default());
    ok("a put beside the layers", put(&stage.inner, "k", "12345").await)?;
    let stage = &stage;
    let call = |number: usize| async move {
        let (operation, result) = match number % 7 {
            0 => ("put", stage.put("k", "12345").await),
            1 => ("head", stage.head("k").await),
            2 => ("list", stage.list().await),
            3 => ("delete", stage.delete("other").await),
            4 => ("get", stage.get("k").await.map(drop)),
            5 => ("list", stage.list().await),
            _ => {
                let condition = WriteCondition::IfAbsent;
                let options = PutOptions { condition, ..PutOptions::default() };
                let put = stage.store.put(&key("k"), Body::from("1"), &options).await;
                ("put", put.map(drop))
            }
        };
        let outcome = match result {
            Ok(()) => "ok".to_owned(),
            Err(error) => error.kind().as_str().replace(' ', "_"),
        };
        (operation.to_owned(), outcome)
    };
    let calls = stream::iter((0..CALLS).map(call)).buffer_unordered(32);
    let tally = calls
        .fold(BTreeMap::<_, u64>::new(), |mut tally, call| async move {
            *tally.entry(call).or_default() += 1;
            tally
        })
        .await;
    let recorded = stage.recorded();
    let mut spans = BTreeMap::<_, u64>::new();
    for span in &recorded.spans {
        let call = (has(span, "omni.operation"), has(span, "omni.outcome"));
        *spans.entry(call).or_default() += 1;
    }
    same("the spans of thousands of calls", &tally, &spans)?;
    let mut counts = BTreeMap::<_, u64>::new();
    for point in recorded.points(DURATION) {
        let of = |name: &str| point.attributes.get(name).cloned().unwrap_or_default();
        *counts.entry((of("omni.operation"), of("omni.outcome"))).or_default() += point.count;
    }
    same("the values of thousands of calls", &tally, &counts)
}

async fn attributes_are_known(subject: &dyn TelemetrySubject) -> Outcome {
    let asked_for = |name: &str| {
        ATTRIBUTES.iter().find(|attribute| attribute.name == name).map(|known| known.asked_for)
    };
    let stage = Stage::new(subject, &[DONE, Step::fails(DOWN), DONE, Step::fails(CORRUPT), DONE]);
    for number in 0..20 {
        let name = format!("key-{number}");
        let _ = stage.put(&name, "12345").await;
        let _ = stage.head(&name).await;
    }
    let recorded = stage.recorded();
    let of_spans = recorded.spans.iter().flat_map(|span| {
        let events = span.events.iter().flat_map(|(_, attributes)| attributes.keys());
        span.attributes.keys().chain(events)
    });
    let of_logs = recorded.logs.iter().flat_map(|log| log.attributes.keys());
    for name in of_spans.chain(of_logs) {
        same(format!("{name}, on a span or log record"), Some(false), asked_for(name))?;
    }
    for point in &recorded.points {
        let metric = METRICS.iter().find(|metric| metric.name == point.metric);
        let known = metric.map_or(&[][..], |metric| metric.attributes);
        for (name, value) in &point.attributes {
            let situation = format!("{name} on {}", point.metric);
            same(&*situation, true, known.contains(&&**name))?;
            let bounded = match &**name {
                "omni.contract" => value == "storage",
                "omni.operation" => Operation::ALL.iter().any(|known| known.as_str() == value),
                "omni.provider" => value == NAME,
                "omni.instance" => value == INSTANCE,
                "network.io.direction" => value == "transmit" || value == "receive",
                _ => {
                    let kinds = ErrorKind::ALL.iter().map(|kind| kind.as_str().replace(' ', "_"));
                    kinds
                        .chain(["ok".to_owned(), "cancelled".to_owned()])
                        .any(|kind| kind == *value)
                }
            };
            same(format!("that {situation} is one of few values: {value}"), true, bounded)?;
        }
    }
    Ok(())
}

async fn failures_are_logged(subject: &dyn TelemetrySubject) -> Outcome {
    let lost = Fault::new(ErrorKind::Conflict).with_effect(Effect::Unknown).with_retryable(false);
    let missing = Step::fails(Fault::new(ErrorKind::NotFound));
    let stage = Stage::new(subject, &[DONE, missing, Step::fails(DOWN), DONE, Step::fails(lost)]);
    ok("a put", stage.put("a", "12345").await)?;
    same("a head of what is not there fails", true, stage.head("b").await.is_err())?;
    ok("a list at the second attempt", stage.list().await)?;
    same("a delete fails", true, stage.delete("a").await.is_err())?;
    let recorded = stage.recorded();
    let [log] = &recorded.logs[..] else {
        let seen = format!("{:?}", recorded.logs);
        return Err(Failure::new("one failure of four calls", "one log record", seen));
    };
    let span = only(&recorded, "storage.delete")?;
    same("its event", "omni.operation.failed", &*log.event)?;
    same("its trace", &*span.trace, &*log.trace)?;
    same("its span", &*span.id, &*log.span)?;
    same("that it warns", true, log.warns)?;
    same("that it says what failed", "storage.delete failed: conflict", &*log.body)?;
    for (name, value) in [
        ("omni.contract", "storage"),
        ("omni.operation", "delete"),
        ("omni.provider", NAME),
        ("omni.instance", INSTANCE),
        ("omni.outcome", "conflict"),
        ("error.type", "conflict"),
        ("omni.effect", "unknown"),
    ] {
        let seen = log.attributes.get(name).map_or("", String::as_str);
        same(format!("{name} of a log record"), value, seen)?;
    }
    Ok(())
}

async fn breakers_are_logged(subject: &dyn TelemetrySubject) -> Outcome {
    let layers = r#"
        breaker = { calls = 1, share = 1.0, open_for = "30ms" }
        off = ["retry"]
    "#;
    let setup = Setup { layers, ..Setup::default() };
    let stage = Stage::with(subject, &[Step::fails(DOWN), DONE], setup);
    same("a list of what is down fails", true, stage.list().await.is_err())?;
    tokio::time::sleep(Duration::from_millis(60)).await;
    ok("a list that tries", stage.list().await)?;
    let recorded = stage.recorded();
    let changes = recorded.logs.iter().filter(|log| log.event == "omni.breaker.changed");
    let states: Vec<_> = changes
        .map(|log| {
            let state = log.attributes.get("omni.breaker.state").map_or("", String::as_str);
            let instance = log.attributes.get("omni.instance").map_or("", String::as_str);
            format!("{instance}: {state}")
        })
        .collect();
    let expected = ["open", "closed"].map(|state| format!("{INSTANCE}: {state}"));
    same("the states that are logged", &expected[..], &states[..])
}

/// Everything that must not be told.
const SECRETS: [&str; 6] = [
    "key-of-gold",
    "prefix-of-gold",
    "content-of-gold",
    "meta-of-gold",
    "text/type-of-gold",
    "text-of-gold",
];

/// Makes calls that have secrets everywhere, most of which fail.
async fn confide(stage: &Stage<'_>) -> Result<()> {
    let attributes = Attributes {
        content_type: Some("text/type-of-gold".to_owned()),
        metadata: BTreeMap::from([("m".to_owned(), "meta-of-gold".to_owned())]),
        ..Attributes::default()
    };
    let options = PutOptions { attributes: Arc::new(attributes), ..PutOptions::default() };
    let content = Body::from("content-of-gold");
    stage.store.put(&key("key-of-gold"), content, &options).await.map(drop)?;
    let body = stage.get("key-of-gold").await?;
    let _ = body.collect().await;
    let _ = stage.head("key-of-gold").await;
    let _ = stage.delete("key-of-gold").await;
    let request = ListRequest::prefix(Prefix::new("prefix-of-gold")?);
    let _ = stage.store.list(&request).await;
    Ok(())
}

fn secretive(subject: &dyn TelemetrySubject, keys: bool) -> Stage<'_> {
    let told = Fault::new(ErrorKind::Corrupt).with_message("text-of-gold");
    let script = [DONE, Step::breaks(3, told), Step::fails(told)];
    Stage::with(subject, &script, Setup { keys, ..Setup::default() })
}

async fn secrets_are_kept(subject: &dyn TelemetrySubject) -> Outcome {
    let stage = secretive(subject, false);
    ok("calls with secrets", confide(&stage).await)?;
    let recorded = stage.recorded();
    same("that there are log records", true, recorded.logs.len() > 2)?;
    leaks(&recorded, &SECRETS)
}

fn leaks(recorded: &Recorded, secrets: &[&str]) -> Outcome {
    let texts = recorded.texts();
    let leaked = texts.iter().find(|text| secrets.iter().any(|secret| text.contains(secret)));
    match leaked {
        None => Ok(()),
        Some(text) => Err(Failure::new("what is recorded of calls", "no secret", text.clone())),
    }
}

async fn keys_are_told_when_asked_for(subject: &dyn TelemetrySubject) -> Outcome {
    let stage = secretive(subject, true);
    ok("calls with secrets", confide(&stage).await)?;
    let recorded = stage.recorded();
    let key = has(only(&recorded, "storage.put")?, "omni.resource");
    same("omni.resource of a put", "key-of-gold", &*key)?;
    let prefix = has(only(&recorded, "storage.list")?, "omni.resource");
    same("omni.resource of a list", "prefix-of-gold", &*prefix)?;
    let told = recorded.logs.iter().all(|log| {
        log.attributes.get("exception.message").is_some_and(|text| text.contains("text-of-gold"))
    });
    same("that log records have the texts of errors", true, told)?;
    leaks(&recorded, &["content-of-gold", "meta-of-gold", "text/type-of-gold"])
}

async fn nothing_changes(subject: &dyn TelemetrySubject) -> Outcome {
    let script = [DONE, Step::fails(DOWN), DONE, Step::breaks(2, CORRUPT), Step::fails(LOST), DONE];
    let stage = Stage::new(subject, &script);
    let (inner, provider) = scripted(&script);
    let layers = of(r#"retry = { attempts = 3, first_wait = "1ms", longest_wait = "2ms" }"#);
    let plain = Intercepted::new(layers, provider, Scope::default());
    let mut names = vec!["telemetry"];
    names.extend(StorageProvider::layers(&plain));
    same("the layers", names, stage.store.layers())?;
    drop(inner);
    let with = observed(&*stage.store).await;
    let without = observed(&plain).await;
    same("what calls answer", without, with)
}

/// What calls come to, as texts.
async fn observed(store: &dyn StorageProvider) -> Vec<String> {
    let mut seen = Vec::new();
    let get = GetOptions::default();
    let plain = PutOptions::default();
    seen.push(format!("{:?}", put(store, "a", "12345").await.map_err(|error| error.to_string())));
    // Sent again, for it is in memory.
    seen.push(format!("{:?}", put(store, "b", "123").await.map_err(|error| error.to_string())));
    match store.get(&key("a"), &get).await {
        Ok(got) => {
            let length = got.body.length();
            let chunks: Vec<_> =
                got.body.map(|chunk| chunk.map_err(|error| error.to_string())).collect().await;
            seen.push(format!("{length:?} {chunks:?}"));
        }
        Err(error) => seen.push(error.to_string()),
    }
    // Not sent again, for it is a stream: and in doubt.
    let chunks = stream::iter([Ok(Bytes::from("12"))]);
    let streamed = store.put(&key("c"), Body::from_stream(chunks, Some(2)), &plain).await;
    let streamed = streamed.map(|written| written.size);
    seen.push(format!("{:?}", streamed.map_err(|error| (error.to_string(), error.effect()))));
    let got = store.get(&key("a"), &get).await.map(|got| got.body.as_bytes().is_some());
    seen.push(format!("in memory: {:?}", got.map_err(|error| error.to_string())));
    seen.push(format!("{} {:?}", store.name(), store.layers().last()));
    seen
}

/// Settings that send to an address.
fn sending(address: std::net::SocketAddr) -> TelemetrySettings {
    let mut settings = TelemetrySettings::default();
    settings.endpoint = Some(format!("http://{address}"));
    settings.timeout = Some(Duration::from_millis(500));
    settings.queue = Some(200);
    settings
}

async fn a_receiver_is_not_waited_for(subject: &dyn TelemetrySubject) -> Outcome {
    const CALLS: usize = 20_000;
    // Shorter than the time that the receiver has.
    const LONGEST: Duration = Duration::from_millis(400);
    let receiver = Receiver::start(false).await;
    let receiver =
        receiver.map_err(|error| Failure::new("a receiver", "a port", error.to_string()))?;
    let mut settings = sending(receiver.address);
    settings.signals = vec![Signal::Traces, Signal::Logs];
    settings.delay = Some(Duration::from_millis(10));
    let telemetry = ok("starting telemetry", subject.start(&settings))?;
    let (_, provider) = scripted(&[DONE, Step::fails(CORRUPT)]);
    let store = subject.around(&telemetry, of(r#"off = ["breaker"]"#), provider);
    for number in 0..CALLS {
        let begun = Instant::now();
        let result = put(&*store, "a", "12345").await;
        let took = begun.elapsed();
        let expected = if number == 0 { None } else { Some(ErrorKind::Corrupt) };
        same("what a put answers", expected, result.err().map(|error| error.kind()))?;
        same(
            format!("{took:?}, while the receiver is silent, below {LONGEST:?}"),
            true,
            took < LONGEST,
        )?;
    }
    receiver.answer();
    let ending = tokio::task::spawn_blocking(move || drop((store, telemetry)));
    let ended = tokio::time::timeout(Duration::from_secs(30), ending).await;
    same("an end", true, ended.is_ok())?;
    // What waited is in the queue, and in what is being sent.
    let name = b"storage.put";
    let bodies = receiver.taken("/v1/traces").concat();
    let spans = bodies.windows(name.len()).filter(|part| part == name).count();
    same(format!("{spans} spans of {CALLS} waited, in a queue of 200"), true, spans < 1000)
}

async fn nothing_is_left_behind(subject: &dyn TelemetrySubject) -> Outcome {
    const PATHS: [&str; 3] = ["/v1/traces", "/v1/metrics", "/v1/logs"];
    let receiver = Receiver::start(true).await;
    let receiver =
        receiver.map_err(|error| Failure::new("a receiver", "a port", error.to_string()))?;
    let came = |text: &str| {
        PATHS.map(|path| {
            let bodies = receiver.taken(path);
            bodies.iter().any(|body| body.windows(text.len()).any(|part| part == text.as_bytes()))
        })
    };
    let mut settings = sending(receiver.address);
    settings.interval = Some(Duration::from_secs(3600));
    settings.delay = Some(Duration::from_secs(3600));
    settings.timeout = Some(Duration::from_secs(10));
    settings.service = Some("the-service".to_owned());
    let telemetry = ok("starting telemetry", subject.start(&settings))?;
    let (_, provider) = scripted(&[DONE, Step::fails(CORRUPT)]);
    let store = subject.around(&telemetry, of(r#"off = ["breaker"]"#), provider);
    ok("a put", put(&*store, "a", "12345").await)?;
    same("a put fails", true, put(&*store, "a", "12345").await.is_err())?;
    let flushed = tokio::task::spawn_blocking(move || telemetry.flush().map(|()| telemetry)).await;
    let flushed = flushed.map_err(|error| Failure::new("a flush", "an end", error.to_string()))?;
    let telemetry = ok("a flush", flushed)?;
    same("traces, metrics, logs after a flush", [true; 3], came("the-service"))?;
    same("that the second operation came", [false; 3], came("get_ranges"))?;
    let ranges = store.get_ranges(&key("a"), &[], &GetOptions::default()).await;
    same("a get of ranges fails", true, ranges.is_err())?;
    let ending = tokio::task::spawn_blocking(move || drop((store, telemetry))).await;
    same("an end", true, ending.is_ok())?;
    same("traces, metrics, logs after the end", [true; 3], came("get_ranges"))
}

async fn what_is_not_sampled_is_counted(subject: &dyn TelemetrySubject) -> Outcome {
    let setup = Setup { sampled: false, ..Setup::default() };
    let stage = Stage::with(subject, &[DONE, Step::fails(DOWN), DONE], setup);
    ok("a list", stage.list().await)?;
    ok("a list at the second attempt", stage.list().await)?;
    let recorded = stage.recorded();
    same("spans of traces that are not sampled", 0, recorded.spans.len())?;
    let count: u64 = recorded.points(DURATION).map(|point| point.count).sum();
    same("the values of two calls", 2, count)?;
    let retries = recorded.sum("omni.client.operation.retries", &[]);
    same("the retries of two calls", Some(1.0), retries)
}

async fn queries_name_what_is_recorded(subject: &dyn TelemetrySubject) -> Outcome {
    let queries = subject.queries();
    same("that there are queries", true, queries.len() > 10)?;
    for query in queries {
        let mut found = 0;
        // What begins with `omni_client_` is a metric; the labels in braces after it are its attributes.
        for (at, _) in query.match_indices("omni_client_") {
            let rest = &query[at..];
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let (series, rest) = rest.split_at(end.unwrap_or(rest.len()));
            let metric = METRICS.iter().find(|metric| {
                let name = metric.prometheus();
                let of_histogram =
                    ["_bucket", "_count", "_sum"].map(|part| format!("{name}{part}"));
                match metric.instrument {
                    Instrument::Histogram => of_histogram.iter().any(|s| s == series),
                    _ => name == series,
                }
            });
            let Some(metric) = metric else {
                return Err(Failure::new(query.clone(), "a metric that is recorded", series));
            };
            found += 1;
            let selection = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
            let labels = selection.map_or("", |(inside, _)| inside).split(',');
            let labels = labels.filter_map(|label| label.split(['=', '!']).next());
            for label in labels.filter(|label| !label.is_empty()) {
                let has = metric.attributes.iter().any(|name| name.replace('.', "_") == label);
                same(format!("{label} of {series} in {query}"), true, has)?;
            }
        }
        same(format!("that a metric is named in {query}"), true, found > 0)?;
    }
    Ok(())
}

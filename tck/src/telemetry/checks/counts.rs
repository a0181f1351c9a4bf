//! Metrics: what is counted and timed, and by which attributes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use omni_contracts::storage::{ByteRange, GetOptions, Intercepted, PutOptions, WriteCondition};
use omni_contracts::{Body, Call, ErrorKind, Gauge, Gauges, Interceptor, Operation, Result, Scope};
use omni_telemetry::{ATTRIBUTES, METRICS};

use super::{CORRUPT, DURATION, has, same};
use crate::check::ok;
use crate::layers::scene::{DONE, DOWN, Fault, HANGS, LOST, NAME, Step, scripted};
use crate::telemetry::recorded::Recorded;
use crate::telemetry::stage::{Setup, Stage, key, put};
use crate::telemetry::{INSTANCE, TelemetrySubject};
use crate::{Failure, Outcome};

pub(super) async fn durations_are_counted(subject: &dyn TelemetrySubject) -> Outcome {
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

pub(super) async fn retries_are_counted(subject: &dyn TelemetrySubject) -> Outcome {
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

pub(super) async fn bytes_are_counted(subject: &dyn TelemetrySubject) -> Outcome {
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

pub(super) async fn contents_are_timed(subject: &dyn TelemetrySubject) -> Outcome {
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

pub(super) async fn active_calls_are_counted(subject: &dyn TelemetrySubject) -> Outcome {
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

pub(super) async fn saturation_is_read(subject: &dyn TelemetrySubject) -> Outcome {
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

pub(super) async fn counts_are_those_of_the_calls(subject: &dyn TelemetrySubject) -> Outcome {
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

pub(super) async fn what_is_told_is_recorded(subject: &dyn TelemetrySubject) -> Outcome {
    let stage = Stage::new(subject, &[DONE]);
    let seen = |metric: &str, also: &[(&str, &str)]| {
        let selection = [&[("omni.instance", INSTANCE)], also].concat();
        stage.recorded().sum(metric, &selection)
    };
    let standing = |member: &str| seen("omni.failover.standing", &[("omni.member", member)]);
    same("the standing of a member, of a provider that has none", None, standing("a"))?;
    let value = Arc::new(Mutex::new(3.0));
    let known = Arc::downgrade(&value);
    let gauges: Gauges = Arc::new(move || {
        let Some(value) = known.upgrade() else { return Vec::new() };
        let value = *value.lock().unwrap_or_else(PoisonError::into_inner);
        vec![
            Gauge::of("omni.failover.standing", &Arc::from("a"), value),
            Gauge::of("omni.failover.standing", &Arc::from("b"), 1.0),
            Gauge::new("omni.failover.switches", 4.0),
            Gauge::new("omni.failover.unheard_of", 1.0),
        ]
    });
    stage.tells(&gauges);
    same("the standing of a member", Some(3.0), standing("a"))?;
    same("the standing of another", Some(1.0), standing("b"))?;
    same("switches", Some(4.0), seen("omni.failover.switches", &[]))?;
    same("what is no metric", None, seen("omni.failover.unheard_of", &[]))?;
    *value.lock().unwrap_or_else(PoisonError::into_inner) = 0.0;
    same("the standing of a member that went away", Some(0.0), standing("a"))?;
    drop(value);
    same("the standing of a member, of a provider that is gone", None, standing("a"))
}

pub(super) async fn attributes_are_known(subject: &dyn TelemetrySubject) -> Outcome {
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

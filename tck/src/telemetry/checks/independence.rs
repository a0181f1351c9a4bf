//! Calls do not depend on telemetry, nor its receivers on when the program ends; and dashboards ask for
//! what is recorded.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use omni_contracts::storage::{GetOptions, Intercepted, PutOptions, StorageProvider};
use omni_contracts::{Body, ErrorKind, Scope};
use omni_telemetry::{Instrument, METRICS, Signal, TelemetrySettings};

use super::{CORRUPT, DURATION, same};
use crate::check::ok;
use crate::layers::scene::{DONE, DOWN, LOST, Step, scripted};
use crate::telemetry::TelemetrySubject;
use crate::telemetry::receiver::Receiver;
use crate::telemetry::stage::{Setup, Stage, key, of, put};
use crate::{Failure, Outcome};

pub(super) async fn nothing_changes(subject: &dyn TelemetrySubject) -> Outcome {
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

pub(super) async fn a_receiver_is_not_waited_for(subject: &dyn TelemetrySubject) -> Outcome {
    const CALLS: usize = 20_000;
    // Shorter than the time that the receiver has, longer than a machine is busy.
    const LONGEST: Duration = Duration::from_secs(3);
    let receiver = Receiver::start(false).await;
    let receiver =
        receiver.map_err(|error| Failure::new("a receiver", "a port", error.to_string()))?;
    let mut settings = sending(receiver.address);
    settings.signals = vec![Signal::Traces, Signal::Logs];
    settings.delay = Some(Duration::from_millis(10));
    settings.timeout = Some(Duration::from_secs(5));
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

pub(super) async fn nothing_is_left_behind(subject: &dyn TelemetrySubject) -> Outcome {
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

pub(super) async fn what_is_not_sampled_is_counted(subject: &dyn TelemetrySubject) -> Outcome {
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

pub(super) async fn queries_name_what_is_recorded(subject: &dyn TelemetrySubject) -> Outcome {
    let queries = subject.queries();
    same("that there are queries", true, queries.len() > 10)?;
    for query in queries {
        let mut found = 0;
        // What begins so is a metric; the labels in braces after it are its attributes.
        let beginnings = ["omni_client_", "omni_failover_"];
        let places = beginnings.into_iter().flat_map(|begins| query.match_indices(begins));
        for (at, _) in places {
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

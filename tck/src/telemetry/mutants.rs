//! Telemetry that is wrong in one way each.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use omni_contracts::storage::{Intercepted, StorageProvider};
use omni_contracts::{Body, Call, Interceptor, Operation, Result, Scope};
use omni_layers::Layers;
use omni_telemetry::{Telemetry, TelemetrySettings, dashboards};

use super::recorded::{Log, Point, Recorded};
use super::{TelemetrySubject, around};

/// Telemetry that is wrong in one way.
#[derive(Clone, Copy)]
pub struct TelemetryMutant {
    /// The clause that it breaks, and whose check must fail on it.
    pub clause: &'static str,
    /// Its name, as an identifier.
    pub name: &'static str,
    /// What it does wrong.
    pub wrong: &'static str,
    way: Way,
}

/// In which way.
#[derive(Clone, Copy)]
enum Way {
    /// Something else is recorded.
    Records(fn(&mut Recorded)),
    /// Something is put between layers and provider.
    Twists(Twist),
    /// What sends is something else.
    Sends(fn(&TelemetrySettings) -> Result<Telemetry>),
    /// The queries are others.
    Asks(fn(String) -> String),
}

impl std::fmt::Debug for TelemetryMutant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}::{}", self.clause, self.name)
    }
}

impl TelemetrySubject for TelemetryMutant {
    fn start(&self, settings: &TelemetrySettings) -> Result<Telemetry> {
        match self.way {
            Way::Sends(start) => start(settings),
            _ => Telemetry::start(settings),
        }
    }

    fn around(
        &self,
        telemetry: &Telemetry,
        layers: Layers,
        provider: Arc<dyn StorageProvider>,
    ) -> Arc<dyn StorageProvider> {
        let Way::Twists(twist) = self.way else { return around(telemetry, layers, provider) };
        let twisted = Twisted { twist, telemetry: telemetry.clone() };
        around(telemetry, layers, Arc::new(Intercepted::new(twisted, provider, Scope::default())))
    }

    fn recorded(&self, mut recorded: Recorded) -> Recorded {
        if let Way::Records(wrong) = self.way {
            wrong(&mut recorded);
        }
        recorded
    }

    fn queries(&self) -> Vec<String> {
        let queries = dashboards::queries();
        match self.way {
            Way::Asks(wrong) => queries.into_iter().map(wrong).collect(),
            _ => queries,
        }
    }
}

/// What is done to calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Twist {
    /// Payloads become streams.
    Streams,
    /// What is asked is asked twice.
    AsksTwice,
    /// Every call is sent before it is answered.
    Flushes,
}

#[derive(Debug)]
struct Twisted {
    twist: Twist,
    telemetry: Telemetry,
}

impl Interceptor for Twisted {
    fn name(&self) -> &'static str {
        "twisted"
    }

    fn layers(&self) -> Vec<&'static str> {
        Vec::new()
    }

    async fn around<T, F, Fut>(&self, call: &Call<'_>, attempt: F) -> Result<T>
    where
        T: Send,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        if self.twist == Twist::AsksTwice && call.operation == Operation::Get {
            let _ = attempt().await;
        }
        let result = attempt().await;
        if self.twist == Twist::Flushes {
            let telemetry = self.telemetry.clone();
            let _ = tokio::task::spawn_blocking(move || telemetry.flush()).await;
        }
        result
    }

    fn body(&self, call: &Call<'_>, body: Body) -> Body {
        if self.twist != Twist::Streams || call.operation != Operation::Get {
            return body;
        }
        match body.into_bytes() {
            Ok(bytes) => {
                let length = bytes.len() as u64;
                Body::from_stream(stream::iter([Ok::<Bytes, _>(bytes)]), Some(length))
            }
            Err(body) => body,
        }
    }
}

/// Every mutant.
pub fn mutants() -> impl Iterator<Item = &'static TelemetryMutant> {
    MUTANTS.iter()
}

const fn records(
    clause: &'static str,
    name: &'static str,
    wrong: &'static str,
    way: fn(&mut Recorded),
) -> TelemetryMutant {
    TelemetryMutant { clause, name, wrong, way: Way::Records(way) }
}

const fn twists(
    clause: &'static str,
    name: &'static str,
    wrong: &'static str,
    twist: Twist,
) -> TelemetryMutant {
    TelemetryMutant { clause, name, wrong, way: Way::Twists(twist) }
}

/// Changes an attribute of every span.
fn on_spans(recorded: &mut Recorded, name: &str, change: impl Fn(&str) -> Option<String>) {
    for span in &mut recorded.spans {
        if let Some(value) = span.attributes.get(name) {
            match change(value) {
                Some(value) => drop(span.attributes.insert(name.to_owned(), value)),
                None => drop(span.attributes.remove(name)),
            }
        }
    }
}

/// Changes the sum of every value of a metric.
fn on_points(recorded: &mut Recorded, metric: &str, change: impl Fn(f64) -> f64) {
    for point in recorded.points.iter_mut().filter(|point| point.metric == metric) {
        point.sum = change(point.sum);
    }
}

fn without(recorded: &mut Recorded, metric: &str) {
    recorded.points.retain(|point| point.metric != metric);
}

const DURATION: &str = "omni.client.operation.duration";

const MUTANTS: &[TelemetryMutant] = &[
    records("OBS-001", "skips_lists", "a list is no span", |all| {
        all.spans.retain(|span| span.name != "storage.list");
    }),
    records("OBS-001", "records_twice", "a put is two spans", |all| {
        let again = all.spans("storage.put").next().cloned();
        all.spans.extend(again);
    }),
    records("OBS-001", "is_internal", "spans are not of kind client", |all| {
        all.spans.iter_mut().for_each(|span| span.client = false);
    }),
    records("OBS-001", "forgets_the_provider", "no `omni.provider` on spans", |all| {
        on_spans(all, "omni.provider", |_| None);
    }),
    records("OBS-002", "begins_traces", "every span is the first of a trace", |all| {
        all.spans.iter_mut().for_each(|span| span.parent.clear());
    }),
    records(
        "OBS-002",
        "is_not_current",
        "another span is current while the provider works",
        |all| {
            all.spans.iter_mut().for_each(|span| span.id.push('0'));
        },
    ),
    records("OBS-003", "misses_what_is_not_there", "`NotFound` is a failure", |all| {
        for span in &mut all.spans {
            span.error |= span.attributes.get("omni.outcome").is_some_and(|of| of == "not_found");
        }
    }),
    records("OBS-003", "tells_metrics_less", "no `error.type` on metrics", |all| {
        all.points.iter_mut().for_each(|point| drop(point.attributes.remove("error.type")));
    }),
    records("OBS-003", "tells_success", "the status of a failure is not error", |all| {
        all.spans.iter_mut().for_each(|span| span.error = false);
    }),
    records("OBS-004", "sees_one_attempt", "calls have one attempt", |all| {
        on_spans(all, "omni.attempts", |_| Some("1".to_owned()));
    }),
    records("OBS-004", "has_no_events", "attempts that failed are no events", |all| {
        all.spans.iter_mut().for_each(|span| span.events.clear());
    }),
    records("OBS-004", "bears_a_grudge", "a call that succeeded at last is a failure", |all| {
        for span in all.spans.iter_mut().filter(|span| !span.events.is_empty()) {
            span.error = true;
        }
    }),
    records("OBS-005", "ends_with_the_answer", "a span ends when its content begins", |all| {
        for span in all.spans.iter_mut().filter(|span| span.name == "storage.get") {
            span.ended = span.begun;
        }
    }),
    records("OBS-005", "overlooks_contents", "a content that breaks off is a success", |all| {
        on_spans(all, "omni.outcome", |_| Some("ok".to_owned()));
    }),
    records("OBS-006", "takes_it_for_success", "a call that was given up is `ok`", |all| {
        on_spans(all, "omni.outcome", |_| Some("ok".to_owned()));
    }),
    records("OBS-006", "takes_it_for_failure", "a call that was given up is a failure", |all| {
        all.spans.iter_mut().for_each(|span| span.error = true);
    }),
    records("OBS-010", "counts_milliseconds", "times are in milliseconds", |all| {
        on_points(all, DURATION, |sum| sum * 1000.0);
    }),
    records("OBS-010", "times_attempts", "the last attempt is timed, not the call", |all| {
        on_points(all, DURATION, |sum| sum / 100.0);
    }),
    records("OBS-010", "counts_too_many", "attempts are counted as calls", |all| {
        all.points.iter_mut().for_each(|point| point.count += 1);
    }),
    records("OBS-011", "counts_first_attempts", "every attempt is a retry", |all| {
        on_points(all, "omni.client.operation.retries", |sum| sum + 3.0);
    }),
    records("OBS-011", "counts_no_retries", "retries are not counted", |all| {
        without(all, "omni.client.operation.retries");
    }),
    records("OBS-012", "counts_payloads_once", "of a put, the bytes of one attempt", |all| {
        on_points(all, "omni.client.content.size", |sum| if sum > 16.0 { sum - 5.0 } else { sum });
    }),
    records("OBS-012", "has_one_direction", "everything is sent", |all| {
        for point in &mut all.points {
            if let Some(direction) = point.attributes.get_mut("network.io.direction") {
                *direction = "transmit".to_owned();
            }
        }
    }),
    records("OBS-013", "counts_whole_contents", "contents that break off are not timed", |all| {
        all.points.retain(|point| {
            point.metric != "omni.client.content.duration"
                || point.attributes.get("omni.outcome").is_some_and(|outcome| outcome == "ok")
        });
    }),
    records("OBS-013", "times_the_first_byte", "the time to the first byte", |all| {
        on_points(all, "omni.client.content.duration", |sum| sum / 1000.0);
    }),
    records("OBS-014", "never_goes_down", "calls that ended are active", |all| {
        on_points(all, "omni.client.active_operations", |sum| sum + 1.0);
    }),
    records("OBS-015", "knows_no_breaker", "the breaker is always closed", |all| {
        on_points(all, "omni.client.breaker.state", |_| 0.0);
    }),
    records("OBS-015", "sees_no_queue", "nobody waits", |all| {
        on_points(all, "omni.client.concurrency.waiting", |_| 0.0);
    }),
    records("OBS-015", "limits_what_is_not", "a limit of zero where there is none", |all| {
        if all.points("omni.client.concurrency.limit").next().is_none() {
            let active = all.points("omni.client.active_operations").next().cloned();
            let metric = "omni.client.concurrency.limit".to_owned();
            all.points.extend(active.map(|point| Point { metric, ..point }));
        }
    }),
    records("OBS-016", "loses_one_span", "of thousands of spans one is lost", |all| {
        all.spans.pop();
    }),
    records("OBS-016", "loses_one_value", "of thousands of values one is lost", |all| {
        let mut points = all.points.iter_mut().filter(|point| point.metric == DURATION);
        points.by_ref().take(1).for_each(|point| point.count -= 1);
    }),
    records("OBS-018", "is_deaf", "what providers tell is not recorded", |all| {
        all.points.retain(|point| !point.metric.starts_with("omni.failover."));
    }),
    records("OBS-018", "mixes_members", "members are not told apart", |all| {
        for point in &mut all.points {
            point.attributes.remove("omni.member");
        }
    }),
    records("OBS-018", "is_never_away", "a member that is out stands where it stood", |all| {
        on_points(all, "omni.failover.standing", |standing| standing.max(1.0));
    }),
    records("OBS-017", "counts_by_key", "the key is an attribute of metrics", |all| {
        for point in &mut all.points {
            point.attributes.insert("omni.resource".to_owned(), "key-1".to_owned());
        }
    }),
    records("OBS-017", "has_one_of_its_own", "an attribute that nobody knows", |all| {
        for span in &mut all.spans {
            span.attributes.insert("omni.mood".to_owned(), "good".to_owned());
        }
    }),
    records("OBS-020", "logs_answers", "what is not there is logged", |all| {
        let missing = all.spans.iter().find(|span| {
            span.attributes.get("omni.outcome").is_some_and(|outcome| outcome == "not_found")
        });
        let of = missing.map(|span| Log {
            event: "omni.operation.failed".to_owned(),
            body: String::new(),
            warns: true,
            trace: span.trace.clone(),
            span: span.id.clone(),
            attributes: span.attributes.clone(),
        });
        all.logs.extend(of);
    }),
    records("OBS-020", "has_no_trace", "log records have no trace", |all| {
        all.logs.iter_mut().for_each(|log| log.trace.clear());
    }),
    records("OBS-020", "whispers", "failures are logged as information", |all| {
        all.logs.iter_mut().for_each(|log| log.warns = false);
    }),
    records("OBS-021", "does_not_see_it_close", "only the opening is logged", |all| {
        all.logs.retain(|log| {
            log.attributes.get("omni.breaker.state").is_none_or(|state| state == "open")
        });
    }),
    records("OBS-030", "names_spans_by_key", "the key is in the name of the span", |all| {
        all.spans.iter_mut().for_each(|span| span.name.push_str(" key-of-gold"));
    }),
    records("OBS-030", "logs_texts", "the text of the error is logged", |all| {
        all.logs.iter_mut().for_each(|log| log.body.push_str(": text-of-gold"));
    }),
    records("OBS-031", "never_tells", "keys are never told", |all| {
        on_spans(all, "omni.resource", |_| None);
    }),
    records("OBS-031", "tells_all", "contents are told, too", |all| {
        for span in &mut all.spans {
            span.attributes.insert("omni.content".to_owned(), "content-of-gold".to_owned());
        }
    }),
    twists("OBS-040", "makes_streams", "contents in memory become streams", Twist::Streams),
    twists("OBS-040", "asks_twice", "a get is asked for twice", Twist::AsksTwice),
    twists("OBS-041", "waits_for_the_receiver", "a call is sent before it ends", Twist::Flushes),
    TelemetryMutant {
        clause: "OBS-041",
        name: "keeps_everything",
        wrong: "what waits to be sent has no bound",
        way: Way::Sends(|settings| {
            let mut settings = settings.clone();
            settings.queue = Some(100_000);
            settings.delay = Some(Duration::from_secs(3600));
            Telemetry::start(&settings)
        }),
    },
    TelemetryMutant {
        clause: "OBS-042",
        name: "never_ends",
        wrong: "what is recorded last is not sent",
        way: Way::Sends(|settings| {
            let telemetry = Telemetry::start(settings)?;
            std::mem::forget(telemetry.clone());
            Ok(telemetry)
        }),
    },
    TelemetryMutant {
        clause: "OBS-042",
        name: "sends_traces_only",
        wrong: "metrics and log records are not sent",
        way: Way::Sends(|settings| {
            let mut settings = settings.clone();
            settings.signals.truncate(1);
            Telemetry::start(&settings)
        }),
    },
    records("OBS-043", "samples_counts", "what is not sampled is not counted", |all| {
        if all.spans.is_empty() {
            all.points.clear();
        }
    }),
    TelemetryMutant {
        clause: "OBS-050",
        name: "asks_for_another",
        wrong: "queries of a metric that is not recorded",
        way: Way::Asks(|query| query.replace("operation_duration", "request_duration")),
    },
    TelemetryMutant {
        clause: "OBS-050",
        name: "asks_by_key",
        wrong: "queries by an attribute that the metric does not have",
        way: Way::Asks(|query| query.replace("omni_instance=~", "omni_resource=~")),
    },
];

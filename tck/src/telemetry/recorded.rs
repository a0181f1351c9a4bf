//! `Recorded`: spans, metrics and log records, in a form that is easy to ask; and the exporters that
//! keep them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use opentelemetry::KeyValue;
use opentelemetry::logs::AnyValue;
use opentelemetry::trace::{SpanKind, Status};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, LogExporter};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

/// Names and values of attributes, the values as texts.
pub type Attributes = BTreeMap<String, String>;

/// Everything that was recorded.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// The spans that have ended, in that order.
    pub spans: Vec<Span>,
    /// The metrics as they are.
    pub points: Vec<Point>,
    /// The log records.
    pub logs: Vec<Log>,
}

/// A span that has ended.
#[derive(Clone, Debug)]
pub struct Span {
    /// Its name.
    pub name: String,
    /// Its trace.
    pub trace: String,
    /// Itself.
    pub id: String,
    /// The span above it; empty for the first of a trace.
    pub parent: String,
    /// Whether it is of kind client.
    pub client: bool,
    /// Whether its status is error.
    pub error: bool,
    /// Its attributes.
    pub attributes: Attributes,
    /// The names and attributes of its events.
    pub events: Vec<(String, Attributes)>,
    /// When it began.
    pub begun: SystemTime,
    /// When it ended.
    pub ended: SystemTime,
}

/// A value of a metric.
#[derive(Clone, Debug)]
pub struct Point {
    /// The metric.
    pub metric: String,
    /// Its attributes.
    pub attributes: Attributes,
    /// How many values; of sums and gauges 1.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
}

/// A log record.
#[derive(Clone, Debug)]
pub struct Log {
    /// The name of the event.
    pub event: String,
    /// The text.
    pub body: String,
    /// Whether its severity is warning or more.
    pub warns: bool,
    /// Its trace, where it has one.
    pub trace: String,
    /// Its span, where it has one.
    pub span: String,
    /// Its attributes.
    pub attributes: Attributes,
}

impl Recorded {
    /// The spans of a name.
    pub(super) fn spans(&self, name: &str) -> impl Iterator<Item = &Span> {
        self.spans.iter().filter(move |span| span.name == name)
    }

    /// The values of a metric.
    pub(super) fn points(&self, metric: &str) -> impl Iterator<Item = &Point> {
        self.points.iter().filter(move |point| point.metric == metric)
    }

    /// The sum of a metric, of the points with these attributes.
    pub(super) fn sum(&self, metric: &str, with: &[(&str, &str)]) -> Option<f64> {
        let has = |point: &&Point| {
            with.iter().all(|(name, value)| {
                point.attributes.get(*name).is_some_and(|known| known == value)
            })
        };
        let mut sums = self.points(metric).filter(has).map(|point| point.sum).peekable();
        sums.peek()?;
        Some(sums.sum())
    }

    /// Every text that is recorded, wherever.
    pub(super) fn texts(&self) -> Vec<String> {
        let mut texts = Vec::new();
        let mut add = |attributes: &Attributes| {
            texts.extend(attributes.iter().flat_map(|(name, value)| [name.clone(), value.clone()]));
        };
        for span in &self.spans {
            add(&span.attributes);
            span.events.iter().for_each(|(_, attributes)| add(attributes));
        }
        self.points.iter().for_each(|point| add(&point.attributes));
        self.logs.iter().for_each(|log| add(&log.attributes));
        texts.extend(self.spans.iter().map(|span| span.name.clone()));
        let events = self.spans.iter().flat_map(|span| &span.events);
        texts.extend(events.map(|(name, _)| name.clone()));
        texts.extend(self.logs.iter().flat_map(|log| [log.body.clone(), log.event.clone()]));
        texts
    }
}

/// Keeps what is exported.
#[derive(Clone, Debug, Default)]
pub(super) struct Keeper(Arc<Mutex<Recorded>>);

impl Keeper {
    pub(super) fn recorded(&self) -> MutexGuard<'_, Recorded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn attributes<'a>(pairs: impl IntoIterator<Item = &'a KeyValue>) -> Attributes {
    let pairs = pairs.into_iter();
    pairs.map(|pair| (pair.key.to_string(), pair.value.to_string())).collect()
}

fn shown(value: &AnyValue) -> String {
    match value {
        AnyValue::String(text) => text.to_string(),
        other => format!("{other:?}"),
    }
}

impl SpanExporter for Keeper {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.into_iter().map(|span| Span {
            name: span.name.to_string(),
            trace: span.span_context.trace_id().to_string(),
            id: span.span_context.span_id().to_string(),
            parent: match span.parent_span_id.to_string() {
                none if none.trim_matches('0').is_empty() => String::new(),
                parent => parent,
            },
            client: span.span_kind == SpanKind::Client,
            error: matches!(span.status, Status::Error { .. }),
            attributes: attributes(&span.attributes),
            events: span
                .events
                .iter()
                .map(|event| (event.name.to_string(), attributes(&event.attributes)))
                .collect(),
            begun: span.start_time,
            ended: span.end_time,
        });
        self.recorded().spans.extend(spans);
        Ok(())
    }
}

impl PushMetricExporter for Keeper {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let metrics = metrics.scope_metrics().flat_map(|scope| scope.metrics());
        let mut points = Vec::new();
        for metric in metrics {
            let mut add = |attributes, count, sum| {
                points.push(Point { metric: metric.name().to_owned(), attributes, count, sum });
            };
            match metric.data() {
                AggregatedMetrics::F64(MetricData::Histogram(data)) => {
                    data.data_points().for_each(|point| {
                        add(attributes(point.attributes()), point.count(), point.sum());
                    });
                }
                AggregatedMetrics::F64(MetricData::Gauge(data)) => {
                    data.data_points().for_each(|point| {
                        add(attributes(point.attributes()), 1, point.value());
                    });
                }
                AggregatedMetrics::F64(MetricData::Sum(data)) => {
                    data.data_points().for_each(|point| {
                        add(attributes(point.attributes()), 1, point.value());
                    });
                }
                AggregatedMetrics::U64(MetricData::Sum(data)) => {
                    data.data_points().for_each(|point| {
                        add(attributes(point.attributes()), 1, point.value() as f64);
                    });
                }
                AggregatedMetrics::I64(MetricData::Sum(data)) => {
                    data.data_points().for_each(|point| {
                        add(attributes(point.attributes()), 1, point.value() as f64);
                    });
                }
                AggregatedMetrics::I64(MetricData::Gauge(data)) => {
                    data.data_points().for_each(|point| {
                        add(attributes(point.attributes()), 1, point.value() as f64);
                    });
                }
                _ => add(Attributes::from([("unknown".to_owned(), "data".to_owned())]), 0, 0.0),
            }
        }
        self.recorded().points = points;
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

impl LogExporter for Keeper {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let logs = batch.iter().map(|(record, _)| Log {
            event: record.event_name().unwrap_or_default().to_owned(),
            body: record.body().map(shown).unwrap_or_default(),
            warns: record
                .severity_number()
                .is_some_and(|severity| severity >= opentelemetry::logs::Severity::Warn),
            trace: record.trace_context().map(|at| at.trace_id.to_string()).unwrap_or_default(),
            span: record.trace_context().map(|at| at.span_id.to_string()).unwrap_or_default(),
            attributes: record
                .attributes_iter()
                .map(|(name, value)| (name.to_string(), shown(value)))
                .collect(),
        });
        self.recorded().logs.extend(logs);
        Ok(())
    }
}

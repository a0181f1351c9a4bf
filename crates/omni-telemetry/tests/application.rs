//! `export = "application"`: what is recorded goes to the OpenTelemetry that the application has set up,
//! which is global; hence a program of its own.

use omni_contracts::storage::{GetOptions, Intercepted, Key, StorageProvider};
use omni_contracts::{Contract, Scope};
use omni_provider_memory::{MemorySettings, MemoryStorage};
use omni_telemetry::{Export, Telemetry, TelemetrySettings};
use opentelemetry::global;
use opentelemetry::trace::Tracer;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};

#[tokio::test]
async fn what_is_recorded_goes_to_the_application() {
    let (spans, values) = (InMemorySpanExporter::default(), InMemoryMetricExporter::default());
    let traces = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
    let reader = PeriodicReader::builder(values.clone()).build();
    let metrics = SdkMeterProvider::builder().with_reader(reader).build();
    global::set_tracer_provider(traces.clone());
    global::set_meter_provider(metrics.clone());

    let mut settings = TelemetrySettings::default();
    settings.export = Export::Application;
    let telemetry = Telemetry::start(&settings).unwrap();
    let memory = MemoryStorage::new(MemorySettings::default());
    let instance = telemetry.instance(Contract::Storage, "main", memory.name());
    let store = Intercepted::new(instance.calls(), std::sync::Arc::new(memory), Scope::default());
    let key = Key::new("nothing").unwrap();
    global::tracer("application").in_span("request", |_| ());
    store.head(&key, &GetOptions::default()).await.unwrap_err();
    telemetry.flush().unwrap();
    drop((telemetry, instance, store));

    // It is the application that ends what it has begun: both still work.
    global::tracer("application").in_span("later", |_| ());
    metrics.force_flush().unwrap();
    let names: Vec<_> =
        spans.get_finished_spans().unwrap().iter().map(|span| span.name.to_string()).collect();
    assert_eq!(names, ["request", "storage.head", "later"]);
    let values = values.get_finished_metrics().unwrap();
    let metrics = values.iter().flat_map(|values| values.scope_metrics());
    let mut metrics = metrics.flat_map(|scope| scope.metrics());
    let duration = metrics.find(|metric| metric.name() == "omni.client.operation.duration");
    match duration.unwrap().data() {
        AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
            assert_eq!(histogram.data_points().map(|point| point.count()).sum::<u64>(), 1);
        }
        other => panic!("{other:?}"),
    }
}

//! Providers that send by OTLP.

use std::collections::HashMap;

use omni_contracts::{Error, ErrorKind, Result};
use opentelemetry::KeyValue;
use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, MetricExporter, Protocol as Wire, SpanExporter,
    WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{self, BatchLogProcessor, SdkLoggerProvider};
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{self, BatchSpanProcessor, Sampler, SdkTracerProvider};

use crate::pipeline::Providers;
use crate::settings::{Protocol, Signal, TelemetrySettings};

/// What sends by gRPC in the background, whatever runtime the application has.
#[derive(Debug, Default)]
pub(crate) struct Background {
    #[cfg(feature = "grpc")]
    runtime: Option<tokio::runtime::Runtime>,
}

#[cfg(feature = "grpc")]
impl Drop for Background {
    fn drop(&mut self) {
        // To wait for it is not allowed where other tasks run.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn wrong(error: &dyn std::error::Error) -> Error {
    Error::new(ErrorKind::Configuration, error.to_string().replace('\n', " "))
}

/// One exporter, with what all have in common.
macro_rules! exporter {
    ($exporter:ident, $settings:expr, $path:literal) => {{
        let settings: &TelemetrySettings = $settings;
        let built: std::result::Result<$exporter, ExporterBuildError> = match settings.protocol {
            Protocol::Http => {
                let mut builder = $exporter::builder().with_http().with_protocol(Wire::HttpBinary);
                if let Some(endpoint) = &settings.endpoint {
                    builder = builder.with_endpoint(format!(
                        "{}{}",
                        endpoint.trim_end_matches('/'),
                        $path
                    ));
                }
                if let Some(timeout) = settings.timeout {
                    builder = builder.with_timeout(timeout);
                }
                builder.with_headers(headers(settings)).build()
            }
            #[cfg(feature = "grpc")]
            Protocol::Grpc => {
                use opentelemetry_otlp::WithTonicConfig;
                let mut builder = $exporter::builder().with_tonic();
                if let Some(endpoint) = &settings.endpoint {
                    builder = builder.with_endpoint(endpoint);
                    if endpoint.starts_with("https://") {
                        let tls = tonic::transport::ClientTlsConfig::new();
                        builder = builder.with_tls_config(tls.with_enabled_roots());
                    }
                }
                if let Some(timeout) = settings.timeout {
                    builder = builder.with_timeout(timeout);
                }
                builder.with_metadata(metadata(settings)?).build()
            }
            #[cfg(not(feature = "grpc"))]
            Protocol::Grpc => {
                let problem = "`protocol = \"grpc\"` needs the feature `telemetry-grpc` of omni-storage, \
                               which is not compiled in; `http` is";
                return Err(Error::new(ErrorKind::Configuration, problem));
            }
        };
        built.map_err(|error| wrong(&error))
    }};
}

fn headers(settings: &TelemetrySettings) -> HashMap<String, String> {
    let headers = settings.headers.0.iter();
    headers.map(|(name, value)| (name.clone(), value.expose().to_owned())).collect()
}

#[cfg(feature = "grpc")]
fn metadata(settings: &TelemetrySettings) -> Result<tonic::metadata::MetadataMap> {
    use tonic::metadata::{MetadataKey, MetadataMap};
    let mut metadata = MetadataMap::new();
    for (name, value) in headers(settings) {
        let problem = || {
            let text = format!("`headers.{name}` is no field that gRPC can send");
            Error::new(ErrorKind::Configuration, text)
        };
        let value = value.parse().map_err(|_| problem())?;
        let name = MetadataKey::from_bytes(name.as_bytes()).map_err(|_| problem())?;
        metadata.insert(name, value);
    }
    Ok(metadata)
}

/// The providers that the settings ask for.
pub(crate) fn providers(settings: &TelemetrySettings) -> Result<Providers> {
    let background = background(settings)?;
    #[cfg(feature = "grpc")]
    let _current = background.runtime.as_ref().map(tokio::runtime::Runtime::enter);
    let has = |signal| settings.signals.contains(&signal);
    let resource = resource(settings);
    let mut traces = SdkTracerProvider::builder().with_resource(resource.clone());
    if let Some(share) = settings.sample {
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(share)));
        traces = traces.with_sampler(sampler);
    }
    if has(Signal::Traces) {
        let mut batch = trace::BatchConfigBuilder::default();
        if let Some(queue) = settings.queue {
            batch = batch.with_max_queue_size(queue).with_max_export_batch_size(queue.min(512));
        }
        if let Some(delay) = settings.delay {
            batch = batch.with_scheduled_delay(delay);
        }
        let exporter = exporter!(SpanExporter, settings, "/v1/traces")?;
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batch.build());
        traces = traces.with_span_processor(processor.build());
    } else {
        traces = traces.with_sampler(Sampler::AlwaysOff);
    }
    let mut metrics = SdkMeterProvider::builder().with_resource(resource.clone());
    if has(Signal::Metrics) {
        let exporter = exporter!(MetricExporter, settings, "/v1/metrics")?;
        let mut reader = PeriodicReader::builder(exporter);
        if let Some(interval) = settings.interval {
            reader = reader.with_interval(interval);
        }
        metrics = metrics.with_reader(reader.build());
    }
    let mut logs = SdkLoggerProvider::builder().with_resource(resource);
    if has(Signal::Logs) {
        let mut batch = logs::BatchConfigBuilder::default();
        if let Some(queue) = settings.queue {
            batch = batch.with_max_queue_size(queue).with_max_export_batch_size(queue.min(512));
        }
        if let Some(delay) = settings.delay {
            batch = batch.with_scheduled_delay(delay);
        }
        let exporter = exporter!(LogExporter, settings, "/v1/logs")?;
        let processor = BatchLogProcessor::builder(exporter).with_batch_config(batch.build());
        logs = logs.with_log_processor(processor.build());
    }
    let (traces, metrics, logs) = (traces.build(), metrics.build(), logs.build());
    #[cfg(feature = "grpc")]
    drop(_current);
    Ok(Providers::new(traces, metrics, logs, background))
}

#[cfg(feature = "grpc")]
fn background(settings: &TelemetrySettings) -> Result<Background> {
    if settings.protocol == Protocol::Http {
        return Ok(Background::default());
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).thread_name("omni-telemetry").enable_all().build();
    let runtime = runtime.map_err(|error| {
        Error::new(ErrorKind::Internal, "no thread for telemetry").with_source(error)
    })?;
    Ok(Background { runtime: Some(runtime) })
}

#[cfg(not(feature = "grpc"))]
#[expect(clippy::unnecessary_wraps, reason = "with gRPC it can fail")]
fn background(_: &TelemetrySettings) -> Result<Background> {
    Ok(Background::default())
}

fn resource(settings: &TelemetrySettings) -> Resource {
    let attributes = settings.attributes.iter();
    let attributes = attributes.map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    let resource = Resource::builder().with_attributes(attributes);
    match &settings.service {
        Some(service) => resource.with_service_name(service.clone()).build(),
        None => resource.build(),
    }
}

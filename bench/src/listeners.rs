//! Somebody who listens to OpenTelemetry: the SDK makes every span and counts every value, and what it
//! would send is dropped. In two versions, ours and that of opendal.

macro_rules! listener {
    ($name:ident, $api:ident, $sdk:ident) => {
        pub(crate) mod $name {
            use std::time::Duration;

            use $api::Context;
            use $sdk::error::OTelSdkResult;
            use $sdk::metrics::data::ResourceMetrics;
            use $sdk::metrics::exporter::PushMetricExporter;
            use $sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
            use $sdk::trace::{SdkTracerProvider, Span, SpanData, SpanProcessor};

            #[derive(Debug)]
            struct Nowhere;

            impl SpanProcessor for Nowhere {
                fn on_start(&self, _: &mut Span, _: &Context) {}

                fn on_end(&self, span: SpanData) {
                    drop(std::hint::black_box(span));
                }

                fn force_flush(&self) -> OTelSdkResult {
                    Ok(())
                }

                fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
                    Ok(())
                }
            }

            impl PushMetricExporter for Nowhere {
                async fn export(&self, _: &ResourceMetrics) -> OTelSdkResult {
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

            pub(crate) fn traces() -> SdkTracerProvider {
                SdkTracerProvider::builder().with_span_processor(Nowhere).build()
            }

            pub(crate) fn metrics() -> SdkMeterProvider {
                let reader = PeriodicReader::builder(Nowhere).build();
                SdkMeterProvider::builder().with_reader(reader).build()
            }
        }
    };
}

listener!(ours, opentelemetry, opentelemetry_sdk);
listener!(theirs, opentelemetry_0_32, opentelemetry_sdk_0_32);

//! `Telemetry`: the way that spans, metrics and log records take.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use omni_config::Config;
use omni_contracts::{Contract, Error, ErrorKind, Result};
use opentelemetry::global::{self, BoxedTracer};
use opentelemetry::metrics::{AsyncInstrument, Counter, Histogram, Meter, MeterProvider};
use opentelemetry::trace::TracerProvider;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;

use crate::instance::{Instance, Shared, State};
use crate::otlp;
use crate::settings::{Export, TelemetrySettings};
use crate::table::{
    ACTIVE, BREAKER, BUCKETS, CONTENT_DURATION, CONTENT_SIZE, DURATION, Instrument, LIMIT, Metric,
    RETRIES, TOLD, USED, WAITING,
};

/// How long the last sending may take.
const GOODBYE: Duration = Duration::from_secs(5);

/// Where spans, metrics and log records go. Cheap to clone. When the last clone is dropped, and the last
/// [`Instance`] made of it, what was recorded is sent, for up to five seconds.
#[derive(Clone, Debug)]
pub struct Telemetry(Arc<Pipeline>);

pub(crate) struct Pipeline {
    pub(crate) tracer: BoxedTracer,
    pub(crate) instruments: Instruments,
    pub(crate) logger: Option<SdkLogger>,
    /// Whether keys and texts are recorded.
    pub(crate) keys: bool,
    instances: Instances,
    /// What this crate has made, and ends.
    own: Option<Providers>,
}

/// Those that exist: dropped, they tell nothing any more.
type Instances = Arc<Known>;
type Known = Mutex<Vec<Weak<State>>>;

/// The providers of OpenTelemetry.
#[derive(Debug)]
pub(crate) struct Providers {
    pub(crate) traces: SdkTracerProvider,
    pub(crate) metrics: SdkMeterProvider,
    pub(crate) logs: SdkLoggerProvider,
    /// Ended last: what is sent by gRPC needs it.
    _background: otlp::Background,
}

impl Providers {
    pub(crate) fn new(
        traces: SdkTracerProvider,
        metrics: SdkMeterProvider,
        logs: SdkLoggerProvider,
        background: otlp::Background,
    ) -> Self {
        Self { traces, metrics, logs, _background: background }
    }
}

/// What counts.
#[derive(Debug)]
pub(crate) struct Instruments {
    pub(crate) duration: Histogram<f64>,
    pub(crate) retries: Counter<u64>,
    pub(crate) content_size: Counter<u64>,
    pub(crate) content_duration: Histogram<f64>,
}

/// The pipelines of this process that configurations have started, so that equal ones are one.
static STARTED: Mutex<Vec<(TelemetrySettings, Weak<Pipeline>)>> = Mutex::new(Vec::new());

impl Telemetry {
    /// What the table `telemetry` of a configuration asks for; `None` where there is none. Equal tables
    /// are the same telemetry, as long as it exists.
    ///
    /// # Errors
    ///
    /// `Configuration` for a table that is wrong.
    pub fn from_config(config: &Config) -> Result<Option<Self>> {
        let Some(settings) = config.table::<TelemetrySettings>("telemetry")? else {
            return Ok(None);
        };
        let placed = |error: Error| Error::from(config.wrong_table("telemetry", error.message()));
        let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
        started.retain(|(_, pipeline)| pipeline.strong_count() > 0);
        let known = started.iter().find(|(known, _)| *known == settings);
        if let Some(pipeline) = known.and_then(|(_, pipeline)| pipeline.upgrade()) {
            return Ok(Some(Self(pipeline)));
        }
        let telemetry = Self::start(&settings).map_err(placed)?;
        started.push((settings, Arc::downgrade(&telemetry.0)));
        Ok(Some(telemetry))
    }

    /// What these settings ask for. Nothing is sent yet: a receiver that is not there is no error, then
    /// or later.
    ///
    /// # Errors
    ///
    /// `Configuration` for settings that are wrong.
    pub fn start(settings: &TelemetrySettings) -> Result<Self> {
        settings.check()?;
        match settings.export {
            Export::Application => Ok(Self::global(settings.keys)),
            Export::Otlp => {
                let providers = otlp::providers(settings)?;
                Ok(Self::of(providers, settings.keys, true))
            }
        }
    }

    /// What goes to the global providers of OpenTelemetry, as they are now: set them before. `keys` as
    /// in [`TelemetrySettings`]. Log records are not made.
    #[must_use]
    pub fn global(keys: bool) -> Self {
        let tracer = global::tracer_provider().tracer_with_scope(scope());
        let meter = global::meter_provider().meter_with_scope(scope());
        Self::with(BoxedTracer::new(Box::new(tracer)), &meter, None, keys, None)
    }

    /// What goes to these providers, which the caller ends. `keys` as in [`TelemetrySettings`].
    #[must_use]
    pub fn with_providers(
        traces: SdkTracerProvider,
        metrics: SdkMeterProvider,
        logs: SdkLoggerProvider,
        keys: bool,
    ) -> Self {
        let none = otlp::Background::default();
        Self::of(Providers::new(traces, metrics, logs, none), keys, false)
    }

    fn of(providers: Providers, keys: bool, own: bool) -> Self {
        use opentelemetry::logs::LoggerProvider;
        let tracer = providers.traces.tracer_with_scope(scope());
        let meter = providers.metrics.meter_with_scope(scope());
        let logger = providers.logs.logger_with_scope(scope());
        let tracer = BoxedTracer::new(Box::new(tracer));
        Self::with(tracer, &meter, Some(logger), keys, own.then_some(providers))
    }

    fn with(
        tracer: BoxedTracer,
        meter: &Meter,
        logger: Option<SdkLogger>,
        keys: bool,
        own: Option<Providers>,
    ) -> Self {
        let instances = Instances::default();
        observe(meter, &instances);
        let instruments = Instruments {
            duration: times(meter, DURATION),
            retries: counter(meter, RETRIES),
            content_size: counter(meter, CONTENT_SIZE),
            content_duration: times(meter, CONTENT_DURATION),
        };
        Self(Arc::new(Pipeline { tracer, instruments, logger, keys, instances, own }))
    }

    /// The instance of this name and provider; those that are equal count together.
    #[must_use]
    pub fn instance(&self, contract: Contract, name: &str, provider: &str) -> Instance {
        let mut instances = self.0.instances.lock().unwrap_or_else(PoisonError::into_inner);
        instances.retain(|known| known.strong_count() > 0);
        let known = instances.iter().filter_map(Weak::upgrade).find(|known| {
            known.contract == contract && *known.name == *name && *known.provider == *provider
        });
        let state = known.unwrap_or_else(|| {
            let state = Arc::new(State::new(contract, name, provider));
            instances.push(Arc::downgrade(&state));
            state
        });
        Instance(Arc::new(Shared { pipeline: Arc::clone(&self.0), state }))
    }

    /// Sends what was recorded until now. Blocks its thread for as long as the receiver takes, at most
    /// for `timeout` per signal. Of providers that are not its own it does nothing.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the receiver was not reached, or refused.
    pub fn flush(&self) -> Result<()> {
        let Some(own) = &self.0.own else { return Ok(()) };
        let results = [own.traces.force_flush(), own.metrics.force_flush(), own.logs.force_flush()];
        match results.into_iter().find_map(std::result::Result::err) {
            None => Ok(()),
            Some(error) => Err(Error::new(
                ErrorKind::Unavailable,
                "the receiver of telemetry did not take what was recorded",
            )
            .with_source(error)),
        }
    }
}

/// The same for clones, and for telemetry of equal tables.
impl fmt::Pointer for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Pointer::fmt(&self.0, f)
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        if let Some(own) = &self.own {
            // Whoever ends the program cannot do anything about a receiver that is not there.
            let _ = own.traces.shutdown_with_timeout(GOODBYE);
            let _ = own.metrics.shutdown_with_timeout(GOODBYE);
            let _ = own.logs.shutdown_with_timeout(GOODBYE);
        }
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline").field("keys", &self.keys).finish_non_exhaustive()
    }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("omni").with_version(env!("CARGO_PKG_VERSION")).build()
}

fn times(meter: &Meter, metric: &Metric) -> Histogram<f64> {
    let histogram = meter.f64_histogram(metric.name).with_unit(metric.unit);
    histogram.with_description(metric.about).with_boundaries(BUCKETS.to_vec()).build()
}

fn counter(meter: &Meter, metric: &Metric) -> Counter<u64> {
    let counter = meter.u64_counter(metric.name).with_unit(metric.unit);
    counter.with_description(metric.about).build()
}

/// Tells how full the instances are when metrics are read.
fn observe(meter: &Meter, instances: &Instances) {
    let known = Arc::downgrade(instances);
    let active = meter.i64_observable_up_down_counter(ACTIVE.name).with_unit(ACTIVE.unit);
    let active = active.with_description(ACTIVE.about).with_callback(move |observer| {
        for (value, attributes) in values(&known, |state| Some(state.active())) {
            observer.observe(value, &attributes);
        }
    });
    active.build();
    let gauge = |metric: &Metric, value: fn(&State) -> Option<usize>| {
        let known = Arc::downgrade(instances);
        let gauge = meter.i64_observable_gauge(metric.name).with_unit(metric.unit);
        let gauge = gauge.with_description(metric.about).with_callback(move |observer| {
            for (value, attributes) in values(&known, value) {
                observer.observe(i64::try_from(value).unwrap_or(i64::MAX), &attributes);
            }
        });
        gauge.build();
    };
    gauge(USED, |state| state.fullness().places.map(|places| places.used));
    gauge(LIMIT, |state| state.fullness().places.map(|places| places.limit));
    gauge(WAITING, |state| state.fullness().places.map(|places| places.waiting));
    gauge(BREAKER, |state| state.fullness().breaker.map(|state| state as usize));
    for metric in TOLD {
        hear(meter, metric, instances);
    }
}

/// Tells what the providers tell of themselves when metrics are read.
fn hear(meter: &Meter, metric: &'static Metric, instances: &Instances) {
    let known = Arc::downgrade(instances);
    let read = move |observer: &dyn AsyncInstrument<f64>| {
        let told = values(&known, |state| Some(state.told(metric.name)));
        for (value, attributes) in told.into_iter().flat_map(|(told, _)| told) {
            observer.observe(value, &attributes);
        }
    };
    let (name, unit, about) = (metric.name, metric.unit, metric.about);
    if metric.instrument == Instrument::Counter {
        let counter = meter.f64_observable_counter(name).with_unit(unit).with_description(about);
        counter.with_callback(read).build();
    } else {
        let gauge = meter.f64_observable_gauge(name).with_unit(unit).with_description(about);
        gauge.with_callback(read).build();
    }
}

/// A value of each instance that exists and has one, with its attributes.
fn values<T>(known: &Weak<Known>, value: impl Fn(&State) -> Option<T>) -> Vec<(T, Vec<KeyValue>)> {
    let Some(known) = known.upgrade() else { return Vec::new() };
    let known = known.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.iter().filter_map(Weak::upgrade);
    known.filter_map(|state| Some((value(&state)?, state.attributes()))).collect()
}

//! `Record`: one call, from its beginning to the end of its content.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use omni_contracts::{Call, Effect, Error, ErrorKind, Operation};
use opentelemetry::logs::{AnyValue, LogRecord, Logger, Severity};
use opentelemetry::trace::{SpanBuilder, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, ContextGuard, KeyValue};

use crate::instance::Shared;
use crate::table::{
    ATTEMPT, ATTEMPTS, CONTRACT, EFFECT, ERROR_TYPE, INSTANCE, MESSAGE, OPERATION, OUTCOME,
    PROVIDER, RESOURCE, SIZE, outcome, span_name,
};

/// What came of a call so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    name: &'static str,
    failed: bool,
}

impl Outcome {
    pub(crate) const OK: Self = Self { name: "ok", failed: false };
    pub(crate) const CANCELLED: Self = Self { name: "cancelled", failed: false };

    pub(crate) fn of(kind: ErrorKind) -> Self {
        let (name, failed) = outcome(kind);
        Self { name, failed }
    }

    pub(crate) fn attributes(self) -> impl Iterator<Item = KeyValue> {
        let failure = self.failed.then(|| KeyValue::new(ERROR_TYPE, self.name));
        [KeyValue::new(OUTCOME, self.name)].into_iter().chain(failure)
    }
}

/// One call. Its span ends when the last who has to do with it is gone: the call itself, or the content
/// that came of it.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) shared: Arc<Shared>,
    pub(crate) operation: Operation,
    begun: Instant,
    attempts: AtomicU32,
    outcome: Mutex<Outcome>,
    /// What was current where the call was made, with its span.
    context: Context,
}

thread_local! {
    /// The call that is being made. By this its attempts find it.
    static CURRENT: RefCell<Option<Arc<Record>>> = const { RefCell::new(None) };
}

/// While this exists, a call is the current one of its thread, and its span that of OpenTelemetry.
pub(crate) struct Entered {
    before: Option<Arc<Record>>,
    _context: ContextGuard,
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.before.take());
    }
}

impl Record {
    pub(crate) fn begin(shared: &Arc<Shared>, call: &Call<'_>) -> Arc<Self> {
        shared.state.active.fetch_add(1, Ordering::Relaxed);
        let parent = Context::current();
        let known = shared.state.of(call.operation);
        // Some more are added: what is about this call, and at its end what came of it.
        let mut attributes = Vec::with_capacity(known.attributes.len() + 5);
        attributes.extend_from_slice(&known.attributes);
        if let Some(size) = call.size {
            attributes.push(KeyValue::new(SIZE, i64::try_from(size).unwrap_or(i64::MAX)));
        }
        if shared.pipeline.keys {
            attributes.push(KeyValue::new(RESOURCE, call.resource.to_owned()));
        }
        let span = SpanBuilder::from_name(span_name(shared.state.contract, call.operation))
            .with_kind(SpanKind::Client)
            .with_attributes(attributes);
        let tracer = &shared.pipeline.tracer;
        let context = parent.with_span(tracer.build_with_context(span, &parent));
        Arc::new(Self {
            shared: Arc::clone(shared),
            operation: call.operation,
            begun: Instant::now(),
            attempts: AtomicU32::new(0),
            outcome: Mutex::new(Outcome::CANCELLED),
            context,
        })
    }

    /// Makes this call the current one.
    pub(crate) fn enter(self: &Arc<Self>) -> Entered {
        let before = CURRENT.replace(Some(Arc::clone(self)));
        Entered { before, _context: self.context.clone().attach() }
    }

    /// The call that is being made.
    pub(crate) fn current() -> Option<Arc<Self>> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Another attempt begins: which one it is.
    pub(crate) fn attempt(&self) -> u32 {
        self.attempts.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn attempt_failed(&self, number: u32, error: &Error) {
        let outcome = Outcome::of(error.kind());
        if outcome.failed {
            let mut attributes = vec![KeyValue::new(ATTEMPT, i64::from(number))];
            attributes.extend(outcome.attributes());
            self.context.span().add_event("omni.attempt", attributes);
        }
    }

    /// The call is answered.
    pub(crate) fn answered(&self, error: Option<&Error>) {
        self.set(error.map_or(Outcome::OK, |error| Outcome::of(error.kind())));
        if let Some(error) = error {
            self.failed(error);
        }
        self.shared.breaker_may_have_changed(error.is_some());
    }

    /// What has come of it from now on.
    fn set(&self, outcome: Outcome) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = outcome;
    }

    fn outcome(&self) -> Outcome {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The content breaks off.
    pub(crate) fn content_failed(&self, error: &Error) {
        self.set(Outcome::of(error.kind()));
        self.failed(error);
    }

    fn failed(&self, error: &Error) {
        let outcome = Outcome::of(error.kind());
        if !outcome.failed {
            return;
        }
        let effect = match error.effect() {
            Effect::No => None,
            Effect::Yes => Some("yes"),
            Effect::Unknown => Some("unknown"),
        };
        let span = self.context.span();
        if let Some(effect) = effect {
            span.set_attribute(KeyValue::new(EFFECT, effect));
        }
        let Some(logger) = &self.shared.pipeline.logger else { return };
        let mut record = logger.create_log_record();
        record.set_event_name("omni.operation.failed");
        let (severity, text) = match error.kind() {
            ErrorKind::Corrupt | ErrorKind::Internal => (Severity::Error, "ERROR"),
            _ => (Severity::Warn, "WARN"),
        };
        record.set_severity_number(severity);
        record.set_severity_text(text);
        let contract = self.shared.state.contract.as_str();
        let body = format!("{contract}.{} failed: {}", self.operation, error.kind());
        record.set_body(AnyValue::from(body));
        record.add_attribute(CONTRACT, contract);
        record.add_attribute(OPERATION, self.operation.as_str());
        record.add_attribute(PROVIDER, self.shared.state.provider.to_string());
        record.add_attribute(INSTANCE, self.shared.state.name.to_string());
        record.add_attribute(OUTCOME, outcome.name);
        record.add_attribute(ERROR_TYPE, outcome.name);
        if let Some(effect) = effect {
            record.add_attribute(EFFECT, effect);
        }
        if self.shared.pipeline.keys {
            record.add_attribute(MESSAGE, error.to_string());
        }
        let context = span.span_context();
        let flags = context.trace_flags();
        record.set_trace_context(context.trace_id(), context.span_id(), Some(flags));
        logger.emit(record);
    }

    /// The call ends, whether it is answered or given up.
    pub(crate) fn ended(&self) {
        self.shared.state.active.fetch_sub(1, Ordering::Relaxed);
        let instruments = &self.shared.pipeline.instruments;
        let known = self.shared.state.of(self.operation);
        let repeats = self.attempts.load(Ordering::Relaxed).saturating_sub(1);
        if repeats > 0 {
            instruments.retries.add(u64::from(repeats), &known.attributes);
        }
        let duration = self.begun.elapsed().as_secs_f64();
        known.with(self.outcome(), |attributes| instruments.duration.record(duration, attributes));
    }

    /// A content has been read, to its end or not.
    pub(crate) fn content_ended(&self, begun: Instant, outcome: Outcome) {
        let duration = begun.elapsed().as_secs_f64();
        let instruments = &self.shared.pipeline.instruments;
        self.shared.state.of(self.operation).with(outcome, |attributes| {
            instruments.content_duration.record(duration, attributes);
        });
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let outcome = self.outcome();
        let span = self.context.span();
        let attempts = self.attempts.load(Ordering::Relaxed);
        span.set_attribute(KeyValue::new(ATTEMPTS, i64::from(attempts)));
        span.set_attributes(outcome.attributes());
        if outcome.failed {
            // The kind says enough: texts may hold keys.
            span.set_status(Status::error(outcome.name));
        }
        span.end();
    }
}

//! Layers that are wrong on purpose, each in one way: each must be caught by the check of its clause.

use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, TryFutureExt};
use omni_contracts::storage::{Intercepted, StorageProvider};
use omni_contracts::{
    Body, Call, Effect, Error, ErrorKind, Idempotency, Interceptor, Operation, Result,
};
use omni_layers::{Layer, LayerSettings, Layers};
use tokio::time::{Duration, Instant};

use super::subject::read;
use super::{LayersSubject, Wrapped};
use crate::mutants::repeating_batches;

/// Layers that are wrong in one way.
#[derive(Clone, Copy)]
pub struct LayerMutant {
    /// The clause that they break, and whose check must fail on them.
    pub clause: &'static str,
    /// The name, as an identifier.
    pub name: &'static str,
    /// What they do wrong.
    pub wrong: &'static str,
    twist: Twist,
}

impl std::fmt::Debug for LayerMutant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}::{}", self.clause, self.name)
    }
}

/// What is done instead of what the honest layers do; [`HONEST`] is nothing.
#[derive(Clone, Copy)]
struct Twist {
    settings: fn(&mut LayerSettings),
    /// What the layers are told of a call.
    call: fn(&mut Call<'_>),
    /// What they are told of an attempt that failed.
    told: fn(Error) -> Error,
    /// What the caller is told.
    error: fn(Error) -> Error,
    names: fn(&mut Vec<&'static str>),
    /// These stand outside of all others.
    outside: &'static [Layer],
    /// What the others are told of a call.
    inner: fn(&mut Call<'_>),
    leak: Leak,
    /// One call at a time.
    alone: bool,
    /// New layers for each call.
    fresh: bool,
    /// The bodies, by their number.
    body: fn(u32, &Call<'_>, Body) -> Body,
    /// A breaker of little thought instead of the honest one.
    breaker: Option<Naive>,
    /// Around the layers.
    above: Option<fn(Inner) -> Inner>,
}

/// A provider, with layers or without.
type Inner = Arc<dyn StorageProvider>;

/// What is forgotten instead of being dropped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leak {
    Nothing,
    Attempts,
    Calls,
}

const HONEST: Twist = Twist {
    settings: |_| (),
    call: |_| (),
    told: |error| error,
    error: |error| error,
    names: |_| (),
    outside: &[],
    inner: |_| (),
    leak: Leak::Nothing,
    alone: false,
    fresh: false,
    body: |_, _, body| body,
    breaker: None,
    above: None,
};

/// Every mutant.
pub fn mutants() -> impl Iterator<Item = &'static LayerMutant> {
    MUTANTS.iter()
}

const fn mutant(
    clause: &'static str,
    name: &'static str,
    wrong: &'static str,
    twist: Twist,
) -> LayerMutant {
    LayerMutant { clause, name, wrong, twist }
}

/// The error without its wait and its cause.
fn stripped(error: &Error) -> Error {
    let copy = Error::new(error.kind(), error.message().to_owned())
        .with_retryable(error.is_retryable())
        .with_effect(error.effect());
    match error.operation() {
        None => copy,
        Some(operation) => copy.at(
            operation,
            error.provider().unwrap_or_default(),
            error.resource().unwrap_or_default(),
        ),
    }
}

/// As if nothing had happened.
fn denied(error: Error) -> Error {
    match error.effect() {
        Effect::Unknown => error.with_effect(Effect::No),
        _ => error,
    }
}

fn of_kind(error: &Error, kind: ErrorKind) -> Error {
    Error::new(kind, error.message().to_owned()).with_effect(error.effect())
}

fn forget_deadline(call: &mut Call<'_>) {
    call.deadline = None;
}

const MUTANTS: &[LayerMutant] = &[
    mutant(
        "LAY-001",
        "makes_errors_anew",
        "errors lose their wait and their cause",
        Twist { error: |error| stripped(&error), ..HONEST },
    ),
    mutant(
        "LAY-001",
        "one_kind_for_all",
        "what may be repeated becomes `Unavailable`",
        Twist {
            error: |error| match error.is_retryable() {
                true => of_kind(&error, ErrorKind::Unavailable),
                false => error,
            },
            ..HONEST
        },
    ),
    mutant(
        "LAY-001",
        "never_in_doubt",
        "errors say that there was no effect",
        Twist { error: |error| error.with_effect(Effect::No), ..HONEST },
    ),
    mutant(
        "LAY-002",
        "repeats_without_content",
        "the second attempt sends an empty payload",
        Twist { body: |number, _, body| if number == 2 { Body::empty() } else { body }, ..HONEST },
    ),
    mutant(
        "LAY-002",
        "last_attempt_is_cut",
        "the third attempt lacks the last byte",
        Twist {
            body: |number, _, body| match body.as_bytes() {
                Some(bytes) if number == 3 => {
                    Body::from(bytes.slice(..bytes.len().saturating_sub(1)))
                }
                _ => body,
            },
            ..HONEST
        },
    ),
    mutant(
        "LAY-003",
        "tells_another_order",
        "layers() begins with the innermost",
        Twist { names: |names| names.reverse(), ..HONEST },
    ),
    mutant(
        "LAY-003",
        "tells_what_is_off",
        "layers() always names the retries",
        Twist {
            names: |names| {
                if !names.contains(&"retry") {
                    names.push("retry");
                }
            },
            ..HONEST
        },
    ),
    mutant(
        "LAY-003",
        "breaker_counts_attempts",
        "the breaker is inside of the retries",
        Twist { outside: &[Layer::Deadline, Layer::Retry], ..HONEST },
    ),
    mutant(
        "LAY-003",
        "waiting_calls_keep_their_place",
        "the concurrency limit is outside of the retries",
        Twist { outside: &[Layer::Deadline, Layer::ConcurrencyLimit], ..HONEST },
    ),
    mutant(
        "LAY-004",
        "cannot_be_switched_off",
        "`off` is ignored",
        Twist { settings: |settings| settings.off.clear(), ..HONEST },
    ),
    mutant(
        "LAY-004",
        "retries_cannot_be_switched_off",
        "retries stay on",
        Twist { settings: |settings| settings.off.retain(|one| *one != Layer::Retry), ..HONEST },
    ),
    mutant(
        "LAY-005",
        "attempts_go_on",
        "an attempt outlives its call",
        Twist { leak: Leak::Attempts, ..HONEST },
    ),
    mutant(
        "LAY-005",
        "calls_go_on",
        "a dropped call is kept",
        Twist { leak: Leak::Calls, ..HONEST },
    ),
    mutant(
        "LAY-006",
        "truncates",
        "a content that breaks ends without an error",
        Twist {
            body: |_, call, body| match call.operation {
                Operation::Get => {
                    let good = body.take_while(|chunk| {
                        let is_good = chunk.is_ok();
                        async move { is_good }
                    });
                    Body::from_stream(good, None)
                }
                _ => body,
            },
            ..HONEST
        },
    ),
    mutant(
        "LAY-006",
        "begins_anew",
        "what follows a break is the beginning again",
        Twist {
            body: |_, call, body| match call.operation {
                Operation::Get => {
                    let mut first = None;
                    Body::from_stream(
                        body.map(move |chunk| match chunk {
                            Ok(chunk) => Ok(first.get_or_insert(chunk).clone()),
                            Err(_) => Ok(first.clone().unwrap_or_default()),
                        }),
                        None,
                    )
                }
                _ => body,
            },
            ..HONEST
        },
    ),
    mutant(
        "LAY-007",
        "one_at_a_time",
        "a lock is held around each call",
        Twist { alone: true, ..HONEST },
    ),
    mutant(
        "LAY-007",
        "a_limit_nobody_asked_for",
        "ten attempts at a time, at most",
        Twist { settings: |settings| settings.concurrency = Some(10), ..HONEST },
    ),
    mutant(
        "LAY-010",
        "no_deadline",
        "the deadline is ignored",
        Twist { settings: |settings| settings.off.push(Layer::Deadline), ..HONEST },
    ),
    mutant(
        "LAY-010",
        "deadline_per_attempt",
        "the deadline is inside of the retries",
        Twist { outside: &[Layer::Retry, Layer::Hedge], inner: forget_deadline, ..HONEST },
    ),
    mutant(
        "LAY-010",
        "late",
        "the deadline is a tenth later",
        Twist { settings: |settings| settings.deadline = settings.deadline * 11 / 10, ..HONEST },
    ),
    mutant(
        "LAY-010",
        "early",
        "the deadline is a fiftieth earlier",
        Twist { settings: |settings| settings.deadline = settings.deadline * 49 / 50, ..HONEST },
    ),
    mutant(
        "LAY-011",
        "ignores_the_caller",
        "the caller's deadline does not count",
        Twist { call: forget_deadline, ..HONEST },
    ),
    mutant(
        "LAY-011",
        "ignores_the_configuration",
        "the configured deadline does not count",
        Twist { settings: |settings| settings.off.push(Layer::Deadline), ..HONEST },
    ),
    mutant(
        "LAY-012",
        "tries_in_any_case",
        "a call that is too late is made",
        Twist {
            call: |call| {
                if call.deadline.is_some_and(|deadline| deadline <= Instant::now().into_std()) {
                    call.deadline = None;
                }
            },
            ..HONEST
        },
    ),
    mutant(
        "LAY-012",
        "too_late_is_a_doubt",
        "a call that was not made may have had effect",
        Twist { error: |error| error.with_effect(Effect::Unknown), ..HONEST },
    ),
    mutant(
        "LAY-013",
        "cut_off_is_no_effect",
        "a write that was cut off had no effect",
        Twist { error: denied, ..HONEST },
    ),
    mutant(
        "LAY-013",
        "cut_off_is_a_doubt",
        "a read that was cut off may have had effect",
        Twist {
            error: |error| match error.kind() {
                ErrorKind::Timeout => error.with_effect(Effect::Unknown),
                _ => error,
            },
            ..HONEST
        },
    ),
    mutant(
        "LAY-013",
        "cut_off_nowhere",
        "the error names no key",
        Twist { call: |call| call.resource = "", ..HONEST },
    ),
    mutant(
        "LAY-014",
        "hurries_streams",
        "configured limits hold for streams",
        Twist { call: |call| call.replayable = true, ..HONEST },
    ),
    mutant(
        "LAY-014",
        "streams_without_end",
        "the caller's deadline does not hold for streams",
        Twist {
            call: |call| {
                if !call.replayable {
                    call.deadline = None;
                }
            },
            ..HONEST
        },
    ),
    mutant(
        "LAY-015",
        "one_limit_for_every_size",
        "a large payload has no more time",
        Twist { call: |call| call.size = None, ..HONEST },
    ),
    mutant(
        "LAY-015",
        "one_limit_for_every_operation",
        "a long operation has no more time",
        Twist {
            call: |call| {
                if call.operation.is_long() {
                    call.operation = Operation::Delete;
                }
            },
            ..HONEST
        },
    ),
    mutant(
        "LAY-020",
        "no_attempt_timeout",
        "attempts take as long as they like",
        Twist { settings: |settings| settings.off.push(Layer::AttemptTimeout), ..HONEST },
    ),
    mutant(
        "LAY-020",
        "attempt_timeout_for_the_call",
        "the attempt timeout is outside of the retries",
        Twist { outside: &[Layer::AttemptTimeout], ..HONEST },
    ),
    mutant(
        "LAY-020",
        "early_attempt_timeout",
        "attempts end a twentieth earlier",
        Twist {
            settings: |settings| settings.attempt_timeout = settings.attempt_timeout * 19 / 20,
            ..HONEST
        },
    ),
    mutant(
        "LAY-030",
        "one_attempt_more",
        "there is one attempt more",
        Twist { settings: |settings| settings.retry.attempts += 1, ..HONEST },
    ),
    mutant(
        "LAY-030",
        "one_attempt_less",
        "there is one attempt less",
        Twist {
            settings: |settings| {
                settings.retry.attempts = settings.retry.attempts.saturating_sub(1).max(1);
            },
            ..HONEST
        },
    ),
    mutant(
        "LAY-030",
        "throttled_is_final",
        "`Throttled` is not repeated",
        Twist {
            told: |error| match error.kind() {
                ErrorKind::Throttled => error.with_retryable(false),
                _ => error,
            },
            ..HONEST
        },
    ),
    mutant(
        "LAY-030",
        "repeats_by_kind",
        "what the error says of itself does not count",
        Twist {
            told: |error| {
                let transient = error.kind().is_transient();
                error.with_retryable(transient)
            },
            ..HONEST
        },
    ),
    mutant(
        "LAY-031",
        "repeats_everything",
        "every failure is repeated",
        Twist { told: |error| error.with_retryable(true), ..HONEST },
    ),
    mutant(
        "LAY-031",
        "repeats_what_is_missing",
        "`NotFound` is repeated",
        Twist {
            told: |error| match error.kind() {
                ErrorKind::NotFound => error.with_retryable(true),
                _ => error,
            },
            ..HONEST
        },
    ),
    mutant(
        "LAY-032",
        "everything_is_idempotent",
        "a create in doubt is repeated",
        Twist { call: |call| call.idempotency = Idempotency::Idempotent, ..HONEST },
    ),
    mutant(
        "LAY-032",
        "nothing_is_idempotent",
        "a plain put in doubt is not repeated",
        Twist { call: |call| call.idempotency = Idempotency::NotIdempotent, ..HONEST },
    ),
    mutant(
        "LAY-032",
        "doubt_is_no_effect",
        "an attempt in doubt counts as one without effect",
        Twist { told: denied, ..HONEST },
    ),
    mutant(
        "LAY-032",
        "repeats_what_was_done",
        "an attempt that had effect is repeated",
        Twist {
            told: |error| match error.effect() {
                Effect::Yes => error.with_effect(Effect::No),
                _ => error,
            },
            ..HONEST
        },
    ),
    mutant(
        "LAY-033",
        "repeats_streams",
        "a stream is sent again, which has been read",
        Twist { call: |call| call.replayable = true, ..HONEST },
    ),
    mutant(
        "LAY-034",
        "the_last_answer_counts",
        "the effect is that of the last attempt",
        Twist { told: denied, ..HONEST },
    ),
    mutant(
        "LAY-034",
        "denies_in_the_end",
        "the caller is told of no effect",
        Twist { error: denied, ..HONEST },
    ),
    mutant(
        "LAY-035",
        "no_waits",
        "attempts follow each other at once",
        Twist {
            settings: |settings| {
                settings.retry.first_wait = Duration::ZERO;
                settings.retry.longest_wait = Duration::ZERO;
            },
            ..HONEST
        },
    ),
    mutant(
        "LAY-035",
        "waits_do_not_grow",
        "the last wait is not longer than the first",
        Twist {
            settings: |settings| settings.retry.longest_wait = settings.retry.first_wait,
            ..HONEST
        },
    ),
    mutant(
        "LAY-035",
        "waits_grow_without_end",
        "`longest_wait` is ignored",
        Twist {
            settings: |settings| settings.retry.longest_wait = Duration::from_secs(3600),
            ..HONEST
        },
    ),
    mutant(
        "LAY-035",
        "half_a_jitter",
        "no wait is shorter than 20ms",
        Twist {
            told: |error| match error.retry_after() {
                None => error.with_retry_after(Duration::from_millis(20)),
                Some(_) => error,
            },
            ..HONEST
        },
    ),
    mutant(
        "LAY-036",
        "comes_back_as_it_likes",
        "the wait that the back-end asks for is ignored",
        Twist { told: |error| stripped(&error), ..HONEST },
    ),
    mutant(
        "LAY-036",
        "comes_back_early",
        "half of the wait is enough",
        Twist {
            told: |error| match error.retry_after() {
                Some(wait) => error.with_retry_after(wait / 2),
                None => error,
            },
            ..HONEST
        },
    ),
    mutant(
        "LAY-037",
        "waits_for_nothing",
        "a wait beyond the deadline is waited to it",
        Twist { outside: &[Layer::Deadline], inner: forget_deadline, ..HONEST },
    ),
    mutant(
        "LAY-038",
        "no_budget",
        "each call has a budget of its own",
        Twist { fresh: true, ..HONEST },
    ),
    mutant(
        "LAY-038",
        "twice_the_budget",
        "each call earns twice as much",
        Twist {
            settings: |settings| settings.retry.share = (settings.retry.share * 2.0).min(1.0),
            ..HONEST
        },
    ),
    mutant(
        "LAY-038",
        "budget_is_spent_once",
        "calls earn nothing",
        Twist { settings: |settings| settings.retry.share = 0.0, ..HONEST },
    ),
    mutant(
        "LAY-039",
        "repeats_the_batch",
        "every key is sent again",
        Twist { above: Some(repeating_batches), ..HONEST },
    ),
    mutant(
        "LAY-039",
        "batches_are_never_repeated",
        "failures of single keys are not seen",
        Twist {
            call: |call| {
                if call.operation == Operation::DeleteMany {
                    call.replayable = false;
                }
            },
            ..HONEST
        },
    ),
    mutant(
        "LAY-050",
        "opens_late",
        "one call more is needed to judge",
        Twist { settings: |settings| settings.breaker.calls += 1, ..HONEST },
    ),
    mutant(
        "LAY-050",
        "opens_early",
        "one call less is needed to judge",
        Twist { settings: |settings| settings.breaker.calls -= 1, ..HONEST },
    ),
    mutant(
        "LAY-050",
        "never_opens",
        "the breaker lets everything through",
        Twist { settings: |settings| settings.off.push(Layer::Breaker), ..HONEST },
    ),
    mutant(
        "LAY-050",
        "more_than_the_share",
        "the share itself is not enough",
        Twist { settings: |settings| settings.breaker.share *= 1.01, ..HONEST },
    ),
    mutant(
        "LAY-051",
        "every_error_is_a_failure",
        "any error counts",
        Twist {
            outside: &[Layer::Breaker],
            told: |error| of_kind(&error, ErrorKind::Unavailable),
            ..HONEST
        },
    ),
    mutant(
        "LAY-051",
        "timeouts_are_answers",
        "`Timeout` does not count",
        Twist {
            told: |error| match error.kind() {
                ErrorKind::Timeout => of_kind(&error, ErrorKind::Conflict),
                _ => error,
            },
            ..HONEST
        },
    ),
    mutant(
        "LAY-052",
        "refuses_without_a_wait",
        "nobody is told when to come back",
        Twist { error: |error| stripped(&error), ..HONEST },
    ),
    mutant(
        "LAY-052",
        "refused_is_a_doubt",
        "a call that was refused may have had effect",
        Twist { error: |error| error.with_effect(Effect::Unknown), ..HONEST },
    ),
    mutant(
        "LAY-052",
        "does_not_stay_open",
        "the next call is let through",
        Twist {
            settings: |settings| settings.breaker.open_for = Duration::from_millis(1),
            ..HONEST
        },
    ),
    mutant(
        "LAY-053",
        "many_try",
        "once the time is over, everybody is let through",
        Twist { breaker: Some(Naive { exclusive: false, ..NAIVE }), ..HONEST },
    ),
    mutant(
        "LAY-053",
        "tries_early",
        "a call may try a hundredth earlier",
        Twist {
            settings: |settings| settings.breaker.open_for = settings.breaker.open_for * 99 / 100,
            ..HONEST
        },
    ),
    mutant(
        "LAY-053",
        "never_tries",
        "once open, it stays so",
        Twist {
            settings: |settings| settings.breaker.open_for = Duration::from_secs(86_400),
            ..HONEST
        },
    ),
    mutant(
        "LAY-054",
        "remembers_too_much",
        "what was before it opened still counts",
        Twist { breaker: Some(Naive { forgets: false, ..NAIVE }), ..HONEST },
    ),
    mutant(
        "LAY-054",
        "closes_on_any_outcome",
        "a failing try closes it",
        Twist { breaker: Some(Naive { believes: true, ..NAIVE }), ..HONEST },
    ),
    mutant(
        "LAY-055",
        "waits_for_who_left",
        "the place of a try that was given up is not free",
        Twist { breaker: Some(NAIVE), ..HONEST },
    ),
    mutant(
        "LAY-055",
        "loses_the_try",
        "a try that was given up is never noticed",
        Twist { leak: Leak::Calls, ..HONEST },
    ),
    mutant(
        "LAY-056",
        "believes_old_news",
        "outcomes of calls from before it opened count",
        Twist { breaker: Some(NAIVE), ..HONEST },
    ),
    mutant(
        "LAY-057",
        "never_forgets",
        "outcomes count for ever",
        Twist { breaker: Some(NAIVE), ..HONEST },
    ),
    mutant(
        "LAY-057",
        "forgets_at_once",
        "outcomes count for a second",
        Twist { settings: |settings| settings.breaker.window = Duration::from_secs(1), ..HONEST },
    ),
    mutant(
        "LAY-058",
        "the_impatient_do_not_count",
        "a call that is cut off at its deadline is not seen",
        Twist {
            settings: |settings| settings.off.retain(|one| *one != Layer::Deadline),
            outside: &[Layer::Deadline],
            inner: forget_deadline,
            ..HONEST
        },
    ),
    mutant(
        "LAY-058",
        "who_leaves_is_a_failure",
        "every call that is given up counts as a failure",
        Twist {
            outside: &[Layer::Deadline, Layer::Retry],
            inner: |call| {
                call.deadline = Some(Instant::now().into_std() + Duration::from_millis(9))
            },
            ..HONEST
        },
    ),
    mutant(
        "LAY-060",
        "one_place_more",
        "one attempt more is under way",
        Twist {
            settings: |settings| settings.concurrency = settings.concurrency.map(|most| most + 1),
            ..HONEST
        },
    ),
    mutant(
        "LAY-060",
        "no_limit",
        "the limit is ignored",
        Twist { settings: |settings| settings.concurrency = None, ..HONEST },
    ),
    mutant(
        "LAY-060",
        "loses_places",
        "the place of a call that was given up is lost",
        Twist { leak: Leak::Calls, ..HONEST },
    ),
    mutant(
        "LAY-061",
        "waiting_is_the_attempt",
        "the attempt timeout is outside of the limits",
        Twist { outside: &[Layer::Deadline, Layer::AttemptTimeout], ..HONEST },
    ),
    mutant(
        "LAY-061",
        "waits_without_end",
        "the deadline is inside of the concurrency limit",
        Twist { outside: &[Layer::ConcurrencyLimit], call: forget_deadline, ..HONEST },
    ),
    mutant(
        "LAY-062",
        "twice_the_rate",
        "twice as many attempts begin",
        Twist {
            settings: |settings| {
                if let Some(rate) = &mut settings.rate {
                    rate.burst.get_or_insert(rate.per_second);
                    rate.per_second *= 2;
                }
            },
            ..HONEST
        },
    ),
    mutant(
        "LAY-062",
        "twice_the_burst",
        "twice as many attempts begin at once",
        Twist {
            settings: |settings| {
                if let Some(rate) = &mut settings.rate {
                    rate.burst = rate.burst.map(|burst| burst * 2);
                }
            },
            ..HONEST
        },
    ),
    mutant(
        "LAY-062",
        "half_the_rate",
        "half as many attempts begin",
        Twist {
            settings: |settings| {
                if let Some(rate) = &mut settings.rate {
                    rate.per_second = (rate.per_second / 2).max(1);
                }
            },
            ..HONEST
        },
    ),
    mutant(
        "LAY-062",
        "repeats_are_free",
        "the rate limit is outside of the retries",
        Twist { outside: &[Layer::RateLimit], ..HONEST },
    ),
    mutant(
        "LAY-070",
        "hedges_late",
        "the second attempt begins a tenth later",
        Twist {
            settings: |settings| {
                settings.hedge_after = settings.hedge_after.map(|after| after * 11 / 10);
            },
            ..HONEST
        },
    ),
    mutant(
        "LAY-070",
        "hedges_early",
        "the second attempt begins a fifth earlier",
        Twist {
            settings: |settings| {
                settings.hedge_after = settings.hedge_after.map(|after| after * 4 / 5);
            },
            ..HONEST
        },
    ),
    mutant(
        "LAY-070",
        "never_hedges",
        "there is no second attempt",
        Twist { settings: |settings| settings.hedge_after = None, ..HONEST },
    ),
    mutant(
        "LAY-070",
        "keeps_the_loser",
        "the attempt that lost goes on",
        Twist { leak: Leak::Attempts, ..HONEST },
    ),
    mutant(
        "LAY-071",
        "hedges_writes",
        "every operation is hedged",
        Twist { call: |call| call.operation = Operation::Head, ..HONEST },
    ),
];

impl LayersSubject for LayerMutant {
    fn name(&self) -> &str {
        self.name
    }

    fn wrap(&self, settings: &str, provider: Arc<dyn StorageProvider>) -> Result<Wrapped> {
        let twisted = Arc::new(Twisted::new(self.twist, read(settings)?)?);
        let above = self.twist.above;
        Ok(Box::new(move |scope| {
            let inner = Arc::clone(&provider);
            let layered = Arc::new(Intercepted::new(Arc::clone(&twisted), inner, scope));
            match above {
                None => layered,
                Some(above) => above(layered),
            }
        }))
    }
}

/// The layers with the twist.
struct Twisted {
    twist: Twist,
    settings: LayerSettings,
    names: Vec<&'static str>,
    outer: Layers,
    inner: Option<Layers>,
    breaker: Option<NaiveBreaker>,
    turn: tokio::sync::Mutex<()>,
    bodies: AtomicU32,
}

impl std::fmt::Debug for Twisted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Twisted").finish_non_exhaustive()
    }
}

impl Twisted {
    fn new(twist: Twist, stated: LayerSettings) -> Result<Self> {
        let mut names = Layers::new(&stated)?.layers();
        (twist.names)(&mut names);
        let mut settings = stated;
        (twist.settings)(&mut settings);
        let breaker = twist.breaker.filter(|_| settings.has(Layer::Breaker));
        if breaker.is_some() {
            settings.off.push(Layer::Breaker);
        }
        let without = |take: fn(&[Layer], Layer) -> bool| {
            let off = Layer::ORDER.iter().filter(|layer| take(twist.outside, **layer));
            let off = settings.off.iter().chain(off).copied().collect();
            Layers::new(&LayerSettings { off, ..settings.clone() })
        };
        let (outer, inner) = match twist.outside {
            [] => (Layers::new(&settings)?, None),
            _ => (
                without(|outside, layer| !outside.contains(&layer))?,
                Some(without(|outside, layer| outside.contains(&layer))?),
            ),
        };
        Ok(Self {
            twist,
            settings,
            names,
            outer,
            inner,
            breaker: breaker.map(NaiveBreaker::new),
            turn: tokio::sync::Mutex::default(),
            bodies: AtomicU32::new(0),
        })
    }
}

/// What is called once per attempt.
type Attempt<'a, T> = dyn Fn() -> BoxFuture<'a, Result<T>> + Send + Sync + 'a;

/// A future that is forgotten when it is dropped early.
async fn leaked<T>(future: impl Future<Output = T>) -> T {
    let mut future = ManuallyDrop::new(Box::pin(future));
    let value = future.as_mut().await;
    drop(ManuallyDrop::into_inner(future));
    value
}

impl Interceptor for Twisted {
    fn name(&self) -> &'static str {
        "twisted"
    }

    fn layers(&self) -> Vec<&'static str> {
        self.names.clone()
    }

    async fn around<T, F, Fut>(&self, call: &Call<'_>, attempt: F) -> Result<T>
    where
        T: Send,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        let twist = &self.twist;
        let _turn = match twist.alone {
            true => Some(self.turn.lock().await),
            false => None,
        };
        let fresh = match twist.fresh {
            true => Some(Layers::new(&self.settings)?),
            false => None,
        };
        let outer = fresh.as_ref().unwrap_or(&self.outer);
        let mut call = call.clone();
        (twist.call)(&mut call);
        let call = &call;
        // Boxed, so that the layers are compiled for each type of result only once.
        let told = || -> BoxFuture<'_, Result<T>> {
            match twist.leak {
                Leak::Attempts => leaked(attempt()).map_err(twist.told).boxed(),
                _ => attempt().map_err(twist.told).boxed(),
            }
        };
        let told: &Attempt<'_, T> = &told;
        let split = || -> BoxFuture<'_, Result<T>> {
            let Some(layers) = &self.inner else { return told() };
            let split = async move {
                let mut call = call.clone();
                (twist.inner)(&mut call);
                layers.around(&call, told).await
            };
            split.boxed()
        };
        let split: &Attempt<'_, T> = &split;
        let guarded = || -> BoxFuture<'_, Result<T>> {
            match &self.breaker {
                None => split(),
                Some(breaker) => breaker.around(call, split).boxed(),
            }
        };
        let guarded: &Attempt<'_, T> = &guarded;
        let whole = outer.around(call, guarded);
        let result = match twist.leak {
            Leak::Calls => leaked(whole).await,
            _ => whole.await,
        };
        result.map_err(twist.error)
    }

    fn body(&self, call: &Call<'_>, body: Body) -> Body {
        let number = self.bodies.fetch_add(1, Ordering::Relaxed) + 1;
        (self.twist.body)(number, call, body)
    }
}

/// A breaker that judges by ten calls and the half of them, stays open for 5s, and knows neither the
/// age of outcomes nor of calls, nor callers who leave.
#[derive(Clone, Copy)]
struct Naive {
    /// One call tries at a time.
    exclusive: bool,
    /// Closed, it begins to count anew.
    forgets: bool,
    /// Whatever comes of the try closes it.
    believes: bool,
}

const NAIVE: Naive = Naive { exclusive: true, forgets: true, believes: false };

struct NaiveBreaker {
    naive: Naive,
    state: Mutex<NaiveState>,
}

#[derive(Default)]
struct NaiveState {
    calls: u32,
    failures: u32,
    opened: Option<Instant>,
    trying: bool,
}

impl NaiveBreaker {
    const OPEN_FOR: Duration = Duration::from_secs(5);

    fn new(naive: Naive) -> Self {
        Self { naive, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, NaiveState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn around<T, F, Fut>(&self, call: &Call<'_>, attempt: F) -> Result<T>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        self.enter(call)?;
        let result = attempt().await;
        let failed =
            |error: &Error| matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout);
        self.end(result.as_ref().is_err_and(failed));
        result
    }

    fn enter(&self, call: &Call<'_>) -> Result<()> {
        let mut state = self.state();
        let Some(opened) = state.opened else { return Ok(()) };
        let left = (opened + Self::OPEN_FOR).saturating_duration_since(Instant::now());
        if !left.is_zero() || (state.trying && self.naive.exclusive) {
            let error = Error::new(ErrorKind::Unavailable, "open").with_retry_after(left);
            return Err(error.at(call.operation, call.provider, call.resource));
        }
        state.trying = true;
        Ok(())
    }

    fn end(&self, failed: bool) {
        let mut state = self.state();
        if state.opened.is_some() {
            state.trying = false;
            if failed && !self.naive.believes {
                state.opened = Some(Instant::now());
                return;
            }
            state.opened = None;
            if self.naive.forgets {
                (state.calls, state.failures) = (0, 0);
            }
            return;
        }
        state.calls += 1;
        state.failures += u32::from(failed);
        if state.calls >= 10 && 2 * state.failures >= state.calls {
            state.opened = Some(Instant::now());
        }
    }
}

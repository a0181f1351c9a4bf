//! Mutants of what holds for all layers, and of the limits of time: LAY-001 to LAY-020.

use futures_util::StreamExt;
use omni_contracts::{Body, Effect, ErrorKind, Operation};
use omni_layers::Layer;
use tokio::time::Instant;

use super::{HONEST, LayerMutant, Leak, Twist, denied, forget_deadline, mutant, of_kind, stripped};

pub(super) const MUTANTS: &[LayerMutant] = &[
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
];

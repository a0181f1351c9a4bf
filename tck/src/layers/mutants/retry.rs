//! Mutants of the retries: LAY-030 to LAY-039.

use omni_contracts::{Effect, ErrorKind, Idempotency, Operation};
use omni_layers::Layer;
use tokio::time::Duration;

use super::{HONEST, LayerMutant, Twist, denied, forget_deadline, mutant, stripped};
use crate::mutants::repeating_batches;

pub(super) const MUTANTS: &[LayerMutant] = &[
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
];

//! Mutants of the breaker, the limits and the hedge: LAY-050 to LAY-071.

use omni_contracts::{Effect, ErrorKind, Operation};
use omni_layers::Layer;
use tokio::time::{Duration, Instant};

use super::{
    HONEST, LayerMutant, Leak, NAIVE, Naive, Twist, forget_deadline, mutant, of_kind, stripped,
};

pub(super) const MUTANTS: &[LayerMutant] = &[
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

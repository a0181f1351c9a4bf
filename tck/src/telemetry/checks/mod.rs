//! The checks, in the order of the clauses.

mod counts;
mod independence;
mod secrets;
mod spans;

use omni_contracts::ErrorKind;

use super::recorded::{Recorded, Span};
use super::{TelemetryCheck, check};
use crate::layers::scene::Fault;
use crate::{Failure, Outcome};

pub(super) const CHECKS: &[TelemetryCheck] = &[
    check!("OBS-001", spans::a_call_is_a_span),
    check!("OBS-002", spans::parents_are_right),
    check!("OBS-003", spans::outcomes_are_told),
    check!("OBS-004", spans::attempts_are_told),
    check!("OBS-005", spans::contents_belong_to_their_call),
    check!("OBS-006", spans::dropped_calls_are_cancelled),
    check!("OBS-010", counts::durations_are_counted),
    check!("OBS-011", counts::retries_are_counted),
    check!("OBS-012", counts::bytes_are_counted),
    check!("OBS-013", counts::contents_are_timed),
    check!("OBS-014", counts::active_calls_are_counted),
    check!("OBS-015", counts::saturation_is_read),
    check!("OBS-016", counts::counts_are_those_of_the_calls),
    check!("OBS-017", counts::attributes_are_known),
    check!("OBS-018", counts::what_is_told_is_recorded),
    check!("OBS-020", secrets::failures_are_logged),
    check!("OBS-021", secrets::breakers_are_logged),
    check!("OBS-030", secrets::secrets_are_kept),
    check!("OBS-031", secrets::keys_are_told_when_asked_for),
    check!("OBS-040", independence::nothing_changes),
    check!("OBS-041", independence::a_receiver_is_not_waited_for),
    check!("OBS-042", independence::nothing_is_left_behind),
    check!("OBS-043", independence::what_is_not_sampled_is_counted),
    check!("OBS-050", independence::queries_name_what_is_recorded),
];

pub(super) const DURATION: &str = "omni.client.operation.duration";
pub(super) const CORRUPT: Fault = Fault::new(ErrorKind::Corrupt);

pub(super) fn same<T, U>(situation: impl Into<String>, expected: T, seen: U) -> Outcome
where
    T: PartialEq<U> + std::fmt::Debug,
    U: std::fmt::Debug,
{
    match expected == seen {
        true => Ok(()),
        false => Err(Failure::new(situation, format!("{expected:?}"), format!("{seen:?}"))),
    }
}

pub(super) fn has(span: &Span, name: &str) -> String {
    span.attributes.get(name).cloned().unwrap_or_default()
}

/// The one span of a name.
pub(super) fn only<'a>(
    recorded: &'a Recorded,
    name: &str,
) -> std::result::Result<&'a Span, Failure> {
    let spans: Vec<_> = recorded.spans(name).collect();
    match spans[..] {
        [span] => Ok(span),
        _ => Err(Failure::new(
            format!("the spans `{name}`"),
            "one",
            format!("{} of {:?}", spans.len(), recorded.spans),
        )),
    }
}

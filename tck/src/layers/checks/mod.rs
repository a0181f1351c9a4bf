//! The checks, by the chapters of `docs/spec/layers.md`.

mod all_layers;
mod breaker;
mod deadline;
mod hedge;
mod limits;
mod retry;

use tokio::time::Duration;

use crate::layers::LayerCheck;
use crate::{Outcome, check::holds};

pub(super) fn all() -> impl Iterator<Item = &'static LayerCheck> {
    [
        all_layers::CHECKS,
        deadline::CHECKS,
        retry::CHECKS,
        breaker::CHECKS,
        limits::CHECKS,
        hedge::CHECKS,
    ]
    .into_iter()
    .flatten()
}

/// The settings that a check begins with: every layer off that is on by default, but those named.
fn only(layers: &[&str], settings: &str) -> String {
    let off = ["deadline", "breaker", "retry", "attempt-timeout"];
    let off: Vec<_> = off.into_iter().filter(|layer| !layers.contains(layer)).collect();
    format!("off = {off:?}\n{settings}")
}

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Timers have a resolution of a millisecond.
const RESOLUTION: Duration = ms(2);

/// Expects something to happen at a time, neither before nor after.
fn at(situation: &str, expected: Duration, seen: Duration) -> Outcome {
    holds(situation, seen.abs_diff(expected) <= RESOLUTION, format!("at {expected:?}"), seen)
}

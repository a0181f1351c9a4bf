//! `Breaker`: leaves a back-end alone that fails, and lets one call try now and then whether it is back.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use omni_contracts::{Call, Error, ErrorKind, Result};
use tokio::time::Instant;

use crate::time::AtCall;
use crate::{BreakerSettings, BreakerState};

/// Spares a back-end that fails.
#[derive(Debug)]
pub(crate) struct Breaker(pub(crate) Option<Circuit>);

#[derive(Debug)]
pub(crate) struct Circuit {
    settings: BreakerSettings,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// How often the phase has changed: outcomes of calls that began in another one do not count.
    turn: u64,
}

#[derive(Debug)]
enum Phase {
    /// Calls pass.
    Closed(Box<Window>),
    /// Calls are refused until then.
    Open { until: Instant },
    /// One call is trying.
    Trying,
}

impl Breaker {
    pub(crate) async fn around<T, F, Fut>(&self, call: &Call<'_>, attempt: F) -> Result<T>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        let Some(circuit) = &self.0 else {
            return attempt().await;
        };
        let pass = circuit.enter(call)?;
        let result = attempt().await;
        let failed = result.as_ref().is_err_and(is_failure);
        pass.end(failed);
        result
    }
}

/// Whether the back-end was not there; any other answer shows that it is.
fn is_failure(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout)
}

impl Circuit {
    pub(crate) fn new(settings: BreakerSettings) -> Self {
        let phase = Phase::Closed(Window::new(settings.window).into());
        Self { settings, state: Mutex::new(State { phase, turn: 0 }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn shown(&self) -> BreakerState {
        match self.state().phase {
            Phase::Closed(_) => BreakerState::Closed,
            Phase::Open { until } if until > Instant::now() => BreakerState::Open,
            Phase::Open { .. } | Phase::Trying => BreakerState::HalfOpen,
        }
    }

    fn enter(&self, call: &Call<'_>) -> Result<Pass<'_>> {
        let mut state = self.state();
        let refused = match state.phase {
            Phase::Closed(_) => None,
            Phase::Open { until } => {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    state.change(Phase::Trying);
                    None
                } else {
                    Some(left)
                }
            }
            // As long as the one that tries is not back, nobody knows.
            Phase::Trying => Some(Duration::ZERO),
        };
        let turn = state.turn;
        drop(state);
        match refused {
            None => {
                let deadline = call.deadline.map(Instant::from_std);
                Ok(Pass { circuit: self, turn, deadline, ended: false })
            }
            Some(wait) => {
                let problem = "the circuit breaker is open: the back-end did not answer lately";
                let error = Error::new(ErrorKind::Unavailable, problem).at_call(call);
                Err(if wait.is_zero() { error } else { error.with_retry_after(wait) })
            }
        }
    }

    /// Counts an outcome; `None` is of a call that its caller gave up.
    fn end(&self, turn: u64, failed: Option<bool>) {
        let now = Instant::now();
        let mut state = self.state();
        if state.turn != turn {
            return;
        }
        match (&mut state.phase, failed) {
            (Phase::Closed(_) | Phase::Open { .. }, None) | (Phase::Open { .. }, _) => {}
            (Phase::Closed(window), Some(failed)) => {
                let (calls, failures) = window.count(now, failed);
                let enough = calls >= u64::from(self.settings.calls);
                if enough && failures as f64 >= self.settings.share * calls as f64 {
                    state.change(Phase::Open { until: now + self.settings.open_for });
                }
            }
            (Phase::Trying, Some(false)) => {
                state.change(Phase::Closed(Window::new(self.settings.window).into()));
            }
            (Phase::Trying, Some(true)) => {
                state.change(Phase::Open { until: now + self.settings.open_for });
            }
            // The next one may try at once.
            (Phase::Trying, None) => state.change(Phase::Open { until: now }),
        }
    }
}

impl State {
    fn change(&mut self, phase: Phase) {
        self.phase = phase;
        self.turn += 1;
    }
}

/// A call that was let through; dropped, it counts as given up.
struct Pass<'a> {
    circuit: &'a Circuit,
    turn: u64,
    deadline: Option<Instant>,
    ended: bool,
}

impl Pass<'_> {
    fn end(mut self, failed: bool) {
        self.ended = true;
        self.circuit.end(self.turn, Some(failed));
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        // A call that is cut off at its deadline was not answered.
        let late = self.deadline.is_some_and(|deadline| deadline <= Instant::now());
        self.circuit.end(self.turn, late.then_some(true));
    }
}

/// The outcomes of the last while, in tenths of it.
#[derive(Debug)]
struct Window {
    tenth: Duration,
    begun: Instant,
    /// The tenth, counted from `begun`, that each slot is of, with its calls and failures.
    slots: [(u64, u64, u64); SLOTS],
}

const SLOTS: usize = 10;

impl Window {
    fn new(length: Duration) -> Self {
        let tenth = length / SLOTS as u32;
        Self { tenth, begun: Instant::now(), slots: [(0, 0, 0); SLOTS] }
    }

    /// Adds an outcome, and returns how many calls and failures there are in the window.
    fn count(&mut self, now: Instant, failed: bool) -> (u64, u64) {
        let nanos = (now - self.begun).as_nanos() / self.tenth.as_nanos();
        let current = u64::try_from(nanos).unwrap_or(u64::MAX);
        let slot = &mut self.slots[(current % SLOTS as u64) as usize];
        if slot.0 != current {
            *slot = (current, 0, 0);
        }
        slot.1 += 1;
        slot.2 += u64::from(failed);
        let lately = self.slots.iter().filter(|slot| slot.0 + (SLOTS as u64) > current);
        lately.fold((0, 0), |sum, slot| (sum.0 + slot.1, sum.1 + slot.2))
    }
}

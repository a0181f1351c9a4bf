//! Recording: a clock that orders calls and returns, and the events so far.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Answer, Event, Op};

/// Collects the events of concurrent clients.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    clock: AtomicU64,
    events: Mutex<Vec<Event>>,
}

impl Recorder {
    /// The time; every reading is later than all before it.
    pub(crate) fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    /// An operation that was called at `called` and returns now.
    pub(crate) fn returned(&self, client: usize, op: Op, called: u64, answer: Option<Answer>) {
        let event = Event { client, op, answer, called, returned: self.now() };
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }

    /// All events.
    pub(crate) fn into_events(self) -> Vec<Event> {
        self.events.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

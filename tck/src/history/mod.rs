//! Concurrent histories of one object, and whether they are linearizable: whether the operations can
//! be put in one order, each at a moment between its call and its return, so that every answer is
//! what one plain object would give. How histories are made lives in `storage::consistency`.

mod record;
mod register;
mod search;

pub(crate) use record::Recorder;
pub(crate) use register::{Answer, Expects, Op};
pub(crate) use search::shortest_failing;

/// One operation of one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) client: usize,
    pub(crate) op: Op,
    /// What came back; `None` when it is unknown whether the operation took effect.
    pub(crate) answer: Option<Answer>,
    /// When it was called, and when it returned, by a clock that ticks once per reading.
    pub(crate) called: u64,
    pub(crate) returned: u64,
}

impl std::fmt::Display for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { client, op, called, returned, .. } = self;
        match &self.answer {
            Some(answer) => {
                write!(f, "{called:>4} to {returned:>4}, client {client}: {op} -> {answer}")
            }
            None => write!(f, "{called:>4} to    ?, client {client}: {op} -> outcome unknown"),
        }
    }
}

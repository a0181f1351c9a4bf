//! One object as the checker sees it: either nothing, or the write that stored it.

use std::fmt::{self, Display, Formatter};

/// An operation on the object. Writes are numbered; each number is used once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Stores write `write`, if `expects` holds.
    Write { write: u64, expects: Expects },
    /// Reads the object or its description.
    Read,
    /// Deletes the object, if it is the stated write, when one is stated.
    Delete { if_match: Option<u64> },
}

/// The condition of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expects {
    Anything,
    Nothing,
    Write(u64),
}

/// What an operation that is over gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The change was made; for a delete, whether there was an object, where that was said.
    Done { existed: Option<bool> },
    /// The condition did not hold; nothing was changed.
    Refused,
    /// A read found this.
    Found(Option<u64>),
}

impl Op {
    /// The object after the operation, given that it is `state` before: `None` when the operation
    /// cannot have given `answer` then. An unknown answer can be any.
    pub(super) fn apply(self, state: Option<u64>, answer: Option<Answer>) -> Option<Option<u64>> {
        let holds = match self {
            Self::Write { expects: Expects::Nothing, .. } => state.is_none(),
            Self::Write { expects: Expects::Write(expected), .. }
            | Self::Delete { if_match: Some(expected) } => state == Some(expected),
            _ => true,
        };
        let after = match self {
            _ if !holds => state,
            Self::Write { write, .. } => Some(write),
            Self::Delete { .. } => None,
            Self::Read => state,
        };
        let possible = match answer {
            None => true,
            Some(Answer::Done { existed }) => {
                holds && existed.is_none_or(|existed| existed == state.is_some())
            }
            Some(Answer::Refused) => !holds,
            Some(Answer::Found(found)) => found == state,
        };
        possible.then_some(after)
    }

    /// Whether the operation, with this answer, changes nothing.
    pub(super) fn only_looks(self, answer: Option<Answer>) -> bool {
        self == Self::Read || answer == Some(Answer::Refused)
    }
}

impl Display for Op {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write { write, expects: Expects::Anything } => write!(f, "put #{write}"),
            Self::Write { write, expects: Expects::Nothing } => write!(f, "create #{write}"),
            Self::Write { write, expects: Expects::Write(expected) } => {
                write!(f, "put #{write} if it is #{expected}")
            }
            Self::Read => f.write_str("read"),
            Self::Delete { if_match: None } => f.write_str("delete"),
            Self::Delete { if_match: Some(expected) } => write!(f, "delete if it is #{expected}"),
        }
    }
}

impl Display for Answer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done { existed: None } => f.write_str("done"),
            Self::Done { existed: Some(true) } => f.write_str("done, there was an object"),
            Self::Done { existed: Some(false) } => f.write_str("done, there was no object"),
            Self::Refused => f.write_str("refused"),
            Self::Found(None) => f.write_str("not found"),
            Self::Found(Some(write)) => write!(f, "#{write}"),
        }
    }
}

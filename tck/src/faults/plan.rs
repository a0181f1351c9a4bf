//! What goes wrong, and with which exchanges.

use std::fmt;

/// What happens to one exchange: a request and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Nothing.
    Pass,
    /// The connection is reset when the request begins.
    Refuse,
    /// The connection is reset when the request has come; it goes nowhere.
    Reset,
    /// The request goes nowhere, and is never answered.
    Stall,
    /// The request is answered by 503, without a word.
    Busy,
    /// The request is answered by 500, without a word.
    Fail,
    /// The request is answered by 429, and told to come back in a second.
    Throttle,
    /// One bit of the request's content is turned.
    SpoilRequest,
    /// The back-end has done it; the answer is lost with the connection.
    LoseAnswer,
    /// The back-end has done it; the answer never comes.
    StallAnswer,
    /// Half of the answer comes, then the connection is reset.
    CutAnswer,
    /// Half of the answer comes, then the connection ends as if all had been said.
    ShortenAnswer,
    /// The answer comes slowly, in pieces.
    SlowAnswer,
    /// One bit of the answer's content is turned, unless it is a listing or an error.
    SpoilAnswer,
}

impl Fault {
    /// All that go wrong.
    pub const ALL: [Self; 13] = [
        Self::Refuse,
        Self::Reset,
        Self::Stall,
        Self::Busy,
        Self::Fail,
        Self::Throttle,
        Self::SpoilRequest,
        Self::LoseAnswer,
        Self::StallAnswer,
        Self::CutAnswer,
        Self::ShortenAnswer,
        Self::SlowAnswer,
        Self::SpoilAnswer,
    ];

    /// The name in tables and failures: `lose-answer`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Refuse => "refuse",
            Self::Reset => "reset",
            Self::Stall => "stall",
            Self::Busy => "busy",
            Self::Fail => "fail",
            Self::Throttle => "throttle",
            Self::SpoilRequest => "spoil-request",
            Self::LoseAnswer => "lose-answer",
            Self::StallAnswer => "stall-answer",
            Self::CutAnswer => "cut-answer",
            Self::ShortenAnswer => "shorten-answer",
            Self::SlowAnswer => "slow-answer",
            Self::SpoilAnswer => "spoil-answer",
        }
    }

    /// Whether it changes bytes, which only contents that have a checksum can tell.
    #[must_use]
    pub fn spoils(self) -> bool {
        matches!(self, Self::SpoilRequest | Self::SpoilAnswer)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What happens to the exchanges of one operation, in their order; those after the last one pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan(pub Vec<Fault>);

impl Plan {
    /// One fault, after `passed` exchanges.
    #[must_use]
    pub fn one(passed: usize, fault: Fault) -> Self {
        let before = std::iter::repeat_n(Fault::Pass, passed);
        Self(before.chain([fault]).collect())
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|fault| fault.as_str()).collect();
        f.write_str(&names.join(", "))
    }
}

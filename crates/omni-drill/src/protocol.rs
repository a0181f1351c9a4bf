//! What the drill and the programs of its load tell each other, a line of JSON each.

use std::time::{SystemTime, UNIX_EPOCH};

use omni_contracts::{Effect, Error, ErrorKind};
use serde::{Deserialize, Serialize};

use crate::plan::Load;

/// What a program is to do: the first line that it reads. It works until the next line, or until there is
/// nobody left to send one.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Assignment {
    pub(crate) source: Source,
    pub(crate) instance: String,
    pub(crate) load: Load,
    /// Below which its keys are.
    pub(crate) prefix: String,
    pub(crate) seed: u64,
    /// The first number that its contents may have.
    pub(crate) first: u64,
}

/// Where the configuration comes from.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Source {
    /// Instead of all files and variables.
    pub(crate) text: Option<String>,
    pub(crate) file: Option<std::path::PathBuf>,
    pub(crate) profile: Option<String>,
    /// What is stated over it: instance, setting, value.
    pub(crate) settings: Vec<(String, String, String)>,
}

/// What a program says.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Said {
    /// The instance is open.
    Ready,
    /// It is not, and why.
    Refused(String),
    Begun(Begun),
    Ended(Ended),
}

/// A client calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Begun {
    pub(crate) client: usize,
    pub(crate) call: Call,
    /// Which of its keys; 0 for a listing.
    pub(crate) key: usize,
    /// The number of the content that is written.
    pub(crate) number: u64,
    pub(crate) at: u64,
}

/// A client was answered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Ended {
    pub(crate) client: usize,
    pub(crate) outcome: Outcome,
    pub(crate) at: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub(crate) enum Call {
    Put,
    /// A put if there is none.
    Create,
    /// A put if it is the version that the client knows.
    Update,
    Delete,
    Get,
    List,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) enum Outcome {
    Written,
    Deleted,
    Read(Content),
    /// The numbers of the keys.
    Listed(Vec<usize>),
    /// A create was refused, and this is there.
    Exists(Content),
    Failed(Failed),
}

/// What is under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) enum Content {
    Nothing,
    Whole(u64),
    /// No content that was ever written there.
    Mixed,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Failed {
    pub(crate) kind: String,
    /// Whether it certainly had no effect.
    pub(crate) without_effect: bool,
    pub(crate) text: String,
}

impl From<&Error> for Failed {
    fn from(error: &Error) -> Self {
        Self {
            kind: error.kind().as_str().to_owned(),
            without_effect: error.effect() == Effect::No,
            text: format!("{error:?}"),
        }
    }
}

impl Failed {
    pub(crate) fn is(&self, kind: ErrorKind) -> bool {
        self.kind == kind.as_str()
    }
}

/// Microseconds, by the clock of the machine: several processes note times.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// The key of a client.
pub(crate) fn key(prefix: &str, client: usize, key: usize) -> String {
    format!("{prefix}/c{client:04}/k{key:04}")
}

/// A content by which every byte says whose it is.
pub(crate) fn content(key: &str, number: u64, size: usize) -> Vec<u8> {
    let line = format!("{key} {number:020}\n");
    let mut content = line.repeat(size.div_ceil(line.len()).max(1)).into_bytes();
    content.truncate(size.max(line.len()));
    content
}

/// The number of a content, when that is what it was written as.
pub(crate) fn number(key: &str, size: usize, seen: &[u8]) -> Content {
    let rest = seen.strip_prefix(key.as_bytes()).and_then(|rest| rest.get(1..21));
    let number = rest.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    match number {
        Some(number) if content(key, number, size) == seen => Content::Whole(number),
        _ => Content::Mixed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_says_what_it_is() {
        let written = content("a/k1", 7, 100);
        assert_eq!(written.len(), 100);
        assert_eq!(number("a/k1", 100, &written), Content::Whole(7));
        assert_eq!(number("a/k2", 100, &written), Content::Mixed);
        assert_eq!(number("a/k1", 100, &written[..99]), Content::Mixed);
        let half = [&written[..50], &content("a/k1", 8, 100)[50..]].concat();
        assert_eq!(number("a/k1", 100, &half), Content::Mixed);
        assert_eq!(number("a/k1", 100, b""), Content::Mixed);
        assert_eq!(content("a/k1", 7, 1).len(), "a/k1 ".len() + 21);
    }
}

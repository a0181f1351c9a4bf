//! What a check and its worker processes say to each other: one JSON value per line.

use omni_contracts::{Effect, Error, ErrorKind};
use serde::{Deserialize, Serialize};

use crate::reference::Content;

/// What a worker is asked to do with its handle. It answers every command with one [`Reply`],
/// [`Load`](Self::Load) with many.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Command {
    /// Puts content; the attributes name it too. Answer: `Written`.
    Put { key: String, content: Content, condition: Condition, form: Form },
    /// Reads everything. Answer: `Object`.
    Get { key: String },
    /// Reads the description. Answer: `Object` without content.
    Head { key: String },
    /// Deletes. Answer: `Deleted`.
    Delete { key: String, if_match: Option<String> },
    /// Lists all pages. Answer: `Listed`.
    List { prefix: String },
    /// Creates the keys `prefix` + 0, 1, 2... with `IfAbsent` as fast as it can, with contents of
    /// the seeds `seed` + 0, 1, 2... Answer: `Raced`.
    Race { prefix: String, count: usize, seed: u64 },
    /// Adds one to the number in `key`, `times` times, by compare and swap. Answer: `Done`.
    Increment { key: String, times: u64 },
    /// Writes until it is killed, saying `Begun` before and `Acknowledged` after each write.
    Load { folder: String, seed: u64, clients: u64 },
    /// Begins a streamed put that never ends. Answer, when the bytes were taken: `Done`.
    Hang { key: String, content: Content },
    /// Begins an upload and sends parts, but does not complete it. Answer: `Done`.
    Upload { key: String, parts: Vec<Content> },
    /// Puts and reads a stream, and measures memory. Answer: `Memory`.
    Stream { content: Content, length: Length },
}

/// The condition of a put, in a form that crosses processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Condition {
    Always,
    IfAbsent,
    IfMatch(String),
}

/// Whether content is handed over in one piece or in chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Form {
    Whole,
    Stream,
}

/// Whether a stream states its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Length {
    Stated,
    Unknown,
}

/// What a worker answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reply {
    /// The store is open.
    Ready,
    /// It worked; there is nothing to say.
    Done,
    /// The operation failed.
    Failed(Problem),
    /// The version that was written.
    Written { version: String },
    /// Whether there was an object, where the provider says so.
    Deleted { existed: Option<bool> },
    /// The object: its content where it is one whole content, and what the attributes name.
    Object { version: String, content: Option<Content>, named: Option<Content> },
    /// Keys with their versions.
    Listed(Vec<(String, String)>),
    /// The version of each create that won.
    Raced(Vec<Option<String>>),
    /// Client `client` is about to make this change.
    Begun { client: u64, change: Change },
    /// The change that `client` began was acknowledged, with this version.
    Acknowledged { client: u64, version: Option<String> },
    /// The highest use of memory by then, in KiB, where the system says so, and the offset of the
    /// first wrong byte, if any.
    Memory { before: Option<u64>, after: Option<u64>, wrong: Option<u64> },
}

/// A change of one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Change {
    pub(crate) key: String,
    /// The new content; `None` for a delete.
    pub(crate) content: Option<Content>,
    /// How: for people.
    pub(crate) how: String,
}

/// An error on its way between processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Problem {
    kind: String,
    message: String,
    unknown_effect: bool,
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        Self {
            kind: error.kind().as_str().to_owned(),
            message: error.to_string(),
            unknown_effect: error.effect() == Effect::Unknown,
        }
    }
}

impl Problem {
    /// The error that the worker saw; one of another contract version is `Internal`.
    pub(crate) fn error(&self) -> Error {
        let kind = ErrorKind::ALL
            .iter()
            .find(|kind| kind.as_str() == self.kind)
            .copied()
            .unwrap_or(ErrorKind::Internal);
        let effect = if self.unknown_effect { Effect::Unknown } else { Effect::No };
        Error::new(kind, self.message.clone()).with_effect(effect)
    }
}

//! Steps of random programs in words.

use std::fmt::{self, Display, Formatter};

use super::program::{
    ATTRIBUTES, Checksum, Edge, Form, KEYS, Op, Owner, PREFIXES, Parts, Reading, Slice, Source,
    Step, When, Which,
};

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "handle {}: {}", self.handle + 1, self.op)
    }
}

impl Display for Op {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let key = |key: &usize| quoted(&KEYS[*key]);
        let prefix = |prefix: &usize| quoted(&PREFIXES[*prefix]);
        match self {
            Self::Put { key: at, source, checksum, when, named, attributes } => {
                write!(f, "put {} {source}", key(at))?;
                write!(f, "{}{when}{}", attributed(*attributes), in_words(*checksum))?;
                f.write_str(if *named { ", with a write id" } else { "" })
            }
            Self::RepeatPut { key: at } => {
                write!(f, "repeat the last conditional put of {} with its write id", key(at))
            }
            Self::Get { key: at, range, reading } => {
                write!(f, "get {} range {range}{reading}", key(at))
            }
            Self::GetRanges { key: at, ranges, reading } => {
                let ranges: Vec<_> = ranges.iter().map(ToString::to_string).collect();
                write!(f, "get {} ranges [{}]{reading}", key(at), ranges.join(", "))
            }
            Self::Head { key: at, reading } => write!(f, "head {}{reading}", key(at)),
            Self::Delete { key: at, if_match: None } => write!(f, "delete {}", key(at)),
            Self::Delete { key: at, if_match: Some(which) } => {
                write!(f, "delete {}, if it has {which}", key(at))
            }
            Self::DeleteVersion { key: at, which } => write!(f, "delete {which} of {}", key(at)),
            Self::DeleteMany { keys } => {
                let keys: Vec<_> = keys.iter().map(key).collect();
                write!(f, "delete many [{}]", keys.join(", "))
            }
            Self::DeleteFolder { key: at } => write!(f, "delete the folder {}", key(at)),
            Self::List { prefix: at, delimiter, start_after, limit } => {
                write!(f, "list prefix {}", prefix(at))?;
                if let Some(delimiter) = delimiter {
                    write!(f, ", delimiter {}", quoted(delimiter))?;
                }
                if let Some(start) = start_after {
                    write!(f, ", start after {}", key(start))?;
                }
                pages(f, *limit)
            }
            Self::ListVersions { prefix: at, limit } => {
                write!(f, "list versions, prefix {}", prefix(at))?;
                pages(f, *limit)
            }
            Self::Copy { from, to, source, when, attributes } => {
                write!(f, "copy {} to {}", key(from), key(to))?;
                if let Some(which) = source {
                    write!(f, ", if the source has {which}")?;
                }
                write!(f, "{when}{}", attributes.map(attributed).unwrap_or_default())
            }
            Self::CreateUpload { key: at, attributes } => {
                write!(f, "create an upload of {}{}", key(at), attributed(*attributes))
            }
            Self::UploadPart { upload, owner, number, source } => {
                write!(f, "send part {number} of upload {upload}{owner}: {source}")
            }
            Self::ListParts { upload, owner } => {
                write!(f, "list the parts of upload {upload}{owner}")
            }
            Self::CompleteUpload { upload, owner, parts, when, checksum } => write!(
                f,
                "complete upload {upload}{owner} with {parts}{when}{}",
                in_words(*checksum)
            ),
            Self::AbortUpload { upload, owner } => write!(f, "abort upload {upload}{owner}"),
            Self::ListUploads { prefix: at } => write!(f, "list uploads, prefix {}", prefix(at)),
            Self::Reopen => f.write_str("open again"),
        }
    }
}

impl Display for Slice {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str(".."),
            Self::Bounded(start, end) => write!(f, "{start}..{end}"),
            Self::From(start) => write!(f, "{start}.."),
            Self::Suffix(length) => write!(f, "-{length}"),
        }
    }
}

impl Display for Edge {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(offset) => write!(f, "{offset}"),
            Self::Size(0) => f.write_str("size"),
            Self::Size(by) => write!(f, "(size{by:+})"),
        }
    }
}

impl Display for Source {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes (seed {})", self.content.size, self.content.seed)?;
        match self.form {
            Form::Whole => Ok(()),
            Form::Stream { chunk, stated: true } => {
                write!(f, " in chunks of {chunk}, length stated")
            }
            Form::Stream { chunk, stated: false } => write!(f, " in chunks of {chunk}"),
            Form::Fails => f.write_str(", the source fails half way"),
            Form::Short => f.write_str(", the source ends before its length"),
            Form::Long => f.write_str(", the source goes on after its length"),
        }
    }
}

impl Display for When {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => Ok(()),
            Self::IfAbsent => f.write_str(", if absent"),
            Self::IfMatch(which) => write!(f, ", if it has {which}"),
        }
    }
}

impl Display for Which {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Current => "the current version",
            Self::Older => "the version before",
            Self::Foreign => "a version that nobody made",
        })
    }
}

impl Display for Reading {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(which) = self.version {
            write!(f, ", {which}")?;
        }
        if let Some(which) = self.if_match {
            write!(f, ", if it has {which}")?;
        }
        if let Some(which) = self.if_none_match {
            write!(f, ", unless it has {which}")?;
        }
        if let Some(offset) = self.if_modified_since {
            write!(f, ", if modified since its time {offset:+} s")?;
        }
        if let Some(offset) = self.if_unmodified_since {
            write!(f, ", if unmodified since its time {offset:+} s")?;
        }
        Ok(())
    }
}

impl Display for Owner {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Own => "",
            Self::Other => " with another key",
            Self::Nobody => " that nobody began",
        })
    }
}

impl Display for Parts {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "all parts",
            Self::AllButFirst => "all parts but the first",
            Self::None => "no parts",
            Self::Reversed => "the parts in reverse order",
            Self::Repeated => "the first part twice",
            Self::Unreceived => "a part that was not sent",
            Self::Replaced => "a part that was replaced",
        })
    }
}

fn in_words(checksum: Checksum) -> &'static str {
    match checksum {
        Checksum::None => "",
        Checksum::Right => ", with its checksum",
        Checksum::Wrong => ", with a wrong checksum",
    }
}

fn attributed(attributes: usize) -> String {
    let fields = ATTRIBUTES[attributes].fields().filter(|(_, value)| value.is_some()).count();
    match (fields, ATTRIBUTES[attributes].metadata.len()) {
        (0, 0) => String::new(),
        (fields, metadata) => format!(", {fields} content fields, {metadata} metadata"),
    }
}

fn pages(f: &mut Formatter<'_>, limit: Option<usize>) -> fmt::Result {
    match limit {
        None => Ok(()),
        Some(limit) => write!(f, ", {limit} per page"),
    }
}

/// Text in quotes, cut where it is long.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(24) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}... ({} bytes)", &text[..end], text.len()),
    }
}

//! `Manifest`: the files of one snapshot, as a text that names itself by its hash.
//!
//! The first line is `archive 1 NAME`, then one line per file: hash, size and path, in the order of the
//! paths.

use std::fmt::Write;
use std::path::{Component, Path};

use crate::failure::{Failure, Result};

/// The files of a snapshot.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// The name of the folder that was ingested.
    pub(crate) name: String,
    pub(crate) entries: Vec<Entry>,
}

/// One file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The SHA-256 of the content, in hexadecimal.
    pub(crate) hash: String,
    pub(crate) size: u64,
    /// Below the folder, with `/` between the parts.
    pub(crate) path: String,
}

impl Manifest {
    pub(crate) fn to_text(&self) -> String {
        let mut text = format!("archive 1 {}\n", self.name);
        for Entry { hash, size, path } in &self.entries {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{hash} {size} {path}");
        }
        text
    }

    /// Reads what `to_text` wrote; anything else is refused, also a path that leads out of the folder.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut lines = text.lines();
        let header = lines.next().and_then(|line| line.strip_prefix("archive 1 "));
        let name = header.ok_or_else(|| damaged("has no header `archive 1`", text))?;
        let entries = lines.map(Entry::parse).collect::<Result<_>>()?;
        Ok(Self { name: name.to_owned(), entries })
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.entries.iter().map(|entry| entry.size).sum()
    }
}

impl Entry {
    fn parse(line: &str) -> Result<Self> {
        let mut parts = line.splitn(3, ' ');
        let mut next = || parts.next().unwrap_or_default();
        let (hash, size, path) = (next(), next(), next());
        let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut components = Path::new(path).components();
        let inside = components.all(|part| matches!(part, Component::Normal(_)));
        match size.parse() {
            Ok(size) if is_hash && inside && !path.is_empty() => {
                Ok(Self { hash: hash.to_owned(), size, path: path.to_owned() })
            }
            _ => Err(damaged("has a line that is not hash, size and path", line)),
        }
    }
}

fn damaged(what: &str, line: &str) -> Failure {
    let shown: String = line.lines().next().unwrap_or_default().chars().take(120).collect();
    Failure::Damaged(format!("a snapshot {what}: {shown:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_wrote() {
        let entry = |path: &str| Entry { hash: "a".repeat(64), size: 7, path: path.to_owned() };
        let manifest = Manifest {
            name: "my folder".to_owned(),
            entries: vec![entry("a b/c  d"), entry("ä")],
        };
        assert_eq!(Manifest::parse(&manifest.to_text()).unwrap(), manifest);
        assert_eq!(manifest.bytes(), 14);
    }

    #[test]
    fn refuses_what_it_did_not_write() {
        let hash = "a".repeat(64);
        for text in [
            String::new(),
            "archive 2 x\n".to_owned(),
            "archive 1 x\nabc 1 path\n".to_owned(),
            format!("archive 1 x\n{hash} -1 path\n"),
            format!("archive 1 x\n{hash} 1 \n"),
            format!("archive 1 x\n{hash} 1\n"),
            format!("archive 1 x\n{hash} 1 ../path\n"),
            format!("archive 1 x\n{hash} 1 /path\n"),
            format!("archive 1 x\n{hash} 1 a/../../path\n"),
        ] {
            assert!(Manifest::parse(&text).is_err(), "{text}");
        }
    }
}

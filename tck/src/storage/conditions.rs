//! What the checks of conditions share: forms of bodies, options, versions that must not match, and
//! states that must not change.

use std::sync::Arc;

use bytes::Bytes;
use omni_contracts::Body;
use omni_contracts::storage::{
    Attributes, GetOptions, Key, ObjectMeta, PutOptions, ReadCondition, StorageProvider, Version,
    WriteCondition, WriteId,
};

use super::inputs::{KIB, MIB, brief, listed, read, same_bytes, streamed};
use crate::check::{Failure, Outcome, equal, ok};

/// The ways in which a content can be handed over: providers have a path for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Bytes,
    Stream,
    StreamOfUnknownLength,
}

impl Form {
    pub(crate) const ALL: [Self; 3] = [Self::Bytes, Self::Stream, Self::StreamOfUnknownLength];

    pub(crate) fn body(self, content: &Bytes) -> Body {
        const CHUNKS: &[usize] = &[3, 0, 64 * KIB, 100_000, 1];
        match self {
            Self::Bytes => Body::from(content.clone()),
            Self::Stream => streamed(content.clone(), CHUNKS, Some(content.len() as u64)),
            Self::StreamOfUnknownLength => streamed(content.clone(), CHUNKS, None),
        }
    }
}

/// Contents at whose sizes providers change their path, in every form; of the largest only some.
pub(crate) fn cases(store: &dyn StorageProvider) -> Vec<(usize, Form)> {
    let small = [0, 1, 4 * KIB, 64 * KIB - 1, 64 * KIB + 1];
    let max = store.capabilities().limits.max_object_size.unwrap_or(u64::MAX);
    small
        .into_iter()
        .flat_map(|size| Form::ALL.map(|form| (size, form)))
        .chain([
            (MIB, Form::Bytes),
            (MIB + 1, Form::Stream),
            (5 * MIB, Form::StreamOfUnknownLength),
            (8 * MIB + 1, Form::Bytes),
            (8 * MIB + 1, Form::Stream),
        ])
        .filter(|(size, _)| *size as u64 <= max)
        .collect()
}

pub(crate) fn if_absent() -> PutOptions {
    PutOptions { condition: WriteCondition::IfAbsent, ..PutOptions::default() }
}

pub(crate) fn if_match(version: &Version) -> PutOptions {
    PutOptions { condition: WriteCondition::IfMatch(version.clone()), ..PutOptions::default() }
}

/// The same options with a write id.
///
/// # Panics
///
/// When the check itself has a wrong id.
pub(crate) fn with_id(options: PutOptions, id: &str) -> PutOptions {
    let id = WriteId::new(id).unwrap_or_else(|error| panic!("a check uses a wrong id: {error}"));
    PutOptions { write_id: Some(id), ..options }
}

/// The same options with attributes that name the writer.
pub(crate) fn by(options: PutOptions, writer: impl ToString) -> PutOptions {
    let attributes = Attributes {
        content_type: Some("text/plain".to_owned()),
        metadata: [("writer".to_owned(), writer.to_string())].into(),
        ..Attributes::default()
    };
    PutOptions { attributes: Arc::new(attributes), ..options }
}

pub(crate) fn reading(condition: ReadCondition) -> GetOptions {
    GetOptions { condition, ..GetOptions::default() }
}

/// Versions that are not `current`, among them those that HTTP would take for a match.
pub(crate) fn other_versions(current: &Version) -> Vec<Version> {
    let current = current.as_str();
    let swapped: String =
        current
            .chars()
            .map(|c| {
                if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
            })
            .collect();
    [
        "*".to_owned(),
        "\"*\"".to_owned(),
        format!("\"{current}\""),
        format!("W/\"{current}\""),
        format!("{current}, {current}"),
        format!("\"other\", \"{current}\""),
        format!("{current}0"),
        format!("0{current}"),
        current.chars().skip(1).collect(),
        current.chars().take(current.chars().count() - 1).collect(),
        swapped,
        "0".to_owned(),
        "1".to_owned(),
        "null".to_owned(),
        "no such version".to_owned(),
        "\u{e4}\u{1f600}".to_owned(),
        "d41d8cd98f00b204e9800998ecf8427e".to_owned(),
        "x".repeat(1024),
    ]
    .into_iter()
    .filter(|text| text != current)
    .filter_map(|text| Version::new(text).ok())
    .collect()
}

/// The state of a key that a refused call must leave alone.
pub(crate) struct Before {
    key: Key,
    pub(crate) meta: ObjectMeta,
    content: Bytes,
}

impl Before {
    /// Reads the state of `key`.
    pub(crate) async fn of(store: &dyn StorageProvider, key: &Key) -> Result<Self, Failure> {
        let (meta, content) = ok(format!("get of {}", brief(key)), read(store, key).await)?;
        Ok(Self { key: key.clone(), meta, content })
    }

    /// Expects content and description to be what they were.
    pub(crate) async fn is_unchanged(
        &self,
        store: &dyn StorageProvider,
        situation: &str,
    ) -> Outcome {
        let name = brief(&self.key);
        let (meta, content) =
            ok(format!("{situation}: get of {name}"), read(store, &self.key).await)?;
        same_bytes(format!("{situation}: content of {name}"), &self.content, &content)?;
        equal(format!("{situation}: description of {name}"), &self.meta, &meta)
    }

    /// Expects that also the listing shows what was there.
    pub(crate) async fn is_listed(&self, store: &dyn StorageProvider, situation: &str) -> Outcome {
        let entries = ok(format!("{situation}: list"), listed(store, self.key.as_str()).await)?;
        let seen: Vec<_> = entries
            .into_iter()
            .filter(|entry| entry.key == self.key)
            .map(|entry| (entry.size, entry.version, entry.modified))
            .collect();
        let expected = vec![(self.meta.size, self.meta.version.clone(), self.meta.modified)];
        equal(format!("{situation}: list entries of {}", brief(&self.key)), &expected, &seen)
    }
}

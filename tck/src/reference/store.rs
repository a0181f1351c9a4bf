//! `Store`: objects and their versions. Versions are numbers, in the order of the writes; 0 is one
//! that nobody made. Times are known only relative to the object's own.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use omni_contracts::ErrorKind;
use omni_contracts::storage::{Attributes, ByteRange};

use super::uploads::Upload;

/// What an operation gives, or every kind that it may be refused with: where several reasons apply,
/// the contract does not say which of them is named.
pub(crate) type Outcome<T> = Result<T, Vec<ErrorKind>>;

/// Everything that is stored.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    pub(crate) objects: BTreeMap<String, Object>,
    /// Replaced and deleted objects, oldest first, with their keys.
    pub(crate) history: Vec<(String, Object)>,
    pub(crate) uploads: Vec<Upload>,
    pub(super) limits: Limits,
    pub(super) last_version: u64,
}

/// The limits that a provider declares, as far as they decide about outcomes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) max_object_size: Option<u64>,
    pub(crate) min_part_size: u64,
}

/// One version of an object.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) version: u64,
    pub(crate) content: Bytes,
    pub(crate) attributes: Arc<Attributes>,
    /// The write that made it, where that was named.
    pub(crate) write: Option<u64>,
}

/// When a write may replace what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Always,
    IfAbsent,
    IfMatch(u64),
}

/// When a read returns content. Times are whole seconds, relative to the object's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReadCondition {
    pub(crate) if_match: Option<u64>,
    pub(crate) if_none_match: Option<u64>,
    pub(crate) if_modified_since: Option<i64>,
    pub(crate) if_unmodified_since: Option<i64>,
}

/// What is to be stored, and what is wrong with it before anybody looks at the store.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) content: Bytes,
    pub(crate) attributes: Arc<Attributes>,
    pub(crate) condition: Condition,
    pub(crate) write: Option<u64>,
    pub(crate) flaws: Vec<ErrorKind>,
}

impl Store {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Stores an object; gives its version.
    pub(crate) fn put(&mut self, key: &str, write: Write) -> Outcome<u64> {
        let mut reasons = write.flaws;
        if self.limits.max_object_size.is_some_and(|max| write.content.len() as u64 > max) {
            reasons.push(ErrorKind::TooLarge);
        }
        let current = self.objects.get(key);
        if let Some(refusal) = write.condition.refusal(current.map(|object| object.version)) {
            match current {
                // The same write again, whose answer was lost.
                Some(object) if write.write.is_some() && object.write == write.write => {
                    return Ok(object.version);
                }
                _ => reasons.push(refusal),
            }
        }
        if !reasons.is_empty() {
            return Err(reasons);
        }
        self.last_version += 1;
        let object = Object {
            version: self.last_version,
            content: write.content,
            attributes: write.attributes,
            write: write.write,
        };
        let replaced = self.objects.insert(key.to_owned(), object);
        self.history.extend(replaced.map(|object| (key.to_owned(), object)));
        Ok(self.last_version)
    }

    /// Reads a range of the current object, or of a stored version.
    pub(crate) fn get(
        &self,
        key: &str,
        version: Option<u64>,
        range: ByteRange,
        condition: ReadCondition,
    ) -> Outcome<(&Object, Range<u64>)> {
        let object = self.head(key, version, condition);
        // A range that means nothing is refused before anything is looked at.
        if let ByteRange::Bounded { start, end } = range
            && end < start
        {
            return Err(vec![ErrorKind::InvalidArgument]);
        }
        let object = object?;
        let range = slice(range, object.content.len() as u64)?;
        Ok((object, range))
    }

    /// Looks at the current object, or at a stored version.
    pub(crate) fn head(
        &self,
        key: &str,
        version: Option<u64>,
        condition: ReadCondition,
    ) -> Outcome<&Object> {
        let object = match version {
            None => self.objects.get(key),
            Some(version) => {
                self.versions(key).into_iter().find(|object| object.version == version)
            }
        };
        let object = object.ok_or_else(|| vec![ErrorKind::NotFound])?;
        match condition.refusal(object.version) {
            None => Ok(object),
            Some(refusal) => Err(vec![refusal]),
        }
    }

    /// Deletes the current object; tells whether there was one.
    pub(crate) fn delete(&mut self, key: &str, if_match: Option<u64>) -> Outcome<bool> {
        let current = self.objects.get(key).map(|object| object.version);
        if let Some(expected) = if_match
            && let Some(refusal) = Condition::IfMatch(expected).refusal(current)
        {
            return Err(vec![refusal]);
        }
        let deleted = self.objects.remove(key);
        self.history.extend(deleted.map(|object| (key.to_owned(), object)));
        Ok(current.is_some())
    }

    /// Removes a stored version that is not the current one.
    pub(crate) fn delete_version(&mut self, key: &str, version: u64) -> Outcome<bool> {
        let is_it = |(of, object): &(String, Object)| of == key && object.version == version;
        match self.history.iter().position(is_it) {
            None => Err(vec![ErrorKind::NotFound]),
            Some(at) => {
                self.history.remove(at);
                Ok(true)
            }
        }
    }

    /// Copies; gives the new version.
    pub(crate) fn copy(
        &mut self,
        from: &str,
        to: &str,
        source_version: Option<u64>,
        condition: Condition,
        attributes: Option<Arc<Attributes>>,
    ) -> Outcome<u64> {
        if from == to && attributes.is_none() {
            return Err(vec![ErrorKind::InvalidArgument]);
        }
        let source = self.objects.get(from).cloned();
        let mut flaws = Vec::new();
        if source.is_none() {
            flaws.push(ErrorKind::NotFound);
        }
        if source_version.is_some() && source_version != source.as_ref().map(|s| s.version) {
            flaws.push(ErrorKind::PreconditionFailed);
        }
        let (content, kept) = source.map(|s| (s.content, s.attributes)).unwrap_or_default();
        let attributes = attributes.unwrap_or(kept);
        self.put(to, Write { content, attributes, condition, write: None, flaws })
    }

    /// Every entry of a listing, by name: the version of an object, or none for keys rolled up.
    pub(crate) fn list(
        &self,
        prefix: &str,
        delimiter: Option<&str>,
        start_after: Option<&str>,
    ) -> BTreeMap<&str, Option<u64>> {
        let mut entries = BTreeMap::new();
        for (key, object) in &self.objects {
            let Some(rest) = key.strip_prefix(prefix) else { continue };
            match delimiter.and_then(|delimiter| Some(rest.find(delimiter)? + delimiter.len())) {
                None => entries.insert(key.as_str(), Some(object.version)),
                Some(end) => entries.insert(&key[..prefix.len() + end], None),
            };
        }
        entries.retain(|name, _| start_after.is_none_or(|start| *name > start));
        entries
    }

    /// Every stored version of `key`, newest first.
    pub(crate) fn versions(&self, key: &str) -> Vec<&Object> {
        let older = self.history.iter().rev().filter(|(of, _)| of == key).map(|(_, object)| object);
        self.objects.get(key).into_iter().chain(older).collect()
    }
}

impl Condition {
    /// Why a write is refused, given the version that is stored.
    pub(crate) fn refusal(self, current: Option<u64>) -> Option<ErrorKind> {
        match self {
            Self::Always => None,
            Self::IfAbsent => current.map(|_| ErrorKind::AlreadyExists),
            Self::IfMatch(expected) => {
                (current != Some(expected)).then_some(ErrorKind::PreconditionFailed)
            }
        }
    }
}

impl ReadCondition {
    /// Why a read is refused, in the order of RFC 9110 section 13.2.2.
    fn refusal(self, version: u64) -> Option<ErrorKind> {
        let failed = match (self.if_match, self.if_unmodified_since) {
            (Some(expected), _) => expected != version,
            (None, Some(offset)) => offset < 0,
            (None, None) => false,
        };
        let unchanged = match (self.if_none_match, self.if_modified_since) {
            (Some(known), _) => known == version,
            (None, Some(offset)) => offset >= 0,
            (None, None) => false,
        };
        match (failed, unchanged) {
            (true, _) => Some(ErrorKind::PreconditionFailed),
            (false, true) => Some(ErrorKind::NotModified),
            (false, false) => None,
        }
    }
}

/// The bytes that a range means in an object of `size` bytes: a slice, its end clamped.
fn slice(range: ByteRange, size: u64) -> Outcome<Range<u64>> {
    let (start, end) = match range {
        ByteRange::Full => (0, size),
        ByteRange::Bounded { start, end } => (start, end),
        ByteRange::From(start) => (start, size),
        ByteRange::Suffix(length) => (size - length.min(size), size),
    };
    if start > size { Err(vec![ErrorKind::OutOfRange]) } else { Ok(start..end.min(size)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(content: &'static str, condition: Condition, write: Option<u64>) -> Write {
        let attributes = Attributes::none();
        Write { content: content.into(), attributes, condition, write, flaws: Vec::new() }
    }

    #[test]
    fn conditions_and_write_ids() {
        let mut store = Store::default();
        assert_eq!(store.put("k", write("1", Condition::IfMatch(0), None)).ok(), None);
        assert_eq!(store.put("k", write("1", Condition::IfAbsent, Some(7))), Ok(1));
        assert_eq!(store.put("k", write("1", Condition::IfAbsent, Some(7))), Ok(1));
        let taken = Err(vec![ErrorKind::AlreadyExists]);
        assert_eq!(store.put("k", write("1", Condition::IfAbsent, Some(8))), taken);
        assert_eq!(store.put("k", write("2", Condition::IfMatch(1), None)), Ok(2));
        assert_eq!(store.delete("k", Some(1)), Err(vec![ErrorKind::PreconditionFailed]));
        assert_eq!(store.delete("k", Some(2)), Ok(true));
        assert_eq!(store.delete("k", None), Ok(false));
        assert_eq!(store.versions("k").len(), 2);
    }

    #[test]
    fn lists_by_text() {
        let mut store = Store::default();
        for key in ["a", "a-b", "a/b", "a/c", "b"] {
            store.put(key, write("", Condition::Always, None)).unwrap();
        }
        let names = |prefix, delimiter, start| {
            store.list(prefix, delimiter, start).into_keys().collect::<Vec<_>>()
        };
        assert_eq!(names("", None, None), ["a", "a-b", "a/b", "a/c", "b"]);
        assert_eq!(names("a", Some("/"), None), ["a", "a-b", "a/"]);
        assert_eq!(names("", Some("/"), Some("a/b")), ["b"]);
        assert_eq!(names("a/", None, Some("a/b")), ["a/c"]);
    }

    #[test]
    fn slices() {
        assert_eq!(slice((2..5).into(), 4), Ok(2..4));
        assert_eq!(slice(ByteRange::suffix(9), 4), Ok(0..4));
        assert_eq!(slice((4..).into(), 4), Ok(4..4));
        assert_eq!(slice((5..).into(), 4), Err(vec![ErrorKind::OutOfRange]));
    }
}

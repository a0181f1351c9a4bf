//! What the words of a program mean for the provider: versions, conditions, uploads, bodies.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use omni_contracts::storage::{
    ByteRange, Crc32c, GetOptions, Key, Part, PartNumber, UploadId, Version, WriteCondition,
};
use omni_contracts::{Body, Error, ErrorKind, storage};

use super::program::{
    Checksum, Edge, Form, KEYS, Owner, Parts, Reading, Slice, Source, When, Which,
};
use super::run::Run;
use crate::reference::{Condition, ReadCondition};

impl Run {
    /// The version that is meant, of those that the key ever had; 0 where there is none.
    pub(super) fn which(&self, key: &str, which: Which) -> u64 {
        let versions = self.versions.get(key).map_or(&[][..], Vec::as_slice);
        let at = match which {
            Which::Current => versions.len().checked_sub(1),
            Which::Older => versions.len().checked_sub(2),
            Which::Foreign => None,
        };
        at.map_or(0, |at| self.distinct(key, versions[at]))
    }

    /// The current version of a key instead of an older one that the provider cannot tell from it.
    pub(super) fn distinct(&self, key: &str, version: u64) -> u64 {
        match self.model.objects.get(key).map(|object| object.version) {
            Some(current) if self.native(current) == self.native(version) => current,
            _ => version,
        }
    }

    pub(super) fn condition(&self, key: &str, when: When) -> Condition {
        match when {
            When::Always => Condition::Always,
            When::IfAbsent => Condition::IfAbsent,
            When::IfMatch(which) => Condition::IfMatch(self.which(key, which)),
        }
    }

    pub(super) fn reading(
        &self,
        key: &str,
        reading: &Reading,
    ) -> (Option<u64>, ReadCondition, GetOptions) {
        let which = |which: Option<Which>| which.map(|which| self.which(key, which));
        let version = which(reading.version);
        let condition = ReadCondition {
            if_match: which(reading.if_match),
            if_none_match: which(reading.if_none_match),
            if_modified_since: reading.if_modified_since,
            if_unmodified_since: reading.if_unmodified_since,
        };
        let current = self.model.objects.get(key);
        let modified = current.map(|object| self.receipts[&object.version].modified);
        let time = |offset: Option<i64>| {
            let modified = modified.unwrap_or(SystemTime::UNIX_EPOCH);
            let by = Duration::from_secs(offset?.unsigned_abs());
            Some(if offset? < 0 { modified.checked_sub(by)? } else { modified + by })
        };
        let native = |version: Option<u64>| version.map(|version| self.native(version));
        let options = GetOptions {
            range: ByteRange::Full,
            condition: storage::ReadCondition {
                if_match: native(condition.if_match),
                if_none_match: native(condition.if_none_match),
                if_modified_since: time(condition.if_modified_since),
                if_unmodified_since: time(condition.if_unmodified_since),
            },
            version: native(version),
        };
        (version, condition, options)
    }

    pub(super) fn native(&self, version: u64) -> Version {
        match self.receipts.get(&version) {
            Some(receipt) => receipt.version.clone(),
            None => foreign(),
        }
    }

    pub(super) fn native_condition(&self, condition: Condition) -> WriteCondition {
        match condition {
            Condition::Always => WriteCondition::Always,
            Condition::IfAbsent => WriteCondition::IfAbsent,
            Condition::IfMatch(version) => WriteCondition::IfMatch(self.native(version)),
        }
    }

    pub(super) fn native_part(&self, (number, version): (u16, u64)) -> Part {
        match self.parts.get(&version) {
            Some((_, receipt)) => Part { number: number_of(number), ..receipt.clone() },
            None => Part { number: number_of(number), size: 1, version: foreign(), checksum: None },
        }
    }

    /// An upload by its place from the last that was begun, and the key to use it with.
    pub(super) fn upload(&self, at: usize, owner: Owner) -> (usize, UploadId, String) {
        let begun = self.uploads.len();
        if owner == Owner::Nobody || begun == 0 {
            return (begun, UploadId::new("nobody-began-this"), KEYS[0].clone());
        }
        let at = begun - 1 - at % begun;
        let own = &self.model.uploads[at].key;
        let key = match owner {
            Owner::Other => KEYS.iter().find(|key| *key != own).unwrap_or(own),
            _ => own,
        };
        (at, self.uploads[at].clone(), key.clone())
    }

    /// The parts of an upload to state, each a number and a version.
    pub(super) fn stated(
        &self,
        upload: usize,
        received: Vec<(u16, u64)>,
        parts: Parts,
    ) -> Vec<(u16, u64)> {
        let first = received.first().copied();
        match parts {
            Parts::All => received,
            Parts::AllButFirst => received.into_iter().skip(1).collect(),
            Parts::None => Vec::new(),
            Parts::Reversed => received.into_iter().rev().collect(),
            Parts::Repeated => first.into_iter().chain(received).collect(),
            Parts::Unreceived => received.into_iter().chain([(PartNumber::MAX, 0)]).collect(),
            Parts::Replaced => {
                let replaced = first.and_then(|(number, version)| {
                    let mut earlier = self.parts.range(..version).rev();
                    let now = self.parts.get(&version).map(|(_, part)| &part.version);
                    let same = |(_, (of, part)): &(&u64, &(usize, Part))| {
                        let is_told = Some(&part.version) != now;
                        *of == upload && part.number.get() == number && is_told
                    };
                    Some((number, *earlier.find(same)?.0))
                });
                replaced.or(first).into_iter().chain(received.into_iter().skip(1)).collect()
            }
        }
    }
}

impl Slice {
    /// The range that is meant in an object of `size` bytes.
    pub(super) fn of(self, size: u64) -> ByteRange {
        let at = |edge| match edge {
            Edge::At(offset) => offset,
            Edge::Size(by) => size.saturating_add_signed(by),
        };
        match self {
            Self::Full => ByteRange::Full,
            Self::Bounded(start, end) => ByteRange::Bounded { start: at(start), end: at(end) },
            Self::From(start) => ByteRange::From(at(start)),
            Self::Suffix(length) => ByteRange::Suffix(at(length)),
        }
    }
}

impl Source {
    pub(super) fn body(&self) -> Body {
        let size = self.content.size;
        match self.form {
            Form::Whole => self.content.bytes().into(),
            Form::Stream { chunk, stated } => {
                // Not more than some thousand chunks, however small they are.
                let chunks = self.content.chunks(chunk.max(size as usize / 2000));
                let empty = || stream::iter([Ok(Bytes::new())]);
                let chunks = empty().chain(chunks).chain(empty());
                Body::from_stream(chunks, stated.then_some(size))
            }
            Form::Fails => {
                let half = self.content.bytes().slice(..size as usize / 2);
                let failed = Error::new(ErrorKind::Unavailable, "the source failed");
                Body::from_stream(stream::iter([Ok(half), Err(failed)]), Some(size))
            }
            Form::Short => self.content.stream(4096, Some(size + 1)),
            Form::Long => match size.checked_sub(1) {
                Some(length) => self.content.stream(4096, Some(length)),
                None => self.content.stream(4096, Some(1)),
            },
        }
    }

    pub(super) fn flaws(&self) -> Vec<ErrorKind> {
        match self.form {
            Form::Whole | Form::Stream { .. } => Vec::new(),
            Form::Fails => ErrorKind::ALL.to_vec(),
            Form::Short | Form::Long => vec![ErrorKind::Corrupt],
        }
    }
}

/// The key of that text. All texts of programs keep the portable profile.
pub(super) fn name(text: &str) -> Key {
    Key::native(text)
}

/// The part of that number.
pub(super) fn number_of(number: u16) -> PartNumber {
    PartNumber::new(number).unwrap_or_else(|_| unreachable!("programs number parts from 1"))
}

/// The checksum to state, and what is wrong with it.
pub(super) fn checked(content: &[u8], checksum: Checksum) -> (Option<Crc32c>, Vec<ErrorKind>) {
    let sum = Crc32c::of(content);
    match checksum {
        Checksum::None => (None, Vec::new()),
        Checksum::Right => (Some(sum), Vec::new()),
        Checksum::Wrong => (Some(Crc32c::from_u32(!sum.to_u32())), vec![ErrorKind::Corrupt]),
    }
}

/// A version that no provider made.
fn foreign() -> Version {
    Version::new("nobody-made-this").unwrap_or_else(|_| unreachable!("the token is well formed"))
}

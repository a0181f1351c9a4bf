//! The options of the operations: conditions, attributes, checksums. Data only.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use smol_str::SmolStr;

use super::{Attributes, ByteRange, Capabilities, Capability, Crc32c, ObjectMeta, Version};
use crate::{Error, ErrorKind, Idempotency, Result};

/// When a write may replace what is stored (clauses `STO-060` to `STO-068`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WriteCondition {
    /// Always.
    #[default]
    Always,
    /// Only when no object has the key. Fails with `AlreadyExists`.
    IfAbsent,
    /// Only when the object has this version. Fails with `PreconditionFailed`, also when there is no
    /// object.
    IfMatch(Version),
}

impl WriteCondition {
    /// Decides by the version that is stored now.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` or `PreconditionFailed`.
    pub fn check(&self, current: Option<&Version>) -> Result<()> {
        match (self, current) {
            (Self::Always, _) | (Self::IfAbsent, None) => Ok(()),
            (Self::IfMatch(expected), Some(current)) if expected == current => Ok(()),
            (Self::IfAbsent, Some(_)) => {
                Err(Error::new(ErrorKind::AlreadyExists, "an object has this key"))
            }
            (Self::IfMatch(expected), Some(current)) => Err(Error::new(
                ErrorKind::PreconditionFailed,
                format!("the object has version {current}, expected is {expected}"),
            )),
            (Self::IfMatch(expected), None) => Err(Error::new(
                ErrorKind::PreconditionFailed,
                format!("no object has this key, expected is version {expected}"),
            )),
        }
    }
}

/// When a read returns content; evaluated in the order of RFC 9110 section 13.2.2 (clauses
/// `STO-070` to `STO-074`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadCondition {
    /// Fails with `PreconditionFailed` unless the object has this version.
    pub if_match: Option<Version>,
    /// Fails with `NotModified` when the object has this version.
    pub if_none_match: Option<Version>,
    /// Fails with `NotModified` unless the object was written later. Ignored beside `if_none_match`.
    pub if_modified_since: Option<SystemTime>,
    /// Fails with `PreconditionFailed` when the object was written later. Ignored beside `if_match`.
    pub if_unmodified_since: Option<SystemTime>,
}

impl ReadCondition {
    /// Whether there is nothing to check.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Decides by what is stored now. Times are compared in whole seconds, as HTTP has them.
    ///
    /// # Errors
    ///
    /// `PreconditionFailed` or `NotModified`.
    pub fn check(&self, meta: &ObjectMeta) -> Result<()> {
        let failed = |message: String| Err(Error::new(ErrorKind::PreconditionFailed, message));
        let version = &meta.version;
        if let Some(expected) = &self.if_match {
            if expected != version {
                return failed(format!("the object has version {version}, expected is {expected}"));
            }
        } else if self
            .if_unmodified_since
            .is_some_and(|time| seconds(meta.modified) > seconds(time))
        {
            return failed("the object was written after the stated time".to_owned());
        }
        let unchanged = match &self.if_none_match {
            Some(known) => known == version,
            None => {
                self.if_modified_since.is_some_and(|time| seconds(meta.modified) <= seconds(time))
            }
        };
        if unchanged {
            return Err(Error::new(
                ErrorKind::NotModified,
                format!("version {version} is current"),
            ));
        }
        Ok(())
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

/// Names one logical write, so that its repetition is recognised (clauses `STO-065`, `STO-151`).
///
/// Choose a fresh random one per write, keep it across the retries of that write.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct WriteId(SmolStr);

impl WriteId {
    /// An id of 1 to 64 letters, digits, `-` or `_`.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for anything else.
    pub fn new(text: impl AsRef<str>) -> Result<Self> {
        let text = text.as_ref();
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if text.is_empty() || text.len() > 64 || !plain {
            return Err(Error::invalid("a write id is 1 to 64 letters, digits, `-` or `_`"));
        }
        Ok(Self(SmolStr::new(text)))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for WriteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// How to put an object.
#[derive(Clone, Debug)]
pub struct PutOptions {
    /// When the put may replace what is stored.
    pub condition: WriteCondition,
    /// Content fields and user metadata; what an overwrite does not state is cleared.
    pub attributes: Arc<Attributes>,
    /// The checksum that the content must have; else `Corrupt` and nothing is stored.
    pub checksum: Option<Crc32c>,
    /// Names this write; needed to repeat a conditional put safely.
    pub write_id: Option<WriteId>,
}

impl Default for PutOptions {
    fn default() -> Self {
        Self {
            condition: WriteCondition::Always,
            attributes: Attributes::none(),
            checksum: None,
            write_id: None,
        }
    }
}

impl PutOptions {
    /// Whether the put may be repeated when its answer was lost.
    #[must_use]
    pub fn idempotency(&self) -> Idempotency {
        match (&self.condition, &self.write_id) {
            (WriteCondition::Always, _) | (_, Some(_)) => Idempotency::Idempotent,
            (_, None) => Idempotency::NotIdempotent,
        }
    }

    /// Refuses a put that needs an undeclared capability, before any I/O.
    ///
    /// # Errors
    ///
    /// `Unsupported`.
    pub fn expect_supported(&self, capabilities: &Capabilities) -> Result<()> {
        match self.condition {
            WriteCondition::Always => Ok(()),
            WriteCondition::IfAbsent => capabilities.expect(Capability::ConditionalCreate),
            WriteCondition::IfMatch(_) => capabilities.expect(Capability::ConditionalUpdate),
        }
    }
}

/// What to read of an object, and when. Also the options of `head`, which ignores the range.
#[derive(Clone, Debug, Default)]
pub struct GetOptions {
    /// The bytes to read.
    pub range: ByteRange,
    /// When to read.
    pub condition: ReadCondition,
    /// The version to read instead of the current one; needs
    /// [`Capability::Versioning`](super::Capability::Versioning).
    pub version: Option<Version>,
}

impl GetOptions {
    /// Refuses a read that needs an undeclared capability, before any I/O.
    ///
    /// # Errors
    ///
    /// `Unsupported`.
    pub fn expect_supported(&self, capabilities: &Capabilities) -> Result<()> {
        if !self.condition.is_empty() {
            capabilities.expect(Capability::ConditionalRead)?;
        }
        match self.version {
            None => Ok(()),
            Some(_) => capabilities.expect(Capability::Versioning),
        }
    }
}

/// What to delete, and when.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    /// Deletes only this current version, else `PreconditionFailed`; needs
    /// [`Capability::ConditionalDelete`](super::Capability::ConditionalDelete).
    pub if_match: Option<Version>,
    /// Removes this stored version for good instead of deleting the current one, and brings no older
    /// one back; needs
    /// [`Capability::Versioning`](super::Capability::Versioning).
    pub version: Option<Version>,
}

impl DeleteOptions {
    /// Whether the delete may be repeated when its answer was lost.
    #[must_use]
    pub fn idempotency(&self) -> Idempotency {
        match self.if_match {
            None => Idempotency::Idempotent,
            Some(_) => Idempotency::NotIdempotent,
        }
    }

    /// Refuses a delete that needs an undeclared capability, before any I/O.
    ///
    /// # Errors
    ///
    /// `Unsupported`.
    pub fn expect_supported(&self, capabilities: &Capabilities) -> Result<()> {
        if self.if_match.is_some() {
            capabilities.expect(Capability::ConditionalDelete)?;
        }
        match self.version {
            None => Ok(()),
            Some(_) => capabilities.expect(Capability::Versioning),
        }
    }
}

/// How to copy an object.
#[derive(Clone, Debug, Default)]
pub struct CopyOptions {
    /// When the copy may replace what is stored at the target; other than `Always` needs
    /// [`Capability::ConditionalCopy`](super::Capability::ConditionalCopy).
    pub condition: WriteCondition,
    /// Copies only this version of the source, else `PreconditionFailed`.
    pub source_version: Option<Version>,
    /// New attributes instead of the source's.
    pub attributes: Option<Arc<Attributes>>,
}

impl CopyOptions {
    /// Whether the copy may be repeated when its answer was lost.
    #[must_use]
    pub fn idempotency(&self) -> Idempotency {
        match self.condition {
            WriteCondition::Always => Idempotency::Idempotent,
            _ => Idempotency::NotIdempotent,
        }
    }

    /// Refuses a copy that needs an undeclared capability, before any I/O.
    ///
    /// # Errors
    ///
    /// `Unsupported`.
    pub fn expect_supported(&self, capabilities: &Capabilities) -> Result<()> {
        match self.condition {
            WriteCondition::Always => Ok(()),
            _ => capabilities.expect(Capability::ConditionalCopy),
        }
    }
}

/// How to complete a multipart upload.
#[derive(Clone, Debug, Default)]
pub struct CompleteOptions {
    /// When the object may replace what is stored; other than `Always` needs
    /// [`Capability::ConditionalMultipart`](super::Capability::ConditionalMultipart).
    pub condition: WriteCondition,
    /// The checksum that the whole content must have; else `Corrupt` and nothing is stored.
    pub checksum: Option<Crc32c>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::new(text).unwrap()
    }

    #[test]
    fn write_conditions() {
        let kind = |condition: WriteCondition, current: Option<&str>| {
            condition.check(current.map(version).as_ref()).err().map(|error| error.kind())
        };
        assert_eq!(kind(WriteCondition::Always, Some("1")), None);
        assert_eq!(kind(WriteCondition::IfAbsent, None), None);
        assert_eq!(kind(WriteCondition::IfAbsent, Some("1")), Some(ErrorKind::AlreadyExists));
        let matches = || WriteCondition::IfMatch(version("1"));
        assert_eq!(kind(matches(), Some("1")), None);
        assert_eq!(kind(matches(), Some("2")), Some(ErrorKind::PreconditionFailed));
        assert_eq!(kind(matches(), None), Some(ErrorKind::PreconditionFailed));
    }

    #[test]
    fn read_conditions_follow_rfc_9110() {
        let at = |seconds| UNIX_EPOCH + Duration::from_millis(seconds * 1000 + 500);
        let meta = ObjectMeta {
            size: 0,
            version: version("1"),
            modified: at(10),
            checksum: None,
            attributes: Attributes::none(),
        };
        let kind =
            |if_match: &[&str], none_match: &[&str], modified: &[u64], unmodified: &[u64]| {
                let condition = ReadCondition {
                    if_match: if_match.first().map(|text| version(text)),
                    if_none_match: none_match.first().map(|text| version(text)),
                    if_modified_since: modified.first().map(|time| at(*time)),
                    if_unmodified_since: unmodified.first().map(|time| at(*time)),
                };
                condition.check(&meta).err().map(|error| error.kind())
            };
        let failed = Some(ErrorKind::PreconditionFailed);
        let unchanged = Some(ErrorKind::NotModified);
        assert_eq!(kind(&[], &[], &[], &[]), None);
        assert_eq!(kind(&["1"], &[], &[], &[]), None);
        assert_eq!(kind(&["2"], &[], &[], &[]), failed);
        assert_eq!(kind(&[], &["1"], &[], &[]), unchanged);
        assert_eq!(kind(&[], &["2"], &[], &[]), None);
        assert_eq!(kind(&[], &[], &[9], &[]), None);
        assert_eq!(kind(&[], &[], &[10], &[]), unchanged);
        assert_eq!(kind(&[], &[], &[], &[10]), None);
        assert_eq!(kind(&[], &[], &[], &[9]), failed);
        assert_eq!(kind(&["1"], &[], &[], &[9]), None, "if_match wins over if_unmodified_since");
        assert_eq!(
            kind(&[], &["2"], &[10], &[]),
            None,
            "if_none_match wins over if_modified_since"
        );
        assert_eq!(kind(&["2"], &["1"], &[], &[]), failed, "if_match comes first");
        assert_eq!(kind(&["1"], &["1"], &[], &[]), unchanged);
    }

    #[test]
    fn a_write_id_makes_a_conditional_put_repeatable() {
        let mut options = PutOptions::default();
        assert_eq!(options.idempotency(), Idempotency::Idempotent);
        options.condition = WriteCondition::IfAbsent;
        assert_eq!(options.idempotency(), Idempotency::NotIdempotent);
        options.write_id = Some(WriteId::new("w-1").unwrap());
        assert_eq!(options.idempotency(), Idempotency::Idempotent);
        assert!(WriteId::new("").is_err() && WriteId::new("a b").is_err());
    }
}

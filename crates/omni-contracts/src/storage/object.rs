//! What is known about an object, and what writing, reading and deleting it returns.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use smol_str::SmolStr;

use super::{Attributes, Crc32c};
use crate::{Body, Error, Result};

/// What is known about one version of an object. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectMeta {
    /// The size of the content, in bytes.
    pub size: u64,
    /// The version: changes with every write.
    pub version: Version,
    /// When it was written, by the provider's clock.
    pub modified: SystemTime,
    /// The checksum of the whole content, where the provider has it.
    pub checksum: Option<Crc32c>,
    /// Content type, user metadata and the like.
    pub attributes: Arc<Attributes>,
}

impl ObjectMeta {
    /// What the write of this object returned.
    #[must_use]
    pub fn written(&self) -> Written {
        Written { size: self.size, version: self.version.clone(), checksum: self.checksum }
    }
}

/// What a write stored: what every service tells in its answer, without a second request. When it was
/// written, and all else, is what `head` tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The size of the content, in bytes.
    pub size: u64,
    /// The version: changes with every write.
    pub version: Version,
    /// The checksum of the whole content, where the provider has it.
    pub checksum: Option<Crc32c>,
}

/// An opaque token for one version of an object (clauses `STO-040` to `STO-042`).
///
/// Compare it for equality, store it, send it back. Nothing else about it means anything.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Version(SmolStr);

impl Version {
    /// A token as a provider made it, or as [`as_str`](Self::as_str) gave it.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` when it is empty, longer than 1024 bytes or holds an ASCII control character: no
    /// provider makes such tokens.
    pub fn new(token: impl AsRef<str>) -> Result<Self> {
        let token = token.as_ref();
        if token.is_empty() || token.len() > 1024 || token.bytes().any(|b| b.is_ascii_control()) {
            return Err(Error::invalid(
                "a version is 1 to 1024 bytes without control characters".to_owned(),
            ));
        }
        Ok(Self(SmolStr::new(token)))
    }

    /// The token of a write's number and of who counted it, as `2a-0c0ffe`: at most 23 bytes. For
    /// providers that number their writes; `tag` has 24 bits and keeps two counters apart.
    #[must_use]
    pub fn numbered(number: u64, tag: u32) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        // By hand: every put, and every entry of a listing, makes one.
        let mut text = [0; 23];
        let mut at = text.len();
        let mut write = |digit: u8| {
            at -= 1;
            text[at] = digit;
        };
        for place in 0..6 {
            write(DIGITS[(tag >> (4 * place)) as usize & 15]);
        }
        write(b'-');
        let mut rest = number;
        loop {
            write(DIGITS[rest as usize & 15]);
            rest >>= 4;
            if rest == 0 {
                break;
            }
        }
        Self(SmolStr::new(std::str::from_utf8(&text[at..]).unwrap_or_default()))
    }

    /// The token as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// An object, or a range of it, on its way to the caller.
#[derive(Debug)]
pub struct GetResult {
    /// What is known about the whole object; available before the first byte.
    pub meta: ObjectMeta,
    /// The bytes that the body holds, clamped to the object's size.
    pub range: Range<u64>,
    /// The bytes.
    pub body: Body,
}

/// The outcome of a delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deleted {
    /// Whether there was an object, where the provider knows.
    pub existed: Option<bool>,
}

impl Deleted {
    /// The outcome, and whether there was an object.
    #[must_use]
    pub fn new(existed: Option<bool>) -> Self {
        Self { existed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_versions_are_hexadecimal() {
        assert_eq!(Version::numbered(0, 0).as_str(), "0-000000");
        assert_eq!(Version::numbered(42, 0x0c_0ffe).as_str(), "2a-0c0ffe");
        assert_eq!(Version::numbered(u64::MAX, 0xff_ffff).as_str(), "ffffffffffffffff-ffffff");
    }
}

//! What is stored: contents with their checksums, attributes, and objects made of both.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use md5::{Digest, Md5};
use omni_contracts::storage::Crc32c;

use super::encryption::KeyHash;
use super::fault::{Fault, Kind};

/// The most bytes that the keys and values of custom metadata may have together: see
/// `cloud.google.com/storage/quotas#objects`.
const METADATA_LIMIT: usize = 8 << 10;

/// One generation of an object.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) name: String,
    pub(super) generation: i64,
    pub(super) metageneration: i64,
    pub(super) attributes: Attributes,
    pub(super) content: Content,
    /// How many objects it was composed of; none for what was uploaded.
    pub(super) components: Option<i32>,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
    /// What it was written with.
    pub(super) key: Option<KeyHash>,
    /// When it ceased to be the live one.
    pub(super) deleted: Option<Timestamp>,
}

impl Object {
    pub(super) fn etag(&self) -> String {
        BASE64_STANDARD.encode(format!("{}/{}", self.generation, self.metageneration))
    }

    /// Whether its checksums are told: those of an object with a key, to who has it.
    pub(super) fn shows_sums(&self, key: Option<KeyHash>) -> bool {
        self.key.is_none() || self.key == key
    }

    pub(super) fn size(&self) -> usize {
        self.content.bytes.len()
    }
}

/// Bytes, and what they sum up to.
#[derive(Clone, Debug)]
pub(super) struct Content {
    pub(super) bytes: Bytes,
    pub(super) crc32c: u32,
    /// Composite objects have none.
    pub(super) md5: Option<[u8; 16]>,
}

impl Content {
    pub(super) fn new(bytes: Bytes) -> Self {
        let md5 = Some(Md5::digest(&bytes).into());
        Self { crc32c: Crc32c::of(&bytes).to_u32(), md5, bytes }
    }

    /// The contents one after the other.
    pub(super) fn composed<'a>(parts: impl Iterator<Item = &'a Self>) -> Self {
        let mut bytes = Vec::new();
        let mut crc32c = Crc32c::default();
        for part in parts {
            bytes.extend_from_slice(&part.bytes);
            let next = Crc32c::from_u32(part.crc32c);
            crc32c = crc32c.followed_by(next, part.bytes.len() as u64);
        }
        Self { bytes: bytes.into(), crc32c: crc32c.to_u32(), md5: None }
    }

    /// With the bit in the middle flipped, and the checksums as they were.
    pub(super) fn damaged(&self) -> Option<Self> {
        let mut bytes = self.bytes.to_vec();
        *bytes.get_mut(self.bytes.len() / 2)? ^= 1;
        Some(Self { bytes: bytes.into(), ..*self })
    }
}

/// The checksums that a client stated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stated {
    pub(super) crc32c: Option<u32>,
    pub(super) md5: Option<Vec<u8>>,
}

impl Stated {
    /// Both statements; neither may contradict the other.
    pub(super) fn and(self, other: Self) -> Result<Self, Fault> {
        let contradict = |what: &str| Fault::invalid(format!("two different {what} were stated"));
        if self.crc32c.is_some() && other.crc32c.is_some() && self.crc32c != other.crc32c {
            return Err(contradict("CRC32C checksums"));
        }
        if self.md5.is_some() && other.md5.is_some() && self.md5 != other.md5 {
            return Err(contradict("MD5 hashes"));
        }
        Ok(Self { crc32c: self.crc32c.or(other.crc32c), md5: self.md5.or(other.md5) })
    }

    /// From the two fields of base 64 that JSON and the `x-goog-hash` header have.
    pub(super) fn parse(crc32c: Option<&str>, md5: Option<&str>) -> Result<Self, Fault> {
        let decode = |what: &str, text: &str, length: usize| {
            let bytes = BASE64_STANDARD.decode(text).ok().filter(|bytes| bytes.len() == length);
            bytes.ok_or_else(|| {
                Fault::invalid(format!("Invalid value for {what}: {length} bytes in base 64"))
            })
        };
        let crc32c = crc32c.map(|text| decode("crc32c", text, 4)).transpose()?;
        let crc32c =
            crc32c.map(|bytes| bytes.iter().fold(0, |sum, byte| (sum << 8) | u32::from(*byte)));
        let md5 = md5.map(|text| decode("md5Hash", text, 16)).transpose()?;
        Ok(Self { crc32c, md5 })
    }

    /// From the values of `x-goog-hash` headers: `crc32c=...,md5=...`.
    pub(super) fn header<'a>(values: impl Iterator<Item = &'a str>) -> Result<Self, Fault> {
        let mut stated = Self::default();
        for word in values.flat_map(|value| value.split(',')) {
            let next = match word.trim().split_once('=') {
                Some(("crc32c", value)) => Self::parse(Some(value), None)?,
                Some(("md5", value)) => Self::parse(None, Some(value))?,
                _ => return Err(Fault::invalid(format!("Invalid x-goog-hash: {word:?}"))),
            };
            stated = stated.and(next)?;
        }
        Ok(stated)
    }

    /// Refuses a content that is another one.
    pub(super) fn check(&self, content: &Content) -> Result<(), Fault> {
        let wrong = |what: &str, stated: String, computed: String| {
            let message = format!(
                "Provided {what} \"{stated}\" doesn't match calculated {what} \"{computed}\"."
            );
            Err(Fault::new(Kind::BadDigest, message))
        };
        match self.crc32c {
            Some(stated) if stated != content.crc32c => {
                return wrong("CRC32C", crc32c_text(stated), crc32c_text(content.crc32c));
            }
            _ => {}
        }
        match (&self.md5, content.md5) {
            (Some(stated), Some(computed)) if *stated != computed => {
                wrong("MD5 hash", BASE64_STANDARD.encode(stated), BASE64_STANDARD.encode(computed))
            }
            _ => Ok(()),
        }
    }
}

/// A CRC-32C as the protocols in text have it: base 64 of its bytes, the highest first.
pub(super) fn crc32c_text(crc32c: u32) -> String {
    BASE64_STANDARD.encode(crc32c.to_be_bytes())
}

/// What a client says about an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) cache_control: String,
    pub(super) content_disposition: String,
    pub(super) content_encoding: String,
    pub(super) content_language: String,
    /// Empty: none was stated.
    pub(super) content_type: String,
    /// Empty: that of the bucket.
    pub(super) storage_class: String,
    pub(super) kms_key: String,
    pub(super) custom_time: Option<Timestamp>,
    pub(super) metadata: BTreeMap<String, String>,
}

impl Attributes {
    /// Refuses what is too large.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let size: usize = self.metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
        if size > METADATA_LIMIT {
            return Err(Fault::invalid(format!(
                "The total metadata size {size} is more than {METADATA_LIMIT} bytes"
            )));
        }
        match self.metadata.keys().find(|key| key.is_empty()) {
            Some(_) => Err(Fault::invalid("Metadata keys must not be empty")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stated_checksums_are_read_and_compared() {
        let content = Content::new(Bytes::from_static(b"123456789"));
        let good = "crc32c=4waSgw==, md5=JfnnlDI7RTiF9RgfG2JNCw==";
        let stated = Stated::header([good].into_iter()).unwrap();
        assert_eq!(stated.crc32c, Some(0xe306_9283));
        stated.check(&content).unwrap();
        assert_eq!(crc32c_text(content.crc32c), "4waSgw==");
        let wrong = Stated::parse(Some("AAAAAA=="), None).unwrap();
        assert_eq!(wrong.check(&content).unwrap_err().kind, Kind::BadDigest);
        let wrong = Stated::parse(None, Some("AAAAAAAAAAAAAAAAAAAAAA==")).unwrap();
        assert_eq!(wrong.check(&content).unwrap_err().kind, Kind::BadDigest);
        stated.and(wrong).unwrap_err();
        for bad in ["crc32c=AAA", "sha1=AAAA", "", "crc32c=AAAAAA==,crc32c=4waSgw=="] {
            Stated::header([bad].into_iter()).unwrap_err();
        }
    }

    #[test]
    fn a_composed_content_has_the_sum_of_all() {
        let parts = ["12", "", "3456", "789"].map(|text| Content::new(Bytes::from(text)));
        let whole = Content::composed(parts.iter());
        assert_eq!((whole.bytes.as_ref(), whole.crc32c), (&b"123456789"[..], 0xe306_9283));
        assert_eq!(whole.md5, None);
        let damaged = whole.damaged().unwrap();
        assert_ne!(Crc32c::of(&damaged.bytes).to_u32(), damaged.crc32c);
        assert!(Content::new(Bytes::new()).damaged().is_none());
    }
}

//! Explicit multipart uploads: large objects sent in parts, in any order, from anywhere.

use std::fmt;
use std::time::SystemTime;

use super::{Crc32c, Key, PageToken, Version};
use crate::{Error, Result};

/// Names an unfinished upload. Opaque; may be stored, and used by another process.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UploadId(String);

impl UploadId {
    /// An id as a provider made it.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// The number of a part, from 1 to 10 000. Parts are joined in the order of their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartNumber(u16);

impl PartNumber {
    /// The largest number.
    pub const MAX: u16 = 10_000;

    /// A number from 1 to [`MAX`](Self::MAX).
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for any other.
    pub fn new(number: u16) -> Result<Self> {
        if (1..=Self::MAX).contains(&number) {
            Ok(Self(number))
        } else {
            Err(Error::invalid(format!("a part number is 1 to {}, this is {number}", Self::MAX)))
        }
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for PartNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A part that was received: the receipt that completing asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The part's number.
    pub number: PartNumber,
    /// The part's size, in bytes.
    pub size: u64,
    /// The part's version: changes when the part is sent again.
    pub version: Version,
    /// The part's checksum, where the provider has it.
    pub checksum: Option<Crc32c>,
}

/// An unfinished upload, as [`list_uploads`](super::StorageProvider::list_uploads) shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadEntry {
    /// The upload.
    pub id: UploadId,
    /// The key that it will be stored under.
    pub key: Key,
    /// When it was begun, by the provider's clock.
    pub created: SystemTime,
}

/// One page of unfinished uploads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadPage {
    /// The entries, by key.
    pub entries: Vec<UploadEntry>,
    /// Where to continue; `None` on the last page.
    pub next: Option<PageToken>,
}

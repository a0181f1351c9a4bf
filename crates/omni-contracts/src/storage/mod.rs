//! The storage contract: objects under keys. Clauses `STO-` in `docs/spec/storage.md`.
//!
//! [`StorageProvider`] is what a provider implements; applications use the handle of `omni-storage`.

mod attributes;
mod capability;
mod checksum;
mod derived;
mod intercept;
mod key;
mod list;
mod multipart;
mod object;
mod options;
mod prefix;
mod presign;
mod provider;
mod range;
mod resume;

pub use crate::Durability;
pub use attributes::{Attributes, MAX_METADATA_BYTES, MAX_METADATA_ENTRIES};
pub use capability::{Capabilities, Capability, Limits};
pub use checksum::{Crc32c, verified};
pub use derived::{coalesced_ranges, delete_prefix, list_all, read_ranges, resolve_refused};
pub use intercept::Intercepted;
pub use key::Key;
pub use list::{
    ListEntry, ListPage, ListRequest, ObjectEntry, PageToken, VersionEntry, VersionPage,
};
pub use multipart::{Part, PartNumber, UploadEntry, UploadId, UploadPage};
pub use object::{Deleted, GetResult, ObjectMeta, Version, Written};
pub use options::{
    CompleteOptions, CopyOptions, DeleteOptions, GetOptions, PutOptions, ReadCondition,
    WriteCondition, WriteId,
};
pub use prefix::Prefix;
pub use presign::{PresignMethod, PresignRequest, PresignedUrl};
pub use provider::StorageProvider;
pub use range::ByteRange;
pub use resume::{Reopen, resumed};

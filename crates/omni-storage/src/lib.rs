//! Portable object storage: one handle, any cloud, chosen by configuration.
//!
//! What lives here: [`Storage`], the handle that an application holds; the calls that it makes; the
//! adaptors to `AsyncRead`, `AsyncWrite` and `Stream`; [`transfer`] between two storages; and
//! [`registry`], the table of the providers that are compiled in.
//! What does not: the contract (`omni-contracts`), providers, and the reading of files
//! (`omni-config`).
//!
//! ```
//! use omni_storage::{ErrorKind, Storage};
//!
//! # async fn program() -> omni_storage::Result<()> {
//! let storage = Storage::open("main").await?;
//! let put = storage.put("greetings/en", "hello").if_absent().content_type("text/plain").await;
//! match put {
//!     Ok(written) => println!("stored version {}", written.version),
//!     Err(error) if error.kind() == ErrorKind::AlreadyExists => println!("there already"),
//!     Err(error) => return Err(error),
//! }
//! println!("{}", storage.get("greetings/en").await?.text().await?);
//! let mut entries = storage.list("greetings/").stream();
//! while let Some(entry) = entries.next().await {
//!     println!("{}", entry?.name());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Nothing is sent before a call is awaited. A dropped call has happened as a whole or not at all.

mod attributes;
mod copy;
mod delete;
mod get;
mod handle;
mod io;
mod key;
mod list;
mod providers;
mod put;
#[cfg_attr(not(feature = "telemetry"), path = "telemetry/without.rs")]
mod telemetry;
pub mod transfer;
mod upload;
mod writer;

pub use bytes::Bytes;
pub use omni_config::{ByteSize, Config, Loader, Registry, Section};
pub use omni_contracts::storage::{
    Attributes, ByteRange, Capabilities, Capability, Crc32c, Deleted, Durability, Key, ListEntry,
    ListPage, ObjectEntry, ObjectMeta, PageToken, Part, PartNumber, Prefix, PresignMethod,
    PresignRequest, PresignedUrl, StorageProvider, UploadEntry, UploadId, UploadPage, Version,
    VersionEntry, VersionPage, WriteCondition, WriteId, Written,
};
pub use omni_contracts::{
    Body, Call, Effect, Error, ErrorKind, Interceptor, Operation, Result, Scope,
};
pub use omni_layers::{BreakerSettings, Layer, LayerSettings, Layers, RateSettings, RetrySettings};

pub use crate::copy::Copy;
pub use crate::delete::Delete;
pub use crate::get::{Get, Head, Object};
pub use crate::handle::Storage;
pub use crate::io::Reader;
pub use crate::key::IntoKey;
pub use crate::list::{Entries, List, Versions};
pub use crate::providers::{place_setting, registry};
pub use crate::put::Put;
pub use crate::upload::{CompleteUpload, CreateUpload};
pub use crate::writer::{OpenWriter, Writer};

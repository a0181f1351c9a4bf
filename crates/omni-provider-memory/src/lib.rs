//! Storage and messaging in memory: the reference implementations of their contracts, and the fastest.
//!
//! What is stored lives as long as the last clone of [`MemoryStorage`]. It declares every capability
//! but `multi-process` and `presign`; `versioning` by [setting](MemorySettings::versioning).
//!
//! ```
//! use omni_contracts::Body;
//! use omni_contracts::storage::{GetOptions, Key, PutOptions, StorageProvider};
//! use omni_provider_memory::{MemorySettings, MemoryStorage};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> omni_contracts::Result<()> {
//! let storage = MemoryStorage::new(MemorySettings::default());
//! let key = Key::new("greeting")?;
//! storage.put(&key, Body::from("hello"), &PutOptions::default()).await?;
//! assert_eq!(storage.get(&key, &GetOptions::default()).await?.body.collect().await?, "hello");
//! # Ok(())
//! # }
//! ```

mod messaging;
mod provider;
mod store;
mod uploads;

use std::sync::Arc;

use omni_contracts::storage::{Capabilities, Capability, Durability};
use serde::Deserialize;

use crate::store::Store;

pub use messaging::{MemoryMessaging, MemoryMessagingSettings};

/// The settings of a [`MemoryStorage`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MemorySettings {
    /// Refuses larger objects with `TooLarge`; in bytes. Unlimited by default.
    pub max_object_size: Option<u64>,
    /// Keeps older versions. Off by default.
    pub versioning: bool,
}

/// Objects in memory. Clones share the same objects.
#[derive(Clone, Debug)]
pub struct MemoryStorage {
    store: Arc<Store>,
}

impl MemoryStorage {
    /// An empty store.
    #[must_use]
    pub fn new(settings: MemorySettings) -> Self {
        let mut capabilities = Capabilities::new(Durability::Memory).with(&[
            Capability::ConditionalCopy,
            Capability::ConditionalCreate,
            Capability::ConditionalDelete,
            Capability::ConditionalMultipart,
            Capability::ConditionalRead,
            Capability::ConditionalUpdate,
            Capability::Multipart,
            Capability::OrderedList,
            Capability::UniqueVersions,
        ]);
        if settings.versioning {
            capabilities = capabilities.with(&[Capability::Versioning]);
        }
        capabilities.limits.max_object_size = settings.max_object_size;
        Self { store: Arc::new(Store::new(capabilities)) }
    }
}

//! The embedded storage provider: objects in a folder, with no server.
//!
//! An SQLite index in WAL mode holds what is known about every object, and the contents of small ones;
//! large contents are files beside it. Writes are durable at the level that the settings ask for, safe
//! for several processes at once, and whole or absent after a crash. All writes of an instance go
//! through one thread, which commits everything that waits in one transaction, so that concurrent
//! durable writes share one sync.
//!
//! Memory, at most: 8 MiB of the index for each of up to 8 connections that read, and 5 MiB for each
//! content that is being read as a stream; as much is kept for the next one.
//!
//! What lives here: [`LocalStorage`], which implements
//! [`StorageProvider`](omni_contracts::storage::StorageProvider), and [`LocalSettings`]. The file
//! format is described in `docs/guides/local-format.md`.
//!
//! ```
//! use omni_contracts::storage::{GetOptions, Key, PutOptions, StorageProvider};
//! use omni_provider_local::{LocalSettings, LocalStorage};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> omni_contracts::Result<()> {
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path();
//! let store = LocalStorage::open(LocalSettings::at(path)).await?;
//! let key = Key::new("greetings/first")?;
//! store.put(&key, "hello".into(), &PutOptions::default()).await?;
//!
//! let found = store.get(&key, &GetOptions::default()).await?;
//! assert_eq!(found.body.collect().await?, "hello");
//! # Ok(())
//! # }
//! ```

mod attributes;
mod blobs;
mod blocking;
mod error;
mod list;
mod lock;
mod multipart;
mod objects;
mod open;
mod provider;
mod read;
mod readers;
mod receive;
mod record;
mod schema;
mod settings;
mod stream;
mod sweep;
mod transaction;
mod uploads;
mod write;
mod writer;

pub use provider::LocalStorage;
pub use settings::{LocalDurability, LocalSettings};

//! A store in a folder of its own, and the few calls that every test makes.

use std::path::PathBuf;

use bytes::Bytes;
use omni_contracts::storage::{
    Deleted, GetOptions, Key, ObjectMeta, PutOptions, StorageProvider, WriteCondition, Written,
};
use omni_contracts::{Body, Result};
use omni_provider_local::{LocalDurability, LocalSettings, LocalStorage};
use tempfile::TempDir;

/// Above the inline limit, so that the content becomes a file.
pub(crate) const LARGE: usize = 100_000;

pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    /// Tests care for processes, not for power: without syncs they are fast.
    pub(crate) fn settings(&self) -> LocalSettings {
        LocalSettings { durability: LocalDurability::Process, ..LocalSettings::at(self.path()) }
    }

    pub(crate) async fn open(&self) -> LocalStorage {
        LocalStorage::open(self.settings()).await.expect("a store")
    }

    /// The files, once the store has removed what nothing names any more: it does so after it has
    /// answered, and before it answers the next call.
    pub(crate) async fn files_of(&self, store: &LocalStorage) -> Vec<PathBuf> {
        delete(store, "none").await.expect("a delete of nothing");
        self.files()
    }

    /// The large contents that are stored as files, by path.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for session in std::fs::read_dir(self.path().join("files")).expect("the sessions") {
            for file in std::fs::read_dir(session.expect("a session").path()).expect("files") {
                let path = file.expect("a file").path();
                if path.file_name() != Some("lock".as_ref()) {
                    found.push(path);
                }
            }
        }
        found
    }
}

pub(crate) fn key(text: &str) -> Key {
    Key::new(text).expect("a portable key")
}

/// Bytes that differ with `seed` and have no period that a mistake in chunking would hide.
pub(crate) fn bytes(seed: u64, length: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let word = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(word).collect::<Vec<_>>().into()
}

pub(crate) async fn put(
    store: &dyn StorageProvider,
    name: &str,
    body: impl Into<Body> + Send,
) -> Result<Written> {
    store.put(&key(name), body.into(), &PutOptions::default()).await
}

pub(crate) async fn create(
    store: &dyn StorageProvider,
    name: &str,
    body: impl Into<Body> + Send,
) -> Result<Written> {
    let options = PutOptions { condition: WriteCondition::IfAbsent, ..PutOptions::default() };
    store.put(&key(name), body.into(), &options).await
}

pub(crate) async fn get(store: &dyn StorageProvider, name: &str) -> Result<Bytes> {
    let found = store.get(&key(name), &GetOptions::default()).await?;
    found.body.collect().await
}

pub(crate) async fn head(store: &dyn StorageProvider, name: &str) -> Result<ObjectMeta> {
    store.head(&key(name), &GetOptions::default()).await
}

pub(crate) async fn delete(store: &dyn StorageProvider, name: &str) -> Result<Deleted> {
    store.delete(&key(name), &Default::default()).await
}

//! What is not a store of this format is refused, with a message that names it; damage is told.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use omni_contracts::ErrorKind;
use omni_contracts::storage::{GetOptions, StorageProvider};
use omni_provider_local::{LocalDurability, LocalSettings, LocalStorage};
use rusqlite::Connection;

use crate::store::{Folder, LARGE, bytes, get, key, put};

async fn refused(folder: &Folder, kind: ErrorKind, said: &[&str]) {
    let before = fs::read(folder.path().join("index.sqlite")).ok();
    let error = LocalStorage::open(folder.settings()).await.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    for said in said.iter().chain(&["index.sqlite"]) {
        assert!(error.message().contains(said), "{error}");
    }
    let after = fs::read(folder.path().join("index.sqlite")).ok();
    assert!(before == after, "a refused index is not changed");
}

fn sql(path: &Path, sql: &str) {
    let connection = Connection::open(path.join("index.sqlite")).unwrap();
    connection.execute_batch(sql).unwrap();
}

#[tokio::test]
async fn another_version_is_refused() {
    let folder = Folder::new();
    drop(folder.open().await);
    sql(&folder.path(), "PRAGMA user_version = 2");
    let said = ["format version 2", "supports version 1"];
    refused(&folder, ErrorKind::Configuration, &said).await;
}

#[tokio::test]
async fn the_database_of_another_program_is_refused() {
    let folder = Folder::new();
    sql(&folder.path(), "CREATE TABLE recipes (name TEXT)");
    let said = ["another program"];
    refused(&folder, ErrorKind::Configuration, &said).await;
}

#[tokio::test]
async fn what_is_no_database_is_corrupt() {
    let folder = Folder::new();
    fs::write(folder.path().join("index.sqlite"), "not a database ".repeat(1000)).unwrap();
    let said = ["not an SQLite database"];
    refused(&folder, ErrorKind::Corrupt, &said).await;
}

#[tokio::test]
async fn a_missing_index_beside_contents_does_not_cost_the_contents() {
    let folder = Folder::new();
    let store = folder.open().await;
    put(&store, "a", bytes(1, LARGE)).await.unwrap();
    drop(store);
    fs::remove_file(folder.path().join("index.sqlite")).unwrap();
    let error = LocalStorage::open(folder.settings()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.message().contains("missing or empty"), "{error}");
    assert_eq!(folder.files().len(), 1);
}

#[tokio::test]
async fn a_damaged_index_is_told() {
    let folder = Folder::new();
    let store = folder.open().await;
    let store_ref = &store;
    let names: Vec<_> = (0..2000).map(|n| format!("{n:05}")).collect();
    let puts = names.iter().map(|name| put(store_ref, name, "some content"));
    futures_util::future::join_all(puts).await;
    drop(store);
    let path = folder.path().join("index.sqlite");
    let length = fs::metadata(&path).unwrap().len();
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(4096)).unwrap();
    file.write_all(&vec![0xa5; length as usize - 4096]).unwrap();
    drop(file);
    let error = match LocalStorage::open(folder.settings()).await {
        Err(error) => error,
        Ok(store) => get(&store, "01000").await.unwrap_err(),
    };
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.message().contains("index.sqlite"), "{error}");
}

#[tokio::test]
async fn changed_contents_are_corrupt() {
    let folder = Folder::new();
    let store = folder.open().await;
    for size in [LARGE, 3 << 20] {
        put(&store, "a", bytes(1, size)).await.unwrap();
        let file = folder.files().remove(0);
        let mut damaged = fs::read(&file).unwrap();
        damaged[size / 2] ^= 1;
        fs::write(&file, &damaged).unwrap();
        let error = get(&store, "a").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.message().contains("CRC-32C"), "{error}");
        assert_eq!(error.resource(), Some("a"));

        fs::write(&file, &damaged[1..]).unwrap();
        let error = store.get(&key("a"), &GetOptions::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        fs::remove_file(&file).unwrap();
        let error = store.get(&key("a"), &GetOptions::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.message().contains("missing"), "{error}");
    }
    put(&store, "b", "inline").await.unwrap();
    drop(store);
    sql(&folder.path(), "UPDATE inline SET data = x'00'");
    let store = folder.open().await;
    assert_eq!(get(&store, "b").await.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_path_that_cannot_be_a_folder_is_named() {
    let folder = Folder::new();
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    for path in [file.clone(), file.join("below")] {
        let error = LocalStorage::open(LocalSettings::at(&path)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
        assert!(error.message().contains(path.to_str().unwrap()), "{error}");
    }
}

/// The kernel's own file system refuses new folders to everybody, so this holds for root too, whom
/// the permissions of a folder do not stop.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_folder_that_cannot_be_written_is_named() {
    let path = "/sys/kernel/omni-store";
    let error = LocalStorage::open(LocalSettings::at(path)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert!(error.message().contains(path), "{error}");
}

#[tokio::test]
async fn a_store_that_is_taken_away_fails_its_check() {
    let folder = Folder::new();
    let store = folder.open().await;
    store.check().await.unwrap();
    fs::remove_dir_all(folder.path()).unwrap();
    let error = store.check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn every_durability_works_and_is_declared() {
    use omni_contracts::storage::Durability;
    for (setting, declared) in [
        (LocalDurability::None, Durability::Memory),
        (LocalDurability::Process, Durability::Process),
        (LocalDurability::Disk, Durability::Disk),
    ] {
        let folder = Folder::new();
        let settings = LocalSettings { durability: setting, ..folder.settings() };
        let store = LocalStorage::open(settings.clone()).await.unwrap();
        assert_eq!(store.capabilities().durability, declared);
        put(&store, "small", "x").await.unwrap();
        put(&store, "large", bytes(1, LARGE)).await.unwrap();
        drop(store);
        let store = LocalStorage::open(settings).await.unwrap();
        assert_eq!(get(&store, "small").await.unwrap(), "x");
        assert_eq!(get(&store, "large").await.unwrap(), bytes(1, LARGE));
    }
}

//! Older versions, when the store keeps them.

use omni_contracts::ErrorKind;
use omni_contracts::storage::{
    DeleteOptions, GetOptions, PageToken, Prefix, StorageProvider, Version, VersionEntry,
};
use omni_provider_local::{LocalSettings, LocalStorage};

use crate::store::{Folder, LARGE, bytes, delete, get, head, key, put};

async fn open(folder: &Folder) -> LocalStorage {
    let settings = LocalSettings { versioning: true, ..folder.settings() };
    LocalStorage::open(settings).await.unwrap()
}

async fn versions(store: &LocalStorage, limit: Option<usize>) -> Vec<VersionEntry> {
    let mut entries = Vec::new();
    let mut token: Option<PageToken> = None;
    loop {
        let page = store.list_versions(&Prefix::ALL, token.as_ref(), limit).await.unwrap();
        assert!(page.entries.len() <= limit.unwrap_or(1000));
        entries.extend(page.entries);
        token = page.next;
        if token.is_none() {
            return entries;
        }
    }
}

fn of(version: &Version) -> GetOptions {
    GetOptions { version: Some(version.clone()), ..GetOptions::default() }
}

#[tokio::test]
async fn versions_are_kept_listed_read_and_removed() {
    let folder = Folder::new();
    let store = open(&folder).await;
    let contents = [bytes(1, 10), bytes(2, LARGE), bytes(3, 0), bytes(4, LARGE)];
    let mut made = Vec::new();
    for content in &contents {
        let written = put(&store, "a", content.clone()).await.unwrap();
        made.push(head(&store, "a").await.unwrap());
        assert_eq!(made[made.len() - 1].written(), written);
    }
    put(&store, "b", "x").await.unwrap();
    delete(&store, "b").await.unwrap();
    for limit in [None, Some(1), Some(2), Some(3)] {
        let listed = versions(&store, limit).await;
        let of_a: Vec<_> = listed
            .iter()
            .filter(|entry| entry.object.key == key("a"))
            .map(|entry| (entry.object.version.clone(), entry.current))
            .collect();
        let newest_first: Vec<_> = made.iter().rev().map(|meta| meta.version.clone()).collect();
        let current = [true, false, false, false];
        assert_eq!(of_a, newest_first.into_iter().zip(current).collect::<Vec<_>>());
        assert_eq!(listed.len(), 5);
        assert!(!listed[4].current, "a deleted object has no current version");
    }
    drop(store);
    let store = open(&folder).await;
    for (meta, content) in made.iter().zip(&contents) {
        let found = store.get(&key("a"), &of(&meta.version)).await.unwrap();
        assert_eq!(&found.meta, meta);
        assert!(found.body.collect().await.unwrap() == content);
        assert_eq!(&store.head(&key("a"), &of(&meta.version)).await.unwrap(), meta);
    }

    let remove = |version: &Version| DeleteOptions {
        version: Some(version.clone()),
        ..DeleteOptions::default()
    };
    store.delete(&key("a"), &remove(&made[1].version)).await.unwrap();
    assert_eq!(folder.files_of(&store).await.len(), 1);
    assert_eq!(get(&store, "a").await.unwrap(), contents[3]);
    // Removing the current version does not bring an older one back.
    store.delete(&key("a"), &remove(&made[3].version)).await.unwrap();
    assert!(folder.files_of(&store).await.is_empty());
    assert_eq!(get(&store, "a").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(versions(&store, None).await.len(), 3);
    for unknown in [made[1].version.clone(), Version::new("no").unwrap()] {
        let error = store.get(&key("a"), &of(&unknown)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let error = store.delete(&key("a"), &remove(&unknown)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn a_store_may_stop_keeping_versions() {
    let folder = Folder::new();
    let store = open(&folder).await;
    put(&store, "a", bytes(1, LARGE)).await.unwrap();
    put(&store, "a", bytes(2, LARGE)).await.unwrap();
    drop(store);
    let store = folder.open().await;
    put(&store, "a", "x").await.unwrap();
    drop(store);
    let store = open(&folder).await;
    let kept: Vec<_> = versions(&store, None).await;
    assert_eq!(kept.len(), 2);
    let oldest = store.get(&key("a"), &of(&kept[1].object.version)).await;
    assert!(oldest.unwrap().body.collect().await.unwrap() == bytes(1, LARGE));
    assert_eq!(folder.files_of(&store).await.len(), 1);
}

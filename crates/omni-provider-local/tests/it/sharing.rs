//! Several writers, and several instances on one folder.

use std::sync::Arc;

use futures_util::future::join_all;
use omni_contracts::ErrorKind;
use omni_contracts::storage::{GetOptions, PutOptions, StorageProvider, WriteCondition};
use omni_provider_local::{LocalDurability, LocalSettings, LocalStorage};

use crate::store::{Folder, LARGE, bytes, create, delete, get, head, key, put};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn instances_see_each_other_at_once() {
    let folder = Folder::new();
    let (one, two) = (folder.open().await, folder.open().await);
    for round in 0..50 {
        let content = bytes(round, if round % 2 == 0 { 100 } else { LARGE });
        put(&one, "k", content.clone()).await.unwrap();
        assert!(get(&two, "k").await.unwrap() == content);
        assert_eq!(create(&two, "k", "x").await.unwrap_err().kind(), ErrorKind::AlreadyExists);
        delete(&two, "k").await.unwrap();
        assert_eq!(head(&one, "k").await.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_share_commits_and_lose_nothing() {
    let folder = Folder::new();
    let settings = LocalSettings { durability: LocalDurability::Disk, ..folder.settings() };
    let store = Arc::new(LocalStorage::open(settings.clone()).await.unwrap());
    let writers = (0..16).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for round in 0..20 {
                let name = format!("{writer}/{round}");
                put(&*store, &name, name.clone()).await.unwrap();
            }
        })
    });
    for writer in join_all(writers).await {
        writer.unwrap();
    }
    drop(store);
    let store = LocalStorage::open(settings).await.unwrap();
    for writer in 0..16 {
        for round in 0..20 {
            let name = format!("{writer}/{round}");
            assert_eq!(get(&store, &name).await.unwrap(), name);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_creator_wins_and_counters_lose_nothing() {
    let folder = Folder::new();
    let stores = [folder.open().await, folder.open().await];
    for round in 0..20 {
        let name = format!("lock/{round}");
        let racers = (0..8).map(|racer| {
            let (store, name) = (&stores[racer % 2], &name);
            async move { create(store, name, racer.to_string()).await.is_ok() }
        });
        let winners = join_all(racers).await.into_iter().filter(|won| *won);
        assert_eq!(winners.count(), 1);
    }

    put(&stores[0], "counter", "0").await.unwrap();
    let workers = (0..8).map(|worker| {
        let store = &stores[worker % 2];
        async move {
            let name = key("counter");
            let mut added = 0;
            while added < 10 {
                let found = store.get(&name, &GetOptions::default()).await.unwrap();
                let version = found.meta.version.clone();
                let text = found.body.collect().await.unwrap();
                let count: u64 = std::str::from_utf8(&text).unwrap().parse().unwrap();
                let options = PutOptions {
                    condition: WriteCondition::IfMatch(version),
                    ..PutOptions::default()
                };
                let next = (count + 1).to_string();
                match store.put(&name, next.into(), &options).await {
                    Ok(_) => added += 1,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::PreconditionFailed),
                }
            }
        }
    });
    join_all(workers).await;
    assert_eq!(get(&stores[1], "counter").await.unwrap(), "80");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_never_see_a_mixture_nor_a_gap() {
    let folder = Folder::new();
    let stores = [folder.open().await, folder.open().await];
    let sizes = [200_000, 30, 3 << 20, 70_000];
    let version = |n: usize| bytes(n as u64, sizes[n]);
    let versions: Vec<_> = (0..4).map(version).collect();
    put(&stores[0], "k", versions[0].clone()).await.unwrap();
    let write = async {
        for round in 0..80 {
            put(&stores[0], "k", versions[round % 4].clone()).await.unwrap();
        }
    };
    let done = std::sync::atomic::AtomicBool::new(false);
    let read = |store| {
        let (done, versions) = (&done, &versions);
        async move {
            let mut reads = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let content = get(store, "k").await.unwrap();
                assert!(versions.contains(&content), "{} bytes", content.len());
                reads += 1;
            }
            reads
        }
    };
    let finish = async {
        write.await;
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    let ((), first, second) = tokio::join!(finish, read(&stores[0]), read(&stores[1]));
    assert!(first > 0 && second > 0);
}

#[tokio::test]
async fn a_writer_that_cannot_get_in_says_so() {
    let folder = Folder::new();
    let settings =
        LocalSettings { busy_timeout: std::time::Duration::from_millis(50), ..folder.settings() };
    let store = LocalStorage::open(settings).await.unwrap();
    let other = rusqlite::Connection::open(folder.path().join("index.sqlite")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = put(&store, "a", "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.is_retryable());
    assert_eq!(error.effect(), omni_contracts::Effect::No);
    other.execute_batch("ROLLBACK").unwrap();
    put(&store, "a", "x").await.unwrap();
}

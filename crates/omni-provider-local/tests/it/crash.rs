//! Processes that are killed, and processes side by side. Each is this test binary, started again.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use futures_util::TryStreamExt;
use omni_contracts::ErrorKind;
use omni_contracts::storage::{
    GetOptions, ListRequest, Prefix, PutOptions, StorageProvider, WriteCondition, list_all,
};

use crate::store::{Folder, LARGE, bytes, get, key, put};

const FOLDER: &str = "OMNI_LOCAL_TEST_FOLDER";

/// The sizes that the writer below goes through: inline, a file in one piece, a file in several.
const SIZES: [usize; 3] = [500, LARGE, 2 << 20];

fn child(test: &str, folder: &Folder) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--ignored", "--nocapture"])
        .env(FOLDER, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

async fn open_in_child() -> omni_provider_local::LocalStorage {
    let path = std::env::var_os(FOLDER).expect("the folder, from the parent process");
    let settings = omni_provider_local::LocalSettings {
        durability: omni_provider_local::LocalDurability::Process,
        ..omni_provider_local::LocalSettings::at(path)
    };
    omni_provider_local::LocalStorage::open(settings).await.unwrap()
}

#[tokio::test]
#[ignore = "run as a child process by `what_was_acknowledged_survives_a_kill`"]
async fn write_until_killed() {
    let store = open_in_child().await;
    for round in 0_usize.. {
        let name = format!("{}/{}", round % 5, round);
        put(&store, &name, bytes(round as u64, SIZES[round % 3])).await.unwrap();
        // Overwritten every time, so that a kill meets it in the middle.
        put(&store, "same", bytes(round as u64, SIZES[round % 3])).await.unwrap();
        println!("acknowledged {round}");
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let folder = Folder::new();
    for kill_after in [0, 3, 10, 31] {
        let mut writer = child("crash::write_until_killed", &folder);
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        let mut acknowledged = None;
        let mut read = |line: std::io::Result<String>| {
            if let Some(round) = line.unwrap().strip_prefix("acknowledged ") {
                acknowledged = Some(round.parse::<usize>().unwrap());
            }
            acknowledged
        };
        while read(lines.next().expect("the writer goes on")).is_none_or(|n| n < kill_after) {}
        writer.kill().unwrap();
        writer.wait().unwrap();
        lines.for_each(|line| {
            read(line);
        });
        let last = acknowledged.unwrap();

        let store = folder.open().await;
        for round in 0..=last {
            let name = format!("{}/{}", round % 5, round);
            let content = get(&store, &name).await.unwrap();
            assert!(content == bytes(round as u64, SIZES[round % 3]), "{name}");
        }
        let same = get(&store, "same").await.unwrap();
        let later = last..last + 3;
        let whole = |round: usize| bytes(round as u64, SIZES[round % 3]);
        assert!(later.into_iter().any(|round| same == whole(round)));

        // Every object that is listed is whole, and no file is left without one.
        let objects: Vec<_> =
            list_all(&store, ListRequest::prefix(Prefix::ALL)).try_collect().await.unwrap();
        let mut large = 0;
        for object in objects.iter().filter_map(|entry| entry.as_object()) {
            let content = store.get(&object.key, &GetOptions::default()).await.unwrap();
            assert_eq!(content.body.collect().await.unwrap().len() as u64, object.size);
            large += usize::from(object.size > 64 << 10);
        }
        assert_eq!(folder.files_of(&store).await.len(), large);
        put(&store, "after", "works").await.unwrap();
    }
}

#[tokio::test]
#[ignore = "run as a child process by `processes_share_a_store`"]
async fn count_and_create() {
    let store = open_in_child().await;
    let name = key("counter");
    let mut won = 0;
    for round in 0..20 {
        loop {
            let found = store.get(&name, &GetOptions::default()).await.unwrap();
            let options = PutOptions {
                condition: WriteCondition::IfMatch(found.meta.version.clone()),
                ..PutOptions::default()
            };
            let text = found.body.collect().await.unwrap();
            let count: u64 = std::str::from_utf8(&text).unwrap().parse().unwrap();
            let next = (count + 1).to_string();
            match store.put(&name, next.into(), &options).await {
                Ok(_) => break,
                Err(error) => assert_eq!(error.kind(), ErrorKind::PreconditionFailed, "{error}"),
            }
        }
        let lock = format!("lock/{round}");
        let size = SIZES[round % 3];
        match crate::store::create(&store, &lock, bytes(round as u64, size)).await {
            Ok(_) => won += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}"),
        }
    }
    println!("won {won}");
}

#[tokio::test]
async fn processes_share_a_store() {
    let folder = Folder::new();
    let store = folder.open().await;
    put(&store, "counter", "0").await.unwrap();
    let workers: Vec<_> = (0..8).map(|_| child("crash::count_and_create", &folder)).collect();
    let mut won = 0;
    for worker in workers {
        let output = worker.wait_with_output().unwrap();
        assert!(output.status.success());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = said.lines().find_map(|line| line.strip_prefix("won "));
        won += line.expect("the worker's count").parse::<usize>().unwrap();
    }
    assert_eq!(won, 20);
    assert_eq!(get(&store, "counter").await.unwrap(), "160");
    for round in 0..20 {
        let content = get(&store, &format!("lock/{round}")).await.unwrap();
        assert!(content == bytes(round as u64, SIZES[round % 3]));
    }
}

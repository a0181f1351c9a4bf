//! Files: swept when their session is dead, left alone while it lives, gone when nothing names them.

use std::fs;

use crate::store::{Folder, LARGE, bytes, delete, get, put};

#[tokio::test]
async fn orphans_of_dead_sessions_are_swept_and_the_rest_stays() {
    let folder = Folder::new();
    let store = folder.open().await;
    put(&store, "kept", bytes(1, LARGE)).await.unwrap();
    drop(store);
    let files = folder.path().join("files");
    let session = folder.files()[0].parent().unwrap().to_owned();
    let orphan = session.join("77");
    fs::write(&orphan, "left behind").unwrap();
    fs::write(session.join("notes.txt"), "not ours").unwrap();
    let dead = files.join("00000000000000ff");
    fs::create_dir(&dead).unwrap();
    fs::write(dead.join("1"), "left behind").unwrap();
    fs::write(dead.join("lock"), "").unwrap();

    let store = folder.open().await;
    assert!(!orphan.exists());
    assert!(!dead.exists());
    assert!(session.join("notes.txt").exists());
    assert_eq!(get(&store, "kept").await.unwrap(), bytes(1, LARGE));
}

#[tokio::test]
async fn a_live_session_is_not_swept() {
    let folder = Folder::new();
    let live = folder.open().await;
    put(&live, "a", bytes(1, LARGE)).await.unwrap();
    let session = folder.files()[0].parent().unwrap().to_owned();
    let writing = session.join("99");
    fs::write(&writing, "being written").unwrap();
    drop(folder.open().await);
    assert!(writing.exists());
    drop(live);
    drop(folder.open().await);
    assert!(!writing.exists());
}

#[tokio::test]
async fn a_store_whose_objects_are_gone_has_no_files() {
    let folder = Folder::new();
    let store = folder.open().await;
    for name in ["a", "b"] {
        put(&store, name, bytes(1, LARGE)).await.unwrap();
        put(&store, name, bytes(2, LARGE)).await.unwrap();
    }
    let other = folder.open().await;
    put(&other, "a", "small now").await.unwrap();
    delete(&other, "b").await.unwrap();
    assert!(folder.files_of(&other).await.is_empty());
    drop((store, other));
    let left: Vec<_> = fs::read_dir(folder.path().join("files")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// File handles and threads, as the kernel counts them for a process of its own: the test processes
/// of others would disturb the count.
#[cfg(target_os = "linux")]
#[tokio::test]
#[ignore = "run by `closing_leaks_neither_threads_nor_handles`, alone in a process"]
async fn open_and_close_many_times() {
    let folder = Folder::new();
    let count = |what: &str| fs::read_dir(format!("/proc/self/{what}")).unwrap().count();
    let round = async || {
        let store = folder.open().await;
        put(&store, "a", bytes(1, 3 << 20)).await.unwrap();
        get(&store, "a").await.unwrap();
    };
    round().await;
    let writers = || {
        let tasks = fs::read_dir("/proc/self/task").unwrap();
        let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm"));
        let names = tasks.filter_map(|task| name(task.unwrap()).ok());
        names.filter(|name| name.starts_with("omni-local")).count()
    };
    let handles = count("fd");
    for _ in 0..20 {
        round().await;
    }
    assert_eq!(count("fd"), handles);
    assert_eq!(writers(), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn closing_leaks_neither_threads_nor_handles() {
    let outcome = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["files::open_and_close_many_times", "--exact", "--ignored"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&outcome.stdout).into_owned();
    assert!(outcome.status.success() && said.contains("1 passed"), "{said}");
}

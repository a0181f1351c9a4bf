//! One storage on two servers, by configuration, under the load of 16 clients: the primary is killed.
//! What was acknowledged is counted by the clients themselves. Needs Python 3, and npm.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use omni_storage::{Config, Error, Loader, Storage};
use tck::emulators::{AZURITE, Emulator, MINISTACK, Server};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

const CLIENTS: usize = 16;

/// How many keys each client writes, in turn: once each before the kill, at least, and once after it.
const KEYS: usize = 5;

/// How long a call may take over the whole switch, on a machine that is busy with 16 clients of a server
/// in Python. A refused connection tells at once that the server is gone; nothing here waits for that.
const LIMIT: Duration = Duration::from_secs(30);

/// One drill at a time: servers that answer slowly are a fault of their own.
static TURN: Mutex<()> = Mutex::const_new(());

/// What a client was told.
#[derive(Default)]
struct Told {
    /// The last content of each of its keys that was acknowledged.
    acknowledged: BTreeMap<String, String>,
    errors: Vec<Error>,
    slowest: Duration,
}

fn member(name: &str, settings: &[(&'static str, String)]) -> String {
    let settings: String =
        settings.iter().map(|(key, value)| format!("{key} = {value:?}\n")).collect();
    format!(
        "[default.storage.{name}]\n{settings}\
         layers = {{ attempt_timeout = \"60s\", retry = {{ attempts = 2, first_wait = \"20ms\" }} }}\n"
    )
}

fn folder(name: &str, path: &Path) -> String {
    member(name, &[("provider", "local".to_owned()), ("path", path.display().to_string())])
}

fn config(members: &[String], witness: &Path) -> Config {
    let text = format!(
        "[default.storage.main]\nprovider = 'failover'\nmembers = ['first', 'second']\n\
         witness = 'witness'\nprobe_every = '500ms'\nprobe_timeout = '20s'\n\
         {}{}",
        members.concat(),
        folder("witness", witness)
    );
    Loader::new().environment([("", ""); 0]).text(text).load().unwrap()
}

fn started(emulator: &'static Emulator, store: &str) -> (Server, Vec<(&'static str, String)>) {
    let server = emulator.start().unwrap();
    let settings = server.make_store(store).unwrap();
    (server, settings)
}

/// What clients and the one who kills tell each other.
#[derive(Default)]
struct Progress {
    acknowledged: AtomicUsize,
    killed: AtomicBool,
}

/// Writes its keys in turn until the server is killed, and then all of them once more.
async fn client(storage: Storage, number: usize, progress: Arc<Progress>) -> Told {
    let mut told = Told::default();
    let mut left = KEYS;
    for turn in 0.. {
        if progress.killed.load(Ordering::SeqCst) {
            if left == 0 {
                break;
            }
            left -= 1;
        }
        let key = format!("client{number:02}/{}", turn % KEYS);
        let content = format!("{number} {turn}");
        let begun = Instant::now();
        match storage.put(key.as_str(), content.clone()).await {
            Ok(_) => {
                progress.acknowledged.fetch_add(1, Ordering::SeqCst);
                told.acknowledged.insert(key, content);
            }
            Err(error) => told.errors.push(error),
        }
        told.slowest = told.slowest.max(begun.elapsed());
    }
    told
}

/// Kills the primary under load, and looks for what was acknowledged.
async fn killed_under_load(config: Config, primary: Server) {
    let storage = Storage::from_config(&config, "main").await.unwrap();
    let progress = Arc::new(Progress::default());
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(client(storage.clone(), number, Arc::clone(&progress)));
    }
    while progress.acknowledged.load(Ordering::SeqCst) < CLIENTS * KEYS {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::task::spawn_blocking(move || drop(primary)).await.unwrap();
    progress.killed.store(true, Ordering::SeqCst);
    let standby = Storage::from_config(&config, "second").await.unwrap();
    let (mut count, mut slowest) = (0, Duration::ZERO);
    while let Some(told) = clients.join_next().await {
        let told = told.unwrap();
        assert!(told.errors.is_empty(), "errors reached the application: {:?}", told.errors);
        for (key, content) in told.acknowledged {
            let seen = standby.get(key.as_str()).await.unwrap().text().await.unwrap();
            assert_eq!(seen, content, "{key}: what was acknowledged last");
            count += 1;
        }
        slowest = slowest.max(told.slowest);
    }
    println!("{count} keys, none lost, none old; the slowest call took {slowest:?}");
    assert_eq!(count, CLIENTS * KEYS, "every client has written all of its keys");
    assert!(slowest <= LIMIT, "a call took {slowest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn from_one_s3_server_to_another() {
    let _turn = TURN.lock().await;
    let witness = tempfile::tempdir().unwrap();
    let (primary, first) = started(&MINISTACK, "orders");
    let (_standby, second) = started(&MINISTACK, "orders");
    let members = [member("first", &first), member("second", &second)];
    killed_under_load(config(&members, witness.path()), primary).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_s3_to_azure() {
    let _turn = TURN.lock().await;
    let witness = tempfile::tempdir().unwrap();
    let (primary, first) = started(&MINISTACK, "orders");
    let (_standby, second) = started(&AZURITE, "orders");
    let members = [member("first", &first), member("second", &second)];
    killed_under_load(config(&members, witness.path()), primary).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_s3_to_a_folder() {
    let _turn = TURN.lock().await;
    let witness = tempfile::tempdir().unwrap();
    let standby = tempfile::tempdir().unwrap();
    let (primary, first) = started(&MINISTACK, "orders");
    let members = [member("first", &first), folder("second", standby.path())];
    killed_under_load(config(&members, witness.path()), primary).await;
}

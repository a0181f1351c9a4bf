//! A program of the load: the application that is drilled, in a process of its own, which can be killed.
//!
//! It is the program that runs the drill, started again; see [`requested`].

use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use omni_contracts::{Error, ErrorKind, Result};
use omni_storage::{Config, Loader, Storage, Version};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::protocol::{
    Assignment, Begun, Call, Content, Ended, Failed, Outcome, Said, Source, content, key, now,
    number,
};

/// By which a process knows that it is a program of a load.
pub(crate) const VARIABLE: &str = "OMNI_DRILL_PROGRAM";

/// How often each call is made, of all of them together.
const MIX: &[(Call, u32)] = &[
    (Call::Put, 4),
    (Call::Get, 4),
    (Call::Create, 1),
    (Call::Update, 1),
    (Call::Delete, 1),
    (Call::List, 1),
];

/// Whether this process is asked to be a program of a load. A program that runs drills asks this first,
/// and then calls [`serve`].
#[must_use]
pub fn requested() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Works until the drill says that it is over, or is gone.
pub fn serve() -> ExitCode {
    let mut lines = std::io::stdin().lock().lines();
    let assignment = match lines.next() {
        Some(Ok(line)) => serde_json::from_str::<Assignment>(&line),
        _ => return ExitCode::FAILURE,
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let (Ok(assignment), Ok(runtime)) = (assignment, runtime) else { return ExitCode::FAILURE };
    drop(lines);
    let over = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&over);
    std::thread::spawn(move || {
        let _ = std::io::stdin().lock().read_line(&mut String::new());
        told.store(true, Ordering::SeqCst);
    });
    match runtime.block_on(work(assignment, over)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&Said::Refused(format!("{error:?}")));
            ExitCode::FAILURE
        }
    }
}

/// The configuration that a source names.
pub(crate) fn config(source: &Source) -> Result<Config> {
    let mut loader = Loader::new();
    if let Some(text) = &source.text {
        loader = loader.text(text.as_str()).environment([("", ""); 0]);
    }
    if let Some(file) = &source.file {
        loader = loader.file(file);
    }
    if let Some(profile) = &source.profile {
        loader = loader.profile(profile);
    }
    // A drill is not what the telemetry of the application is for.
    let mut config = loader.load()?.without_table("telemetry");
    for (instance, setting, value) in &source.settings {
        config = config.with_setting("storage", instance, setting, value)?;
    }
    Ok(config)
}

/// One line, as a whole, before anything that it announces.
fn say(said: &Said) {
    let Ok(mut line) = serde_json::to_vec(said) else { return };
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    if out.write_all(&line).and_then(|()| out.flush()).is_err() {
        // Nobody listens any more: what is done now would be seen by nobody.
        std::process::exit(1);
    }
}

async fn work(assignment: Assignment, over: Arc<AtomicBool>) -> Result<()> {
    let storage = Storage::from_config(&config(&assignment.source)?, &assignment.instance).await?;
    say(&Said::Ready);
    let assignment = Arc::new(assignment);
    let numbers = Arc::new(AtomicU64::new(assignment.first));
    let mut clients = JoinSet::new();
    for number in 0..assignment.load.clients {
        let client = Client {
            number,
            storage: storage.clone(),
            assignment: Arc::clone(&assignment),
            numbers: Arc::clone(&numbers),
            versions: vec![None; assignment.load.keys],
            rng: StdRng::seed_from_u64(assignment.seed ^ ((number as u64) << 32)),
        };
        clients.spawn(client.run(Arc::clone(&over)));
    }
    while let Some(ended) = clients.join_next().await {
        ended.map_err(|panic| Error::new(ErrorKind::Internal, panic.to_string()))?;
    }
    Ok(())
}

/// Makes one call after the other, on keys of its own.
struct Client {
    number: usize,
    storage: Storage,
    assignment: Arc<Assignment>,
    numbers: Arc<AtomicU64>,
    /// The version of each key that was acknowledged last.
    versions: Vec<Option<Version>>,
    rng: StdRng,
}

impl Client {
    async fn run(mut self, over: Arc<AtomicBool>) {
        while !over.load(Ordering::SeqCst) {
            let call = self.choose();
            let key = match call {
                Call::List => 0,
                _ => self.rng.random_range(0..self.assignment.load.keys),
            };
            let number = self.numbers.fetch_add(1, Ordering::SeqCst);
            say(&Said::Begun(Begun { client: self.number, call, key, number, at: now() }));
            let outcome = match self.call(call, key, number).await {
                Ok(outcome) => outcome,
                Err(error) => Outcome::Failed(Failed::from(&error)),
            };
            say(&Said::Ended(Ended { client: self.number, outcome, at: now() }));
            sleep(self.assignment.load.pause).await;
        }
    }

    fn choose(&mut self) -> Call {
        let all: u32 = MIX.iter().map(|(_, weight)| weight).sum();
        let mut place = self.rng.random_range(0..all);
        for (call, weight) in MIX {
            match place.checked_sub(*weight) {
                Some(rest) => place = rest,
                None => return *call,
            }
        }
        Call::Get
    }

    async fn call(&mut self, call: Call, at: usize, turn: u64) -> Result<Outcome> {
        let key = key(&self.assignment.prefix, self.number, at);
        let size = usize::try_from(self.assignment.load.size).unwrap_or(usize::MAX);
        let storage = self.storage.clone();
        let written = || content(&key, turn, size);
        match call {
            Call::Get => Ok(Outcome::Read(look(&storage, &key, size).await?)),
            Call::List => {
                let folder = format!("{}/c{:04}/", self.assignment.prefix, self.number);
                let mut entries = storage.list(folder.as_str()).stream();
                let mut listed = Vec::new();
                while let Some(entry) = entries.next().await {
                    let name = entry?.name().to_owned();
                    listed.extend(
                        name.rsplit_once("/k").and_then(|(_, at)| at.parse::<usize>().ok()),
                    );
                }
                Ok(Outcome::Listed(listed))
            }
            Call::Delete => {
                self.versions[at] = None;
                storage.delete(key.as_str()).await?;
                Ok(Outcome::Deleted)
            }
            Call::Put | Call::Create | Call::Update => {
                let mut put = storage.put(key.as_str(), written());
                let known = self.versions[at].take();
                match (call, known) {
                    (Call::Create, _) => put = put.if_absent(),
                    (Call::Update, Some(version)) => put = put.if_match(version),
                    _ => {}
                }
                match put.await {
                    Ok(stored) => {
                        self.versions[at] = Some(stored.version);
                        Ok(Outcome::Written)
                    }
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                        Ok(Outcome::Exists(look(&storage, &key, size).await?))
                    }
                    Err(error) => Err(error),
                }
            }
        }
    }
}

/// What is under a key.
pub(crate) async fn look(storage: &Storage, key: &str, size: usize) -> Result<Content> {
    match storage.get(key).await {
        Ok(object) => Ok(number(key, size, &object.bytes().await?)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Content::Nothing),
        Err(error) => Err(error),
    }
}

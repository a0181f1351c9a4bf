//! What a worker does: opens the store and follows commands.

use std::io::{BufRead, Write};
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use omni_contracts::storage::{
    Attributes, DeleteOptions, GetOptions, Key, ListEntry, ListRequest, ObjectMeta, PartNumber,
    Prefix, PutOptions, StorageProvider, Version, WriteCondition, list_all,
};
use omni_contracts::{Body, Error, ErrorKind, Result};
use tokio::sync::{mpsc, oneshot};

use super::protocol::Problem;
use super::{Command, Condition, Form, Length, OwnedPlace, PLACE, Reply, load};
use crate::Subject;
use crate::reference::Content;

/// The chunks of streamed puts, in bytes: not a divisor of any usual buffer.
const CHUNK: usize = 60_000;

/// The metadata name under which a content is named.
const NAMED: &str = "content";

/// Serves until stdin ends.
pub(super) fn serve(subject: Arc<dyn Subject>) -> Result<(), String> {
    let place = std::env::var(PLACE).map_err(|error| format!("{PLACE}: {error}"))?;
    let place: OwnedPlace =
        serde_json::from_str(&place).map_err(|error| format!("{PLACE}: {error}"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let (sender, mut commands) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            match serde_json::from_str::<Command>(&line) {
                Ok(command) => _ = sender.send(command),
                Err(error) => eprintln!("worker: not a command: {error}"),
            }
        }
        // The check is over, or its process was killed: whatever is under way ends here.
        std::process::exit(0);
    });
    runtime.block_on(async {
        let store = match subject.open(&place.borrow()).await {
            Ok(store) => store,
            Err(error) => {
                say(&Reply::Failed(Problem::from(&error)));
                return;
            }
        };
        say(&Reply::Ready);
        while let Some(command) = commands.recv().await {
            match answer(&store, command).await {
                Ok(reply) => say(&reply),
                Err(error) => say(&Reply::Failed(Problem::from(&error))),
            }
        }
    });
    Ok(())
}

/// Says one line at once. When nobody listens any more, the check is over.
pub(super) fn say(reply: &Reply) {
    let line = match serde_json::to_string(reply) {
        Ok(line) => line + "\n",
        Err(error) => return eprintln!("worker: {error}"),
    };
    let mut out = std::io::stdout().lock();
    if out.write_all(line.as_bytes()).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// Follows a command that only a process of its own can, or any other.
async fn answer(store: &Arc<dyn StorageProvider>, command: Command) -> Result<Reply> {
    match command {
        Command::Load { folder, seed, clients } => load::run(store, &folder, seed, clients).await,
        Command::Hang { key, content } => hang(Arc::clone(store), Key::new(key)?, content).await,
        command => follow(store.as_ref(), command).await,
    }
}

/// Follows a command that ends by itself.
pub(crate) async fn follow(store: &dyn StorageProvider, command: Command) -> Result<Reply> {
    match command {
        Command::Put { key, content, condition, form } => {
            let options = PutOptions { condition: write_condition(condition)?, ..naming(content) };
            let meta = store.put(&Key::new(key)?, body(content, form), &options).await?;
            Ok(Reply::Written { version: meta.version.to_string() })
        }
        Command::Get { key } => {
            let got = store.get(&Key::new(key)?, &GetOptions::default()).await?;
            let object = described(&got.meta);
            let content = Content::recognise(&got.body.collect().await?);
            Ok(match object {
                Reply::Object { version, named, .. } => Reply::Object { version, content, named },
                other => other,
            })
        }
        Command::Head { key } => {
            Ok(described(&store.head(&Key::new(key)?, &GetOptions::default()).await?))
        }
        Command::Delete { key, if_match } => {
            let if_match = if_match.map(Version::new).transpose()?;
            let options = DeleteOptions { if_match, version: None };
            let deleted = store.delete(&Key::new(key)?, &options).await?;
            Ok(Reply::Deleted { existed: deleted.existed })
        }
        Command::List { prefix } => {
            let request = ListRequest::prefix(Prefix::new(prefix)?);
            let entries: Vec<ListEntry> = list_all(store, request).try_collect().await?;
            let objects = entries.iter().filter_map(ListEntry::as_object);
            let named = |object: &omni_contracts::storage::ObjectEntry| {
                (object.key.to_string(), object.version.to_string())
            };
            Ok(Reply::Listed(objects.map(named).collect()))
        }
        Command::Race { prefix, count, seed } => race(store, &prefix, count, seed).await,
        Command::Increment { key, times } => increment(store, &key, times).await,
        Command::Load { .. } | Command::Hang { .. } => {
            Err(Error::unsupported("writing for ever in the process of the check"))
        }
        Command::Upload { key, parts } => {
            let key = Key::new(key)?;
            let upload = store.create_upload(&key, &PutOptions::default()).await?;
            for (number, content) in (1..).zip(parts) {
                let body = body(content, Form::Stream);
                store.upload_part(&key, &upload, PartNumber::new(number)?, body).await?;
            }
            Ok(Reply::Done)
        }
        Command::Stream { content, length } => stream_through(store, content, length).await,
    }
}

/// Options whose metadata names the content.
pub(super) fn naming(content: Content) -> PutOptions {
    let name = serde_json::to_string(&content).unwrap_or_default();
    PutOptions {
        attributes: Arc::new(Attributes {
            metadata: [(NAMED.to_owned(), name)].into(),
            ..Attributes::default()
        }),
        ..PutOptions::default()
    }
}

pub(super) fn body(content: Content, form: Form) -> Body {
    match form {
        Form::Whole => content.bytes().into(),
        Form::Stream => content.stream(CHUNK, None),
    }
}

fn described(meta: &ObjectMeta) -> Reply {
    let named = meta.attributes.metadata.get(NAMED);
    Reply::Object {
        version: meta.version.to_string(),
        content: None,
        named: named.and_then(|text| serde_json::from_str(text).ok()),
    }
}

fn write_condition(condition: Condition) -> Result<WriteCondition> {
    Ok(match condition {
        Condition::Always => WriteCondition::Always,
        Condition::IfAbsent => WriteCondition::IfAbsent,
        Condition::IfMatch(version) => WriteCondition::IfMatch(Version::new(version)?),
    })
}

async fn race(store: &dyn StorageProvider, prefix: &str, count: usize, seed: u64) -> Result<Reply> {
    let mut won = Vec::new();
    for (number, seed) in (0..count).zip(seed..) {
        let content = Content::new(seed, 100);
        let options = PutOptions { condition: WriteCondition::IfAbsent, ..naming(content) };
        let key = Key::new(format!("{prefix}{number}"))?;
        match store.put(&key, content.bytes().into(), &options).await {
            Ok(meta) => won.push(Some(meta.version.as_str().to_owned())),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => won.push(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Reply::Raced(won))
}

/// The number in an object, as decimal text.
async fn increment(store: &dyn StorageProvider, key: &str, times: u64) -> Result<Reply> {
    let key = Key::new(key)?;
    let mut left = times;
    while left > 0 {
        let got = store.get(&key, &GetOptions::default()).await?;
        let options = PutOptions {
            condition: WriteCondition::IfMatch(got.meta.version),
            ..PutOptions::default()
        };
        let bytes = got.body.collect().await?;
        let number: Option<u64> =
            std::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok());
        let Some(number) = number else {
            return Err(Error::new(ErrorKind::Corrupt, "the counter is not a number"));
        };
        match store.put(&key, (number + 1).to_string().into(), &options).await {
            Ok(_) => left -= 1,
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Reply::Done)
}

/// Leaves a put running whose source gave all its bytes and never ends.
async fn hang(store: Arc<dyn StorageProvider>, key: Key, content: Content) -> Result<Reply> {
    let (taken, all_taken) = oneshot::channel();
    let end = stream::once(async move {
        // The receiver is gone only when nobody waits any more.
        let _ = taken.send(());
        std::future::pending().await
    });
    let source = Body::from_stream(content.chunks(CHUNK).chain(end), None);
    tokio::spawn(async move { store.put(&key, source, &PutOptions::default()).await });
    match all_taken.await {
        Ok(()) => Ok(Reply::Done),
        Err(_) => Err(Error::new(ErrorKind::Internal, "the put ended before its source did")),
    }
}

async fn stream_through(
    store: &dyn StorageProvider,
    content: Content,
    length: Length,
) -> Result<Reply> {
    let key = Key::new("stream")?;
    let stated = (length == Length::Stated).then_some(content.size);
    let before = peak_memory();
    store.put(&key, content.stream(1 << 18, stated), &PutOptions::default()).await?;
    let got = store.get(&key, &GetOptions::default()).await?;
    let wrong = content.compare(got.body).await?;
    Ok(Reply::Memory { before, after: peak_memory(), wrong })
}

/// The most memory that this process ever had resident, in KiB; Linux says so, others do not.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

//! `STO-171` and `STO-172`: a process that writes as fast as it can is killed, several times, and the
//! store is opened again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use omni_contracts::storage::{
    Capability, DeleteOptions, GetOptions, Key, ListEntry, ListRequest, Prefix, StorageProvider,
    list_all,
};
use omni_contracts::{ErrorKind, Result};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::check::{equal, fails_with, holds, ok};
use crate::reference::Content;
use crate::worker::{Change, Command, Condition, Form, Reply, follow};
use crate::{Context, Failure, Outcome};

/// How often the process is killed.
const KILLS: u64 = 8;

/// Clients in the process.
const CLIENTS: u64 = 4;

/// What one key may hold after a kill.
#[derive(Debug, Default)]
struct Known {
    /// The last state that was acknowledged, with its version where there is an object.
    acknowledged: Option<(Content, String)>,
    /// A change that was begun and not acknowledged.
    begun: Option<Change>,
    /// What happened to the key, for people.
    steps: Vec<String>,
}

pub(super) async fn what_was_acknowledged_survives_a_kill(cx: &Context) -> Outcome {
    let mut rng = cx.rng("kills");
    let folder = folder(&mut rng);
    let mut keys: BTreeMap<String, Known> = BTreeMap::new();
    for kill in 0..cx.rounds(KILLS) {
        note(&mut keys, load_and_kill(cx, &folder, &mut rng, kill).await?);
        let store = cx.open().await?;
        for (key, known) in &mut keys {
            survives(store.as_ref(), key, known).await?;
        }
    }
    Ok(())
}

/// Keys of this check alone: what a killed process had asked a service for may be done later.
fn folder(rng: &mut StdRng) -> String {
    format!("load-{:08x}", rng.random::<u32>())
}

/// Runs a load in a process, kills it at a random moment, and returns all that it had said.
async fn load_and_kill(
    cx: &Context,
    folder: &str,
    rng: &mut StdRng,
    kill: u64,
) -> Result<Vec<Reply>, Failure> {
    let mut worker = cx.worker().await?;
    let (folder, seed) = (folder.to_owned(), rng.random::<u64>() ^ kill);
    let load = Command::Load { folder, seed, clients: CLIENTS };
    worker.send(&load)?;
    let mut said = Vec::new();
    for _ in 0..rng.random_range(1..60) {
        match worker.reply().await? {
            Reply::Failed(problem) => {
                let seen = format!("error: {}", problem.error());
                return Err(Failure::new("writing before a kill", "success", seen));
            }
            reply => said.push(reply),
        }
    }
    // A moment that is no acknowledgement: up to two milliseconds later.
    let moment = Instant::now() + Duration::from_micros(rng.random_range(0..2000));
    while Instant::now() < moment {
        std::hint::spin_loop();
    }
    said.extend(worker.kill().await);
    Ok(said)
}

/// Brings what is known up to date with what a process said before it was killed.
fn note(keys: &mut BTreeMap<String, Known>, said: Vec<Reply>) {
    let mut changes: BTreeMap<u64, Change> = BTreeMap::new();
    for known in keys.values_mut() {
        known.steps.push("the process was killed".to_owned());
    }
    for reply in said {
        match reply {
            Reply::Begun { client, change } => {
                let known = keys.entry(change.key.clone()).or_default();
                known.steps.push(match change.content {
                    Some(content) => format!("{} of {} bytes begun", change.how, content.size),
                    None => format!("{} begun", change.how),
                });
                known.begun = Some(change.clone());
                changes.insert(client, change);
            }
            Reply::Acknowledged { client, version } => {
                let Some(change) = changes.remove(&client) else { continue };
                let known = keys.entry(change.key).or_default();
                known.steps.push("acknowledged".to_owned());
                known.begun = None;
                known.acknowledged = change.content.zip(version);
            }
            _ => {}
        }
    }
}

/// Expects a key to hold what was acknowledged last, or all of what was begun after it.
async fn survives(store: &dyn StorageProvider, key: &str, known: &mut Known) -> Outcome {
    let situation = format!("get of {key:?} after the process was killed");
    let with_steps = |failure: Failure| failure.with_steps(known.steps.clone());
    let seen = match follow_get(store, key).await {
        Ok(Reply::Object { version, content, named }) => {
            let whole = content.filter(|content| Some(*content) == named);
            let seen = (content, named);
            let expected = "one whole content, the one that the metadata names";
            holds(&situation, whole.is_some(), expected, seen).map_err(with_steps)?;
            whole.map(|content| (content, version))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        other => return Err(with_steps(super::unexpected(&situation, other))),
    };
    let begun = known.begun.take();
    if seen == known.acknowledged {
        return Ok(());
    }
    let begun_is_there = begun.is_some_and(|begun| begun.content == seen.as_ref().map(|s| s.0));
    let expected = match &known.acknowledged {
        Some((content, version)) => format!("{content:?} in version {version}"),
        None => "no object".to_owned(),
    };
    let expected = format!("{expected}, as acknowledged last, or all of what was begun after it");
    holds(situation, begun_is_there, expected, &seen).map_err(with_steps)?;
    known.acknowledged = seen;
    Ok(())
}

async fn follow_get(store: &dyn StorageProvider, key: &str) -> Result<Reply> {
    follow(store, Command::Get { key: key.to_owned() }).await
}

pub(super) async fn what_survives_a_kill_is_consistent(cx: &Context) -> Outcome {
    let mut rng = cx.rng("consistency");
    let folder = folder(&mut rng);
    for kill in 0..cx.rounds(KILLS / 2) {
        let said = load_and_kill(cx, &folder, &mut rng, kill).await?;
        let store = cx.open().await?;
        let objects = described(store.as_ref()).await?;
        for reply in &said {
            let Reply::Begun { change: Change { key, .. }, .. } = reply else { continue };
            let listed = objects.iter().any(|listed| listed == key);
            let there = follow_get(store.as_ref(), key).await.is_ok();
            equal(format!("list of {key:?}, which is readable, after a kill"), &there, &listed)?;
        }
        uploads_can_be_swept(store.as_ref()).await?;
        writes_work(store.as_ref(), &folder, kill).await?;
    }
    empties(cx).await
}

/// Expects every listed object to be as it is listed; returns the keys.
async fn described(store: &dyn StorageProvider) -> Result<Vec<String>, Failure> {
    let situation = "list after a kill";
    let listed: Result<Vec<ListEntry>> =
        list_all(store, ListRequest::default()).try_collect().await;
    let listed = ok(situation, listed)?;
    let mut keys = Vec::new();
    for object in listed.iter().filter_map(ListEntry::as_object) {
        let situation = format!("head of {:?}, which is listed, after a kill", object.key);
        let head = ok(&situation, store.head(&object.key, &GetOptions::default()).await)?;
        let expected = (object.size, &object.version, object.modified);
        equal(&situation, &expected, &(head.size, &head.version, head.modified))?;
        let got = ok(&situation, store.get(&object.key, &GetOptions::default()).await)?;
        equal(format!("{situation}, and get"), &head, &got.meta)?;
        let bytes = ok(&situation, got.body.collect().await)?;
        equal(format!("{situation}: bytes"), &head.size, &(bytes.len() as u64))?;
        keys.push(object.key.to_string());
    }
    if store.capabilities().has(Capability::Versioning) {
        let page = store.list_versions(&Prefix::ALL, None, None).await;
        for entry in ok("list of versions after a kill", page)?.entries {
            let options =
                GetOptions { version: Some(entry.object.version.clone()), ..GetOptions::default() };
            let situation = format!("get of a listed version of {:?}", entry.object.key);
            let got = ok(&situation, store.get(&entry.object.key, &options).await)?;
            ok(situation, got.body.collect().await)?;
        }
    }
    Ok(keys)
}

/// Expects every unfinished upload to show its parts, and to be gone when it was aborted.
pub(super) async fn uploads_can_be_swept(store: &dyn StorageProvider) -> Outcome {
    if !store.capabilities().has(Capability::Multipart) {
        return Ok(());
    }
    let situation = "uploads after a kill";
    loop {
        let page = ok(situation, store.list_uploads(&Prefix::ALL, None).await)?;
        if page.entries.is_empty() {
            return Ok(());
        }
        for upload in &page.entries {
            ok(situation, store.list_parts(&upload.key, &upload.id).await)?;
            ok(situation, store.abort_upload(&upload.key, &upload.id).await)?;
            let parts = store.list_parts(&upload.key, &upload.id).await;
            fails_with("parts of an aborted upload", ErrorKind::NotFound, parts)?;
        }
        let left = ok(situation, store.list_uploads(&Prefix::ALL, None).await)?;
        let again = left.entries.iter().any(|entry| page.entries.contains(entry));
        holds(situation, !again, "no upload that was aborted", &left.entries)?;
    }
}

/// Expects writes to work on keys that were being written when the process was killed.
async fn writes_work(store: &dyn StorageProvider, folder: &str, kill: u64) -> Outcome {
    for (client, form) in [(0, Form::Whole), (1, Form::Stream), (2, Form::Whole)] {
        let key = format!("{folder}/{client}/0");
        let content = Content::new(kill, 70_000);
        let situation = format!("put and get of {key:?} after a kill");
        let condition = Condition::Always;
        let put = Command::Put { key: key.clone(), content, condition, form };
        ok(&situation, follow(store, put).await)?;
        match follow_get(store, &key).await {
            Ok(Reply::Object { content: Some(seen), .. }) => equal(situation, &content, &seen)?,
            other => return Err(super::unexpected(&situation, other)),
        }
    }
    Ok(())
}

/// Expects a store that was killed several times to be empty when everything in it was deleted.
async fn empties(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    for key in described(store.as_ref()).await? {
        let situation = format!("delete of {key:?} after a kill");
        let key = ok(&situation, Key::new(&key))?;
        ok(situation, store.delete(&key, &DeleteOptions::default()).await)?;
    }
    equal("list after everything was deleted", &Vec::new(), &described(store.as_ref()).await?)
}

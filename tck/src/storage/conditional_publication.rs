//! When the condition of a put is decided: STO-068.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use omni_contracts::ErrorKind;
use omni_contracts::storage::{Capability, DeleteOptions, Key, PutOptions, StorageProvider};

use super::conditions::{Before, by, if_absent, if_match};
use super::inputs::{KIB, MIB, has_content, has_no_object, key, payload, pending, put, streamed};
use super::race::finished;
use crate::check::{Outcome, check, fails_with, holds, ok};
use crate::{Check, Context};

pub(crate) const CHECKS: &[Check] = &[check!(
    "STO-068",
    condition_is_decided_at_publication,
    "look at whether the condition is decided before the body was read instead of in the moment of publishing"
)];

/// What another writer does while a streamed put waits for its body.
#[derive(Clone, Copy, Debug)]
enum Meanwhile {
    Creates,
    CreatesAsStream,
    CreatesEmpty,
    Overwrites,
    Deletes,
    Recreates,
}

async fn condition_is_decided_at_publication(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let max = store.capabilities().limits.max_object_size.unwrap_or(u64::MAX);
    // Before the pause and after it: within one buffer, above it, above what is sent in parts.
    let splits = [
        (1, 1),
        (10, 70_000),
        (64 * KIB + 1, 5),
        (MIB + 1, MIB),
        (5 * MIB + 1, 1),
        (8 * MIB + 1, 9),
    ];
    let creates = [Meanwhile::Creates, Meanwhile::CreatesAsStream, Meanwhile::CreatesEmpty];
    let mut changes = vec![];
    if store.capabilities().has(Capability::ConditionalUpdate) {
        changes.extend([Meanwhile::Overwrites, Meanwhile::Deletes, Meanwhile::Recreates]);
    }
    let mut number = 0;
    for (first, rest) in
        cx.some(splits.into_iter().filter(|(first, rest)| (first + rest) as u64 <= max))
    {
        for length in [Some((first + rest) as u64), None] {
            // Of the large ones one each is enough.
            let few = if first > 100_000 { 1 } else { 3 };
            let skip = number % 3;
            for meanwhile in creates.iter().cycle().skip(skip).take(few) {
                number += 1;
                overtaken(cx, number, first, rest, length, *meanwhile).await?;
            }
            for meanwhile in changes.iter().cycle().skip(skip).take(few.min(changes.len())) {
                number += 1;
                overtaken(cx, number, first, rest, length, *meanwhile).await?;
            }
        }
    }
    any_chunking(cx, &*store, !changes.is_empty()).await?;
    // Without anybody in between, the paused put succeeds.
    let free = key("alone");
    let (gate, body) = pending(payload(1, 70_000), payload(2, 70_000), None);
    let task = tokio::spawn({
        let (store, free) = (Arc::clone(&store), free.clone());
        async move { store.put(&free, body, &if_absent()).await }
    });
    gate.open();
    let situation = "streamed put with IfAbsent on a free key";
    ok(situation, finished(task.await)?)?;
    let content = [payload(1, 70_000), payload(2, 70_000)].concat();
    has_content(&*store, &free, &content, situation).await?;
    Ok(())
}

/// A condition that does not hold refuses streams of no chunk, of one, of several and of very many.
async fn any_chunking(cx: &Context, store: &dyn StorageProvider, updates: bool) -> Outcome {
    let taken = key("taken");
    let stale = ok("put", put(store, &taken, "stale").await)?;
    ok("overwrite", put(store, &taken, "base").await)?;
    let before = Before::of(store, &taken).await?;
    for (size, chunk) in
        cx.some([(0, 1), (1, 1), (100, 100), (100, 50), (70_000, 70_000), (3000, 1)])
    {
        for length in [Some(size as u64), None] {
            let situation = format!(
                "streamed put of {size} bytes in chunks of {chunk} (stated length {length:?}) to a taken \
                 key"
            );
            let body = || streamed(payload(7, size), &[chunk], length);
            let create = store.put(&taken, body(), &if_absent()).await;
            fails_with(format!("{situation} with IfAbsent"), ErrorKind::AlreadyExists, create)?;
            if updates {
                let update = store.put(&taken, body(), &if_match(&stale.version)).await;
                let situation = format!("{situation} with IfMatch of an old version");
                fails_with(situation, ErrorKind::PreconditionFailed, update)?;
            }
            before.is_unchanged(store, &situation).await?;
        }
    }
    Ok(())
}

/// A streamed conditional put that is overtaken while its body waits must fail, and change nothing.
async fn overtaken(
    cx: &Context,
    number: usize,
    first: usize,
    rest: usize,
    length: Option<u64>,
    meanwhile: Meanwhile,
) -> Outcome {
    /// Far above what a store takes, far below what a person waits.
    const PATIENCE: Duration = Duration::from_secs(20);
    let store = cx.open().await?;
    let key = key(format!("overtaken/{number}"));
    let of_known_length = if length.is_some() { "known" } else { "unknown" };
    let situation = format!(
        "streamed put of {first} + {rest} bytes (length {of_known_length}) that waits after the first \
         {first} while another writer acts: {meanwhile:?}"
    );
    let (options, kind) = match meanwhile {
        Meanwhile::Creates | Meanwhile::CreatesAsStream | Meanwhile::CreatesEmpty => {
            (if_absent(), ErrorKind::AlreadyExists)
        }
        Meanwhile::Overwrites | Meanwhile::Deletes | Meanwhile::Recreates => {
            let base = ok("put", put(&*store, &key, "base").await)?;
            (if_match(&base.version), ErrorKind::PreconditionFailed)
        }
    };
    let (gate, body) = pending(payload(1, first), payload(2, rest), length);
    let mut task = tokio::spawn({
        let (store, key) = (Arc::clone(&store), key.clone());
        async move { store.put(&key, body, &by(options, "paused")).await }
    });
    tokio::select! {
        () = gate.reached() => {}
        early = &mut task => {
            let early = finished(early)?;
            return holds(&situation, false, "the put reads its body to the end", early);
        }
    }
    let acting = tokio::time::timeout(PATIENCE, act(&*store, &key, number, meanwhile));
    let Ok(acted) = acting.await else {
        task.abort();
        return holds(situation, false, "other writers go on while a body waits", "they wait");
    };
    ok(format!("{situation}: the other writer"), acted)?;
    let before = match meanwhile {
        Meanwhile::Deletes => None,
        _ => Some(Before::of(&*store, &key).await?),
    };
    gate.open();
    fails_with(&situation, kind, finished(task.await)?)?;
    match before {
        Some(before) => before.is_unchanged(&*store, &situation).await,
        None => has_no_object(&*store, &key, &situation).await,
    }
}

async fn act(
    store: &dyn StorageProvider,
    key: &Key,
    number: usize,
    meanwhile: Meanwhile,
) -> omni_contracts::Result<()> {
    let content = payload(number as u64, 100);
    match meanwhile {
        Meanwhile::Creates => {
            store.put(key, content.into(), &if_absent()).await?;
        }
        Meanwhile::CreatesAsStream => {
            let body = streamed(content, &[7], None);
            store.put(key, body, &PutOptions::default()).await?;
        }
        Meanwhile::CreatesEmpty => {
            put(store, key, Bytes::new()).await?;
        }
        Meanwhile::Overwrites => {
            put(store, key, content).await?;
        }
        Meanwhile::Deletes => {
            store.delete(key, &DeleteOptions::default()).await?;
        }
        Meanwhile::Recreates => {
            store.delete(key, &DeleteOptions::default()).await?;
            let unique = store.capabilities().has(Capability::UniqueVersions);
            put(store, key, if unique { "base" } else { "other" }).await?;
        }
    }
    Ok(())
}

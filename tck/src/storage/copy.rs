//! STO-120 to STO-126: copies within a store.

use std::sync::Arc;

use bytes::Bytes;
use omni_contracts::storage::{
    Attributes, Capability, CompleteOptions, CopyOptions, Crc32c, DeleteOptions, Key, ObjectMeta,
    PartNumber, PutOptions, StorageProvider, Version, WriteCondition, Written,
};
use omni_contracts::{Body, ErrorKind, Result};

use super::attributes::{full, has_attributes, metadata, put_with};
use super::conditional_races::one_wins;
use super::inputs::{
    KIB, MIB, another_version, brief, came_back, chunked, description, has_content, head, key,
    listed, nasty_keys, payload, put, read, same_bytes, stamped,
};
use super::race::{duels, race_of, telling};
use super::snapshot::Snapshot;
use crate::check::{Failure, Outcome, check, equal, fails_with, holds, ok};
use crate::{Check, Context};

pub(crate) const CHECKS: &[Check] = &[
    check!(
        "STO-120",
        copies_equal_their_source,
        "copy content and attributes of one version of the source, and replace the whole target"
    ),
    check!(
        "STO-121",
        copies_are_independent,
        "look at what source and target share: a file, a buffer, an entry of an index"
    ),
    check!(
        "STO-122",
        copy_of_nothing_changes_nothing,
        "look the source up before touching the target; a prefix of keys is not a source"
    ),
    check!(
        "STO-123",
        copies_take_new_attributes,
        "`attributes: Some` replaces all of the source's attributes, also with none"
    ),
    check!(
        "STO-124",
        copy_onto_itself_needs_attributes,
        "compare the keys before any I/O; with attributes it is an ordinary write of the same content"
    ),
    check!(
        "STO-125",
        conditional_copies_hold,
        "decide the condition in the same step that publishes the target"
    ),
    check!(
        "STO-126",
        copies_pin_the_source_version,
        "compare the version of exactly the content that is copied, not of an earlier look"
    ),
];

async fn copy(
    store: &dyn StorageProvider,
    from: &Key,
    to: &Key,
    options: &CopyOptions,
) -> Result<Written> {
    store.copy(from, to, options).await
}

fn plain() -> CopyOptions {
    CopyOptions::default()
}

fn with_attributes(attributes: Attributes) -> CopyOptions {
    CopyOptions { attributes: Some(Arc::new(attributes)), ..plain() }
}

/// Expects an object that is exactly this, in every way to see it, and as `meta`, which `head` gave
/// before, says.
async fn is_exactly(
    store: &dyn StorageProvider,
    at: &Key,
    content: &Bytes,
    attributes: &Attributes,
    meta: &ObjectMeta,
    situation: &str,
) -> Outcome {
    let seen = has_content(store, at, content, situation).await?;
    has_attributes(store, at, attributes, situation).await?;
    equal(format!("{situation}: description after the write and get"), &seen, meta)?;
    let about = ok(format!("{situation}: head"), head(store, at).await)?;
    equal(format!("{situation}: description after the write and head"), &about, meta)?;
    if let Some(checksum) = meta.checksum {
        equal(format!("{situation}: checksum"), &Crc32c::of(content), &checksum)?;
    }
    Ok(())
}

async fn copies_equal_their_source(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let from = key("dir/source");
    let sizes = [0, 1, 4096, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, MIB + 3, 5 * MIB, 8 * MIB + 1];
    let described = [
        full(1),
        Attributes::default(),
        Attributes { metadata: metadata(&[("only", "metadata")]), ..Attributes::default() },
    ];
    for (number, size) in cx.some(sizes).into_iter().enumerate() {
        let content = payload(number as u64, size);
        let attributes = &described[number % described.len()];
        let bodies = [Body::from(content.clone()), chunked(content.clone(), &[10_000, 1])];
        for (way, body) in bodies.into_iter().enumerate() {
            ok("put of the source", put_with(store, &from, body, attributes).await)?;
            let targets = ["fresh", "longer", "shorter", "dir/source/below", "dir"];
            let large = if size > 2 * MIB { 2 } else { targets.len() };
            for target in &targets[..large] {
                let to = match *target {
                    "longer" | "shorter" => key(format!("old/{target}")),
                    "fresh" => key(format!("fresh/{number}/{way}")),
                    below => key(below),
                };
                let old = match *target {
                    "longer" => Some(payload(99, size + 1000)),
                    "shorter" => Some(payload(98, size / 2)),
                    _ => None,
                };
                let mut previous = None;
                if let Some(content) = old {
                    let put = put_with(store, &to, content.clone(), &full(7)).await;
                    let old = (ok("put of the target", put)?.version, content);
                    previous = Some(old);
                }
                let situation = format!("copy of {size} bytes to {}", brief(&to));
                let source = ok("head of the source", head(store, &from).await)?;
                let written = ok(situation.clone(), copy(store, &from, &to, &plain()).await)?;
                let meta = description(store, &to, &written).await?;
                is_exactly(store, &to, &content, attributes, &meta, &situation).await?;
                let after = format!("source after {situation}");
                is_exactly(store, &from, &content, attributes, &source, &after).await?;
                if let Some((version, bytes)) = &previous {
                    another_version(
                        store,
                        format!("{situation}: version of the target"),
                        (version, bytes),
                        (&meta.version, &content),
                    )?;
                }
                let entries = ok(format!("{situation}: list"), listed(store, to.as_str()).await)?;
                let entry = entries.iter().find(|entry| entry.key == to);
                equal(
                    format!("{situation}: size and version by list"),
                    &Some((meta.size, meta.version.clone())),
                    &entry.map(|entry| (entry.size, entry.version.clone())),
                )?;
            }
        }
    }
    special_keys_copy(cx, store).await?;
    copies_of_a_moving_source_are_whole(cx, false).await
}

/// Every nasty key as target, then as source.
async fn special_keys_copy(cx: &Context, store: &dyn StorageProvider) -> Outcome {
    let (from, to) = (key("special/from"), key("special/to"));
    for (number, special) in cx.some(nasty_keys()).into_iter().enumerate() {
        let seed = number as u64;
        let content = payload(seed, 20 + number);
        ok("put", put_with(store, &from, content.clone(), &full(seed)).await)?;
        let situation = format!("copy to {}", brief(&special));
        let written = ok(situation.clone(), copy(store, &from, &special, &plain()).await)?;
        let meta = description(store, &special, &written).await?;
        is_exactly(store, &special, &content, &full(seed), &meta, &situation).await?;
        let situation = format!("copy of {}", brief(&special));
        let written = ok(situation.clone(), copy(store, &special, &to, &plain()).await)?;
        let meta = description(store, &to, &written).await?;
        is_exactly(store, &to, &content, &full(seed), &meta, &situation).await?;
    }
    Ok(())
}

/// What a source of write number `number` holds.
fn moving(number: u64) -> (Bytes, Attributes) {
    let size = if number.is_multiple_of(2) { 80 } else { 64 * KIB + 8 };
    let attributes = Attributes {
        metadata: metadata(&[("number", &number.to_string())]),
        ..Attributes::default()
    };
    (stamped(number, size), attributes)
}

/// Copies while the source is overwritten: each copy is one state of the source, and with a source
/// version that very one.
async fn copies_of_a_moving_source_are_whole(cx: &Context, pinned: bool) -> Outcome {
    let store = cx.open().await?;
    let from = key("moving");
    let (content, attributes) = moving(0);
    ok("put", put_with(&*store, &from, content, &attributes).await)?;
    let rounds = cx.rounds(60);
    let outcomes = race_of(4, |racer| {
        let (store, from) = (Arc::clone(&store), from.clone());
        async move {
            for number in 0..rounds {
                if racer == 0 {
                    let (content, attributes) = moving(number);
                    ok("overwrite", put_with(&*store, &from, content, &attributes).await)?;
                    tokio::task::yield_now().await;
                } else {
                    let to = key(format!("moved/{racer}"));
                    copy_whole(&*store, &from, &to, pinned).await?;
                }
            }
            Ok(())
        }
    })
    .await?;
    outcomes.into_iter().collect()
}

async fn copy_whole(store: &dyn StorageProvider, from: &Key, to: &Key, pinned: bool) -> Outcome {
    let source = ok("head of the source", head(store, from).await)?;
    let source_version = pinned.then(|| source.version.clone());
    let result = copy(store, from, to, &CopyOptions { source_version, ..plain() }).await;
    if pinned && result.as_ref().is_err_and(|e| e.kind() == ErrorKind::PreconditionFailed) {
        return Ok(());
    }
    let written = ok("copy while the source is overwritten", result)?;
    let (meta, seen) = ok("get of the copy", read(store, to).await)?;
    equal("what a copy returned and get of the copy", &written, &meta.written())?;
    let number = meta.attributes.metadata.get("number").and_then(|text| text.parse().ok());
    let Some(number) = number else {
        return Err(Failure::new(
            "attributes of a copy while the source is overwritten",
            "those of one write",
            format!("{:?}", meta.attributes),
        ));
    };
    same_bytes(
        format!("content of a copy that has the attributes of write {number} of its source"),
        &moving(number).0,
        &seen,
    )?;
    if pinned {
        equal(
            "attributes of a copy of a stated version, while the source is overwritten",
            &source.attributes,
            &meta.attributes,
        )?;
    }
    Ok(())
}

/// The ways to change one object, each by name.
const CHANGES: &[&str] = &[
    "overwrite of the same length",
    "shorter overwrite",
    "longer streamed overwrite",
    "overwrite by an upload",
    "copy of another over it",
    "copy onto itself",
    "delete",
    "delete and put",
];

async fn change(store: &dyn StorageProvider, at: &Key, size: usize, how: &str) -> Outcome {
    let outcome = match how {
        "overwrite of the same length" => put(store, at, payload(50, size)).await.map(drop),
        "shorter overwrite" => put(store, at, payload(51, size / 3)).await.map(drop),
        "longer streamed overwrite" => {
            put(store, at, chunked(payload(52, size + 999), &[8000])).await.map(drop)
        }
        "overwrite by an upload" if store.capabilities().has(Capability::Multipart) => {
            upload(store, at, payload(53, size)).await.map(drop)
        }
        "copy of another over it" => copy(store, &key("another"), at, &plain()).await.map(drop),
        "copy onto itself" => copy(store, at, at, &with_attributes(full(54))).await.map(drop),
        "delete" => store.delete(at, &DeleteOptions::default()).await.map(drop),
        "delete and put" => match store.delete(at, &DeleteOptions::default()).await {
            Ok(_) => put(store, at, payload(55, size)).await.map(drop),
            Err(error) => Err(error),
        },
        _ => Ok(()),
    };
    ok(format!("{how} of {}", brief(at)), outcome)
}

async fn upload(store: &dyn StorageProvider, at: &Key, content: Bytes) -> Result<Written> {
    let id = store.create_upload(at, &PutOptions::default()).await?;
    let part = store.upload_part(at, &id, PartNumber::new(1)?, content.into()).await?;
    store.complete_upload(at, &id, &[part], &CompleteOptions::default()).await
}

async fn copies_are_independent(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let (from, to, third) = (key("from"), key("to"), key("third"));
    ok("put", put(store, &key("another"), payload(77, 3000)).await)?;
    for size in cx.some([100, 4097, 64 * KIB + 1, 2 * MIB + 1]) {
        // Large ones take long, and some changes say nothing more about them.
        for how in CHANGES.iter().filter(|how| size < MIB || !how.contains("copy")) {
            for changed in [&from, &to] {
                let content = payload(size as u64, size);
                ok("put", put_with(store, &from, content.clone(), &full(1)).await)?;
                let first = ok("copy", copy(store, &from, &to, &plain()).await)?;
                let first = description(store, &to, &first).await?;
                let second = ok("copy of the copy", copy(store, &to, &third, &plain()).await)?;
                let second = description(store, &third, &second).await?;
                let source = ok("head", head(store, &from).await)?;
                change(store, changed, size, how).await?;
                let kept = [(&from, &source), (&to, &first), (&third, &second)];
                let kept: Vec<_> = kept.into_iter().filter(|(at, _)| *at != changed).collect();
                let situation = format!(
                    "copy of {size} bytes from {} to {}, then {how} of {}",
                    brief(&from),
                    brief(&to),
                    brief(changed)
                );
                for (at, meta) in &kept {
                    is_exactly(store, at, &content, &full(1), meta, &situation).await?;
                }
                // Freed space is used again.
                for number in 0..3 {
                    let filler = key(format!("filler/{number}"));
                    ok("put", put(store, &filler, payload(60 + number, size)).await)?;
                }
                for (at, meta) in kept {
                    let situation = format!("{situation}, then other puts");
                    is_exactly(store, at, &content, &full(1), meta, &situation).await?;
                }
            }
        }
    }
    Ok(())
}

async fn copy_of_nothing_changes_nothing(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    ok("put", put_with(store, &key("taken"), payload(1, 5000), &full(1)).await)?;
    ok("put", put(store, &key("folder/object"), payload(2, 10)).await)?;
    ok("put", put(store, &key("gone"), payload(3, 10)).await)?;
    ok("delete", store.delete(&key("gone"), &DeleteOptions::default()).await)?;
    let sources = ["never", "folder", "gone", "taken/x", "Taken", "take"];
    let targets = ["free", "taken", "never/below"];
    let mut options = vec![("plain", plain()), ("new attributes", with_attributes(full(3)))];
    if store.capabilities().has(Capability::ConditionalCopy) {
        let free = CopyOptions { condition: WriteCondition::IfAbsent, ..plain() };
        options.push(("IfAbsent", free));
    }
    let keys: Vec<Key> = sources.iter().chain(&targets).map(key).collect();
    let before = Snapshot::take(store, &keys).await?;
    for source in cx.some(sources) {
        for target in targets {
            for (what, options) in &options {
                if *what == "IfAbsent" && target == "taken" {
                    continue;
                }
                let situation = format!("copy of missing {source:?} to {target:?}, {what}");
                let result = copy(store, &key(source), &key(target), options).await;
                fails_with(situation.clone(), ErrorKind::NotFound, result)?;
                before.unchanged(store, &keys, &situation).await?;
            }
        }
        let situation = format!("copy of missing {source:?} onto itself with attributes");
        let result = copy(store, &key(source), &key(source), &with_attributes(full(3))).await;
        fails_with(situation.clone(), ErrorKind::NotFound, result)?;
        before.unchanged(store, &keys, &situation).await?;
    }
    Ok(())
}

async fn copies_take_new_attributes(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let from = key("from");
    let fewer = Attributes {
        content_type: Some("image/png".to_owned()),
        metadata: metadata(&[("fresh", "1")]),
        ..Attributes::default()
    };
    let new = [("none", Attributes::default()), ("fewer", fewer), ("all", full(2))];
    for size in cx.some([0, 100, 64 * KIB + 1, 5 * MIB]) {
        let content = payload(size as u64, size);
        for source in [full(1), Attributes::default()] {
            let put = put_with(store, &from, content.clone(), &source).await;
            let before = description(store, &from, &ok("put", put)?).await?;
            for (what, attributes) in &new {
                for to in ["fresh", "taken"] {
                    let to = key(format!("{to}/{size}"));
                    if to.as_str().starts_with("taken") {
                        let old = put_with(store, &to, payload(9, 2000), &full(9)).await;
                        ok("put", old)?;
                    } else {
                        ok("delete", store.delete(&to, &DeleteOptions::default()).await)?;
                    }
                    let situation =
                        format!("copy of {size} bytes to {} with attributes: {what}", brief(&to));
                    let options = with_attributes(attributes.clone());
                    let written = ok(situation.clone(), copy(store, &from, &to, &options).await)?;
                    let meta = description(store, &to, &written).await?;
                    is_exactly(store, &to, &content, attributes, &meta, &situation).await?;
                    let after = format!("source after {situation}");
                    is_exactly(store, &from, &content, &source, &before, &after).await?;
                }
            }
        }
    }
    Ok(())
}

async fn copy_onto_itself_needs_attributes(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    for size in cx.some([0, 100, 64 * KIB + 1, 5 * MIB]) {
        let at = key(format!("self/{size}"));
        let content = payload(size as u64, size);
        let written = ok("put", put_with(store, &at, content.clone(), &full(1)).await)?;
        let mut meta = description(store, &at, &written).await?;
        let result = copy(store, &at, &at, &plain()).await;
        let situation = format!("copy of {size} bytes onto itself without attributes");
        fails_with(situation.clone(), ErrorKind::InvalidArgument, result)?;
        is_exactly(store, &at, &content, &full(1), &meta, &situation).await?;
        for attributes in [full(2), full(2), Attributes::default(), full(3)] {
            let situation = format!("copy of {size} bytes onto itself with attributes");
            let old = meta.version.clone();
            let options = CopyOptions {
                source_version: Some(old.clone()),
                ..with_attributes(attributes.clone())
            };
            let written = ok(situation.clone(), copy(store, &at, &at, &options).await)?;
            meta = description(store, &at, &written).await?;
            is_exactly(store, &at, &content, &attributes, &meta, &situation).await?;
            another_version(
                store,
                format!("{situation}: version"),
                (&old, &content),
                (&meta.version, &content),
            )?;
            if came_back(store, &at, &old).await {
                continue;
            }
            let stale = copy(store, &at, &at, &options).await;
            let situation = format!("{situation}, of a version that is not current");
            fails_with(situation.clone(), ErrorKind::PreconditionFailed, stale)?;
            is_exactly(store, &at, &content, &attributes, &meta, &situation).await?;
        }
    }
    let result = copy(store, &key("none"), &key("none"), &plain()).await;
    fails_with("copy of nothing onto itself", ErrorKind::InvalidArgument, result)?;
    Ok(())
}

async fn conditional_copies_hold(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    for size in [0, 10, 64 * KIB + 1] {
        conditions_one_by_one(&*store, size).await?;
    }
    let declared = store.capabilities();
    for round in 0..cx.rounds(40) {
        let size = if round % 8 == 7 { 64 * KIB + 8 } else { 16 };
        let old = put_with(&*store, &key(format!("swap/{round}")), payload(1, 10), &full(1)).await;
        let swap = WriteCondition::IfMatch(ok("put", old)?.version);
        race_copies(&store, &format!("create/{round}"), size, WriteCondition::IfAbsent, false)
            .await?;
        race_copies(&store, &format!("swap/{round}"), size, swap, false).await?;
        if declared.has(Capability::ConditionalCreate) {
            let to = format!("both/{round}");
            race_copies(&store, &to, size, WriteCondition::IfAbsent, true).await?;
        }
    }
    copy_duels(cx, &store).await
}

/// Two copies to one key in the same microsecond, by turns to a free one and over the same version.
async fn copy_duels(cx: &Context, store: &Arc<dyn StorageProvider>) -> Outcome {
    let sources = [key("duelist/0"), key("duelist/1")];
    for (racer, source) in (0..).zip(&sources) {
        ok("put", put_with(&**store, source, stamped(racer, 16), &full(racer)).await)?;
    }
    let mut targets = Vec::new();
    for duel in 0..telling(cx, &**store) {
        let target = key(format!("duel/{duel}"));
        let condition = if duel / 2 % 2 == 0 {
            WriteCondition::IfAbsent
        } else {
            let old = put_with(&**store, &target, payload(9, 10), &full(9)).await;
            WriteCondition::IfMatch(ok("put", old)?.version)
        };
        targets.push((target, CopyOptions { condition, ..plain() }));
    }
    let targets = Arc::new(targets);
    let results = duels(targets.len(), {
        let (store, targets) = (Arc::clone(store), Arc::clone(&targets));
        move |duel, who| {
            let (store, source) = (Arc::clone(&store), sources[who].clone());
            let (target, options) = targets[duel].clone();
            async move { store.copy(&source, &target, &options).await }
        }
    })
    .await?;
    for ((target, options), results) in targets.iter().zip(results) {
        let (situation, lost) = match options.condition {
            WriteCondition::IfAbsent => {
                ("two copies at once to a free key with IfAbsent", ErrorKind::AlreadyExists)
            }
            _ => (
                "two copies at once with IfMatch of the target's version",
                ErrorKind::PreconditionFailed,
            ),
        };
        let winner = one_wins(situation, results, lost)? as u64;
        has_content(&**store, target, &stamped(winner, 16), situation).await?;
    }
    Ok(())
}

async fn conditions_one_by_one(store: &dyn StorageProvider, size: usize) -> Outcome {
    let (from, free, taken) = (key("from"), key(format!("free/{size}")), key("taken"));
    let content = payload(size as u64, size);
    ok("put", put_with(store, &from, content.clone(), &full(1)).await)?;
    let stale = ok("put", put_with(store, &taken, payload(2, 20), &full(2)).await)?.version;
    ok("overwrite", put_with(store, &taken, payload(3, 30), &full(3)).await)?;
    let keys = [from.clone(), free.clone(), taken.clone()];
    let before = Snapshot::take(store, &keys).await?;
    let current = ok("head", head(store, &taken).await)?.version;
    let made_up = ok("making a version", Version::new("nobody-made-this"))?;
    let with = |condition: &WriteCondition| CopyOptions { condition: condition.clone(), ..plain() };
    let absent = WriteCondition::IfAbsent;
    let failed = ErrorKind::PreconditionFailed;
    let refused = [
        (&taken, absent.clone(), ErrorKind::AlreadyExists),
        (&taken, WriteCondition::IfMatch(stale), failed),
        (&taken, WriteCondition::IfMatch(made_up.clone()), failed),
        (&free, WriteCondition::IfMatch(current.clone()), failed),
        (&free, WriteCondition::IfMatch(made_up), failed),
    ];
    for (to, condition, kind) in refused {
        for attributes in [None, Some(Arc::new(full(5)))] {
            let options = CopyOptions { attributes, ..with(&condition) };
            let situation = format!("copy of {size} bytes to {} with {condition:?}", brief(to));
            let result = copy(store, &from, to, &options).await;
            fails_with(situation.clone(), kind, result)?;
            before.unchanged(store, &keys, &situation).await?;
        }
    }
    for (to, condition) in [(&free, absent), (&taken, WriteCondition::IfMatch(current))] {
        let situation = format!("copy of {size} bytes to {} with {condition:?}", brief(to));
        let written = ok(situation.clone(), copy(store, &from, to, &with(&condition)).await)?;
        let meta = description(store, to, &written).await?;
        is_exactly(store, to, &content, &full(1), &meta, &situation).await?;
        let again = copy(store, &from, to, &with(&condition)).await;
        holds(
            format!("{situation}, a second time"),
            again.is_err(),
            "an error: the condition no longer holds",
            again,
        )?;
    }
    Ok(())
}

/// Copies of different sources to one key, all with one condition; half of them puts when `mixed`.
async fn race_copies(
    store: &Arc<dyn StorageProvider>,
    to: &str,
    size: usize,
    condition: WriteCondition,
    mixed: bool,
) -> Outcome {
    const RACERS: usize = 12;
    let to = key(to);
    let source = |racer: usize| key(format!("sources/{size}/{racer}"));
    for racer in 0..RACERS {
        if head(&**store, &source(racer)).await.is_err() {
            let content = stamped(racer as u64, size);
            ok("put", put_with(&**store, &source(racer), content, &full(racer as u64)).await)?;
        }
    }
    let outcomes = race_of(RACERS, |racer| {
        let (store, from, to) = (Arc::clone(store), source(racer), to.clone());
        let condition = condition.clone();
        async move {
            if mixed && racer % 2 == 0 {
                let attributes = Arc::new(full(racer as u64));
                let options = PutOptions { condition, attributes, ..PutOptions::default() };
                store.put(&to, stamped(racer as u64, size).into(), &options).await
            } else {
                store.copy(&from, &to, &CopyOptions { condition, ..plain() }).await
            }
        }
    })
    .await?;
    let situation = format!("{RACERS} copies to {} at once with {condition:?}", brief(&to));
    let lost = match condition {
        WriteCondition::IfAbsent => ErrorKind::AlreadyExists,
        _ => ErrorKind::PreconditionFailed,
    };
    let mut winners = Vec::new();
    for (racer, outcome) in outcomes.into_iter().enumerate() {
        match outcome {
            Ok(written) => winners.push((racer as u64, written)),
            lost_race => {
                fails_with(format!("{situation}: a loser"), lost, lost_race)?;
            }
        }
    }
    let [(racer, written)] = &winners[..] else {
        let names: Vec<_> = winners.iter().map(|(racer, _)| racer).collect();
        return Err(Failure::new(situation, "exactly one winner", format!("winners {names:?}")));
    };
    let content = stamped(*racer, size);
    let meta = description(&**store, &to, written).await?;
    is_exactly(&**store, &to, &content, &full(*racer), &meta, &situation).await
}

async fn copies_pin_the_source_version(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let (from, free, taken) = (key("from"), key("free"), key("taken"));
    let keys = [from.clone(), free.clone(), taken.clone()];
    for size in cx.some([0, 10, 64 * KIB + 1, 5 * MIB]) {
        let content = payload(size as u64, size);
        let stale = ok("put", put_with(store, &from, content.clone(), &full(1)).await)?.version;
        ok("delete", store.delete(&from, &DeleteOptions::default()).await)?;
        let gone = ok("put", put_with(store, &from, content.clone(), &full(1)).await)?.version;
        let current = ok("overwrite", put_with(store, &from, content.clone(), &full(1)).await)?;
        ok("put", put_with(store, &taken, payload(2, 70), &full(2)).await)?;
        ok("delete", store.delete(&free, &DeleteOptions::default()).await)?;
        let made_up = ok("making a version", Version::new("nobody-made-this"))?;
        let zero = ok("making a version", Version::new("0"))?;
        let before = Snapshot::take(store, &keys).await?;
        for version in [stale, gone, made_up, zero] {
            if came_back(store, &from, &version).await {
                continue;
            }
            for to in [&free, &taken] {
                for attributes in [None, Some(Arc::new(full(5)))] {
                    let source_version = Some(version.clone());
                    let options = CopyOptions { source_version, attributes, ..plain() };
                    let situation = format!(
                        "copy of {size} bytes to {}, of version {version} which is not current",
                        brief(to)
                    );
                    let result = copy(store, &from, to, &options).await;
                    fails_with(situation.clone(), ErrorKind::PreconditionFailed, result)?;
                    before.unchanged(store, &keys, &situation).await?;
                }
            }
        }
        for to in [&free, &taken] {
            let situation =
                format!("copy of {size} bytes to {}, of the current version", brief(to));
            let options = CopyOptions { source_version: Some(current.version.clone()), ..plain() };
            let copied = ok(situation.clone(), copy(store, &from, to, &options).await)?;
            let meta = description(store, to, &copied).await?;
            is_exactly(store, to, &content, &full(1), &meta, &situation).await?;
        }
    }
    copies_of_a_moving_source_are_whole(cx, true).await?;
    pinned_duels(cx, &cx.open().await?).await
}

/// A copy of a version and the overwrite of that version in the same microsecond, many times.
async fn pinned_duels(cx: &Context, store: &Arc<dyn StorageProvider>) -> Outcome {
    let mut sources = Vec::new();
    for duel in 0..telling(cx, &**store) {
        let source = key(format!("duel/{duel}"));
        let old = ok("put", put_with(&**store, &source, stamped(1, 16), &full(1)).await)?;
        let options = CopyOptions { source_version: Some(old.version), ..plain() };
        sources.push((source, key(format!("copied/{duel}")), options));
    }
    let sources = Arc::new(sources);
    let results = duels(sources.len(), {
        let (store, sources) = (Arc::clone(store), Arc::clone(&sources));
        move |duel, who| {
            let store = Arc::clone(&store);
            let (source, target, options) = sources[duel].clone();
            async move {
                if who == 0 {
                    put_with(&*store, &source, stamped(2, 16), &full(2)).await
                } else {
                    store.copy(&source, &target, &options).await
                }
            }
        }
    })
    .await?;
    let situation = "copy with a source version at once with an overwrite of the source";
    for ((_, target, _), [overwrite, copied]) in sources.iter().zip(results) {
        ok("overwrite at once with a copy", overwrite)?;
        match copied {
            Ok(written) => {
                let meta = description(&**store, target, &written).await?;
                is_exactly(&**store, target, &stamped(1, 16), &full(1), &meta, situation).await?;
            }
            refused => drop(fails_with(situation, ErrorKind::PreconditionFailed, refused)?),
        }
    }
    Ok(())
}

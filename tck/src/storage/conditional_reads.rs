//! Conditional reads: STO-070 to STO-074.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use omni_contracts::ErrorKind;
use omni_contracts::storage::{
    ByteRange, Capability, DeleteOptions, GetOptions, Key, ObjectMeta, ReadCondition,
    StorageProvider, Version,
};

use super::conditions::{cases, other_versions, reading};
use super::inputs::{brief, chunked, description, head, key, payload, put, same_bytes};
use super::race::{duels, finished};
use crate::check::{Outcome, check, equal, fails_with, holds, ok};
use crate::{Check, Context, Failure};

pub(crate) const CHECKS: &[Check] = &[
    check!(
        "STO-070",
        if_match_pins_the_version,
        "look at how `if_match` is compared, and whether content and version are read in one step"
    ),
    check!(
        "STO-071",
        if_none_match_tells_what_is_new,
        "look at how `if_none_match` is compared, above all after an overwrite with the same bytes"
    ),
    check!(
        "STO-072",
        times_are_compared_in_whole_seconds,
        "look at whether both times are cut to whole seconds, and at which time of the object is compared"
    ),
    check!(
        "STO-073",
        conditions_combine_as_in_http,
        "`if_match` first, else `if_unmodified_since`; then `if_none_match`, else `if_modified_since`"
    ),
    check!(
        "STO-074",
        every_read_decides_alike,
        "look for a read (`head`, `get_ranges`) that does not look at the condition, or decides it before it knows that there is an object"
    ),
];

async fn if_match_pins_the_version(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let neighbour = ok("put of another key", put(&*store, &key("pin/b"), "b").await)?;
    let pinned = key("pin");
    let mut stale = vec![neighbour.version];
    for (number, (size, form)) in cx.some(cases(&*store)).into_iter().enumerate() {
        let content = payload(number as u64, size);
        let stored = ok("put", put(&*store, &pinned, form.body(&content)).await)?;
        let stored = description(&*store, &pinned, &stored).await?;
        let situation = format!("get of {size} bytes, put as {form:?}");
        let current = if_match(&stored.version);
        passes(&*store, &pinned, &current, &stored, &content, &situation).await?;
        for version in stale.iter().rev().take(3).filter(|version| **version != stored.version) {
            refuses(&*store, &pinned, &if_match(version), ErrorKind::PreconditionFailed).await?;
        }
        stale.push(stored.version);
    }
    let content = payload(1, 300);
    let first = ok("put", put(&*store, &pinned, content.clone()).await)?;
    let same = ok("put of the same bytes", put(&*store, &pinned, content.clone()).await)?;
    ok("delete", store.delete(&pinned, &DeleteOptions::default()).await)?;
    let last = ok("put of the same bytes", put(&*store, &pinned, content.clone()).await)?;
    let last = description(&*store, &pinned, &last).await?;
    stale.extend([first.version, same.version]);
    stale.extend(other_versions(&last.version));
    for version in stale.iter().filter(|version| **version != last.version) {
        refuses(&*store, &pinned, &if_match(version), ErrorKind::PreconditionFailed).await?;
    }
    let situation = "get after all that";
    passes(&*store, &pinned, &if_match(&last.version), &last, &content, situation).await?;
    pinned_under_change(cx).await
}

/// A pinned read returns the pinned version or fails, whatever is written meanwhile.
async fn pinned_under_change(cx: &Context) -> Outcome {
    const READERS: usize = 2;
    let writes = cx.rounds(60);
    let store = cx.open().await?;
    let changing = key("changing");
    let content = |number: u64| payload(number, 1000 + number as usize);
    ok("put", put(&*store, &changing, content(0)).await)?;
    let over = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let (store, changing, over) = (Arc::clone(&store), changing.clone(), Arc::clone(&over));
            tokio::spawn(async move {
                let situation =
                    "get with if_match of the version that head reported, under overwrites";
                while !over.load(Ordering::SeqCst) {
                    let meta = ok("head", head(&*store, &changing).await)?;
                    tokio::task::yield_now().await;
                    match store.get(&changing, &reading(if_match(&meta.version))).await {
                        Ok(found) => {
                            equal(situation, &meta, &found.meta)?;
                            // A body may fail when its object is replaced, but not be another's.
                            if let Ok(bytes) = found.body.collect().await {
                                let expected = payload(meta.size - 1000, meta.size as usize);
                                same_bytes(situation, &expected, &bytes)?;
                            }
                        }
                        error => {
                            fails_with(situation, ErrorKind::PreconditionFailed, error)?;
                        }
                    }
                }
                Outcome::Ok(())
            })
        })
        .collect();
    let mut written = Ok(());
    for number in 1..=writes {
        written = ok("put", put(&*store, &changing, content(number)).await).map(drop);
        if written.is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    over.store(true, Ordering::SeqCst);
    for reader in readers {
        finished(reader.await)??;
    }
    written?;
    pinned_duels(cx, &store).await
}

/// A pinned read and an overwrite in the same microsecond, many times.
async fn pinned_duels(cx: &Context, store: &Arc<dyn StorageProvider>) -> Outcome {
    let count = cx.rounds(128);
    let mut pinned = Vec::new();
    for duel in 0..count {
        let key = key(format!("duel/{duel}"));
        let written = ok("put", put(&**store, &key, payload(1, 500)).await)?;
        let meta = description(&**store, &key, &written).await?;
        pinned.push((key, meta));
    }
    let pinned = Arc::new(pinned);
    let results = duels(count, {
        let (store, pinned) = (Arc::clone(store), Arc::clone(&pinned));
        move |duel, who| {
            let (store, (key, meta)) = (Arc::clone(&store), pinned[duel].clone());
            async move {
                if who == 0 {
                    put(&*store, &key, payload(2, 500)).await.map(|_| None)
                } else {
                    store.get(&key, &reading(if_match(&meta.version))).await.map(Some)
                }
            }
        }
    })
    .await?;
    let situation = "get with if_match at once with an overwrite";
    for ((_, meta), [overwrite, read]) in pinned.iter().zip(results) {
        ok("overwrite at once with a get", overwrite)?;
        match read {
            Ok(found) => {
                let Some(found) = found else { continue };
                equal(situation, meta, &found.meta)?;
                if let Ok(bytes) = found.body.collect().await {
                    same_bytes(situation, &payload(1, 500), &bytes)?;
                }
            }
            error => drop(fails_with(situation, ErrorKind::PreconditionFailed, error)?),
        }
    }
    Ok(())
}

async fn if_none_match_tells_what_is_new(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let store = &*store;
    let cached = key("cache");
    for (number, (size, form)) in cx.some(cases(store)).into_iter().enumerate() {
        let content = payload(number as u64, size);
        let old = ok("put", put(store, &cached, "old").await)?;
        let new = ok("put", put(store, &cached, form.body(&content)).await)?;
        let new = description(store, &cached, &new).await?;
        let situation = format!("get of {size} bytes, put as {form:?}");
        passes(store, &cached, &if_none_match(&old.version), &new, &content, &situation).await?;
        refuses(store, &cached, &if_none_match(&new.version), ErrorKind::NotModified).await?;
    }
    // A cache that polls sees every overwrite, also with the same bytes, also after a delete.
    let mut content = payload(3, 4097);
    let known = ok("put", put(store, &cached, content.clone()).await)?;
    let mut known = description(store, &cached, &known).await?;
    for round in 0..cx.rounds(12) {
        refuses(store, &cached, &if_none_match(&known.version), ErrorKind::NotModified).await?;
        if round % 3 == 2 {
            ok("delete", store.delete(&cached, &DeleteOptions::default()).await)?;
        }
        if !store.capabilities().has(Capability::UniqueVersions) {
            content = payload(100 + round, 4097);
        }
        let new = ok("put once more", put(store, &cached, content.clone()).await)?;
        let new = description(store, &cached, &new).await?;
        let situation = "get after another write";
        passes(store, &cached, &if_none_match(&known.version), &new, &content, situation).await?;
        known = new;
    }
    for version in other_versions(&known.version) {
        let condition = if_none_match(&version);
        passes(store, &cached, &condition, &known, &content, "get").await?;
    }
    refuses(store, &cached, &if_none_match(&known.version), ErrorKind::NotModified).await
}

async fn times_are_compared_in_whole_seconds(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let store = &*store;
    let timed = key("timed");
    let content = payload(1, 5000);
    let first = ok("put", put(store, &timed, chunked(content.clone(), &[777])).await)?;
    let first = description(store, &timed, &first).await?;
    by_time(store, &timed, &first, &content).await?;
    // Once more when the object is of another second: neither the time of the first write counts, nor
    // the time of the read.
    let precision = store.capabilities().time_precision;
    let deadline = Instant::now() + Duration::from_secs(5) + precision * 2;
    let second = loop {
        let written = ok("put", put(store, &timed, content.clone()).await)?;
        let meta = description(store, &timed, &written).await?;
        if seconds(meta.modified) > seconds(first.modified) {
            break meta;
        }
        holds(
            "put again and again for seconds",
            Instant::now() < deadline,
            "`modified` goes on with the time",
            meta.modified,
        )?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    by_time(store, &timed, &second, &content).await?;
    let empty = key("timed/empty");
    let written = ok("put of no bytes", put(store, &empty, Bytes::new()).await)?;
    let meta = description(store, &empty, &written).await?;
    by_time(store, &empty, &meta, &Bytes::new()).await
}

async fn by_time(
    store: &dyn StorageProvider,
    key: &Key,
    meta: &ObjectMeta,
    content: &Bytes,
) -> Outcome {
    let whole = UNIX_EPOCH + Duration::from_secs(seconds(meta.modified));
    let second = Duration::from_secs(1);
    let (earlier, later) = (Duration::from_millis(999), Duration::from_nanos(999_999_999));
    let before = [
        whole - second,
        whole - Duration::from_nanos(1),
        whole - second + earlier,
        whole - Duration::from_secs(86_400),
        UNIX_EPOCH,
    ];
    let not_before =
        [whole, meta.modified, whole + Duration::from_millis(1), whole + later, whole + second];
    for (times, is_earlier) in [(&before[..], true), (&not_before[..], false)] {
        for time in times {
            let since = ReadCondition { if_modified_since: Some(*time), ..Default::default() };
            let until = ReadCondition { if_unmodified_since: Some(*time), ..Default::default() };
            let (passing, (refused, kind)) = if is_earlier {
                (since, (until, ErrorKind::PreconditionFailed))
            } else {
                (until, (since, ErrorKind::NotModified))
            };
            let offset = match time.duration_since(meta.modified) {
                Ok(after) => format!("{after:?} after `modified`"),
                Err(before) => format!("{:?} before `modified`", before.duration()),
            };
            let situation = format!("get of an object, the stated time is {offset}");
            passes(store, key, &passing, meta, content, &situation).await?;
            refuses(store, key, &refused, kind).await?;
        }
    }
    Ok(())
}

async fn conditions_combine_as_in_http(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    for (number, size) in [0, 1, 5000].into_iter().enumerate() {
        let combined = key(format!("combined/{number}"));
        let content = payload(1, size);
        let old = ok("put", put(&*store, &combined, "old").await)?;
        let written = ok("put", put(&*store, &combined, content.clone()).await)?;
        let meta = description(&*store, &combined, &written).await?;
        for condition in cx.some(combinations(&meta, &old.version)) {
            match outcome(&condition, &meta) {
                None => passes(&*store, &combined, &condition, &meta, &content, "get").await?,
                Some(kind) => refuses(&*store, &combined, &condition, kind).await?,
            }
        }
    }
    Ok(())
}

async fn every_read_decides_alike(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let store = &*store;
    let read = key("read");
    let old = ok("put", put(store, &read, "old").await)?;
    let content = payload(1, 3000);
    let written = ok("put", put(store, &read, content.clone()).await)?;
    let meta = description(store, &read, &written).await?;
    for condition in cx.some(combinations(&meta, &old.version)) {
        let expected = outcome(&condition, &meta);
        for (what, seen) in every_read(store, &read, &condition, &content).await? {
            equal(format!("{what} with {condition:?} of {meta:?}"), &expected, &seen)?;
        }
    }
    for version in other_versions(&meta.version) {
        let pairs = [
            (if_match(&version), Some(ErrorKind::PreconditionFailed)),
            (if_none_match(&version), None),
        ];
        for (condition, expected) in pairs {
            for (what, seen) in every_read(store, &read, &condition, &content).await? {
                equal(format!("{what} with {condition:?} of {meta:?}"), &expected, &seen)?;
            }
        }
    }
    let deleted = key("deleted");
    ok("put", put(store, &deleted, content.clone()).await)?;
    let last = ok("put", put(store, &deleted, content.clone()).await)?;
    let last = description(store, &deleted, &last).await?;
    ok("delete", store.delete(&deleted, &DeleteOptions::default()).await)?;
    ok("put", put(store, &key("folder/x"), "x").await)?;
    for missing in [deleted, key("never"), key("folder"), key("folder/x/y")] {
        for condition in cx.some(combinations(&last, &old.version)) {
            for (what, seen) in every_read(store, &missing, &condition, &content).await? {
                equal(
                    format!("{what} of the missing {} with {condition:?}", brief(&missing)),
                    &Some(ErrorKind::NotFound),
                    &seen,
                )?;
            }
        }
    }
    Ok(())
}

/// What each way of reading comes to: `None` when it passes, and what it returns is right.
async fn every_read(
    store: &dyn StorageProvider,
    key: &Key,
    condition: &ReadCondition,
    content: &Bytes,
) -> Result<Vec<(&'static str, Option<ErrorKind>)>, Failure> {
    let options = reading(condition.clone());
    let slice = GetOptions { range: ByteRange::from(10..20), ..options.clone() };
    let mut seen = Vec::new();
    for (what, options) in [("get", &options), ("get of a range", &slice)] {
        let got = store.get(key, options).await;
        if let Ok(found) = got {
            let range = found.range.start as usize..found.range.end as usize;
            let bytes = ok(what, found.body.collect().await)?;
            same_bytes(format!("{what} of {}", brief(key)), &content[range], &bytes)?;
            seen.push((what, None));
        } else {
            seen.push((what, got.err().map(|error| error.kind())));
        }
    }
    seen.push(("head", store.head(key, &options).await.err().map(|error| error.kind())));
    for (what, ranges) in [
        ("get_ranges of one range", &[ByteRange::from(0..100)][..]),
        ("get_ranges of three", &[(2000..2100).into(), (5..6).into(), ByteRange::suffix(9)]),
    ] {
        let read = store.get_ranges(key, ranges, &options).await;
        seen.push((what, read.err().map(|error| error.kind())));
    }
    Ok(seen)
}

/// Every condition absent, true and false, with every other.
fn combinations(meta: &ObjectMeta, other: &Version) -> Vec<ReadCondition> {
    let versions = [None, Some(meta.version.clone()), Some(other.clone())];
    let whole = UNIX_EPOCH + Duration::from_secs(seconds(meta.modified));
    let second = Duration::from_secs(1);
    let times = [None, Some(whole - second), Some(whole), Some(whole + second)];
    let mut all = Vec::new();
    for if_match in &versions {
        for if_none_match in &versions {
            for if_modified_since in times {
                for if_unmodified_since in times {
                    all.push(ReadCondition {
                        if_match: if_match.clone(),
                        if_none_match: if_none_match.clone(),
                        if_modified_since,
                        if_unmodified_since,
                    });
                }
            }
        }
    }
    all
}

/// RFC 9110 section 13.2.2, step by step; `None` when the read passes.
fn outcome(condition: &ReadCondition, meta: &ObjectMeta) -> Option<ErrorKind> {
    let written = seconds(meta.modified);
    // Steps 1 and 2.
    let precondition = match (&condition.if_match, condition.if_unmodified_since) {
        (Some(version), _) => *version == meta.version,
        (None, Some(time)) => written <= seconds(time),
        (None, None) => true,
    };
    if !precondition {
        return Some(ErrorKind::PreconditionFailed);
    }
    // Steps 3 and 4.
    let is_news = match (&condition.if_none_match, condition.if_modified_since) {
        (Some(version), _) => *version != meta.version,
        (None, Some(time)) => written > seconds(time),
        (None, None) => true,
    };
    if is_news { None } else { Some(ErrorKind::NotModified) }
}

async fn passes(
    store: &dyn StorageProvider,
    key: &Key,
    condition: &ReadCondition,
    meta: &ObjectMeta,
    content: &Bytes,
    situation: &str,
) -> Outcome {
    let situation = format!("{situation} with {condition:?}");
    let found = ok(&situation, store.get(key, &reading(condition.clone())).await)?;
    equal(format!("{situation}: description"), meta, &found.meta)?;
    let bytes = ok(format!("{situation}: body"), found.body.collect().await)?;
    same_bytes(format!("{situation}: content"), content, &bytes)
}

async fn refuses(
    store: &dyn StorageProvider,
    key: &Key,
    condition: &ReadCondition,
    kind: ErrorKind,
) -> Outcome {
    let situation = format!("get of {} with {condition:?}", brief(key));
    let got = store.get(key, &reading(condition.clone())).await;
    fails_with(situation, kind, got).map(drop)
}

fn if_match(version: &Version) -> ReadCondition {
    ReadCondition { if_match: Some(version.clone()), ..Default::default() }
}

fn if_none_match(version: &Version) -> ReadCondition {
    ReadCondition { if_none_match: Some(version.clone()), ..Default::default() }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

//! STO-040 to STO-044: one token for one state, and the time of a write. Conditions that use them are
//! checked in `conditional_writes` and `conditional_reads`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use omni_contracts::storage::{
    Attributes, Capability, CompleteOptions, CopyOptions, DeleteOptions, GetOptions, Key,
    ObjectMeta, PartNumber, PutOptions, ReadCondition, StorageProvider, Version, WriteCondition,
    Written,
};
use omni_contracts::{Body, ErrorKind};
use tokio::sync::Barrier;

use super::inputs::{
    MIB, chunked, description, has_content, head, joined, key, listed, open, payload, put, read,
    same_bytes, streamed,
};
use crate::check::{Failure, check, equal, fails_with, holds, ok};
use crate::{Check, Context, Evidence, Outcome};

pub(crate) const CHECKS: &[Check] = &[
    check!(
        "STO-040",
        versions_agree,
        "Take the version from the stored record everywhere; do not derive it anew for listings."
    ),
    check!(
        "STO-041",
        every_write_has_a_new_version,
        "Neither a hash of the content nor a time nor a counter per handle or per life of the key will do."
    ),
    check!(
        "STO-044",
        other_content_has_another_version,
        "Neither the size nor the time nor a part of the content will do."
    ),
    check!(
        "STO-042",
        foreign_versions_do_not_match,
        "Compare versions as opaque text: never parse, quote, list or treat `*` in them."
    ),
    check!(
        "STO-043",
        modified_is_the_time_of_the_write,
        "Take the time at the write, store it with the object, and never let it go back for a key."
    ),
];

async fn versions_agree(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let mut current: Vec<(Key, Written)> = Vec::new();
    for (number, size) in
        [0, 1, 4096, 65_537, MIB + 1, 5 * MIB + 1, 8 * MIB].into_iter().enumerate()
    {
        let content = payload(number as u64, size);
        let key = key(format!("dir/{size}"));
        let bodies: [(&str, Body); 4] = [
            ("put", content.clone().into()),
            ("put over an object", content.clone().into()),
            ("streamed put", chunked(content.clone(), &[65_536])),
            ("put without length", streamed(content, &[70_001], None)),
        ];
        for (how, body) in bodies {
            let situation = format!("{how} of {size} bytes");
            let options = options_with(how);
            let written = ok(situation.as_str(), store.put(&key, body, &options).await)?;
            version_is(store, &key, &written, &situation).await?;
            current.retain(|(known, _)| *known != key);
            current.push((key.clone(), written));
        }
        let copied = self::key(format!("copies/{size}"));
        let written = store.copy(&key, &copied, &CopyOptions::default()).await;
        let written = ok(format!("copy of {size} bytes"), written)?;
        version_is(store, &copied, &written, &format!("copy of {size} bytes")).await?;
    }
    // Later writes of other keys change nothing.
    for (key, written) in &current {
        version_is(store, key, written, "after writes of other keys").await?;
    }
    if store.capabilities().has(Capability::Multipart) {
        let key = key("dir/multipart");
        let written = multipart(store, &key, payload(1, 1000)).await?;
        version_is(store, &key, &written, "a multipart upload").await?;
    }
    Ok(())
}

fn options_with(text: &str) -> PutOptions {
    let attributes = Attributes {
        metadata: [("how".to_owned(), text.to_owned())].into(),
        ..Attributes::default()
    };
    PutOptions { attributes: attributes.into(), ..PutOptions::default() }
}

async fn multipart(
    store: &dyn StorageProvider,
    key: &Key,
    content: Bytes,
) -> Result<Written, Failure> {
    let upload = store.create_upload(key, &PutOptions::default()).await;
    let upload = ok("create_upload", upload)?;
    let number = ok("a part number", PartNumber::new(1))?;
    let part = store.upload_part(key, &upload, number, content.into()).await;
    let part = ok("upload_part", part)?;
    let options = CompleteOptions::default();
    ok("complete_upload", store.complete_upload(key, &upload, &[part], &options).await)
}

async fn version_is(
    store: &dyn StorageProvider,
    key: &Key,
    written: &Written,
    situation: &str,
) -> Outcome {
    let by_head = ok(format!("{situation}: head"), head(store, key).await)?;
    equal(format!("{situation}: version by head"), &written.version, &by_head.version)?;
    let by_get = ok(format!("{situation}: get"), open(store, key, ..).await)?;
    equal(format!("{situation}: version by get"), &written.version, &by_get.meta.version)?;
    let by_range = ok(format!("{situation}: get of no bytes"), open(store, key, 0..0).await)?;
    equal(
        format!("{situation}: version by get of no bytes"),
        &written.version,
        &by_range.meta.version,
    )?;
    for prefix in [key.as_str(), "dir/", ""] {
        let entries = ok(format!("{situation}: list"), listed(store, prefix).await)?;
        let versions: Vec<_> = entries
            .iter()
            .filter(|entry| entry.key == *key && key.as_str().starts_with(prefix))
            .map(|entry| &entry.version)
            .collect();
        if key.as_str().starts_with(prefix) {
            equal(
                format!("{situation}: versions by list of {prefix:?}"),
                &vec![&written.version],
                &versions,
            )?;
        }
    }
    Ok(())
}

async fn every_write_has_a_new_version(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let target = key("target");
    let source = key("source");
    ok("put", put(&*store, &source, "same").await)?;
    let mut seen = Seen::default();
    for size in cx.some([0, 4, 4097, 70_000, MIB]) {
        let content = payload(1, size);
        let mut last = None;
        for round in 0..if size > 70_000 { 6 } else { 25 } {
            let ways = [0, 0, 1, 2, 3, 0, 4, 5, 6, 0];
            let way = ways[round % ways.len()];
            let (how, result) = match way {
                1 => ("a streamed put", {
                    put(&*store, &target, chunked(content.clone(), &[4096])).await
                }),
                2 => ("a put without length", {
                    put(&*store, &target, streamed(content.clone(), &[9999], None)).await
                }),
                3 => ("a put of other content", put(&*store, &target, payload(2, size)).await),
                4 => ("a put with attributes", {
                    let options = options_with("same bytes");
                    store.put(&target, content.clone().into(), &options).await
                }),
                5 => ("a copy", store.copy(&source, &target, &CopyOptions::default()).await),
                6 => ("a copy onto itself with attributes", {
                    let attributes = Some(options_with(&round.to_string()).attributes);
                    let options = CopyOptions { attributes, ..CopyOptions::default() };
                    store.copy(&target, &target, &options).await
                }),
                _ => ("a put of the same bytes", put(&*store, &target, content.clone()).await),
            };
            let written = ok(how, result)?;
            seen.add(&written.version, how)?;
            last = Some(written);
        }
        if let Some(last) = last {
            let now = ok("head", head(&*store, &target).await)?;
            equal("the version after many writes", &last.version, &now.version)?;
        }
    }
    // More than a counter of one byte can tell apart.
    let many = stream::iter(0..300).map(|_| put(&*store, &target, "x")).buffer_unordered(16);
    for written in many.collect::<Vec<_>>().await {
        let how = "300 puts over one object";
        seen.add(&ok(how, written)?.version, how)?;
    }
    // A key that was deleted remembers nothing, but its versions must not come again.
    for round in 0..cx.rounds(25) {
        ok("delete", store.delete(&target, &DeleteOptions::default()).await)?;
        if round % 5 == 4 {
            // A handle of its own, as another program has it.
            let other = cx.open().await?;
            let meta = ok("put after delete, by a new handle", put(&*other, &target, "x").await)?;
            seen.add(&meta.version, "a put after delete, by a new handle")?;
            ok("delete", other.delete(&target, &DeleteOptions::default()).await)?;
        }
        let body = if round % 2 == 0 { "x".into() } else { chunked("x", &[1]) };
        let meta = ok("put after delete", put(&*store, &target, body).await)?;
        seen.add(&meta.version, "a put after delete")?;
    }
    let results = store.delete_many(std::slice::from_ref(&target)).await;
    for result in results {
        ok("delete_many", result)?;
    }
    let meta = ok("put after delete_many", put(&*store, &target, "x").await)?;
    seen.add(&meta.version, "a put after delete_many")?;
    if store.capabilities().has(Capability::Multipart) {
        for _ in 0..3 {
            let meta = multipart(&*store, &target, Bytes::from_static(b"x")).await?;
            seen.add(&meta.version, "a multipart upload of the same bytes")?;
        }
    }
    concurrent_versions(cx, &store, &target, &mut seen).await
}

async fn concurrent_versions(
    cx: &Context,
    store: &Arc<dyn StorageProvider>,
    target: &Key,
    seen: &mut Seen,
) -> Outcome {
    const WRITERS: usize = 8;
    for _ in 0..cx.rounds(12) {
        let gate = Arc::new(Barrier::new(WRITERS));
        let writers = (0..WRITERS).map(|_| {
            let (store, key, gate) = (Arc::clone(store), target.clone(), Arc::clone(&gate));
            tokio::spawn(async move {
                gate.wait().await;
                Ok(put(&*store, &key, "same").await)
            })
        });
        for result in joined(writers.collect()).await? {
            match result {
                Err(error) if error.is_retryable() => {}
                other => {
                    let how = "one of several concurrent puts of the same bytes";
                    seen.add(&ok(how, other)?.version, how)?;
                }
            }
        }
    }
    Ok(())
}

async fn other_content_has_another_version(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let (target, source) = (key("target"), key("source"));
    let mut owners: HashMap<Version, Bytes> = HashMap::new();
    let mut belongs = |version: &Version, content: &Bytes, how: &str| {
        let owner = owners.entry(version.clone()).or_insert_with(|| content.clone());
        same_bytes(format!("{how}: the content that version {version} is of"), owner, content)
    };
    for size in cx.some([1, 2, 17, 4096, 4097, 70_000]) {
        // Of one size, each with one byte changed: at the beginning, in the middle, at the end.
        for changed in [None, Some(0), Some(size / 2), Some(size - 1)] {
            let mut bytes = payload(1, size).to_vec();
            if let Some(at) = changed {
                bytes[at] ^= 0x55;
            }
            let content = Bytes::from(bytes);
            let written = ok("put", put(store, &target, content.clone()).await)?;
            belongs(&written.version, &content, "put")?;
            let body = streamed(content.clone(), &[999], None);
            let written = ok("put without length", put(store, &target, body).await)?;
            belongs(&written.version, &content, "a put without length")?;
            ok("put", put(store, &source, content.clone()).await)?;
            let copied = store.copy(&source, &target, &CopyOptions::default()).await;
            belongs(&ok("copy", copied)?.version, &content, "a copy")?;
            if store.capabilities().has(Capability::Multipart) {
                let written = multipart(store, &target, content.clone()).await?;
                belongs(&written.version, &content, "a multipart upload")?;
            }
            ok("delete", store.delete(&target, &DeleteOptions::default()).await)?;
        }
    }
    let contents = (0..300).map(|number| Bytes::from(format!("content {number:05}")));
    let many = stream::iter(contents)
        .map(async |content| (put(store, &target, content.clone()).await, content));
    let mut many = std::pin::pin!(many.buffer_unordered(16));
    while let Some((written, content)) = many.next().await {
        let how = "one of 300 puts over one object";
        belongs(&ok(how, written)?.version, &content, how)?;
    }
    Ok(())
}

/// The versions that a key had.
#[derive(Default)]
struct Seen(HashSet<Version>);

impl Seen {
    fn add(&mut self, version: &Version, how: &str) -> Outcome {
        let count = self.0.len();
        holds(
            format!("the version after {how}, write {} of the key", count + 1),
            self.0.insert(version.clone()),
            "a version that the key did not have before",
            version,
        )
    }
}

async fn foreign_versions_do_not_match(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let (source, target, missing) = (key("source"), key("target"), key("missing"));
    let current = ok("put", put(store, &source, "source").await)?.version;
    ok("put", put(store, &target, "target").await)?;
    for text in foreign(current.as_str()) {
        // Not a token at all: the type refuses it.
        let Ok(version) = Version::new(&text) else { continue };
        if version == current {
            continue;
        }
        let shown: String = text.chars().take(60).collect();
        let situation = format!("the foreign version {shown:?}, the current one is {current:?}");
        let copied =
            CopyOptions { source_version: Some(version.clone()), ..CopyOptions::default() };
        fails_with(
            format!("copy with the source version: {situation}"),
            ErrorKind::PreconditionFailed,
            store.copy(&source, &target, &copied).await,
        )?;
        reads(store, &source, &version, &situation).await?;
        writes(store, &source, &missing, &version, &situation).await?;
    }
    let meta = has_content(store, &source, b"source", "after foreign versions").await?;
    equal("the version after foreign versions", &current, &meta.version)?;
    has_content(store, &target, b"target", "after copies with foreign versions").await?;
    let matching = CopyOptions { source_version: Some(current), ..CopyOptions::default() };
    ok("copy with the current version", store.copy(&source, &target, &matching).await)?;
    has_content(store, &target, b"source", "after a copy with the current version").await.map(drop)
}

async fn reads(
    store: &dyn StorageProvider,
    key: &Key,
    version: &Version,
    situation: &str,
) -> Outcome {
    if store.capabilities().has(Capability::ConditionalRead) {
        let condition = ReadCondition { if_match: Some(version.clone()), ..Default::default() };
        let options = GetOptions { condition, ..GetOptions::default() };
        let failed = ErrorKind::PreconditionFailed;
        fails_with(format!("get, if_match: {situation}"), failed, store.get(key, &options).await)?;
        fails_with(
            format!("head, if_match: {situation}"),
            failed,
            store.head(key, &options).await,
        )?;
        let condition =
            ReadCondition { if_none_match: Some(version.clone()), ..Default::default() };
        let options = GetOptions { condition, ..GetOptions::default() };
        let found = store.get(key, &options).await;
        let found = ok(format!("get, if_none_match: {situation}"), found)?;
        let seen = ok("reading the body", found.body.collect().await)?;
        same_bytes(format!("get, if_none_match: {situation}"), b"source", &seen)?;
        let about = store.head(key, &options).await;
        ok(format!("head, if_none_match: {situation}"), about)?;
    }
    if store.capabilities().has(Capability::Versioning) {
        let options = GetOptions { version: Some(version.clone()), ..GetOptions::default() };
        let absent = ErrorKind::NotFound;
        fails_with(format!("get of {situation}"), absent, store.get(key, &options).await)?;
        fails_with(format!("head of {situation}"), absent, store.head(key, &options).await)?;
    }
    Ok(())
}

async fn writes(
    store: &dyn StorageProvider,
    key: &Key,
    missing: &Key,
    version: &Version,
    situation: &str,
) -> Outcome {
    let failed = ErrorKind::PreconditionFailed;
    let condition = WriteCondition::IfMatch(version.clone());
    if store.capabilities().has(Capability::ConditionalUpdate) {
        let options = PutOptions { condition: condition.clone(), ..PutOptions::default() };
        for (key, what) in [(key, "an object"), (missing, "a missing object")] {
            let bodies: [Body; 2] = ["new".into(), chunked("new", &[1])];
            for body in bodies {
                let result = store.put(key, body, &options).await;
                fails_with(format!("put over {what}, if_match: {situation}"), failed, result)?;
            }
        }
    }
    if store.capabilities().has(Capability::ConditionalCopy) {
        let options = CopyOptions { condition, ..CopyOptions::default() };
        let result = store.copy(key, &self::key("target"), &options).await;
        fails_with(format!("copy, if_match: {situation}"), failed, result)?;
    }
    if store.capabilities().has(Capability::ConditionalDelete) {
        let options = DeleteOptions { if_match: Some(version.clone()), ..DeleteOptions::default() };
        for (key, what) in [(key, "an object"), (missing, "a missing object")] {
            let result = store.delete(key, &options).await;
            fails_with(format!("delete of {what}, if_match: {situation}"), failed, result)?;
        }
    }
    if store.capabilities().has(Capability::Versioning) {
        let options = DeleteOptions { version: Some(version.clone()), ..DeleteOptions::default() };
        let result = store.delete(key, &options).await;
        fails_with(format!("delete of {situation}"), ErrorKind::NotFound, result)?;
    }
    Ok(())
}

/// Tokens that no provider made: well known traps, and small changes of a real one.
fn foreign(real: &str) -> Vec<String> {
    let fixed = [
        "*",
        "\"*\"",
        "no-such-version",
        "0",
        "1",
        "-1",
        "00",
        "1.5",
        "null",
        "None",
        "''",
        "\"\"",
        "\"",
        "W/\"a\"",
        "W/",
        "W/*",
        ",",
        "*,*",
        "a, *",
        " ",
        "  ",
        "\u{a0}",
        "../x",
        "/",
        "%",
        "%00",
        "%2A",
        "a\\b",
        "{}",
        "<v/>",
        "\u{e9}",
        "\u{1f600}",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999999999999",
        "1970-01-01T00:00:00Z",
        "d41d8cd98f00b204e9800998ecf8427e",
        "\"d41d8cd98f00b204e9800998ecf8427e\"",
        "a'; DROP TABLE objects; --",
        "$(x)",
        "?",
    ];
    let mut all: Vec<String> = fixed.map(str::to_owned).to_vec();
    all.push("v".repeat(1024));
    all.push("9".repeat(1024));
    all.extend([
        format!("\"{real}\""),
        format!("W/\"{real}\""),
        format!("{real} "),
        format!(" {real}"),
        format!("{real},"),
        format!("{real}, *"),
        format!("{real}, {real}"),
        format!("\"x\", \"{real}\""),
        format!("{real}0"),
        format!("0{real}"),
        format!("{real}-"),
        format!("{real}{real}"),
        real.to_uppercase(),
        real.to_lowercase(),
        real.chars().rev().collect(),
    ]);
    let mut shorter = real.to_owned();
    shorter.pop();
    all.push(shorter);
    all.push(real.chars().skip(1).collect());
    all
}

async fn modified_is_the_time_of_the_write(cx: &Context) -> Outcome {
    /// How far the clock of another machine may be off: more is an error of its own.
    const FOREIGN_CLOCK: Duration = Duration::from_secs(900);
    let store = &*cx.open().await?;
    let precision = store.capabilities().time_precision;
    let tolerance = match cx.subject().evidence() {
        Evidence::Embedded => precision,
        _ => precision + FOREIGN_CLOCK,
    };
    let timed = key("timed");
    for (number, size) in cx.some([0, 10, 70_000, MIB, 8 * MIB]).into_iter().enumerate() {
        for way in 0..4 {
            let key = key(format!("{size}/{way}"));
            let content = payload(number as u64, size);
            let before = SystemTime::now();
            let result = match way {
                0 => put(store, &key, content).await,
                1 => put(store, &key, chunked(content, &[65_536])).await,
                2 => put(store, &key, streamed(content, &[MIB], None)).await,
                _ => {
                    let source = self::key(format!("{size}/0"));
                    store.copy(&source, &key, &CopyOptions::default()).await
                }
            };
            let written = ok("a write", result)?;
            let after = SystemTime::now();
            let meta = description(store, &key, &written).await?;
            let situation = format!("modified of an object of {size} bytes, way {way} of writing");
            holds(
                situation.as_str(),
                meta.modified + tolerance >= before && meta.modified <= after + tolerance,
                format!("between {before:?} and {after:?}, {tolerance:?} more or less"),
                meta.modified,
            )?;
            let (by_get, _) = ok("get", read(store, &key).await)?;
            equal(format!("{situation}, by get"), &meta.modified, &by_get.modified)?;
        }
    }
    let mut last: Option<ObjectMeta> = None;
    for round in 0..cx.rounds(60) {
        let body = match round % 3 {
            0 => "content".into(),
            1 => chunked("content", &[2]),
            _ => Body::empty(),
        };
        if round % 7 == 6 {
            ok("delete", store.delete(&timed, &DeleteOptions::default()).await)?;
            last = None;
        }
        let before = SystemTime::now();
        let written = ok("put", put(store, &timed, body).await)?;
        let after = SystemTime::now();
        let meta = description(store, &timed, &written).await?;
        holds(
            if last.is_some() { "modified after put over an object" } else { "modified after put" },
            meta.modified + tolerance >= before && meta.modified <= after + tolerance,
            format!("between {before:?} and {after:?}, {tolerance:?} more or less"),
            meta.modified,
        )?;
        if let Some(last) = &last {
            not_before(last, &meta)?;
        }
        last = Some(meta);
    }
    // Longer than the precision, by any clock: the second write must be seen to be later, the first
    // one's time must not have moved.
    let first = ok("put", put(store, &timed, "first").await)?;
    let started = Instant::now();
    let first = description(store, &timed, &first).await?;
    tokio::time::sleep(precision * 3 + Duration::from_millis(5)).await;
    let about = ok("head", head(store, &timed).await)?;
    equal("modified of an object that rested", &first.modified, &about.modified)?;
    let entries = ok("list", listed(store, "timed").await)?;
    let times: Vec<_> = entries.iter().map(|entry| entry.modified).collect();
    equal("modified by list of an object that rested", &vec![first.modified], &times)?;
    let rested = started.elapsed();
    let second = ok("put over an object", put(store, &timed, "second").await)?;
    let second = description(store, &timed, &second).await?;
    not_before(&first, &second)?;
    let between = second.modified.duration_since(first.modified).unwrap_or_default();
    holds(
        format!("modified of two writes that are at least {rested:?} apart"),
        between + precision * 2 >= rested,
        format!("as far apart, {precision:?} more or less at both ends"),
        between,
    )
}

fn not_before(earlier: &ObjectMeta, later: &ObjectMeta) -> Outcome {
    holds(
        "modified of an object that was overwritten",
        later.modified >= earlier.modified,
        format!("not before {:?}, that of its predecessor", earlier.modified),
        later.modified,
    )
}

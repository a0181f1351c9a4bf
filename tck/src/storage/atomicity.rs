//! STO-020 to STO-027: a put is one moment, or it is nothing. The races are run here; histories of
//! concurrent operations are checked in `consistency`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use omni_contracts::storage::{
    Attributes, Capability, CopyOptions, Crc32c, Key, ListRequest, ObjectMeta, Prefix, PutOptions,
    StorageProvider, WriteCondition, Written, list_all,
};
use omni_contracts::{Body, Error, ErrorKind, Result};
use tokio::sync::Barrier;
use tokio::task::{JoinHandle, yield_now};

use super::inputs::{
    KIB, MIB, MakeBody, chunked, cut_short, description, failing_after, has_content, has_no_object,
    head, in_time, joined, key, listed, long, open, payload, pending, put, read, same_bytes, short,
    stamped, streamed,
};
use super::read_duels::reads_meet_overwrites;
use crate::check::{Failure, check, equal, fails_with, holds, ok};
use crate::{Check, Context, Outcome};

pub(crate) const CHECKS: &[Check] = &[
    check!(
        "STO-020",
        reads_are_never_torn,
        "Write the new content beside the old one and switch with one rename, swap or commit."
    ),
    check!(
        "STO-021",
        overwriting_never_hides_the_object,
        "Replace in one step: neither delete first, nor re-index content and name separately."
    ),
    check!(
        "STO-022",
        one_writer_wins_as_a_whole,
        "Publish content and attributes together; give concurrent writers separate temporary places."
    ),
    check!(
        "STO-023",
        a_failing_source_stores_nothing,
        "Publish only after the source has ended without error; look at errors after the last byte."
    ),
    check!(
        "STO-024",
        a_wrong_length_stores_nothing,
        "Read the source to its end and compare with the stated length before publishing."
    ),
    check!(
        "STO-025",
        a_dropped_put_is_whole_or_nothing,
        "Publish as the last step, and clean up when the future is dropped at any await."
    ),
    check!(
        "STO-026",
        nothing_is_visible_before_the_end,
        "Collect the content out of sight, and hold no lock while waiting for the source."
    ),
    check!(
        "STO-027",
        a_wrong_checksum_stores_nothing,
        "Compare the stated checksum with that of the received bytes, on every path, before publishing."
    ),
];

/// Sizes and for each the number of overwrites: enough to meet a window of microseconds.
const OVERWRITES: &[(usize, usize)] =
    &[(0, 100), (1, 100), (4096, 120), (70 * KIB, 70), (MIB, 12), (4 * MIB, 5), (8 * MIB, 5)];

fn body(form: usize, content: &Bytes) -> Body {
    match form % 3 {
        0 => content.clone().into(),
        1 => chunked(content.clone(), &[content.len() / 3 + 1]),
        _ => streamed(content.clone(), &[65_537], None),
    }
}

/// Runs `writing` while `readers` read, then tells them to end. Each reader looks at `over` between
/// two reads.
async fn beside<T>(
    readers: Vec<JoinHandle<std::result::Result<T, Failure>>>,
    over: &AtomicBool,
    writing: impl Future<Output = Outcome>,
) -> std::result::Result<Vec<T>, Failure> {
    let written = writing.await;
    over.store(true, Ordering::Release);
    let read = joined(readers).await;
    written.and(read)
}

async fn reads_are_never_torn(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    for (number, (size, rounds)) in cx.some(OVERWRITES.iter().copied()).into_iter().enumerate() {
        let key = key(format!("torn/{size}"));
        // Lengths differ from each second write to the next, so that a mixture shows by its length as
        // well; two are the same, so that a mixture that keeps the length shows by its bytes.
        let contents: Arc<Vec<Bytes>> = (0..rounds)
            .map(|round| stamped(round as u64 + 1, [size, size + 3, size / 2 + 9][round / 2 % 3]))
            .collect::<Vec<_>>()
            .into();
        ok("put", put(&*store, &key, contents[0].clone()).await)?;
        let over = Arc::new(AtomicBool::new(false));
        let readers = (0..3).map(|slow| {
            let (store, key, contents) = (Arc::clone(&store), key.clone(), Arc::clone(&contents));
            let over = Arc::clone(&over);
            tokio::spawn(async move {
                let mut whole = 0_usize;
                while !over.load(Ordering::Acquire) {
                    whole += usize::from(one_read(&*store, &key, &contents, slow == 0).await?);
                    yield_now().await;
                }
                Ok(whole)
            })
        });
        let writing = async {
            for (round, content) in contents.iter().enumerate().skip(1) {
                let written = put(&*store, &key, body(round + number, content)).await;
                ok(format!("put of {} bytes over an object", content.len()), written)?;
                yield_now().await;
            }
            Ok(())
        };
        let read = beside(readers.collect(), &over, writing).await?;
        holds(
            format!("gets while an object of {size} bytes is overwritten {rounds} times"),
            read.iter().sum::<usize>() > 0,
            "some succeed",
            read,
        )?;
        let last = &contents[contents.len() - 1];
        has_content(&*store, &key, last, "after the last of many overwrites").await?;
    }
    reads_meet_overwrites(cx, &store).await
}

/// One get beside a writer: all of one content, or an honest failure of a body that was overtaken.
async fn one_read(
    store: &dyn StorageProvider,
    key: &Key,
    contents: &[Bytes],
    slow: bool,
) -> std::result::Result<bool, Failure> {
    let situation = "get while the object is overwritten";
    let mut found = ok(situation, open(store, key, ..).await)?;
    let seen = if slow {
        let mut seen = Vec::new();
        loop {
            match found.body.next().await.transpose() {
                Ok(Some(chunk)) => seen.extend_from_slice(&chunk),
                Ok(None) => break Ok(Bytes::from(seen)),
                Err(error) => break Err(error),
            }
            yield_now().await;
        }
    } else {
        found.body.collect().await
    };
    let seen = match seen {
        // STO-052: a body whose object was replaced may fail instead.
        Err(error) if overtaken(&error) => return Ok(false),
        other => ok(format!("{situation}: reading the body"), other)?,
    };
    equal(format!("{situation}: size by get"), &(seen.len() as u64), &found.meta.size)?;
    if let Some(checksum) = found.meta.checksum.filter(|_| seen.len() < MIB) {
        equal(format!("{situation}: checksum by get"), &Crc32c::of(&seen), &checksum)?;
    }
    if contents.contains(&seen) {
        return Ok(true);
    }
    Err(Failure::new(
        situation,
        "all of one of the contents that were put, each of 8-byte stamps of its number",
        format!("{} bytes: {}", seen.len(), mixture(&seen)),
    ))
}

pub(crate) fn overtaken(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Conflict | ErrorKind::PreconditionFailed)
}

/// Which stamps are in a content, in order.
pub(crate) fn mixture(bytes: &[u8]) -> String {
    const SHOWN: usize = 6;
    let mut runs: Vec<(u64, usize)> = Vec::new();
    for stamp in bytes.chunks_exact(8) {
        let stamp = stamp.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte));
        if let Some((last, length)) = runs.last_mut()
            && *last == stamp
        {
            *length += 8;
        } else if runs.len() > SHOWN {
            break;
        } else {
            runs.push((stamp, 8));
        }
    }
    let shown = runs.iter().take(SHOWN).map(|(stamp, length)| format!("{length} of {stamp:#x}"));
    let shown = shown.collect::<Vec<_>>().join(", then ");
    if runs.len() > SHOWN { format!("{shown}, ...") } else { shown }
}

async fn overwriting_never_hides_the_object(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    for sibling in 0..5 {
        ok("put", put(&*store, &key(format!("dir/{sibling}")), "sibling").await)?;
    }
    let source = key("source");
    for (size, rounds) in
        cx.some([(0, 60), (1, 60), (4097, 60), (70 * KIB, 40), (MIB, 9), (8 * MIB, 6)])
    {
        let key = key(format!("dir/2/{size}"));
        ok("put", put(&*store, &key, payload(0, size)).await)?;
        ok("put", put(&*store, &source, payload(1, size)).await)?;
        ok("list", listed(&*store, "").await)?;
        let over = Arc::new(AtomicBool::new(false));
        let watchers = (0..3).map(|way| {
            let (store, key, over) = (Arc::clone(&store), key.clone(), Arc::clone(&over));
            tokio::spawn(async move {
                while !over.load(Ordering::Acquire) {
                    is_there(&*store, &key, way).await?;
                    yield_now().await;
                }
                Ok(())
            })
        });
        let writing = async {
            for round in 0..rounds {
                if round % 4 == 3 {
                    let copied = store.copy(&source, &key, &CopyOptions::default()).await;
                    ok("copy over an object", copied)?;
                } else {
                    let content = payload(round as u64, size + round % 2);
                    let written = put(&*store, &key, body(round, &content)).await;
                    ok("put over an object", written)?;
                }
                yield_now().await;
            }
            Ok(())
        };
        beside(watchers.collect(), &over, writing).await?;
    }
    Ok(())
}

async fn is_there(store: &dyn StorageProvider, key: &Key, way: usize) -> Outcome {
    match way {
        0 => ok("get while the object is overwritten", open(store, key, ..).await).map(drop),
        1 => ok("head while the object is overwritten", head(store, key).await).map(drop),
        _ => {
            let mut request = ListRequest::prefix(ok("a prefix", Prefix::new("dir/"))?);
            // Pages end at different keys, and once none does.
            for limit in [Some(1), Some(2), Some(4), None] {
                request.limit = limit;
                let entries = list_all(store, request.clone()).try_collect::<Vec<_>>().await;
                let entries = ok("list while an object is overwritten", entries)?;
                let times = entries.iter().filter(|entry| entry.name() == key.as_str()).count();
                equal(
                    format!("times that list, pages of {limit:?}, shows the overwritten object"),
                    &1,
                    &times,
                )?;
            }
            Ok(())
        }
    }
}

async fn one_writer_wins_as_a_whole(cx: &Context) -> Outcome {
    const WRITERS: usize = 8;
    let store = cx.open().await?;
    let plan = [(0, 6), (1, 25), (4096, 30), (70 * KIB, 15), (MIB, 4), (8 * MIB, 2)];
    for (size, rounds) in cx.some(plan) {
        for round in 0..rounds {
            let key = key(format!("won/{size}/{}", round / 2));
            let gate = Arc::new(Barrier::new(WRITERS));
            let writers = (0..WRITERS).map(|writer| {
                let (store, key, gate) = (Arc::clone(&store), key.clone(), Arc::clone(&gate));
                tokio::spawn(async move {
                    let content = content_of(writer, size);
                    let options = options_of(writer);
                    let body = body(writer + round, &content);
                    gate.wait().await;
                    Ok(store.put(&key, body, &options).await)
                })
            });
            let results = joined(writers.collect()).await?;
            one_of(&*store, &key, size, &results).await?;
        }
    }
    Ok(())
}

/// No two are equal, for equal contents may have equal versions, and few have the same length.
fn content_of(writer: usize, size: usize) -> Bytes {
    stamped(writer as u64 + 1, size + writer.div_ceil(4) * 5)
}

fn options_of(writer: usize) -> PutOptions {
    let attributes = Attributes {
        content_type: Some(format!("writer/{writer}")),
        metadata: [("writer".to_owned(), writer.to_string())].into(),
        ..Attributes::default()
    };
    PutOptions { attributes: attributes.into(), ..PutOptions::default() }
}

/// Expects the object to be that of exactly one writer, by everything that can be seen of it.
async fn one_of(
    store: &dyn StorageProvider,
    key: &Key,
    size: usize,
    results: &[Result<Written>],
) -> Outcome {
    let situation = format!("after {} concurrent puts of about {size} bytes", results.len());
    for result in results {
        if let Err(error) = result
            && !error.is_retryable()
        {
            let seen = format!("error: {error}");
            return Err(Failure::new("concurrent puts", "success of each", seen));
        }
    }
    let (meta, seen) = ok(format!("{situation}: get"), read(store, key).await)?;
    let by_version: Vec<usize> = results
        .iter()
        .enumerate()
        .filter(|(_, result)| result.as_ref().is_ok_and(|stored| stored.version == meta.version))
        .map(|(writer, _)| writer)
        .collect();
    let [winner] = by_version[..] else {
        return Err(Failure::new(
            situation,
            "the version that exactly one of the puts returned",
            format!("{:?}, returned by the writers {by_version:?}", meta.version),
        ));
    };
    let expected = content_of(winner, size);
    if expected != seen {
        return Err(Failure::new(
            format!("{situation}: the content, by its version that of writer {winner}"),
            format!("{} bytes: {}", expected.len(), mixture(&expected)),
            format!("{} bytes: {}", seen.len(), mixture(&seen)),
        ));
    }
    equal(
        format!("{situation}: attributes, by the version those of writer {winner}"),
        &options_of(winner).attributes,
        &meta.attributes,
    )?;
    let about = ok(format!("{situation}: head"), head(store, key).await)?;
    equal(format!("{situation}: head against get"), &meta, &about)?;
    let entries = ok(format!("{situation}: list"), listed(store, key.as_str()).await)?;
    let entries: Vec<_> = entries
        .iter()
        .filter(|entry| entry.key == *key)
        .map(|entry| (entry.size, &entry.version))
        .collect();
    equal(format!("{situation}: list"), &vec![(meta.size, &meta.version)], &entries)
}

/// What was stored under a key before a put that must fail.
struct Before {
    key: Key,
    stored: Option<(ObjectMeta, Bytes)>,
}

impl Before {
    async fn nothing(key: Key) -> Self {
        Self { key, stored: None }
    }

    async fn object(
        store: &dyn StorageProvider,
        key: Key,
        content: Bytes,
    ) -> std::result::Result<Self, Failure> {
        let options = options_of(7);
        let written = ok("put", store.put(&key, content.clone().into(), &options).await)?;
        let meta = description(store, &key, &written).await?;
        equal("attributes by head after put", &options.attributes, &meta.attributes)?;
        Ok(Self { key, stored: Some((meta, content)) })
    }

    /// Expects everything to be as it was.
    async fn remains(&self, store: &dyn StorageProvider, situation: &str) -> Outcome {
        let entries = match &self.stored {
            None => {
                has_no_object(store, &self.key, situation).await?;
                Vec::new()
            }
            Some((meta, content)) => {
                let (seen, bytes) = ok(format!("{situation}: get"), read(store, &self.key).await)?;
                same_bytes(format!("{situation}: the previous content"), content, &bytes)?;
                equal(format!("{situation}: the previous description by get"), meta, &seen)?;
                let seen = ok(format!("{situation}: head"), head(store, &self.key).await)?;
                equal(format!("{situation}: the previous description by head"), meta, &seen)?;
                vec![(self.key.clone(), meta.size, meta.version.clone())]
            }
        };
        let seen = ok(format!("{situation}: list"), listed(store, "").await)?;
        let seen = seen.into_iter().map(|entry| (entry.key, entry.size, entry.version)).collect();
        equal(format!("{situation}: list of the whole store"), &entries, &seen)
    }

    /// Expects that the key can be written as before, then clears it.
    async fn works(&self, store: &dyn StorageProvider, situation: &str) -> Outcome {
        let create = store.capabilities().has(Capability::ConditionalCreate);
        let condition = match (&self.stored, create) {
            (None, true) => WriteCondition::IfAbsent,
            _ => WriteCondition::Always,
        };
        let options = PutOptions { condition, ..PutOptions::default() };
        let written = store.put(&self.key, "as it should be".into(), &options).await;
        ok(format!("{situation}: the next put"), written)?;
        has_content(store, &self.key, b"as it should be", situation).await?;
        let deleted = store.delete(&self.key, &Default::default()).await;
        ok(format!("{situation}: delete"), deleted).map(drop)
    }
}

/// Runs `body` as a put that must fail, on a free key and over objects, and expects no trace of it.
async fn fails_without_trace(
    store: &dyn StorageProvider,
    situation: &str,
    options: &PutOptions,
    kind: Option<ErrorKind>,
    body: impl Fn() -> Body,
) -> Outcome {
    let key = key("target/of put");
    for previous in [None, Some(9000)] {
        let (before, situation) = match previous {
            None => (Before::nothing(key.clone()).await, format!("{situation}, on a free key")),
            Some(size) => {
                let content = payload(size as u64, size);
                let before = Before::object(store, key.clone(), content).await?;
                (before, format!("{situation}, over an object of {size} bytes"))
            }
        };
        let result = store.put(&key, body(), options).await;
        match kind {
            Some(kind) => drop(fails_with(situation.as_str(), kind, result)?),
            None => holds(situation.as_str(), result.is_err(), "an error", &result)?,
        }
        before.remains(store, &situation).await?;
        before.works(store, &situation).await?;
    }
    Ok(())
}

async fn a_failing_source_stores_nothing(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let options = PutOptions::default();
    let plan: &[(usize, &[usize])] = &[
        (0, &[1]),
        (1, &[1]),
        (10, &[3, 0]),
        (4096, &[4096]),
        (70 * KIB, &[1000]),
        (65_536, &[65_536]),
        (MIB, &[65_537]),
        (5 * MIB + 1, &[MIB]),
        (8 * MIB, &[5 * MIB]),
    ];
    for (size, chunks) in cx.some(plan) {
        let content = payload(3, *size);
        let lengths =
            [None, Some(*size as u64), Some(*size as u64 + 1), Some(*size as u64 * 2 + 9)];
        for (number, length) in lengths.into_iter().enumerate() {
            if *size > 2 * MIB && number > 1 {
                continue;
            }
            let situation =
                format!("put of a stream that fails after {size} bytes, stated length {length:?}");
            fails_without_trace(store, &situation, &options, None, || {
                failing_after(content.clone(), chunks, length)
            })
            .await?;
        }
    }
    Ok(())
}

async fn a_wrong_length_stores_nothing(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let options = PutOptions::default();
    let plan: &[(usize, u64)] = &[
        (0, 1),
        (0, 70_000),
        (1, 1),
        (10, 3),
        (4096, 1),
        (4097, 1),
        (65_536, 1),
        (70 * KIB, 65_536),
        (MIB, 1),
        (MIB + 1, MIB as u64),
        (5 * MIB + 1, 1),
        (8 * MIB, 8),
    ];
    for (size, by) in cx.some(plan) {
        let content = payload(4, *size);
        let chunkings: [&[usize]; 3] =
            [&[], &[size - (*by as usize).min(*size), *by as usize], &[4096]];
        for chunks in chunkings.into_iter().take(if *size > 2 * MIB { 2 } else { 3 }) {
            let situation = |what| {
                format!("put of a stream of {size} bytes that {what} by {by}, chunks of {chunks:?}")
            };
            let what = situation("ends before its stated length");
            fails_without_trace(store, &what, &options, None, || {
                short(content.clone(), chunks, *by)
            })
            .await?;
            if *size as u64 >= *by {
                let what = situation("goes on after its stated length");
                fails_without_trace(store, &what, &options, None, || {
                    long(content.clone(), chunks, *by)
                })
                .await?;
            }
        }
    }
    Ok(())
}

async fn a_dropped_put_is_whole_or_nothing(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let mut polls: Vec<usize> = (1..=24).collect();
    polls.extend([30, 40, 60, 90, 150]);
    for (form, size) in
        cx.some([(0, 0), (0, 5000), (0, MIB), (1, 70 * KIB), (2, 70 * KIB), (1, 3 * MIB)])
    {
        let chunk = size / 20 + 1;
        for at in polls.iter().copied().filter(|at| form > 0 || *at < 12) {
            for previous in [None, Some(payload(1, 9000))] {
                let key = key(format!("dropped/{form}-{size}/{at}-{}", previous.is_some()));
                if let Some(previous) = &previous {
                    ok("put", put(store, &key, previous.clone()).await)?;
                }
                let content = payload(2, size);
                let body = match form {
                    0 => content.clone().into(),
                    1 => chunked(content.clone(), &[chunk]),
                    _ => streamed(content.clone(), &[chunk], None),
                };
                let result = cut_short(put(store, &key, body), at).await;
                let situation = format!("a put of {size} bytes that was dropped at await {at}");
                let mut allowed = vec![Some(content.clone())];
                match result {
                    None => allowed.push(previous),
                    Some(result) => drop(ok("put", result)?),
                }
                is_one_of(store, &key, &allowed, &situation).await?;
                // The key is not blocked, and the store still writes.
                ok(format!("{situation}: the next put"), put(store, &key, "next").await)?;
                allowed.push(Some(Bytes::from_static(b"next")));
                is_one_of(store, &key, &allowed[..], &situation).await?;
            }
        }
    }
    Ok(())
}

/// Expects one of the states, by get, head and a listing of everything nearby. A put that was dropped
/// may still be arriving, so that each is asked for itself.
async fn is_one_of(
    store: &dyn StorageProvider,
    key: &Key,
    allowed: &[Option<Bytes>],
    situation: &str,
) -> Outcome {
    let sizes: Vec<Option<usize>> =
        allowed.iter().map(|content| content.as_ref().map(Bytes::len)).collect();
    let seen = match read(store, key).await {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        other => Some(ok(format!("{situation}: get"), other)?.1),
    };
    holds(
        format!("{situation}: content by get"),
        allowed.contains(&seen),
        format!("all of the new or the previous state; their sizes are {sizes:?}"),
        seen.as_ref().map(|bytes| (bytes.len(), bytes.slice(..bytes.len().min(16)))),
    )?;
    let size = match head(store, key).await {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        other => Some(ok(format!("{situation}: head"), other)?.size as usize),
    };
    holds(
        format!("{situation}: size by head"),
        sizes.contains(&size),
        format!("one of {sizes:?}"),
        size,
    )?;
    let entries = ok(format!("{situation}: list"), listed(store, "dropped/").await)?;
    let foreign: Vec<_> = entries
        .iter()
        .filter(|entry| {
            let ours = entry.key == *key && sizes.contains(&Some(entry.size as usize));
            // Other rounds' keys have two names below the folder; anything else is internal.
            let earlier = entry.key != *key && entry.key.as_str().split('/').count() == 3;
            !ours && !earlier
        })
        .collect();
    holds(
        format!("{situation}: list"),
        foreign.is_empty(),
        "only objects that were put, as they were put",
        foreign,
    )
}

async fn nothing_is_visible_before_the_end(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let plan =
        [(0, 10), (1, 1), (10, 0), (5000, 70_000), (65_537, 1), (MIB, MIB), (6 * MIB, 2 * MIB)];
    for (first, rest) in cx.some(plan) {
        for previous in [None, Some(0), Some(20_000)] {
            for length in [None, Some((first + rest) as u64)] {
                let content = payload(first as u64, first + rest);
                let situation = format!(
                    "a put of {} bytes that waits after {first}, length stated: {}, over {previous:?}",
                    content.len(),
                    length.is_some(),
                );
                let key = key("awaited/object");
                let before = match previous {
                    None => Before::nothing(key.clone()).await,
                    Some(size) => Before::object(&*store, key.clone(), payload(5, size)).await?,
                };
                let (gate, body) = pending(content.slice(..first), content.slice(first..), length);
                let mut writer = {
                    let (store, key) = (Arc::clone(&store), key.clone());
                    tokio::spawn(async move { put(&*store, &key, body).await })
                };
                let halfway = async {
                    tokio::select! {
                        () = gate.reached() => Ok(()),
                        early = &mut writer => Err(Failure::new(
                            situation.as_str(),
                            "the source is read to its end before the put returns",
                            format!("it returned {early:?}"),
                        )),
                    }
                };
                in_time(format!("{situation}: reading the source"), halfway).await??;
                // Gives a provider that works in tasks of its own the time to show what it should not.
                for _ in 0..cx.rounds(10) {
                    yield_now().await;
                }
                let seen = in_time(situation.as_str(), before.remains(&*store, &situation)).await;
                let other = "another key, meanwhile";
                let elsewhere = in_time(other, put(&*store, &self::key("other"), "x")).await;
                gate.open();
                let written = in_time(format!("{situation}: its end"), writer).await?;
                seen??;
                ok(other, elsewhere?)?;
                let written = written.map_err(|panic| {
                    Failure::new(situation.as_str(), "an answer", panic.to_string())
                })?;
                let written = ok(situation.as_str(), written)?;
                let situation = format!("after {situation}");
                let seen = has_content(&*store, &key, &content, &situation).await?;
                equal(situation.as_str(), &written, &seen.written())?;
                for entry in ok("list", listed(&*store, "").await)? {
                    ok("delete", store.delete(&entry.key, &Default::default()).await)?;
                }
            }
        }
    }
    Ok(())
}

async fn a_wrong_checksum_stores_nothing(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    for (number, size) in
        [0, 1, 10, 4096, 65_537, MIB + 1, 5 * MIB + 1, 8 * MIB].into_iter().enumerate()
    {
        let content = payload(number as u64 + 1, size);
        let right = Crc32c::of(&content);
        let wrong = [
            Crc32c::from_u32(right.to_u32() ^ 1),
            Crc32c::from_u32(right.to_u32() ^ 0x8000_0000),
            Crc32c::from_u32(right.to_u32().swap_bytes()),
            Crc32c::from_u32(!right.to_u32()),
            Crc32c::of(&content[..size / 2]),
            Crc32c::from_u32(0),
        ];
        let bodies: [(&str, MakeBody); 3] = [
            ("bytes", Body::from),
            ("a stream", |content| chunked(content, &[65_536])),
            ("a stream without length", |content| streamed(content, &[70_001, 3], None)),
        ];
        for (how, body) in bodies {
            for (nth, wrong) in wrong.into_iter().enumerate() {
                // All of them at two sizes, one at the large ones: they take time.
                let every = size == 10 || size == 4096;
                let usual = nth == 0 || (wrong.to_u32() == 0 && size < 2 * MIB);
                if wrong == right || !(every || usual) {
                    continue;
                }
                let options = PutOptions { checksum: Some(wrong), ..PutOptions::default() };
                let situation =
                    format!("put of {how}, {size} bytes, with checksum {wrong} instead of {right}");
                let kind = Some(ErrorKind::Corrupt);
                fails_without_trace(store, &situation, &options, kind, || body(content.clone()))
                    .await?;
            }
            let options = PutOptions { checksum: Some(right), ..PutOptions::default() };
            let key = key("right");
            let situation = format!("put of {how}, {size} bytes, with its checksum");
            ok(situation.as_str(), store.put(&key, body(content.clone()), &options).await)?;
            has_content(store, &key, &content, &situation).await?;
            ok("delete", store.delete(&key, &Default::default()).await)?;
        }
    }
    Ok(())
}

//! STO-045 to STO-054: long contents, and bodies whose object changes while they are read.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use omni_contracts::storage::{
    ByteRange, Capability, CompleteOptions, CopyOptions, Crc32c, DeleteOptions, GetOptions,
    GetResult, Key, PartNumber, PutOptions, StorageProvider, Written,
};
use omni_contracts::{Body, ErrorKind, Result};
use rand::RngExt;
use tokio::task::yield_now;

use super::inputs::{
    KIB, LARGE_SIZES, MIB, MakeBody, SMALL_SIZES, brief, chunked, description, has_content,
    has_no_object, head, in_time, joined, key, listed, open, payload, put, read, same_bytes,
    stamped, streamed,
};
use crate::check::{Failure, check, equal, fails_with, holds, ok};
use crate::{Check, Context, Damage, Outcome};

pub(crate) const CHECKS: &[Check] = &[
    check!(
        "STO-045",
        streams_without_length_are_stored,
        "Look at the last, partly filled buffer or part, and at streams that end at its border."
    ),
    check!(
        "STO-046",
        large_contents_come_back,
        "Look for buffers that are reused too early, and parts in the wrong order."
    ),
    check!(
        "STO-047",
        parallel_ranges_are_the_whole,
        "Give every read a file position or request of its own."
    ),
    check!(
        "STO-048",
        bodies_are_as_long_as_they_say,
        "Turn an end before the promised length into an error, wherever the bytes come from."
    ),
    check!(
        "STO-049",
        the_largest_size_holds,
        "Count streamed bytes against the limit, and publish nothing above it."
    ),
    check!(
        "STO-050",
        checksums_are_of_the_whole_content,
        "Compute CRC-32C over all bytes in order; combine those of parts, do not hash hashes."
    ),
    check!(
        "STO-051",
        damaged_content_is_told,
        "Verify full reads against the stored checksum before yielding the last chunk."
    ),
    check!(
        "STO-052",
        a_reader_keeps_its_version,
        "Hold the version's file or buffer open, or pin every request to the version."
    ),
    check!(
        "STO-053",
        a_reader_survives_a_delete,
        "Hold the version's file or buffer open, or fail; an early end is never an end."
    ),
    check!(
        "STO-054",
        dropped_readers_do_no_harm,
        "Release files, locks and pooled connections when a body is dropped."
    ),
];

async fn streams_without_length_are_stored(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let chunkings: [&[usize]; 8] =
        [&[4096], &[65_536], &[8192, 0, 1], &[65_537], &[MIB], &[5 * MIB], &[], &[333, 77_777]];
    for (number, size) in
        cx.some(SMALL_SIZES.iter().chain(LARGE_SIZES).copied()).into_iter().enumerate()
    {
        let content = payload(number as u64, size);
        // Two chunkings each, different ones from size to size; small sizes also byte by byte.
        let bytewise: &[usize] = if size <= 1025 { &[1] } else { &[100_000] };
        for chunks in [chunkings[number % 8], chunkings[(number + 3) % 8], bytewise] {
            if size > 2 * MIB && chunks == bytewise {
                continue;
            }
            let key = key(format!("size/{size}"));
            let situation =
                format!("put of {size} bytes in chunks of {chunks:?}, no length stated");
            let meta = put(store, &key, streamed(content.clone(), chunks, None)).await;
            let meta = ok(situation.as_str(), meta)?;
            equal(format!("{situation}: size"), &(size as u64), &meta.size)?;
            has_content(store, &key, &content, &situation).await?;
        }
    }
    Ok(())
}

async fn large_contents_come_back(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let limit = store.capabilities().limits.max_object_size.unwrap_or(u64::MAX);
    for (number, size) in cx.some([24 * MIB + 12_345, 16 * MIB]).into_iter().enumerate() {
        let size = (size as u64).min(limit) as usize;
        let content = payload(number as u64, size);
        let length = (number == 0).then_some(size as u64);
        let key = key(format!("large/{number}"));
        let body = streamed(content.clone(), &[65_536, 3 * MIB + 1, 100_000, 1], length);
        let situation = format!("a content of {size} bytes, put and read as a stream");
        ok(situation.as_str(), put(store, &key, body).await)?;
        let mut found = ok(situation.as_str(), open(store, &key, ..).await)?;
        let mut at = 0;
        while let Some(chunk) = found.body.next().await {
            let chunk = ok(format!("{situation}: reading on at byte {at}"), chunk)?;
            let expected = content.get(at..at + chunk.len()).unwrap_or_default();
            same_bytes(format!("{situation}: the chunk at byte {at}"), expected, &chunk)?;
            at += chunk.len();
        }
        equal(format!("{situation}: bytes read"), &size, &at)?;
    }
    Ok(())
}

async fn parallel_ranges_are_the_whole(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let mut rng = cx.rng("borders");
    for (number, (size, pieces)) in
        [(10, 4), (65_537, 16), (MIB + 1, 16), (8 * MIB + 1, 16), (8 * MIB + 1, 3)]
            .into_iter()
            .enumerate()
    {
        let key = key(format!("parallel/{number}"));
        let content = payload(number as u64, size);
        ok("put", put(&*store, &key, chunked(content.clone(), &[65_536])).await)?;
        let mut borders: Vec<u64> =
            (1..pieces).map(|_| rng.random_range(0..=size as u64)).collect();
        borders.extend([0, size as u64]);
        borders.sort_unstable();
        for _ in 0..if size > 2 * MIB { 2 } else { 8 } {
            let readers = borders.windows(2).map(|pair| {
                let (store, key) = (Arc::clone(&store), key.clone());
                let range = pair[0]..pair[1];
                tokio::spawn(async move {
                    let situation = format!("one of {pieces} concurrent gets, range {range:?}");
                    let found = ok(situation.as_str(), open(&*store, &key, range).await)?;
                    slowly(found.body, &situation).await
                })
            });
            let parts = joined(readers.collect()).await?;
            let whole: Bytes = parts.concat().into();
            let situation = format!("{pieces} concurrent ranges of {size} bytes, joined");
            same_bytes(situation, &content, &whole)?;
        }
        let (_, plain) = ok("get", read(&*store, &key).await)?;
        same_bytes("a plain get after concurrent ranges", &content, &plain)?;
    }
    Ok(())
}

/// Reads chunk by chunk and lets others run in between.
async fn slowly(mut body: Body, situation: &str) -> std::result::Result<Bytes, Failure> {
    let mut all = Vec::new();
    while let Some(chunk) = body.next().await {
        all.extend_from_slice(&ok(format!("{situation}: reading the body"), chunk)?);
        yield_now().await;
    }
    Ok(all.into())
}

async fn bodies_are_as_long_as_they_say(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    for (number, size) in
        [0, 1, 4095, 4096, 4097, 65_535, 65_536, 65_537, MIB, 5 * MIB, 8 * MIB, 8 * MIB + 1]
            .into_iter()
            .enumerate()
    {
        let key = key(format!("size/{size}"));
        let content = payload(number as u64, size);
        ok("put", put(store, &key, chunked(content, &[MIB, 1])).await)?;
        let size = size as u64;
        let mut ranges: Vec<ByteRange> = vec![
            (..).into(),
            (0..size).into(),
            (0..size + 1).into(),
            (size / 2..).into(),
            ByteRange::suffix(size / 3 + 1),
            (size / 3..size - size / 4).into(),
            (size..).into(),
        ];
        for edge in [4096, 65_536, 1 << 20] {
            if edge < size {
                ranges.extend::<[ByteRange; 3]>([
                    (0..edge).into(),
                    (0..edge + 1).into(),
                    (edge - 1..).into(),
                ]);
            }
        }
        for range in ranges {
            let situation = format!("get of range {range} of {size} bytes");
            let mut found = ok(situation.as_str(), open(store, &key, range).await)?;
            let exact = ok("resolving the range", range.resolve(size))?;
            equal(format!("{situation}: the range it states"), &exact, &found.range)?;
            let promised = found.range.end - found.range.start;
            let mut seen = 0;
            while let Some(chunk) = found.body.next().await {
                let chunk = ok(format!("{situation}: reading on at byte {seen}"), chunk)?;
                seen += chunk.len() as u64;
                let left = found.body.length();
                holds(
                    format!("{situation}: the length that the body states after {seen} bytes"),
                    left.is_none_or(|left| left + seen == promised),
                    format!("{} or none", promised.saturating_sub(seen)),
                    left,
                )?;
            }
            equal(format!("{situation}: bytes yielded"), &promised, &seen)?;
            let more = found.body.next().await.is_some();
            holds(format!("{situation}: after its end"), !more, "nothing more", more)?;
        }
    }
    Ok(())
}

async fn the_largest_size_holds(cx: &Context) -> Outcome {
    const TESTABLE: u64 = 64 << 20;
    let store = &*cx.open().await?;
    let limit = store.capabilities().limits.max_object_size;
    let Some(limit) = limit.filter(|limit| *limit <= TESTABLE) else {
        let content = payload(1, 8 * MIB);
        let key = key("below the limit");
        ok("put of 8 MiB", put(store, &key, content.clone()).await)?;
        return has_content(store, &key, &content, "put of 8 MiB").await.map(drop);
    };
    let size = limit as usize;
    let bodies: [(&str, MakeBody); 3] = [
        ("bytes", Body::from),
        ("a stream", |content| chunked(content, &[65_536])),
        ("a stream without length", |content| streamed(content, &[65_537, 1], None)),
    ];
    let previous = key("previous");
    let written = ok("put", put(store, &previous, "previous").await)?;
    let meta = description(store, &previous, &written).await?;
    for (how, body) in bodies {
        let fits = key("fits");
        let content = payload(2, size);
        let situation = format!("put of {how}, {limit} bytes, the declared limit");
        ok(situation.as_str(), put(store, &fits, body(content.clone())).await)?;
        has_content(store, &fits, &content, &situation).await?;
        ok("delete", store.delete(&fits, &DeleteOptions::default()).await)?;
        for (above, keys) in [(1, &[&fits, &previous][..]), (size + 100, &[&previous][..])] {
            let content = payload(3, size + above);
            for key in keys {
                let situation = format!("put of {how}, {above} bytes above the limit of {limit}");
                let result = put(store, key, body(content.clone())).await;
                fails_with(situation.as_str(), ErrorKind::TooLarge, result)?;
                has_no_object(store, &fits, &situation).await?;
                let seen = has_content(store, &previous, b"previous", &situation).await?;
                equal(format!("{situation}: the previous object"), &meta, &seen)?;
            }
        }
    }
    let entries = ok("list", listed(store, "").await)?;
    equal("objects left by puts above the limit", &1, &entries.len())
}

async fn checksums_are_of_the_whole_content(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let sizes = [0, 1, 9, 4096, 4097, 65_536, 65_537, MIB + 1, 5 * MIB + 1, 8 * MIB];
    for (number, size) in cx.some(sizes).into_iter().enumerate() {
        let content = payload(number as u64, size);
        let (first, second) = (key(format!("a/{size}")), key(format!("b/{size}")));
        let puts: [(&str, &Key, Body); 4] = [
            ("put", &first, content.clone().into()),
            ("streamed put", &second, chunked(content.clone(), &[65_536])),
            ("streamed put over an object", &first, chunked(content.clone(), &[1 + size / 7])),
            (
                "put without length over an object",
                &second,
                streamed(content.clone(), &[70_001, 1], None),
            ),
        ];
        for (how, key, body) in puts {
            let situation = format!("{how} of {size} bytes");
            let written = ok(situation.as_str(), put(store, key, body).await)?;
            checksum_is(store, key, &content, &written, &situation).await?;
        }
        let situation = format!("copy of {size} bytes");
        let copied = key(format!("c/{size}"));
        let written = store.copy(&first, &copied, &CopyOptions::default()).await;
        let written = ok(situation.as_str(), written)?;
        checksum_is(store, &copied, &content, &written, &situation).await?;
    }
    if store.capabilities().has(Capability::Multipart) {
        let least = (store.capabilities().limits.min_part_size as usize).max(1);
        if least <= 8 * MIB {
            for lengths in [&[5][..], &[least, 1], &[least + 3, least, 7], &[least; 4]] {
                multipart_checksum(store, lengths).await?;
            }
        }
    }
    Ok(())
}

async fn multipart_checksum(store: &dyn StorageProvider, lengths: &[usize]) -> Outcome {
    let key = key("multipart");
    let content = payload(lengths.len() as u64, lengths.iter().sum());
    let situation = format!("multipart upload of parts of {lengths:?} bytes");
    let upload = ok("create_upload", store.create_upload(&key, &PutOptions::default()).await)?;
    let mut parts = Vec::new();
    let mut rest = content.clone();
    for (number, length) in (1..).zip(lengths) {
        let number = ok("a part number", PartNumber::new(number))?;
        let bytes = rest.split_to(*length);
        let expected = Crc32c::of(&bytes);
        let body =
            if number.get() % 2 == 0 { chunked(bytes, &[1 + length / 3]) } else { bytes.into() };
        let part = ok("upload_part", store.upload_part(&key, &upload, number, body).await)?;
        if let Some(checksum) = part.checksum {
            equal(format!("{situation}: checksum of part {number}"), &expected, &checksum)?;
        }
        parts.push(part);
    }
    let written = store.complete_upload(&key, &upload, &parts, &CompleteOptions::default()).await;
    let written = ok(situation.as_str(), written)?;
    checksum_is(store, &key, &content, &written, &situation).await
}

/// Expects that the checksum, wherever it is reported, is that of the content.
async fn checksum_is(
    store: &dyn StorageProvider,
    key: &Key,
    content: &Bytes,
    written: &Written,
    situation: &str,
) -> Outcome {
    let expected = Crc32c::of(content);
    let by_head = ok(format!("{situation}: head"), head(store, key).await)?;
    let by_get = ok(format!("{situation}: get"), open(store, key, ..).await)?;
    let half = content.len() as u64 / 2;
    let of_range = ok(format!("{situation}: get of a range"), open(store, key, half..).await)?;
    let reported = [
        ("the write", written.checksum),
        ("head", by_head.checksum),
        ("get", by_get.meta.checksum),
        ("get of a range", of_range.meta.checksum),
    ];
    for (whence, checksum) in reported {
        if let Some(checksum) = checksum {
            equal(format!("{situation}: checksum by {whence}"), &expected, &checksum)?;
        }
    }
    Ok(())
}

async fn damaged_content_is_told(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let plan = [(1, 0), (100, 1), (4096, 0), (65_537, 1), (MIB + 1, 0), (8 * MIB, 1)];
    for (number, (size, form)) in cx.some(plan).into_iter().enumerate() {
        let content = payload(number as u64, size);
        let body = || match form {
            0 => content.clone().into(),
            _ => chunked(content.clone(), &[65_536]),
        };
        let (damaged, sound) = (key(format!("damaged/{size}")), key(format!("sound/{size}")));
        let meta = ok("put", put(store, &damaged, body()).await)?;
        ok("put", put(store, &sound, body()).await)?;
        let situation = format!("a sound object of {size} bytes");
        let seen = has_content(store, &damaged, &content, &situation).await?;
        if let Some(checksum) = seen.checksum.or(meta.checksum) {
            equal(format!("{situation}: its checksum"), &Crc32c::of(&content), &checksum)?;
        }
        // Without a way to damage it, or a stored checksum to compare with, this is all that there is.
        if cx.damage(&damaged).await? == Damage::NotPossible || meta.checksum.is_none() {
            continue;
        }
        for opened in ["the same", "a new"] {
            let other = cx.open().await?;
            let store = if opened == "a new" { &*other } else { store };
            let situation = format!("get of {size} bytes, one of them damaged, by {opened} handle");
            corrupt_before_its_end(store, &damaged, size, &situation).await?;
            has_content(store, &sound, &content, "an object beside a damaged one").await?;
        }
        ok("put over a damaged object", put(store, &damaged, body()).await)?;
        has_content(store, &damaged, &content, "after put over a damaged object").await?;
    }
    Ok(())
}

async fn corrupt_before_its_end(
    store: &dyn StorageProvider,
    key: &Key,
    size: usize,
    situation: &str,
) -> Outcome {
    let mut found = match open(store, key, ..).await {
        Err(error) => {
            return fails_with::<GetResult>(situation, ErrorKind::Corrupt, Err(error)).map(drop);
        }
        Ok(found) => found,
    };
    let mut seen = 0;
    loop {
        match found.body.next().await {
            Some(Ok(chunk)) => seen += chunk.len(),
            Some(Err(error)) => {
                fails_with::<()>(situation, ErrorKind::Corrupt, Err(error))?;
                return holds(
                    format!("{situation}: bytes yielded before the error"),
                    seen < size,
                    format!("fewer than {size}"),
                    seen,
                );
            }
            None => {
                let seen = format!("a body that ended after {seen} bytes without error");
                return Err(Failure::new(situation, "an error of kind `corrupt`", seen));
            }
        }
    }
}

/// What happens to an object while a body of it is being read.
#[derive(Clone, Copy, Debug)]
enum Change {
    SameLength,
    Shorter,
    Longer,
    Empty,
    Streamed,
    Twice,
    DeletedAndPut,
    Copied,
    Deleted,
    DeletedWithMany,
}

impl Change {
    async fn make(self, store: &dyn StorageProvider, key: &Key, size: usize) -> Result<()> {
        let new = |size| stamped(2, size);
        let always = DeleteOptions::default();
        let delete = || store.delete(key, &always);
        match self {
            Self::SameLength => drop(put(store, key, new(size)).await?),
            Self::Shorter => drop(put(store, key, new(size / 2)).await?),
            Self::Longer => drop(put(store, key, new(size + 70_000)).await?),
            Self::Empty => drop(put(store, key, Bytes::new()).await?),
            Self::Streamed => drop(put(store, key, chunked(new(size), &[65_536])).await?),
            Self::Twice => {
                put(store, key, new(size)).await?;
                put(store, key, stamped(3, size)).await?;
            }
            Self::DeletedAndPut => {
                delete().await?;
                put(store, key, new(size)).await?;
            }
            Self::Copied => {
                let source = self::key("source");
                put(store, &source, new(size)).await?;
                store.copy(&source, key, &CopyOptions::default()).await?;
            }
            Self::Deleted => drop(delete().await?),
            Self::DeletedWithMany => {
                for result in store.delete_many(std::slice::from_ref(key)).await {
                    result?;
                }
            }
        }
        Ok(())
    }
}

async fn a_reader_keeps_its_version(cx: &Context) -> Outcome {
    use Change::{Copied, DeletedAndPut, Empty, Longer, SameLength, Shorter, Streamed, Twice};
    let changes = [SameLength, Shorter, Longer, Empty, Streamed, Twice, DeletedAndPut, Copied];
    read_beside(cx, &changes).await
}

async fn a_reader_survives_a_delete(cx: &Context) -> Outcome {
    read_beside(cx, &[Change::Deleted, Change::DeletedWithMany]).await
}

/// Opens bodies, reads some chunks of each, makes the change and reads on: each body must be all of
/// what it was opened on, or fail.
async fn read_beside(cx: &Context, changes: &[Change]) -> Outcome {
    let store = &*cx.open().await?;
    let other = &*cx.open().await?;
    for (number, change) in cx.some(changes.iter()).into_iter().enumerate() {
        for (nth, size) in [8 * MIB, 10, 4097, 70 * KIB, MIB + 1].into_iter().enumerate() {
            let key = key(format!("read/{number}/{size}"));
            let content = stamped(1, size);
            let body = match nth % 2 {
                0 => content.clone().into(),
                _ => chunked(content.clone(), &[65_536]),
            };
            let written = ok("put", put(store, &key, body).await)?;
            let stored = description(store, &key, &written).await?;
            let half = size as u64 / 2 / 8 * 8;
            let ranges: [ByteRange; 4] =
                [(..).into(), (..).into(), (half..).into(), (8..u64::MAX).into()];
            let mut bodies = Vec::new();
            for (chunks, range) in ranges.into_iter().enumerate() {
                let situation = format!(
                    "get of range {range} of {size} bytes, {change:?} after {chunks} chunks"
                );
                let mut found = ok(situation.as_str(), open(store, &key, range).await)?;
                let mut seen = Vec::new();
                for _ in 0..chunks {
                    if let Some(chunk) = found.body.next().await {
                        seen.extend_from_slice(&ok(situation.as_str(), chunk)?);
                    }
                }
                bodies.push((situation, found, seen));
            }
            // By another handle in every other round, as another program would.
            let writer = if number % 2 == 0 { store } else { other };
            let changed = in_time(
                format!("{change:?} of {} while bodies of it are open", brief(&key)),
                change.make(writer, &key, size),
            );
            ok(format!("{change:?} while bodies are open"), changed.await?)?;
            for (situation, found, seen) in bodies {
                equal(format!("{situation}: description"), &stored, &found.meta)?;
                reads_on(&situation, found, seen, &content).await?;
            }
            store_has_changed(store, &key, *change, size).await?;
        }
    }
    Ok(())
}

async fn reads_on(
    situation: &str,
    mut found: GetResult,
    mut seen: Vec<u8>,
    content: &Bytes,
) -> Outcome {
    let expected = &content[found.range.start as usize..found.range.end as usize];
    loop {
        match in_time(format!("{situation}: reading on"), found.body.next()).await? {
            Some(Ok(chunk)) => {
                seen.extend_from_slice(&chunk);
                // Also what comes before a failure must be of the version.
                let so_far = &expected[..seen.len().min(expected.len())];
                same_bytes(format!("{situation}: what was read so far"), so_far, &seen)?;
            }
            Some(Err(_)) => return Ok(()),
            None => return same_bytes(format!("{situation}: the body"), expected, &seen),
        }
    }
}

/// The change itself happened: the open bodies did not hold it back.
async fn store_has_changed(
    store: &dyn StorageProvider,
    key: &Key,
    change: Change,
    size: usize,
) -> Outcome {
    let situation = format!("{change:?} while bodies of the object were open");
    let content = match change {
        Change::Deleted | Change::DeletedWithMany => {
            return has_no_object(store, key, &situation).await;
        }
        Change::Shorter => stamped(2, size / 2),
        Change::Longer => stamped(2, size + 70_000),
        Change::Empty => Bytes::new(),
        Change::Twice => stamped(3, size),
        Change::SameLength | Change::Streamed | Change::DeletedAndPut | Change::Copied => {
            stamped(2, size)
        }
    };
    has_content(store, key, &content, &situation).await.map(drop)
}

async fn dropped_readers_do_no_harm(cx: &Context) -> Outcome {
    /// More than a small pool of files or connections has.
    const READERS: usize = 150;
    let store = &*cx.open().await?;
    for (number, size) in cx.some([0, 1, 4097, 70 * KIB, MIB + 1, 8 * MIB]).into_iter().enumerate()
    {
        let key = key(format!("dropped/{size}"));
        let content = payload(number as u64, size);
        ok("put", put(store, &key, chunked(content.clone(), &[65_537])).await)?;
        let readers = if size > MIB { 60 } else { READERS };
        let mut held = Vec::new();
        for reader in 0..readers {
            let situation =
                format!("get of {size} bytes after {reader} bodies were dropped half read");
            let range: ByteRange = match reader % 3 {
                0 => (..).into(),
                1 => (size as u64 / 2..).into(),
                _ => (0..size as u64 / 2).into(),
            };
            let opened = in_time(situation.as_str(), open(store, &key, range)).await?;
            let mut found = ok(situation.as_str(), opened)?;
            if reader % 4 > 0 {
                ok(situation.as_str(), found.body.next().await.transpose())?;
            }
            // Some are dropped at once, the others together.
            if reader % 2 == 0 {
                held.push(found);
            }
        }
        let situation = "after bodies were dropped half read";
        in_time(situation, has_content(store, &key, &content, "beside open bodies")).await??;
        drop(held);
        in_time(situation, has_content(store, &key, &content, situation)).await??;
        let ranges = [ByteRange::from(0..size as u64 / 2), ByteRange::suffix(size as u64 / 3)];
        let seen =
            in_time(situation, store.get_ranges(&key, &ranges, &GetOptions::default())).await?;
        let seen = ok(format!("get_ranges {situation}"), seen)?;
        same_bytes(format!("get_ranges {situation}"), &content[..size / 2], &seen[0])?;
        let written = in_time(situation, put(store, &key, "new")).await?;
        ok(format!("put {situation}"), written)?;
        has_content(store, &key, b"new", situation).await?;
        let deleted = in_time(situation, store.delete(&key, &DeleteOptions::default())).await?;
        ok(format!("delete {situation}"), deleted)?;
        has_no_object(store, &key, situation).await?;
    }
    Ok(())
}

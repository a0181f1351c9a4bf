//! STO-030 to STO-038: a range is a slice whose end is clamped.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use omni_contracts::ErrorKind;
use omni_contracts::storage::{ByteRange, GetOptions, Key, StorageProvider};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use tokio::task::yield_now;

use super::atomicity::{mixture, overtaken};
use super::inputs::{
    KIB, MIB, brief, chunked, joined, key, open, payload, put, same_bytes, stamped,
};
use crate::check::{Failure, check, equal, fails_with, holds, ok};
use crate::{Check, Context, Outcome};

pub(crate) const CHECKS: &[Check] = &[
    check!(
        "STO-030",
        bounded_ranges_are_slices,
        "Look for inclusive ends (HTTP) taken for exclusive ones, and for lengths taken for ends."
    ),
    check!(
        "STO-031",
        ends_are_clamped,
        "Clamp the end to the size before reading or computing a length."
    ),
    check!(
        "STO-032",
        open_ranges_reach_the_end,
        "A start at the size is an empty read: answer it without asking the back-end."
    ),
    check!(
        "STO-033",
        suffixes_are_counted_from_the_end,
        "Resolve suffixes against the size, saturating; a suffix of 0 is empty, not everything."
    ),
    check!(
        "STO-034",
        starts_after_the_end_are_out_of_range,
        "Compare the start with the size before clamping; map the back-end's 416."
    ),
    check!(
        "STO-035",
        empty_ranges_are_empty,
        "An empty range has no HTTP form: answer it without asking the back-end for bytes."
    ),
    check!(
        "STO-036",
        results_state_what_they_are,
        "Validate ranges first, and state the resolved range and the size of the whole object."
    ),
    check!(
        "STO-037",
        vectored_reads_keep_order,
        "Sort and join ranges on a copy, and answer in the order of the caller."
    ),
    check!(
        "STO-038",
        vectored_reads_are_of_one_version,
        "Pin all reads of one get_ranges to the version that the first one found."
    ),
];

const SIZES: &[usize] =
    &[0, 1, 2, 10, 4096, 65_537, 256 * KIB + 5, MIB + 1, 5 * MIB + 3, 8 * MIB + 1];

struct Stored {
    key: Key,
    content: Bytes,
}

impl Stored {
    fn size(&self) -> u64 {
        self.content.len() as u64
    }

    /// Offsets at which blocks, buffers and parts end, those near the end, and some by chance.
    fn offsets(&self, rng: &mut StdRng) -> Vec<u64> {
        let size = self.size();
        let edges =
            [0, 1, 2, 255, 4095, 4096, 4097, 65_535, 65_536, 65_537, 1 << 20, 5 << 20, 8 << 20];
        let mut offsets: Vec<u64> = edges.to_vec();
        offsets.extend([0, 1, 2, 3].map(|back| size.saturating_sub(back)));
        offsets.extend([size / 2, size / 3]);
        offsets.extend((0..4).map(|_| rng.random_range(0..=size)));
        offsets.retain(|offset| *offset <= size);
        offsets.sort_unstable();
        offsets.dedup();
        offsets
    }
}

/// Puts objects of all sizes, as bytes and as streams.
async fn store_all(cx: &Context, store: &dyn StorageProvider) -> Result<Vec<Stored>, Failure> {
    let mut all = Vec::new();
    for (number, size) in cx.some(SIZES.iter().copied()).into_iter().enumerate() {
        let stored =
            Stored { key: key(format!("size/{size}")), content: payload(number as u64, size) };
        let body = match number % 2 {
            0 => stored.content.clone().into(),
            _ => chunked(stored.content.clone(), &[70_001]),
        };
        ok(format!("put of {size} bytes"), put(store, &stored.key, body).await)?;
        all.push(stored);
    }
    Ok(all)
}

/// Expects `range` to give the bytes of `exact`, by `get` and by `get_ranges`.
async fn gives(
    store: &dyn StorageProvider,
    stored: &Stored,
    range: ByteRange,
    exact: Range<u64>,
) -> Outcome {
    let expected = &stored.content[exact.start as usize..exact.end as usize];
    let situation = format!("range {range} of {} bytes", stored.size());
    let found = ok(format!("get of {situation}"), open(store, &stored.key, range).await)?;
    let seen = ok(format!("get of {situation}: the body"), found.body.collect().await)?;
    same_bytes(format!("get of {situation}"), expected, &seen)?;
    let all = store.get_ranges(&stored.key, &[range], &GetOptions::default()).await;
    let all = ok(format!("get_ranges of {situation}"), all)?;
    equal(format!("results of get_ranges of {situation}"), &1, &all.len())?;
    same_bytes(format!("get_ranges of {situation}"), expected, &all[0])
}

async fn bounded_ranges_are_slices(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let mut rng = cx.rng("offsets");
    for stored in store_all(cx, store).await? {
        let offsets = stored.offsets(&mut rng);
        for (at, start) in offsets.iter().copied().enumerate() {
            // Neighbours, and one far end: small reads for every start, large ones for some.
            let mut ends = vec![start + 1, start + 2, start + 100];
            ends.extend(offsets.get(at + 1).copied());
            ends.extend(offsets.get(at + 2 + start as usize % 5).copied());
            if at % 6 == 0 {
                ends.push(stored.size());
            }
            ends.retain(|end| *end <= stored.size());
            for end in ends {
                gives(store, &stored, (start..end).into(), start..end).await?;
            }
        }
    }
    Ok(())
}

async fn ends_are_clamped(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    for stored in store_all(cx, store).await? {
        let size = stored.size();
        for start in [0, size / 2, size.saturating_sub(5), size.saturating_sub(1), size] {
            let far = [size + 2, size + 4096, u64::from(u32::MAX), u64::MAX - 1, u64::MAX];
            // Reading all of a large object for every end would take long.
            let ends = if size - start > MIB as u64 { &far[4..] } else { &far[..] };
            for end in ends.iter().copied().chain([size + 1]) {
                gives(store, &stored, (start..end).into(), start..size).await?;
            }
        }
    }
    Ok(())
}

async fn open_ranges_reach_the_end(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let mut rng = cx.rng("offsets");
    for stored in store_all(cx, store).await? {
        let size = stored.size();
        let offsets = stored.offsets(&mut rng);
        let many = offsets.iter().copied().enumerate();
        let starts = many.filter(|(at, start)| size - start < MIB as u64 || at % 8 == 0);
        for (_, start) in starts {
            gives(store, &stored, (start..).into(), start..size).await?;
        }
        gives(store, &stored, (size..).into(), size..size).await?;
        gives(store, &stored, (..).into(), 0..size).await?;
    }
    Ok(())
}

async fn suffixes_are_counted_from_the_end(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    for stored in store_all(cx, store).await? {
        let size = stored.size();
        let edges = [0, 1, 2, 8, 255, 4095, 4096, 4097, 65_536, 65_537, 300_000, 1 << 20];
        let near = [size.saturating_sub(1), size, size + 1];
        let mut lengths = [&edges[..], &near[..]].concat();
        match size {
            0..200_000 => lengths.extend([size + 70_000, u64::MAX / 2, u64::MAX]),
            _ => lengths.push(u64::MAX),
        }
        for length in lengths {
            let start = size.saturating_sub(length);
            gives(store, &stored, ByteRange::suffix(length), start..size).await?;
        }
    }
    Ok(())
}

async fn starts_after_the_end_are_out_of_range(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    for stored in store_all(cx, store).await? {
        let size = stored.size();
        let whole = ByteRange::from(0..size);
        for start in
            [size + 1, size + 2, size + 100, size * 2 + 1, 1 << 32, 1 << 63, u64::MAX - 1, u64::MAX]
        {
            let ranges: [ByteRange; 4] = [
                (start..).into(),
                (start..start).into(),
                (start..start.saturating_add(10)).into(),
                (start..u64::MAX).into(),
            ];
            for range in ranges {
                let situation = format!("range {range} of {size} bytes");
                fails_with(
                    format!("get of {situation}"),
                    ErrorKind::OutOfRange,
                    open(store, &stored.key, range).await,
                )?;
                for ranges in [&[range][..], &[whole, range], &[range, whole], &[range, range]] {
                    if size > MIB as u64 && ranges.len() > 1 {
                        continue;
                    }
                    let options = GetOptions::default();
                    fails_with(
                        format!("get_ranges of {} ranges, one of them {situation}", ranges.len()),
                        ErrorKind::OutOfRange,
                        store.get_ranges(&stored.key, ranges, &options).await,
                    )?;
                }
            }
        }
        gives(store, &stored, (size..).into(), size..size).await?;
    }
    Ok(())
}

async fn empty_ranges_are_empty(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let mut rng = cx.rng("offsets");
    for stored in store_all(cx, store).await? {
        for at in stored.offsets(&mut rng) {
            gives(store, &stored, (at..at).into(), at..at).await?;
        }
    }
    let forms = [
        ("bytes", "".into()),
        ("a stream", chunked(Bytes::new(), &[1])),
        ("an overwrite with nothing", Bytes::new().into()),
    ];
    for (number, (how, body)) in forms.into_iter().enumerate() {
        let stored = Stored { key: key(format!("empty/{number}")), content: Bytes::new() };
        if number == 2 {
            ok("put", put(store, &stored.key, payload(1, 9000)).await)?;
        }
        ok(format!("put of nothing as {how}"), put(store, &stored.key, body).await)?;
        let ranges: [ByteRange; 10] = [
            (..).into(),
            (0..).into(),
            (0..0).into(),
            (0..1).into(),
            (0..4096).into(),
            (0..u64::MAX).into(),
            ByteRange::suffix(0),
            ByteRange::suffix(1),
            ByteRange::suffix(4096),
            ByteRange::suffix(u64::MAX),
        ];
        for range in ranges {
            gives(store, &stored, range, 0..0).await?;
        }
    }
    Ok(())
}

async fn results_state_what_they_are(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let mut rng = cx.rng("offsets");
    for stored in store_all(cx, store).await? {
        let size = stored.size();
        for (start, end) in [(1, 0), (2, 1), (size + 1, size), (size + 2, size + 1), (u64::MAX, 0)]
        {
            let reversed = ByteRange::Bounded { start, end };
            let situation = format!("range {reversed} of {size} bytes");
            fails_with(
                format!("get of {situation}"),
                ErrorKind::InvalidArgument,
                open(store, &stored.key, reversed).await,
            )?;
            let full = ByteRange::from(0..1);
            for ranges in [&[reversed][..], &[full, reversed], &[reversed, full]] {
                let result = store.get_ranges(&stored.key, ranges, &GetOptions::default()).await;
                fails_with(
                    format!("get_ranges of {} ranges, one of them {situation}", ranges.len()),
                    ErrorKind::InvalidArgument,
                    result,
                )?;
            }
        }
        let mut ranges: Vec<ByteRange> = vec![
            (..).into(),
            (0..size + 9).into(),
            (0..u64::MAX).into(),
            (size..).into(),
            ByteRange::suffix(0),
            ByteRange::suffix(7),
            ByteRange::suffix(size + 1),
        ];
        for offset in stored.offsets(&mut rng) {
            ranges.extend([
                (offset..).into(),
                (offset..offset).into(),
                (offset..offset + 3).into(),
                ByteRange::suffix(offset),
            ]);
        }
        for range in ranges {
            let situation = format!("get of range {range} of {size} bytes");
            let exact = ok("resolving the range", range.resolve(size))?;
            let found = ok(situation.as_str(), open(store, &stored.key, range).await)?;
            equal(format!("{situation}: the range it states"), &exact, &found.range)?;
            equal(format!("{situation}: the size of the whole"), &size, &found.meta.size)?;
            let length = found.body.length();
            holds(
                format!("{situation}: the length that the body states"),
                length.is_none_or(|length| length == exact.end - exact.start),
                format!("{} or none", exact.end - exact.start),
                length,
            )?;
        }
    }
    Ok(())
}

async fn vectored_reads_keep_order(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let mut rng = cx.rng("ranges");
    let gap = store.capabilities().limits.coalesce_gap;
    for stored in store_all(cx, store).await? {
        let size = stored.size();
        let third = size / 3;
        let mut vectors: Vec<Vec<ByteRange>> = vec![
            vec![],
            vec![(..).into()],
            vec![(0..0).into()],
            vec![(0..0).into(); 3],
            vec![(..).into(), (..).into()],
            vec![(size..size).into(), (0..size).into(), (0..0).into()],
            // Unordered, nested, overlapping, repeated, touching.
            vec![(third..size).into(), (0..third).into()],
            vec![(0..third).into(), (third..third * 2).into(), (third * 2..size).into()],
            vec![(0..size).into(), (third..third * 2).into(), (third..third * 2).into()],
            vec![(third..third * 2).into(), (third / 2..third + 1).into(), (0..1).into()],
            // All forms, ends clamped.
            vec![
                ByteRange::suffix(5),
                (third..).into(),
                (0..10).into(),
                ByteRange::suffix(0),
                (size..).into(),
                ByteRange::suffix(u64::MAX),
                (third..u64::MAX).into(),
                (third..third).into(),
            ],
        ];
        // Distances at which neighbours are read as one, and just not.
        for distance in [0, 1, gap.saturating_sub(1), gap, gap.saturating_add(1), 4096, 65_536] {
            let next = 10_u64.saturating_add(distance);
            if next.saturating_add(10) <= size {
                vectors.push(vec![(next..next + 10).into(), (0..10).into()]);
                vectors.push(vec![(0..10).into(), (next..next + 10).into(), (5..next).into()]);
            }
        }
        for count in [2, 5, 17, 100] {
            let mut ranges: Vec<ByteRange> = (0..count)
                .map(|_| {
                    let start = rng.random_range(0..=size);
                    let end = rng.random_range(start..=size.min(start + 3000));
                    (start..end).into()
                })
                .collect();
            let again = ranges[0];
            ranges.push(again);
            ranges.shuffle(&mut rng);
            vectors.push(ranges);
        }
        for ranges in vectors {
            in_order(store, &stored, &ranges).await?;
        }
    }
    Ok(())
}

async fn in_order(store: &dyn StorageProvider, stored: &Stored, ranges: &[ByteRange]) -> Outcome {
    let shown: Vec<_> = ranges.iter().take(12).map(ByteRange::to_string).collect();
    let situation = format!("get_ranges {} of {} bytes", shown.join(", "), stored.size());
    // The range of the options is ignored.
    for range in [(..).into(), (1..2).into(), ByteRange::suffix(1)] {
        let options = GetOptions { range, ..GetOptions::default() };
        let seen = store.get_ranges(&stored.key, ranges, &options).await;
        let seen = ok(situation.as_str(), seen)?;
        equal(format!("{situation}: number of results"), &ranges.len(), &seen.len())?;
        for (number, (range, seen)) in ranges.iter().zip(&seen).enumerate() {
            let exact = ok("resolving the range", range.resolve(stored.size()))?;
            same_bytes(
                format!("{situation}: result {number}, range {range}"),
                &stored.content[exact.start as usize..exact.end as usize],
                seen,
            )?;
        }
    }
    Ok(())
}

async fn vectored_reads_are_of_one_version(cx: &Context) -> Outcome {
    /// A fast provider has narrow windows: it gets more rounds than the least, up to this time.
    const WHILE: Duration = Duration::from_millis(200);
    let store = cx.open().await?;
    for (size, rounds) in cx.some([(64, 150), (70 * KIB, 80), (MIB, 16), (8 * MIB, 6)]) {
        let key = key(format!("versions/{size}"));
        // Stamps lie on multiples of 8 from the beginning, whatever the size.
        let content = |round: usize| stamped(round as u64 + 1, size + round % 3 * 8);
        ok("put", put(&*store, &key, content(0)).await)?;
        let over = Arc::new(AtomicBool::new(false));
        let readers = (0..3).map(|reader| {
            let (store, key, over) = (Arc::clone(&store), key.clone(), Arc::clone(&over));
            tokio::spawn(async move {
                let mut read = 0_usize;
                while !over.load(Ordering::Acquire) {
                    read += usize::from(one_version(&*store, &key, size as u64, reader).await?);
                    yield_now().await;
                }
                Ok(read)
            })
        });
        let readers = readers.collect::<Vec<_>>();
        let mut written = Ok(());
        let started = Instant::now();
        for round in (1..).take_while(|round| *round < rounds || started.elapsed() < WHILE) {
            let body = match round % 2 {
                0 => content(round).into(),
                _ => chunked(content(round), &[size / 2 + 1]),
            };
            written = ok("put over an object", put(&*store, &key, body).await).map(drop);
            if written.is_err() {
                break;
            }
            yield_now().await;
        }
        over.store(true, Ordering::Release);
        let read = joined(readers).await;
        written?;
        let read: usize = read?.into_iter().sum();
        let quiet = one_version(&*store, &key, size as u64, 0).await?;
        holds(
            format!("get_ranges of {} after the last overwrite", brief(&key)),
            quiet,
            "success",
            format!("a conflict; {read} succeeded before"),
        )?;
    }
    Ok(())
}

/// One vectored read beside a writer. False when it was overtaken and said so.
async fn one_version(
    store: &dyn StorageProvider,
    key: &Key,
    size: u64,
    reader: usize,
) -> Result<bool, Failure> {
    let middle = size / 2 / 8 * 8;
    // A footer, the head, the middle, and the whole, in different orders.
    let mut ranges: Vec<ByteRange> = vec![
        ByteRange::suffix(8),
        (0..8).into(),
        (middle..middle + 16).into(),
        (size - 8..size).into(),
    ];
    // Many ranges make the window wide in which a provider that reads them one by one is overtaken.
    ranges.extend((0..12).map(|piece| ByteRange::from(piece % 8 * 8..piece % 8 * 8 + 8)));
    ranges.rotate_left(reader);
    if reader == 1 {
        ranges.push((..).into());
    }
    let situation = "get_ranges while the object is overwritten";
    let seen = match store.get_ranges(key, &ranges, &GetOptions::default()).await {
        Err(error) if overtaken(&error) => return Ok(false),
        other => ok(situation, other)?,
    };
    let stamp = seen.first().and_then(|bytes| bytes.get(..8)).unwrap_or_default();
    for (range, bytes) in ranges.iter().zip(&seen) {
        let whole = !bytes.is_empty() && bytes.len() % 8 == 0;
        if !whole || bytes.chunks_exact(8).any(|piece| piece != stamp) {
            let shown = ranges
                .iter()
                .zip(&seen)
                .map(|(range, bytes)| format!("range {range}: {}", mixture(bytes)));
            return Err(Failure::new(
                format!("{situation}, range {range}"),
                "all ranges with the 8-byte stamps of one writer",
                shown.collect::<Vec<_>>().join("; "),
            ));
        }
    }
    Ok(true)
}

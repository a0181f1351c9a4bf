//! STO-001 to STO-008: what was put comes back, whole and described.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use omni_contracts::storage::{
    Attributes, ByteRange, DeleteOptions, GetOptions, Key, PutOptions, StorageProvider,
};
use omni_contracts::{Body, ErrorKind};
use rand::seq::SliceRandom;

use super::inputs::{
    KIB, LARGE_SIZES, MIB, SMALL_SIZES, brief, chunked, description, has_content, has_no_object,
    head, key, listed, nasty_keys, open, payload, put, read, same_bytes, streamed,
};
use crate::check::{check, equal, fails_with, holds, ok};
use crate::{Check, Context, Outcome};

pub(crate) const CHECKS: &[Check] = &[
    check!(
        "STO-001",
        get_returns_what_was_put,
        "Look for contents that are cut, padded, transcoded or not yet stored when put returns."
    ),
    check!(
        "STO-002",
        head_get_and_put_agree,
        "Make head, get and put build the description from the same stored record."
    ),
    check!(
        "STO-003",
        overwrite_leaves_no_tail,
        "Write to a new file or buffer instead of into the old one."
    ),
    check!(
        "STO-004",
        empty_objects_are_objects,
        "Look for code that takes a length of 0 for a missing object or skips the write."
    ),
    check!(
        "STO-005",
        missing_objects_are_not_found,
        "Look at keys that are folders, or below an object, in the back-end."
    ),
    check!(
        "STO-006",
        chunking_is_not_content,
        "Look for chunks that are dropped, reordered or taken for the end when empty."
    ),
    check!(
        "STO-007",
        objects_below_objects,
        "Map keys to flat names: a file system cannot have a file and a folder of one name."
    ),
    check!(
        "STO-008",
        description_comes_before_the_body,
        "Fill the description from the whole object, not from the range that was asked for."
    ),
];

async fn get_returns_what_was_put(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let mut stored: Vec<(Key, Bytes)> = Vec::new();
    for (number, size) in SMALL_SIZES.iter().chain(LARGE_SIZES).enumerate() {
        stored.push((key(format!("size/{size}")), payload(number as u64, *size)));
    }
    for (number, content) in contents().into_iter().enumerate() {
        stored.push((key(format!("value/{number}")), content));
    }
    for (key, content) in &stored {
        ok(format!("put of {} bytes", content.len()), put(store, key, content.clone()).await)?;
        has_content(store, key, content, "right after put").await?;
    }
    stored.shuffle(&mut cx.rng("order of reading"));
    for (key, content) in stored.iter().filter(|(_, content)| content.len() < MIB) {
        has_content(store, key, content, "after puts of other keys").await?;
    }
    // Faults of the n-th call, of overwriting, and of writing again after a delete.
    let again = key("again");
    for round in 0..cx.rounds(60) {
        let content = payload(round, 1 + (round as usize * 977) % 9000);
        let body = match round % 2 {
            0 => content.clone().into(),
            _ => chunked(content.clone(), &[1000]),
        };
        ok("put over an object", put(store, &again, body).await)?;
        has_content(store, &again, &content, "after overwriting").await?;
        if round % 5 == 4 {
            ok("delete", store.delete(&again, &DeleteOptions::default()).await)?;
            ok("put after delete", put(store, &again, content.clone()).await)?;
            has_content(store, &again, &content, "after delete and put of the same").await?;
        }
    }
    many_come_back(cx, store).await
}

/// Enough small objects that one acknowledgement of some hundreds cannot lie unseen.
async fn many_come_back(cx: &Context, store: &dyn StorageProvider) -> Outcome {
    let count = cx.rounds(600);
    let puts = (0..count).map(|number| async move {
        let (key, content) = (key(format!("many/{number}")), payload(number, 40));
        let situation = format!("put number {number} of {count}, to a key of its own");
        ok(&situation, put(store, &key, content.clone()).await)?;
        has_content(store, &key, &content, &format!("right after {situation}")).await
    });
    stream::iter(puts).buffer_unordered(16).try_for_each(|_| async { Ok(()) }).await
}

/// Contents that are known to be altered on the way.
fn contents() -> Vec<Bytes> {
    let every_byte: Vec<u8> = (0..=255).collect();
    let mut contents: Vec<Bytes> = vec![
        every_byte.clone().into(),
        every_byte.iter().rev().copied().collect::<Vec<u8>>().repeat(300).into(),
        vec![0; 1].into(),
        vec![0; 4096].into(),
        vec![0; MIB].into(),
        vec![0xff; 70 * KIB].into(),
        [vec![1; 5000], vec![0; 5000]].concat().into(),
        [vec![0; 5000], vec![1; 5000]].concat().into(),
        "\n".repeat(70_000).into(),
    ];
    let texts: [&'static [u8]; 19] = [
        b" ",
        b"\n",
        b"\r\n",
        b"\0",
        b"a\0b",
        b"a\n",
        b"a\r\nb\rc\n",
        b" a ",
        b"\xef\xbb\xbfa",
        b"\xff\xfe\x00",
        b"\xc3\x28\xed\xa0\x80",
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
        b"5;chunk-signature=0\r\nhello\r\n0;chunk-signature=0\r\n\r\n",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"aGVsbG8=",
        b"%41%00+",
        b"{\"a\":1}",
        b"<?xml version=\"1.0\"?><Error/>",
        b"\x1a\x04",
    ];
    contents.extend(texts.map(Bytes::from_static));
    contents
}

async fn head_get_and_put_agree(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let attributes = Attributes {
        content_type: Some("text/plain; charset=utf-8".to_owned()),
        cache_control: Some("no-store".to_owned()),
        metadata: [("owner".to_owned(), "\u{e4} b".to_owned())].into(),
        ..Attributes::default()
    };
    let described = PutOptions { attributes: attributes.into(), ..PutOptions::default() };
    let plain = PutOptions::default();
    let sizes = [0, 1, 4096, 4097, 65_536, 65_537, MIB, 5 * MIB + 1, 8 * MIB];
    for (number, size) in sizes.into_iter().enumerate() {
        let content = payload(number as u64, size);
        let reused = key(format!("reused/{}", number % 2));
        let fresh = key(format!("fresh/{size}"));
        let bodies: [(&Key, &str, Body, &PutOptions); 4] = [
            (&fresh, "put of bytes", content.clone().into(), &described),
            (&fresh, "put over an object", chunked(content.clone(), &[8191]), &plain),
            (&reused, "streamed put", chunked(content.clone(), &[65_537]), &described),
            (&reused, "put without length", streamed(content.clone(), &[70_000, 1], None), &plain),
        ];
        for (key, how, body, options) in bodies {
            let situation = format!("{how}, {size} bytes");
            let by_put = ok(situation.as_str(), store.put(key, body, options).await)?;
            equal(format!("{situation}: size by put"), &(size as u64), &by_put.size)?;
            let by_head = ok(format!("{situation}: head"), head(store, key).await)?;
            equal(format!("{situation}: head against put"), &by_put, &by_head.written())?;
            equal(
                format!("{situation}: attributes by head"),
                &options.attributes,
                &by_head.attributes,
            )?;
            let (by_get, _) = ok(format!("{situation}: get"), read(store, key).await)?;
            equal(format!("{situation}: get against head"), &by_head, &by_get)?;
            let of_range = ok(
                format!("{situation}: get of a range"),
                open(store, key, 0..(size as u64 / 2)).await,
            )?;
            equal(format!("{situation}: get of a range against head"), &by_head, &of_range.meta)?;
        }
    }
    Ok(())
}

async fn overwrite_leaves_no_tail(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let steps = [
        (65_537, 65_536),
        (4097, 4096),
        (4096, 1),
        (70 * KIB, 3),
        (2, 1),
        (1, 0),
        (MIB + 1, MIB),
        (8 * MIB, 100),
        (5 * MIB + 1, 4 * MIB),
        (100, 8192),
    ];
    for (number, (before, after)) in steps.into_iter().enumerate() {
        for how in 0..4 {
            if before.max(after) > MIB && how % 3 != 0 {
                continue;
            }
            let key = key(format!("{number}-{how}"));
            let old = stamped_as(how & 1, payload(7, before));
            let new = stamped_as(how & 2, payload(8, after));
            ok("put", put(store, &key, old).await)?;
            ok("put over an object", put(store, &key, new).await)?;
            let situation = format!("an object of {before} bytes overwritten with {after}");
            has_content(store, &key, &payload(8, after), &situation).await?;
            let last = ok(
                format!("{situation}: get of the last byte"),
                open(store, &key, ByteRange::suffix(1)).await,
            )?;
            let byte = ok("reading the last byte", last.body.collect().await)?;
            let content = payload(8, after);
            same_bytes(
                format!("{situation}: the last byte"),
                &content[content.len().saturating_sub(1)..],
                &byte,
            )?;
            let entries = ok("list", listed(store, key.as_str()).await)?;
            let sizes: Vec<_> = entries.iter().map(|entry| entry.size).collect();
            equal(format!("{situation}: sizes by list"), &vec![after as u64], &sizes)?;
        }
    }
    Ok(())
}

/// As bytes for 0, else as a stream.
fn stamped_as(form: usize, content: Bytes) -> Body {
    if form == 0 { content.into() } else { chunked(content, &[4096]) }
}

async fn empty_objects_are_objects(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    type Nothing = fn() -> Body;
    let bodies: [(&str, Nothing); 6] = [
        ("Body::empty", Body::empty),
        ("empty bytes", || Bytes::new().into()),
        ("a stream without chunks, length stated", || chunked(Bytes::new(), &[1])),
        ("a stream without chunks", || streamed(Bytes::new(), &[1], None)),
        ("a stream of empty chunks", || empty_chunks(None)),
        ("a stream of empty chunks, length stated", || empty_chunks(Some(0))),
    ];
    for (number, (how, body)) in bodies.into_iter().enumerate() {
        for before in [None, Some(1), Some(5000), Some(MIB)] {
            let key = key(format!("{number}/{}", before.unwrap_or(0)));
            let situation = match before {
                None => format!("put of {how}"),
                Some(size) => format!("put of {how} over {size} bytes"),
            };
            if let Some(size) = before {
                ok("put", put(store, &key, payload(1, size)).await)?;
            }
            let meta = ok(situation.as_str(), put(store, &key, body()).await)?;
            equal(format!("{situation}: size by put"), &0, &meta.size)?;
            has_content(store, &key, b"", &situation).await?;
            let entries = ok("list", listed(store, key.as_str()).await)?;
            let seen: Vec<_> =
                entries.iter().map(|entry| (entry.key.as_str(), entry.size)).collect();
            equal(format!("{situation}: list"), &vec![(key.as_str(), 0)], &seen)?;
            let ranges = ok(
                format!("{situation}: get_ranges"),
                store.get_ranges(&key, &[(..).into()], &GetOptions::default()).await,
            )?;
            equal(format!("{situation}: get_ranges"), &vec![Bytes::new()], &ranges)?;
            ok("put over an empty object", put(store, &key, "x").await)?;
            has_content(store, &key, b"x", "put over an empty object").await?;
            ok("put", put(store, &key, body()).await)?;
            let deleted = ok(
                "delete of an empty object",
                store.delete(&key, &DeleteOptions::default()).await,
            )?;
            holds(
                "delete of an empty object",
                deleted.existed != Some(false),
                "`existed` is not false",
                deleted,
            )?;
            has_no_object(store, &key, "after delete of an empty object").await?;
        }
    }
    Ok(())
}

fn empty_chunks(length: Option<u64>) -> Body {
    Body::from_stream(stream::iter((0..3).map(|_| Ok(Bytes::new()))), length)
}

async fn missing_objects_are_not_found(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    for key in nasty_keys() {
        not_found(store, &key, "in an empty store").await?;
    }
    let stored = ["a/b", "a/b/c/d", "ab", "f/g/h", "x", "\u{e9}/1", "p/q r/s", "A"];
    for text in stored {
        ok("put", put(store, &key(text), text).await)?;
    }
    let missing = [
        "a",
        "a/b/c",
        "a/b/c/d/e",
        "a/b/x",
        "f",
        "f/g",
        "f/g/h/i",
        "b",
        "x/y",
        "x/y/z",
        "xx",
        "\u{e9}",
        "e\u{301}",
        "p",
        "p/q r",
        "p/q",
        "abc",
        "a/bb",
        "X",
        "a/B",
        "f/h",
        "1",
        " x",
        "x ",
    ];
    for text in missing {
        not_found(store, &key(text), "among other objects").await?;
    }
    let gone = key("gone");
    for size in [0, 10, 70 * KIB, 2 * MIB] {
        ok("put", put(store, &gone, payload(1, size)).await)?;
        ok("head", head(store, &gone).await)?;
        ok("delete", store.delete(&gone, &DeleteOptions::default()).await)?;
        not_found(store, &gone, "after delete").await?;
    }
    for text in stored {
        has_content(store, &key(text), text.as_bytes(), "after reading missing keys").await?;
    }
    Ok(())
}

async fn not_found(store: &dyn StorageProvider, key: &Key, situation: &str) -> Outcome {
    let name = brief(key);
    let ranges: [ByteRange; 5] =
        [(..).into(), (0..0).into(), (0..10).into(), (5..).into(), ByteRange::suffix(3)];
    for range in ranges {
        fails_with(
            format!("get of {name}, range {range}, {situation}"),
            ErrorKind::NotFound,
            open(store, key, range).await,
        )?;
    }
    fails_with(format!("head of {name} {situation}"), ErrorKind::NotFound, head(store, key).await)?;
    for ranges in [&ranges[..], &ranges[1..2], &[]] {
        fails_with(
            format!("get_ranges of {name}, {} ranges, {situation}", ranges.len()),
            ErrorKind::NotFound,
            store.get_ranges(key, ranges, &GetOptions::default()).await,
        )?;
    }
    Ok(())
}

async fn chunking_is_not_content(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let chunkings: &[&[usize]] = &[
        &[1],
        &[3, 0, 5],
        &[0, 0, 1],
        &[7, 4096, 1],
        &[4095],
        &[4096],
        &[65_535, 2],
        &[65_536],
        &[65_537],
        &[MIB - 1, 2],
        &[5 * MIB],
        &[8 * MIB + 1],
        &[],
    ];
    for (number, size) in SMALL_SIZES.iter().chain(LARGE_SIZES).copied().enumerate() {
        let content = payload(number as u64, size);
        for (form, sizes) in chunkings.iter().enumerate() {
            let chunks = size * sizes.len() / sizes.iter().sum::<usize>().max(1);
            // The largest contents in a few chunkings only: they take time.
            if chunks > 1200 || (size > 100_000 && (form + number) % 5 != 0) {
                continue;
            }
            let length = (form % 2 == 0).then_some(size as u64);
            let key = key(format!("{size}/{form}"));
            let situation =
                format!("{size} bytes in chunks of {sizes:?}, length stated: {}", length.is_some());
            ok(
                situation.as_str(),
                put(store, &key, streamed(content.clone(), sizes, length)).await,
            )?;
            has_content(store, &key, &content, &situation).await?;
        }
    }
    let content = payload(9, 20_000);
    for (number, length) in [None, Some(20_000)].into_iter().enumerate() {
        let key = key(format!("surrounded/{number}"));
        let surrounded = empty_chunks(None)
            .chain(chunked(content.clone(), &[0, 9000, 0, 0]))
            .chain(empty_chunks(None));
        let situation = "empty chunks before, between and after";
        ok(situation, put(store, &key, Body::from_stream(surrounded, length)).await)?;
        has_content(store, &key, &content, situation).await?;
    }
    Ok(())
}

async fn objects_below_objects(cx: &Context) -> Outcome {
    const ORDERS: [[usize; 3]; 6] =
        [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let store = &*cx.open().await?;
    for (number, creating) in ORDERS.iter().enumerate() {
        for deleting in [ORDERS[number], ORDERS[5 - number]] {
            let base = format!("n{number}d{}{}", deleting[0], deleting[1]);
            let keys = [key(&base), key(format!("{base}/b")), key(format!("{base}/b/c"))];
            let mut there: [Option<Bytes>; 3] = Default::default();
            let mut steps = Vec::new();
            for at in creating {
                steps.push(format!("put {}", brief(&keys[*at])));
                let content = payload(*at as u64, 100 + at);
                ok(steps.join(", "), put(store, &keys[*at], content.clone()).await)?;
                there[*at] = Some(content);
                exactly(store, &keys, &there, &steps).await?;
            }
            for at in deleting {
                steps.push(format!("put over {}", brief(&keys[at])));
                let content = payload(10 + at as u64, 200 + at);
                ok(steps.join(", "), put(store, &keys[at], chunked(content.clone(), &[9])).await)?;
                there[at] = Some(content);
                exactly(store, &keys, &there, &steps).await?;
                steps.push(format!("delete {}", brief(&keys[at])));
                ok(steps.join(", "), store.delete(&keys[at], &DeleteOptions::default()).await)?;
                there[at] = None;
                exactly(store, &keys, &there, &steps).await?;
            }
        }
    }
    Ok(())
}

async fn exactly(
    store: &dyn StorageProvider,
    keys: &[Key; 3],
    there: &[Option<Bytes>; 3],
    steps: &[String],
) -> Outcome {
    let checked = async {
        for (key, content) in keys.iter().zip(there) {
            match content {
                Some(content) => {
                    has_content(store, key, content, "nested keys").await?;
                }
                None => has_no_object(store, key, "nested keys").await?,
            }
        }
        let mut seen: Vec<_> = ok("list", listed(store, keys[0].as_str()).await)?
            .into_iter()
            .map(|entry| entry.key)
            .collect();
        seen.sort();
        let expected: Vec<Key> = keys
            .iter()
            .zip(there)
            .filter(|(_, content)| content.is_some())
            .map(|(key, _)| key.clone())
            .collect();
        equal("nested keys: list", &expected, &seen)
    };
    checked.await.map_err(|failure| failure.with_steps(steps.to_vec()))
}

async fn description_comes_before_the_body(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    for (number, size) in [0, 1, 5000, 65_537, MIB + 1, 8 * MIB].into_iter().enumerate() {
        let key = key(format!("{size}"));
        let content = payload(number as u64, size);
        let attributes = Attributes {
            metadata: [("size".to_owned(), size.to_string())].into(),
            ..Attributes::default()
        };
        let options = PutOptions { attributes: attributes.into(), ..PutOptions::default() };
        let body = if number % 2 == 0 {
            content.clone().into()
        } else {
            chunked(content.clone(), &[9999])
        };
        let written = ok("put", store.put(&key, body, &options).await)?;
        let stored = description(store, &key, &written).await?;
        equal("attributes by head after put", &options.attributes, &stored.attributes)?;
        let size = size as u64;
        let ranges: [ByteRange; 6] = [
            (..).into(),
            (0..size / 3).into(),
            (size / 2..).into(),
            ByteRange::suffix(1),
            (size..size).into(),
            (0..0).into(),
        ];
        for range in ranges {
            let situation = format!("get of range {range} of {size} bytes, body not read");
            let found = ok(situation.as_str(), open(store, &key, range).await)?;
            equal(situation.as_str(), &stored, &found.meta)?;
            let exact = ok("resolving the range", range.resolve(size))?;
            equal(format!("{situation}: the range it states"), &exact, &found.range)?;
            holds(
                format!("{situation}: the length that the body states"),
                found.body.length().is_none_or(|length| length == exact.end - exact.start),
                format!("{} or none", exact.end - exact.start),
                found.body.length(),
            )?;
            let seen = ok("reading the body", found.body.collect().await)?;
            same_bytes(situation, &content[exact.start as usize..exact.end as usize], &seen)?;
        }
    }
    Ok(())
}

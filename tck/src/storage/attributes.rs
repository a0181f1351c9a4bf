//! STO-110 to STO-116: content fields and user metadata.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use omni_contracts::storage::{
    Attributes, Capability, CompleteOptions, CopyOptions, Key, MAX_METADATA_BYTES, PartNumber,
    PutOptions, StorageProvider, Version, Written,
};
use omni_contracts::{Body, ErrorKind, Result};

use super::atomicity::overtaken;
use super::inputs::{
    KIB, MIB, brief, chunked, description, has_content, head, key, listed, open, payload, put,
    read, same_bytes, stamped, streamed,
};
use super::read_duels::reads_meet_overwrites;
use super::snapshot::Snapshot;
use crate::check::{Failure, Outcome, check, equal, fails_with, holds, ok};
use crate::{Check, Context};

pub(crate) const CHECKS: &[Check] = &[
    check!(
        "STO-110",
        content_fields_come_back,
        "look at how each content field is stored and read, and at anything that guesses a type"
    ),
    check!(
        "STO-111",
        metadata_comes_back,
        "look at how metadata values are encoded where they are stored, and at decoding what looks encoded"
    ),
    check!(
        "STO-112",
        overwrites_replace_attributes,
        "an overwrite must not merge with the attributes of its predecessor, nor keep them elsewhere"
    ),
    check!(
        "STO-113",
        metadata_limits_hold,
        "call `Attributes::validate` first thing in every method that takes attributes"
    ),
    check!(
        "STO-114",
        wrong_content_fields_are_refused,
        "call `Attributes::validate` first thing in every method that takes attributes"
    ),
    check!(
        "STO-115",
        attributes_and_content_are_one_write,
        "publish content and attributes in one step, and read both from one snapshot"
    ),
    check!(
        "STO-116",
        encoded_content_is_not_decoded,
        "look for anything in the stack that handles Content-Encoding, such as an HTTP client's gzip"
    ),
];

/// Puts with attributes only.
pub(super) async fn put_with(
    store: &dyn StorageProvider,
    key: &Key,
    body: impl Into<Body>,
    attributes: &Attributes,
) -> Result<Written> {
    let options = PutOptions { attributes: Arc::new(attributes.clone()), ..PutOptions::default() };
    store.put(key, body.into(), &options).await
}

/// Attributes with every field and some metadata, which differ by `seed`.
pub(super) fn full(seed: u64) -> Attributes {
    Attributes {
        cache_control: Some(format!("max-age={seed}, public")),
        content_disposition: Some(format!("attachment; filename=\"r {seed}.txt\"")),
        content_encoding: Some(format!("x-enc-{seed}")),
        content_language: Some(format!("de-x-{seed}")),
        content_type: Some(format!("text/x.r{seed}; charset=utf-8")),
        metadata: metadata(&[("seed", &seed.to_string()), ("note", " \u{e4} \n"), ("empty", "")]),
    }
}

pub(super) fn metadata(entries: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Expects exactly these attributes from `head` and from `get`.
pub(super) async fn has_attributes(
    store: &dyn StorageProvider,
    key: &Key,
    expected: &Attributes,
    situation: &str,
) -> Outcome {
    let name = brief(key);
    let about = ok(format!("{situation}: head of {name}"), head(store, key).await)?;
    equal(format!("{situation}: attributes of {name} by head"), expected, &about.attributes)?;
    let found = ok(format!("{situation}: get of {name}"), open(store, key, ..).await)?;
    equal(format!("{situation}: attributes of {name} by get"), expected, &found.meta.attributes)?;
    let part = ok(format!("{situation}: get of a range of {name}"), open(store, key, ..0).await)?;
    equal(
        format!("{situation}: attributes of {name} by get of a range"),
        expected,
        &part.meta.attributes,
    )
}

/// Puts as bytes and as a stream, and expects the attributes back each time.
async fn comes_back(
    store: &dyn StorageProvider,
    key: &Key,
    content: &Bytes,
    attributes: &Attributes,
    situation: &str,
) -> Outcome {
    let bodies = [
        ("put", Body::from(content.clone())),
        ("streamed put", chunked(content.clone(), &[1000, 0, 7])),
        ("streamed put of unknown length", streamed(content.clone(), &[9000], None)),
    ];
    for (how, body) in bodies {
        let situation = format!("{how} of {} bytes {situation}", content.len());
        ok(situation.clone(), put_with(store, key, body, attributes).await)?;
        has_attributes(store, key, attributes, &situation).await?;
    }
    Ok(())
}

type Setter = fn(&mut Attributes) -> &mut Option<String>;

/// The five content fields, each as a way to set it.
const FIELDS: &[(&str, Setter)] = &[
    ("cache-control", |attributes| &mut attributes.cache_control),
    ("content-disposition", |attributes| &mut attributes.content_disposition),
    ("content-encoding", |attributes| &mut attributes.content_encoding),
    ("content-language", |attributes| &mut attributes.content_language),
    ("content-type", |attributes| &mut attributes.content_type),
];

async fn content_fields_come_back(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let longest = format!("a/{}", "b".repeat(254));
    let values = [
        "a/b",
        "text/html",
        "text/plain",
        "application/json",
        "Text/HTML; Charset=\"UTF-8\"",
        "application/octet-stream",
        "x/y;  a=b;c=%41%2F+",
        "a/b; c='~!@#$^&*()[]{}<>?\\|`'",
        longest.as_str(),
    ];
    let content = payload(110, 100);
    for (field, set) in cx.some(FIELDS) {
        for value in values {
            let mut attributes = Attributes::default();
            *set(&mut attributes) = Some(value.to_owned());
            let situation = format!("with {field} {value:?} alone");
            comes_back(store, &key("fields"), &content, &attributes, &situation).await?;
        }
    }
    let usual = [
        ("content-type", "text/plain; charset=us-ascii"),
        ("content-type", "binary/octet-stream"),
        ("content-type", "application/xml"),
        ("content-type", "image/jpg"),
        ("cache-control", "no-cache"),
        ("cache-control", "private, max-age=0"),
        ("content-disposition", "inline"),
        ("content-disposition", "attachment"),
        ("content-encoding", "gzip"),
        ("content-encoding", "identity"),
        ("content-language", "de"),
        ("content-language", "en-US, fr"),
    ];
    for (field, value) in usual {
        let mut attributes = Attributes::default();
        if let Some((_, set)) = FIELDS.iter().find(|(name, _)| *name == field) {
            *set(&mut attributes) = Some(value.to_owned());
        }
        let situation = format!("with {field} {value:?} alone");
        comes_back(store, &key("usual"), &content, &attributes, &situation).await?;
    }
    for size in cx.some([0, 1, 4 * KIB, 64 * KIB, 64 * KIB + 1, MIB + 1, 5 * MIB, 8 * MIB + 1]) {
        let content = payload(size as u64, size);
        let all = full(size as u64);
        comes_back(store, &key("all"), &content, &all, "with every field").await?;
    }
    // What a store might guess a type, an encoding or a disposition from.
    let guessed = [
        ("g/index.html", "<!doctype html><html></html>"),
        ("g/data.json", "{\"a\": 1}"),
        ("g/a.json.gz", "\u{1f}plain"),
        ("g/picture.png", "\u{89}PNG\r\n"),
        ("g/none", ""),
        ("g/x.txt", "text"),
    ];
    for (name, content) in guessed {
        let content = Bytes::from_static(content.as_bytes());
        let none = Attributes::default();
        comes_back(store, &key(name), &content, &none, &format!("to {name:?} without attributes"))
            .await?;
    }
    Ok(())
}

async fn metadata_comes_back(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let long = "v".repeat(1000);
    let wide = "\u{e4}\u{1f600}".repeat(150);
    let values = [
        "",
        " ",
        "  a  b  ",
        "\t",
        "\n",
        "\r\n",
        "a\r\nx-injected: b",
        "\0",
        "a\0b",
        "\u{7f}",
        "\u{1b}[0m",
        "\u{e4}",
        "e\u{301}",
        "\u{e9}",
        "\u{1f600}",
        "\u{feff}a",
        "\u{2028}",
        "\u{202e}x",
        "\u{ff}",
        "\u{85}",
        "\u{10ffff}",
        "%41",
        "%",
        "%C3%A4",
        "%%25",
        "a+b",
        "a%20b",
        "=?UTF-8?B?w6Q=?=",
        "=?utf-8?q?=C3=A4?=",
        "\"quoted\"",
        "'",
        "\\n",
        "\\u00e4",
        "\\",
        "aGVsbG8=",
        "a,b",
        "a, b",
        ",",
        ";",
        "a;b=c",
        "=",
        "a=b&c=d",
        "<a>&amp;</a>",
        "]]>",
        "{\"a\":1}",
        "null",
        "true",
        "0",
        "007",
        "1e3",
        "~",
        "- x",
        "# y",
        &long,
        &wide,
    ];
    let content = payload(111, 10);
    for value in values {
        let attributes =
            Attributes { metadata: metadata(&[("value", value)]), ..Attributes::default() };
        let situation = format!("with the metadata value {value:?}");
        comes_back(store, &key("value"), &content, &attributes, &situation).await?;
    }
    let name = "n".repeat(200);
    let names = [
        "a",
        "z9_",
        "a_",
        "a__b",
        "ab",
        "abc",
        "content_type",
        "content_length",
        "etag",
        "version",
        "size",
        "key",
        "date",
        "x_amz_meta_a",
        "omni_write_id",
        "write_id",
        "metadata",
        "modified",
        "checksum",
        "crc32c",
        "meta",
        &name,
    ];
    let together: Vec<_> = names.iter().copied().zip(values).collect();
    for (number, size) in cx.some([0, 1, 64 * KIB + 1, 5 * MIB]).into_iter().enumerate() {
        let attributes = Attributes { metadata: metadata(&together), ..full(1) };
        let key = key(format!("names/{number}"));
        comes_back(store, &key, &payload(1, size), &attributes, "with many names").await?;
    }
    let many: Vec<_> = (0..64).map(|number| (format!("m{number}"), number.to_string())).collect();
    let attributes = Attributes { metadata: many.into_iter().collect(), ..Attributes::default() };
    comes_back(store, &key("many"), &content, &attributes, "with 64 metadata names").await
}

async fn overwrites_replace_attributes(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let other = Attributes {
        content_type: Some("image/png".to_owned()),
        metadata: metadata(&[("seed", "other"), ("fresh", "1")]),
        ..Attributes::default()
    };
    let no_fields = Attributes { metadata: full(2).metadata, ..Attributes::default() };
    let no_metadata = Attributes { metadata: metadata(&[]), ..full(2) };
    let successors = [
        ("none", Attributes::default()),
        ("others", other),
        ("metadata only", no_fields),
        ("content fields only", no_metadata),
        ("the same", full(1)),
    ];
    for size in cx.some([0, 100, 64 * KIB + 1, MIB + 1]) {
        let key = key(format!("o/{size}"));
        let content = payload(1, size);
        for (what, successor) in &successors {
            for same_content in [payload(1, size), payload(2, size / 2)] {
                let first = put_with(store, &key, content.clone(), &full(1)).await;
                ok("put with every field", first)?;
                let situation = format!("overwriting {size} bytes with attributes: {what}");
                comes_back(store, &key, &same_content, successor, &situation).await?;
            }
        }
        ok("put with every field", put_with(store, &key, content.clone(), &full(1)).await)?;
        ok("plain overwrite", put(store, &key, content.clone()).await)?;
        has_attributes(store, &key, &Attributes::default(), "after a plain overwrite").await?;
        ok("put with every field", put_with(store, &key, content.clone(), &full(1)).await)?;
        ok("delete", store.delete(&key, &Default::default()).await)?;
        ok("put after delete", put(store, &key, content).await)?;
        has_attributes(store, &key, &Attributes::default(), "put after delete").await?;
    }
    Ok(())
}

/// Expects that `attributes` are refused by everything that takes some, without effect.
async fn are_refused(
    store: &dyn StorageProvider,
    attributes: Attributes,
    situation: &str,
) -> Outcome {
    let (free, taken) = (key("free"), key("taken"));
    let keys = [free.clone(), taken.clone(), key("source")];
    let before = Snapshot::take(store, &keys).await?;
    let refused = ErrorKind::InvalidArgument;
    for to in [&free, &taken] {
        let name = brief(to);
        let result = put_with(store, to, payload(3, 10), &attributes).await;
        fails_with(format!("put to {name} {situation}"), refused, result)?;
        let body = streamed(payload(3, 64 * KIB + 1), &[1000], None);
        let result = put_with(store, to, body, &attributes).await;
        fails_with(format!("streamed put to {name} {situation}"), refused, result)?;
        let options = CopyOptions {
            attributes: Some(Arc::new(attributes.clone())),
            ..CopyOptions::default()
        };
        let result = store.copy(&key("source"), to, &options).await;
        fails_with(format!("copy to {name} {situation}"), refused, result)?;
        if store.capabilities().has(Capability::Multipart) {
            let options =
                PutOptions { attributes: Arc::new(attributes.clone()), ..PutOptions::default() };
            let result = store.create_upload(to, &options).await;
            fails_with(format!("create_upload of {name} {situation}"), refused, result)?;
        }
    }
    before.unchanged(store, &keys, &format!("after calls {situation}")).await
}

async fn two_objects(store: &dyn StorageProvider) -> Outcome {
    ok("put", put_with(store, &key("taken"), payload(1, 20), &full(1)).await)?;
    ok("put", put_with(store, &key("source"), payload(2, 30), &full(2)).await)?;
    Ok(())
}

async fn metadata_limits_hold(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    two_objects(store).await?;
    let with = |entries: &[(&str, &str)]| Attributes {
        metadata: metadata(entries),
        ..Attributes::default()
    };
    let (one, name) = ("v".repeat(MAX_METADATA_BYTES - 1), "n".repeat(MAX_METADATA_BYTES));
    let wide = "\u{e4}".repeat((MAX_METADATA_BYTES - 2) / 2);
    let half = "v".repeat(MAX_METADATA_BYTES / 2 - 1);
    let plain = ("one long value", with(&[("a", &one)]));
    let others = [
        ("one long name", with(&[(&name, "")])),
        ("characters of two bytes", with(&[("ab", &wide)])),
        ("two values", with(&[("a", &half), ("b", &half)])),
        (
            "64 entries",
            Attributes {
                metadata: (0..64)
                    .map(|n| (format!("m{n:03}"), "twelve bytes".to_owned()))
                    .collect(),
                ..full(1)
            },
        ),
    ];
    for (what, attributes) in std::iter::once(plain).chain(cx.some(others)) {
        for size in [0, 10, 64 * KIB + 1] {
            let situation = format!("with 1024 bytes of metadata, {what}");
            comes_back(store, &key("limit"), &payload(1, size), &attributes, &situation).await?;
        }
        let options = CopyOptions {
            attributes: Some(Arc::new(attributes.clone())),
            ..CopyOptions::default()
        };
        let copied = store.copy(&key("source"), &key("limit"), &options).await;
        ok(format!("copy with 1024 bytes of metadata, {what}"), copied)?;
        has_attributes(store, &key("limit"), &attributes, "after copy").await?;
    }
    let above = [
        ("one byte too many in a value", with(&[("aa", &one)])),
        ("one byte too many in a name", with(&[(&name, "v")])),
        ("few characters, many bytes", with(&[("abc", &wide)])),
        ("two values", with(&[("a", &half), ("bb", &half)])),
        (
            "65 entries",
            Attributes {
                metadata: (0..65).map(|n| (format!("m{n}"), String::new())).collect(),
                ..Attributes::default()
            },
        ),
        ("8 KiB", with(&[("a", &"v".repeat(8192))])),
    ];
    for (what, attributes) in above {
        are_refused(store, attributes, &format!("with more than 1024 bytes of metadata, {what}"))
            .await?;
    }
    let names = [
        "",
        "A",
        "aB",
        "1a",
        "_a",
        "-a",
        "a-b",
        "a.b",
        "a b",
        " a",
        "a ",
        "a:",
        "\u{e4}",
        "a\u{e4}",
        "a\n",
        "a\0",
        "a\u{ff41}",
        "a\u{661}",
        "a/b",
        "a=b",
    ];
    for name in names {
        are_refused(store, with(&[(name, "v")]), &format!("with the metadata name {name:?}"))
            .await?;
        are_refused(
            store,
            with(&[("good", "v"), (name, "")]),
            &format!("with a good metadata name and {name:?}"),
        )
        .await?;
    }
    Ok(())
}

async fn wrong_content_fields_are_refused(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    two_objects(store).await?;
    let long = format!("a/{}", "b".repeat(255));
    let values = [
        "",
        " ",
        " a/b",
        "a/b ",
        "a/b\r\nx-injected: y",
        "a/b\n",
        "a/b\r",
        "a\t/b",
        "a/b\0",
        "a/b\u{7f}",
        "a/\u{e4}",
        "a/b; c=\u{201c}d\u{201d}",
        "\u{a0}a/b",
        "a/b\u{1f600}",
        &long,
    ];
    for (field, set) in cx.some(FIELDS) {
        for value in values {
            let mut attributes = full(7);
            *set(&mut attributes) = Some(value.to_owned());
            are_refused(store, attributes, &format!("with {field} {value:?}")).await?;
        }
    }
    let types = [
        "text",
        "/",
        "/plain",
        "text/",
        "a/b/c",
        "te xt/plain",
        "text/pl ain",
        "text /plain",
        ";charset=utf-8",
        "text;a/b",
        "(a)/b",
        "a/b,c/d",
        "\"a\"/b",
    ];
    for content_type in cx.some(types) {
        let attributes =
            Attributes { content_type: Some(content_type.to_owned()), ..Attributes::default() };
        are_refused(store, attributes, &format!("with content-type {content_type:?}")).await?;
    }
    Ok(())
}

/// What write number `number` stores: content and attributes that name each other.
fn pair(number: u64, large: usize) -> (Bytes, Attributes) {
    let size = if number.is_multiple_of(2) { 8 } else { large } + 8 * (number as usize % 5);
    let attributes = Attributes {
        content_type: Some(format!("n/{number}")),
        metadata: metadata(&[("number", &number.to_string())]),
        ..Attributes::default()
    };
    (stamped(number, size), attributes)
}

/// The number that attributes name; both places agree or the attributes are a mixture.
fn named(attributes: &Attributes) -> Option<u64> {
    let number: u64 = attributes.metadata.get("number")?.parse().ok()?;
    (attributes.content_type.as_deref() == Some(&format!("n/{number}"))).then_some(number)
}

/// One observation: how, the version, the number that the attributes name, the size.
type Sighting = (&'static str, Version, Option<u64>, u64);

async fn attributes_and_content_are_one_write(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    for (round, large) in [64, 64 * KIB + 8, MIB + 8].into_iter().enumerate() {
        let key = key(format!("pairs/{round}"));
        let writes: u64 = [240, 60, 16][round];
        let done = Arc::new(AtomicBool::new(false));
        let readers: Vec<_> = (0..3)
            .map(|reader| {
                let (store, key, done) = (Arc::clone(&store), key.clone(), Arc::clone(&done));
                tokio::spawn(async move { watch_pairs(&*store, &key, large, &done, reader).await })
            })
            .collect();
        let written = write_pairs(&*store, &key, large, writes).await;
        done.store(true, Ordering::Relaxed);
        let mut sightings = Vec::new();
        for reader in readers {
            let watched = reader.await.map_err(|panic| {
                Failure::new("reading under overwrite", "an answer", panic.to_string())
            })?;
            sightings.extend(watched?);
        }
        let written = written?;
        for (how, version, number, size) in sightings {
            let expected = written.get(&version).map(|number| (Some(*number), *number));
            let Some((expected, stamp)) = expected else {
                return Err(Failure::new(
                    format!("{how} while {} is overwritten", brief(&key)),
                    "a version that a write returned",
                    format!("version {version}"),
                ));
            };
            let numbers = if how == "list" { expected } else { number };
            equal(
                format!("attributes that {how} gave with version {version} under overwrite"),
                &expected,
                &numbers,
            )?;
            equal(
                format!("size that {how} gave with version {version} under overwrite"),
                &(pair(stamp, large).0.len() as u64),
                &size,
            )?;
        }
    }
    reads_meet_overwrites(cx, &store).await
}

/// Writes pairs by every path, and returns which version is which number.
async fn write_pairs(
    store: &dyn StorageProvider,
    key: &Key,
    large: usize,
    writes: u64,
) -> std::result::Result<HashMap<Version, u64>, Failure> {
    let mut written = HashMap::new();
    for number in 1..=writes {
        let (content, attributes) = pair(number, large);
        let result = match number % 6 {
            2 => put_with(store, key, chunked(content, &[4096, 3]), &attributes).await,
            4 => put_with(store, key, streamed(content, &[1000], None), &attributes).await,
            5 if store.capabilities().has(Capability::Multipart) => {
                put_in_parts(store, key, content, &attributes).await
            }
            _ => put_with(store, key, content, &attributes).await,
        };
        let stored = ok(format!("write {number} of {}", brief(key)), result)?;
        let meta = description(store, key, &stored).await?;
        equal(format!("attributes by head after write {number}"), &attributes, &meta.attributes)?;
        written.insert(meta.version, number);
        if number % 15 == 0 {
            ok("delete between writes", store.delete(key, &Default::default()).await)?;
        }
    }
    Ok(written)
}

/// One upload of one part.
async fn put_in_parts(
    store: &dyn StorageProvider,
    key: &Key,
    content: Bytes,
    attributes: &Attributes,
) -> Result<Written> {
    let options = PutOptions { attributes: Arc::new(attributes.clone()), ..PutOptions::default() };
    let id = store.create_upload(key, &options).await?;
    let part = store.upload_part(key, &id, PartNumber::new(1)?, content.into()).await?;
    store.complete_upload(key, &id, &[part], &CompleteOptions::default()).await
}

async fn watch_pairs(
    store: &dyn StorageProvider,
    key: &Key,
    large: usize,
    done: &AtomicBool,
    reader: usize,
) -> std::result::Result<Vec<Sighting>, Failure> {
    let mut sightings = Vec::new();
    let mut turn = reader;
    while !done.load(Ordering::Relaxed) {
        turn += 1;
        if turn.is_multiple_of(5) {
            let entries = ok("list under overwrite", listed(store, key.as_str()).await)?;
            sightings
                .extend(entries.into_iter().map(|entry| ("list", entry.version, None, entry.size)));
        } else if turn.is_multiple_of(2) {
            if let Some(meta) = present(head(store, key).await)? {
                sightings.push(("head", meta.version, named(&meta.attributes), meta.size));
            }
        } else if let Some((meta, content)) = present(intact(read(store, key).await))?.flatten() {
            let number = named(&meta.attributes);
            holds(
                "attributes that get gave under overwrite",
                number.is_some(),
                "content type and metadata of one write",
                &meta.attributes,
            )?;
            let expected = pair(number.unwrap_or_default(), large).0;
            same_bytes(
                "content that get gave under overwrite, by what its attributes name",
                &expected,
                &content,
            )?;
            sightings.push(("get", meta.version, number, meta.size));
        }
        tokio::task::yield_now().await;
    }
    Ok(sightings)
}

/// `None` for a body whose object was replaced: it may fail (STO-052).
fn intact<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Err(error) if overtaken(&error) => Ok(None),
        other => other.map(Some),
    }
}

fn present<T>(result: Result<T>) -> std::result::Result<Option<T>, Failure> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        other => ok("reading under overwrite", other).map(Some),
    }
}

/// `hello hello hello hello`, as gzip and as deflate make it.
const GZIP: &[u8] = &[
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 203, 72, 205, 201, 201, 87, 200, 64, 39, 1, 227, 81, 61, 141,
    23, 0, 0, 0,
];
const DEFLATE: &[u8] = &[120, 156, 203, 72, 205, 201, 201, 87, 200, 64, 39, 1, 104, 3, 8, 177];

async fn encoded_content_is_not_decoded(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let contents = [
        ("gzip bytes", Bytes::from_static(GZIP)),
        ("deflate bytes", Bytes::from_static(DEFLATE)),
        ("text", Bytes::from_static(b"hello hello")),
        ("no bytes", Bytes::new()),
        ("64 KiB and one byte", payload(116, 64 * KIB + 1)),
    ];
    let encodings = ["gzip", "x-gzip", "deflate", "br", "zstd", "identity", "gzip, br"];
    let at = key("page.html");
    for (what, content) in cx.some(&contents) {
        for encoding in encodings.iter().map(|text| Some(*text)).chain([None]) {
            let attributes = Attributes {
                content_encoding: encoding.map(str::to_owned),
                content_type: Some("text/html".to_owned()),
                ..Attributes::default()
            };
            let situation = format!("{what} stored with content-encoding {encoding:?}");
            for body in [Body::from(content.clone()), chunked(content.clone(), &[5, 1000])] {
                let written = ok(situation.clone(), put_with(store, &at, body, &attributes).await)?;
                equal(format!("{situation}: size"), &(content.len() as u64), &written.size)?;
                has_content(store, &at, content, &situation).await?;
                has_attributes(store, &at, &attributes, &situation).await?;
                let middle = content.len() as u64 / 3..content.len() as u64 / 2;
                let found = ok(situation.clone(), open(store, &at, middle.clone()).await)?;
                let seen = ok(situation.clone(), found.body.collect().await)?;
                same_bytes(
                    format!("{situation}: range {middle:?}"),
                    &content[middle.start as usize..middle.end as usize],
                    &seen,
                )?;
                let copied = key("copied.html");
                ok("copy", store.copy(&at, &copied, &CopyOptions::default()).await)?;
                has_content(store, &copied, content, &format!("copy of {situation}")).await?;
            }
        }
    }
    Ok(())
}

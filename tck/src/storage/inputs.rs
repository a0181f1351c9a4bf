//! What the directed checks put in: contents, bodies that behave and bodies that do not, keys that
//! are nasty and keys that are refused, and short forms of the calls. Expectations live in
//! `crate::check`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use omni_contracts::storage::{
    ByteRange, Capability, GetOptions, GetResult, Key, ListEntry, ListRequest, ObjectEntry,
    ObjectMeta, Prefix, PutOptions, StorageProvider, Version, Written, list_all,
};
use omni_contracts::{Body, Error, ErrorKind, Result};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::check::{Failure, Outcome, equal, holds, ok};

pub(crate) const KIB: usize = 1 << 10;
pub(crate) const MIB: usize = 1 << 20;

/// A way of making a body of a content.
pub(crate) type MakeBody = fn(Bytes) -> Body;

/// Sizes at which buffers, pages and blocks of providers end.
pub(crate) const SMALL_SIZES: &[usize] = &[
    0, 1, 2, 7, 8, 9, 255, 256, 257, 511, 512, 513, 1023, 1024, 1025, 4095, 4096, 4097, 8191, 8192,
    8193, 16384, 32767, 32768, 32769, 65535, 65536, 65537,
];

/// Sizes at which streaming, parts and limits begin.
pub(crate) const LARGE_SIZES: &[usize] = &[
    131_071,
    131_073,
    256 * KIB + 1,
    512 * KIB,
    MIB - 1,
    MIB,
    MIB + 1,
    4 * MIB,
    5 * MIB - 1,
    5 * MIB,
    5 * MIB + 1,
    8 * MIB,
    8 * MIB + 1,
];

/// `len` bytes determined by `seed`. Every 256 of them carry their position, so that no two pieces
/// are alike and none can be dropped, repeated or moved unseen.
pub(crate) fn payload(seed: u64, len: usize) -> Bytes {
    const BLOCK: usize = 256;
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d;
    let mut block = [0; BLOCK];
    for byte in &mut block {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *byte = (state >> 32) as u8;
    }
    let mut all = block.repeat(len.div_ceil(BLOCK));
    for (position, block) in all.chunks_exact_mut(BLOCK).enumerate().skip(1) {
        block[100..108].copy_from_slice(&(position as u64 ^ seed.rotate_left(32)).to_le_bytes());
    }
    all.truncate(len);
    all.into()
}

/// `len` bytes of which every 8 carry `writer`, the low byte first.
pub(crate) fn stamped(writer: u64, len: usize) -> Bytes {
    let mut all = writer.to_le_bytes().repeat(len.div_ceil(8));
    all.truncate(len);
    all.into()
}

/// A streamed body in chunks of the given sizes, which repeat; 0 makes an empty chunk. `length` is
/// what the body states, right or wrong. There is an await point before each chunk.
pub(crate) fn streamed(bytes: impl Into<Bytes>, sizes: &[usize], length: Option<u64>) -> Body {
    Body::from_stream(chunks(bytes.into(), sizes), length)
}

/// A streamed body that states its length.
pub(crate) fn chunked(bytes: impl Into<Bytes>, sizes: &[usize]) -> Body {
    let bytes = bytes.into();
    let length = bytes.len() as u64;
    streamed(bytes, sizes, Some(length))
}

/// A streamed body that ends `missing` bytes before its stated length.
pub(crate) fn short(bytes: impl Into<Bytes>, sizes: &[usize], missing: u64) -> Body {
    let bytes = bytes.into();
    let length = bytes.len() as u64 + missing;
    streamed(bytes, sizes, Some(length))
}

/// A streamed body that goes on `extra` bytes after its stated length.
pub(crate) fn long(bytes: impl Into<Bytes>, sizes: &[usize], extra: u64) -> Body {
    let bytes = bytes.into();
    let length = (bytes.len() as u64).saturating_sub(extra);
    streamed(bytes, sizes, Some(length))
}

/// A streamed body that yields `bytes` and then fails with `Unavailable`.
pub(crate) fn failing_after(bytes: impl Into<Bytes>, sizes: &[usize], length: Option<u64>) -> Body {
    let broken = Error::new(ErrorKind::Unavailable, "the source of the body is gone");
    let failure = stream::iter([Err(broken)]);
    Body::from_stream(chunks(bytes.into(), sizes).chain(failure), length)
}

fn chunks(
    bytes: Bytes,
    sizes: &[usize],
) -> impl futures_util::Stream<Item = Result<Bytes>> + Send + use<> {
    let mut sizes: Vec<usize> = sizes.to_vec();
    if sizes.iter().all(|size| *size == 0) {
        sizes.push(bytes.len().max(1));
    }
    stream::unfold((bytes, sizes, 0), |(mut rest, sizes, turn)| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::task::yield_now().await;
        let size = sizes[turn % sizes.len()].min(rest.len());
        let chunk = rest.split_to(size);
        Some((Ok(chunk), (rest, sizes, turn + 1)))
    })
}

/// A streamed body that yields `first`, then waits until the gate is opened, then yields `rest`.
pub(crate) fn pending(
    first: impl Into<Bytes>,
    rest: impl Into<Bytes>,
    length: Option<u64>,
) -> (Gate, Body) {
    let gate = Gate::default();
    let inner = gate.clone();
    let (first, rest) = (first.into(), rest.into());
    let waited = stream::once(async move {
        inner.reached.notify_one();
        inner.opened.notified().await;
        Ok(rest)
    });
    let body = stream::iter([Ok(first)]).chain(waited);
    (gate, Body::from_stream(body, length))
}

/// Holds a [`pending`] body back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate {
    reached: Arc<Notify>,
    opened: Arc<Notify>,
}

impl Gate {
    /// Waits until the reader has taken the first half and asks for more.
    pub(crate) async fn reached(&self) {
        self.reached.notified().await;
    }

    /// Lets the rest through.
    pub(crate) fn open(&self) {
        self.opened.notify_one();
    }
}

/// Polls `future` at most `polls` times, then drops it. `None` when it was dropped.
pub(crate) async fn cut_short<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut future = Box::pin(future);
    let mut left = polls;
    std::future::poll_fn(move |context| {
        if left == 0 {
            return std::task::Poll::Ready(None);
        }
        left -= 1;
        let polled = future.as_mut().poll(context).map(Some);
        if polled.is_pending() && left == 0 {
            return std::task::Poll::Ready(None);
        }
        polled
    })
    .await
}

/// A portable key.
///
/// # Panics
///
/// When the check itself has a key that is not portable.
pub(crate) fn key(text: impl AsRef<str>) -> Key {
    Key::new(text).unwrap_or_else(|error| panic!("a check uses a wrong key: {error}"))
}

/// Portable keys, all different, that stores are known to confuse, alter or refuse.
pub(crate) fn nasty_keys() -> Vec<Key> {
    let longest = vec!["k".repeat(Key::MAX_SEGMENT_BYTES); 4].join("/") + "/" + &"z".repeat(60);
    let last_byte_differs =
        vec!["k".repeat(Key::MAX_SEGMENT_BYTES); 4].join("/") + "/" + &"z".repeat(59) + "y";
    let widest = "w".repeat(Key::MAX_SEGMENT_BYTES);
    let one_less = "w".repeat(Key::MAX_SEGMENT_BYTES - 1);
    let wide_not_ascii = "\u{e4}".repeat(Key::MAX_SEGMENT_BYTES / 2);
    let wide_escaped = "%".repeat(Key::MAX_SEGMENT_BYTES);
    let wide_upper = "W".repeat(Key::MAX_SEGMENT_BYTES);
    let deepest = vec!["d"; Key::MAX_SEGMENTS].join("/");
    let one_up = vec!["d"; Key::MAX_SEGMENTS - 1].join("/");
    let fixed = [
        // The namespace is flat.
        "a",
        "a/b",
        "a/b/c",
        "a/b/c/d",
        "a/bc",
        "ab",
        "ab/c",
        "a-b",
        "a.b",
        "a!b",
        "a0",
        "a/0",
        // Case.
        "A",
        "a/B",
        "A/b",
        "README",
        "readme",
        "ReadMe",
        "\u{e4}rger",
        "\u{c4}rger",
        "\u{df}",
        "ss",
        "\u{1e9e}",
        "I",
        "i",
        "\u{130}",
        "\u{131}",
        "\u{3c3}",
        "\u{3c2}",
        "K",
        "\u{212a}",
        "k",
        // Normalisation.
        "\u{e9}",
        "e\u{301}",
        "e",
        "\u{c5}",
        "A\u{30a}",
        "\u{212b}",
        "\u{fb01}",
        "fi",
        "\u{1100}\u{1161}",
        "\u{ac00}",
        "\u{ff21}",
        "\u{2460}",
        "1",
        "a\u{323}\u{307}",
        "a\u{307}\u{323}",
        // Percent and plus.
        "a%2Fb",
        "a%2fb",
        "a%252Fb",
        "%",
        "%%",
        "%2",
        "%zz",
        "%00",
        "%2E%2E",
        "%2e",
        "a+b",
        "a b",
        "a%20b",
        "a%2Bb",
        "%41",
        "%61",
        "%C3%A9",
        "a%5Cb",
        "a%",
        // Spaces and what counts as one.
        " ",
        "  ",
        " a",
        "a ",
        " a ",
        "a  b",
        "a/ b",
        "a /b",
        "\u{a0}",
        "a\u{a0}",
        "\u{3000}",
        "a\u{200b}",
        "\u{feff}a",
        "a\u{2028}b",
        "\u{85}",
        "a\u{ad}b",
        // Dots.
        ".a",
        "..a",
        "...a",
        "a..b",
        ".a.b",
        "a/.b",
        "a/..b",
        ".. /a",
        " a/b",
        // URLs, queries, shells, patterns, markup.
        "a?b",
        "a?b=c",
        "a#b",
        "a&b",
        "a&amp;b",
        "a;b",
        "a:b",
        "a=b",
        "a@b",
        "a,b",
        "a$b",
        "$HOME",
        "`a`",
        "a|b",
        "a*b",
        "*",
        "?",
        "[a]",
        "{a}",
        "~",
        "~a",
        "a~",
        "a'b",
        "a\"b",
        "'",
        "\"",
        "<a>",
        "</Key>",
        "]]>",
        "<!--a-->",
        "a^b",
        "(a)",
        "-rf",
        "--",
        "!a",
        "http:",
        "http:/x",
        "C:",
        "c:/windows",
        "C:/Windows",
        "a:stream",
        // Names with a meaning to systems and stores.
        "CON",
        "con",
        "nul",
        "NUL.txt",
        "aux",
        "COM1",
        "lost+found",
        ".git/HEAD",
        ".DS_Store",
        "Thumbs.db",
        "index.html",
        "soap",
        "null",
        "None",
        "undefined",
        "true",
        "0",
        "00",
        "-1",
        "1e3",
        "NaN",
        "__proto__",
        "%s%n",
        "{}",
        "_",
        "__",
        "tmp",
        ".tmp",
        "a.tmp",
        "a.part",
        "a.lock",
        "a.meta",
        "a.json",
        ".meta",
        ".omni",
        ".omni/tmp",
        "_omni",
        "a.omni",
        ".uploads",
        ".versions",
        "a.attrs",
        // Not ASCII, astral characters, byte order against UTF-16 order.
        "\u{65e5}\u{672c}\u{8a9e}",
        "\u{1f600}",
        "\u{1f600}/\u{1f601}",
        "\u{1f468}\u{200d}\u{1f469}",
        "\u{ff5e}",
        "\u{10ffff}",
        "\u{e000}",
        "\u{fffd}",
        "\u{fffc}",
        "\u{5d0}\u{5d1}",
        "\u{202e}abc",
        "\u{80}",
        "\u{9f}",
    ];
    let made = [
        longest,
        last_byte_differs,
        widest,
        one_less,
        wide_not_ascii,
        wide_escaped,
        wide_upper,
        deepest,
        one_up,
    ];
    fixed.iter().map(|text| (*text).to_owned()).chain(made).map(key).collect()
}

/// Keys outside the portable profile, each with the rule that it breaks.
pub(crate) fn invalid_keys() -> Vec<(Key, &'static str)> {
    let fixed = [
        ("", "empty"),
        ("/", "only a `/`"),
        ("/a", "leading `/`"),
        ("//a", "leading `/`"),
        ("a/", "trailing `/`"),
        ("a//", "trailing `/`"),
        ("a//b", "empty segment"),
        (".", "segment `.`"),
        ("..", "segment `..`"),
        ("./a", "segment `.`"),
        ("../a", "segment `..`"),
        ("a/.", "segment `.`"),
        ("a/..", "segment `..`"),
        ("a/./b", "segment `.`"),
        ("a/../a", "segment `..`"),
        ("a.", "segment that ends in `.`"),
        ("a...", "segment that ends in `.`"),
        ("a./b", "segment that ends in `.`"),
        ("\0", "control character"),
        ("a\0b", "control character"),
        ("a\0", "control character"),
        ("a\tb", "control character"),
        ("a\n", "control character"),
        ("a\rb", "control character"),
        ("\u{1f}", "control character"),
        ("a\u{7f}", "control character"),
        ("a\\b", "`\\`"),
        ("\\", "`\\`"),
        ("..\\a", "`\\`"),
        ("\u{fffe}", "U+FFFE"),
        ("a/\u{ffff}b", "U+FFFF"),
    ];
    let made = [
        (vec!["k".repeat(200); 5].join("/") + &"k".repeat(21), "longer than 1024 bytes"),
        ("k".repeat(Key::MAX_BYTES + 1), "longer than 1024 bytes"),
        ("w".repeat(Key::MAX_SEGMENT_BYTES + 1), "segment longer than 240 bytes"),
        ("a/".to_owned() + &"\u{e4}".repeat(121), "segment longer than 240 bytes"),
        (vec!["d"; Key::MAX_SEGMENTS + 1].join("/"), "more than 254 segments"),
    ];
    fixed
        .into_iter()
        .map(|(text, rule)| (text.to_owned(), rule))
        .chain(made)
        .map(|(text, rule)| (Key::native(text), rule))
        .collect()
}

/// Puts without options.
pub(crate) async fn put(
    store: &dyn StorageProvider,
    key: &Key,
    body: impl Into<Body>,
) -> Result<Written> {
    store.put(key, body.into(), &PutOptions::default()).await
}

/// Opens a read of a range, without conditions.
pub(crate) async fn open(
    store: &dyn StorageProvider,
    key: &Key,
    range: impl Into<ByteRange>,
) -> Result<GetResult> {
    let options = GetOptions { range: range.into(), ..GetOptions::default() };
    store.get(key, &options).await
}

/// Reads the whole object: its description and its content.
pub(crate) async fn read(store: &dyn StorageProvider, key: &Key) -> Result<(ObjectMeta, Bytes)> {
    let found = open(store, key, ..).await?;
    Ok((found.meta, found.body.collect().await?))
}

/// Reads what is known about an object, without conditions.
pub(crate) async fn head(store: &dyn StorageProvider, key: &Key) -> Result<ObjectMeta> {
    store.head(key, &GetOptions::default()).await
}

/// Reads what is known about an object that was just written, and expects what the write returned to be
/// the same.
pub(crate) async fn description(
    store: &dyn StorageProvider,
    key: &Key,
    written: &Written,
) -> std::result::Result<ObjectMeta, Failure> {
    let name = brief(key);
    let meta = ok(format!("head of {name} after a write"), head(store, key).await)?;
    equal(format!("head of {name} against what the write returned"), written, &meta.written())?;
    Ok(meta)
}

/// Whether `version` is the current one of an object: where the same bytes may have the same version, it
/// may come back with them.
pub(crate) async fn came_back(store: &dyn StorageProvider, key: &Key, version: &Version) -> bool {
    !store.capabilities().has(Capability::UniqueVersions)
        && head(store, key).await.is_ok_and(|meta| meta.version == *version)
}

/// Expects another version than before, unless the same bytes may have the same one.
pub(crate) fn another_version(
    store: &dyn StorageProvider,
    situation: impl Into<String>,
    before: (&Version, &[u8]),
    now: (&Version, &[u8]),
) -> Outcome {
    let unique = store.capabilities().has(Capability::UniqueVersions);
    let other = before.0 != now.0 || (!unique && before.1 == now.1);
    holds(situation, other, "another version than before", now.0)
}

/// Lists all objects below `prefix`, once the declared listing delay has passed.
pub(crate) async fn listed(store: &dyn StorageProvider, prefix: &str) -> Result<Vec<ObjectEntry>> {
    let delay = store.capabilities().list_delay;
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let request = ListRequest::prefix(Prefix::new(prefix)?);
    let entries: Vec<ListEntry> = list_all(store, request).try_collect().await?;
    Ok(entries
        .into_iter()
        .filter_map(|entry| match entry {
            ListEntry::Object(object) => Some(object),
            ListEntry::Prefix(_) => None,
        })
        .collect())
}

/// Expects the same bytes; a failure shows the lengths and the first difference.
pub(crate) fn same_bytes(situation: impl Into<String>, expected: &[u8], seen: &[u8]) -> Outcome {
    if expected == seen {
        return Ok(());
    }
    let at = expected
        .iter()
        .zip(seen)
        .position(|(expected, seen)| expected != seen)
        .unwrap_or(expected.len().min(seen.len()));
    let excerpt = |bytes: &[u8]| {
        let end = bytes.len().min(at + 16);
        bytes[at.min(bytes.len())..end].escape_ascii().to_string()
    };
    let describe =
        |bytes: &[u8]| format!("{} bytes, from byte {at} on b\"{}\"", bytes.len(), excerpt(bytes));
    Err(Failure::new(situation, describe(expected), describe(seen)))
}

/// Expects that `key` has exactly this content, by `get` and by the size that `head` reports.
pub(crate) async fn has_content(
    store: &dyn StorageProvider,
    key: &Key,
    expected: &[u8],
    situation: &str,
) -> std::result::Result<ObjectMeta, Failure> {
    let (meta, seen) = ok(format!("{situation}: get of {}", brief(key)), read(store, key).await)?;
    same_bytes(format!("{situation}: content of {}", brief(key)), expected, &seen)?;
    let about = ok(format!("{situation}: head of {}", brief(key)), head(store, key).await)?;
    if about.size != expected.len() as u64 {
        return Err(Failure::new(
            format!("{situation}: size by head of {}", brief(key)),
            expected.len().to_string(),
            about.size.to_string(),
        ));
    }
    Ok(meta)
}

/// Expects that `key` has no object, by `get`, `head` and `list`.
pub(crate) async fn has_no_object(
    store: &dyn StorageProvider,
    key: &Key,
    situation: &str,
) -> Outcome {
    let name = brief(key);
    let absent = |what: &str, seen: String| {
        Err(Failure::new(format!("{situation}: {what} of {name}"), "no such object", seen))
    };
    match read(store, key).await {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return absent("get", format!("error: {error}")),
        Ok((_, bytes)) => return absent("get", format!("{} bytes of content", bytes.len())),
    }
    match head(store, key).await {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return absent("head", format!("error: {error}")),
        Ok(meta) => return absent("head", format!("{meta:?}")),
    }
    let entries = ok(format!("{situation}: list"), listed(store, key.as_str()).await)?;
    match entries.iter().find(|entry| entry.key == *key) {
        Some(entry) => absent("list", format!("{entry:?}")),
        None => Ok(()),
    }
}

/// Waits for `future`, but not for ever: a provider that waits for its own caller must fail, not hang.
///
/// # Errors
///
/// A failure that names the situation.
pub(crate) async fn in_time<F: Future>(
    situation: impl Into<String>,
    future: F,
) -> std::result::Result<F::Output, Failure> {
    const LIMIT: Duration = Duration::from_secs(30);
    tokio::time::timeout(LIMIT, future)
        .await
        .map_err(|_| Failure::new(situation, "an answer", format!("none within {LIMIT:?}")))
}

/// Waits for all tasks and returns the first failure, a panic included.
///
/// # Errors
///
/// The first failure.
pub(crate) async fn joined<T>(
    tasks: Vec<JoinHandle<std::result::Result<T, Failure>>>,
) -> std::result::Result<Vec<T>, Failure> {
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        results.push(task.await.unwrap_or_else(|panic| {
            let seen = format!("a panic: {panic}");
            Err(Failure::new("a call in a task of its own", "an answer", seen))
        }));
    }
    results.into_iter().collect()
}

/// A key as a message shows it: escaped, long ones cut.
pub(crate) fn brief(key: &Key) -> String {
    const MAX: usize = 60;
    let text = key.as_str();
    let shown: String = text.chars().take(MAX).collect();
    if shown.len() < text.len() {
        format!("{shown:?}... ({} bytes)", text.len())
    } else {
        format!("{shown:?}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn keys_are_what_they_are_said_to_be() {
        let keys = nasty_keys();
        let different: BTreeSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len(), "a key is there twice");
        for (key, rule) in invalid_keys() {
            assert!(!key.is_portable(), "{key:?} is portable, not {rule}");
        }
    }

    #[tokio::test]
    async fn bodies_are_what_they_are_said_to_be() {
        let bytes = payload(1, 1000);
        let collect = |body: Body| body.collect();
        assert_eq!(collect(chunked(bytes.clone(), &[3, 0, 500])).await.unwrap(), bytes);
        assert_eq!(collect(streamed(bytes.clone(), &[], None)).await.unwrap(), bytes);
        assert!(collect(short(bytes.clone(), &[100], 1)).await.is_err());
        assert!(collect(long(bytes.clone(), &[999, 1], 1)).await.is_err());
        assert!(collect(failing_after(bytes.clone(), &[], None)).await.is_err());
        let (gate, body) = pending(bytes.slice(..10), bytes.slice(10..), Some(1000));
        let reading = tokio::spawn(body.collect());
        gate.reached().await;
        gate.open();
        assert_eq!(reading.await.unwrap().unwrap(), bytes);
        let twice = || async {
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
        };
        assert!(cut_short(twice(), 2).await.is_none());
        assert!(cut_short(twice(), 3).await.is_some());
    }
}

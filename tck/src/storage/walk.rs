//! Listings as checks look at them: walking the pages, and the model that says what must be in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use omni_contracts::storage::{
    Key, ListEntry, ListPage, ListRequest, PageToken, Prefix, StorageProvider,
};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::inputs::put;
use crate::check::{Failure, Outcome, holds, ok};

/// Names at which listings go wrong: directories beside names that sort around `/`, patterns of
/// query languages, and text whose byte order is not its UTF-16 order.
pub(crate) const NAMES: &[&str] = &[
    "t",
    "t!",
    "t-",
    "t-/x",
    "t.a",
    "t/-",
    "t/x",
    "t/x/y",
    "t/x-y",
    "t0",
    "tt",
    "T/x",
    "a",
    "a/b",
    "a/b/c",
    "a/b/d",
    "a/c",
    "a-b",
    "a-b/c",
    "a--b",
    "a---b",
    "ab",
    "ab/c",
    "A",
    "A/b",
    "aaa",
    "aaaa",
    "a b",
    " a",
    "a_b",
    "axb",
    "a%b",
    "a%25b",
    "a*b",
    "a?b",
    "a[b]",
    "_",
    "%",
    "*",
    "x#1",
    "~",
    ".a",
    "..a/b",
    "\u{e9}",
    "\u{e9}/x",
    "e\u{301}",
    "\u{d7ff}",
    "\u{e000}",
    "\u{e000}/x",
    "\u{ff5e}",
    "\u{ff5e}/x",
    "\u{fffc}",
    "\u{1f600}",
    "\u{1f600}/x",
    "\u{1f600}\u{1f601}",
    "\u{10ffff}",
    "\u{10ffff}\u{10ffff}",
    "z\u{10ffff}",
    "z\u{10ffff}/x",
    "z{",
];

/// Delimiters of one and of several characters, some of which overlap themselves.
pub(crate) const DELIMITERS: &[&str] = &[
    "/",
    "-",
    "--",
    "a",
    "aa",
    "b",
    "ab",
    "/b",
    "b/",
    "a/b",
    " ",
    ".",
    "%",
    "_",
    "*",
    "?",
    "\\",
    "\u{e9}",
    "\u{301}",
    "\u{1f600}",
    "\u{10ffff}",
    "\n",
    "//",
    "no key has this",
];

/// An entry of a listing by its name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Entry {
    Object(String),
    Prefix(String),
}

impl Entry {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Object(name) | Self::Prefix(name) => name,
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(name) => write!(f, "{name:?}"),
            Self::Prefix(name) => write!(f, "prefix {name:?}"),
        }
    }
}

impl From<&ListEntry> for Entry {
    fn from(entry: &ListEntry) -> Self {
        match entry {
            ListEntry::Object(object) => Self::Object(object.key.as_str().to_owned()),
            ListEntry::Prefix(prefix) => Self::Prefix(prefix.as_str().to_owned()),
        }
    }
}

/// A listing that begins with `prefix`.
///
/// # Panics
///
/// When the check itself has a prefix that is too long.
pub(crate) fn request(prefix: &str) -> ListRequest {
    let prefix =
        Prefix::new(prefix).unwrap_or_else(|error| panic!("a check uses a wrong prefix: {error}"));
    ListRequest::prefix(prefix)
}

/// A listing that begins with `prefix` and rolls up at `delimiter`.
pub(crate) fn rolled_up(prefix: &str, delimiter: &str) -> ListRequest {
    ListRequest { delimiter: Some(delimiter.to_owned()), ..request(prefix) }
}

/// What a request asks for, in few words.
pub(crate) fn asked(request: &ListRequest) -> String {
    let mut text = format!("list with prefix {:?}", request.prefix.as_str());
    if let Some(delimiter) = &request.delimiter {
        text += &format!(", delimiter {delimiter:?}");
    }
    if let Some(start_after) = &request.start_after {
        text += &format!(", start_after {start_after:?}");
    }
    if let Some(limit) = request.limit {
        text += &format!(", pages of {limit}");
    }
    text
}

/// The entries that a listing of `keys` must have, in byte order.
pub(crate) fn expected(keys: &BTreeSet<String>, request: &ListRequest) -> Vec<Entry> {
    let prefix = request.prefix.as_str();
    let start_after = request.start_after.as_ref().map_or("", Key::as_str);
    let mut entries: Vec<Entry> = Vec::new();
    for key in keys.iter().filter(|key| key.starts_with(prefix)) {
        let rest = &key[prefix.len()..];
        let cut = request.delimiter.as_deref().and_then(|text| Some(rest.find(text)? + text.len()));
        let entry = match cut {
            Some(cut) => Entry::Prefix(key[..prefix.len() + cut].to_owned()),
            None => Entry::Object(key.clone()),
        };
        if entry.name() > start_after && entries.last() != Some(&entry) {
            entries.push(entry);
        }
    }
    entries
}

/// Waits as long as the provider declares that listings may lag behind.
pub(crate) async fn settled(store: &dyn StorageProvider) {
    let delay = store.capabilities().list_delay;
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

/// All pages from where `request` stands, each checked for its size; ends where tokens repeat.
pub(crate) async fn pages(
    store: &dyn StorageProvider,
    request: &ListRequest,
) -> Result<Vec<ListPage>, Failure> {
    let max = store.capabilities().limits.max_page_size;
    let most = request.limit.map_or(max, |limit| limit.min(max));
    let mut request = request.clone();
    let mut pages = Vec::new();
    let mut tokens = BTreeSet::new();
    loop {
        let page = ok(asked(&request), store.list(&request).await)?;
        holds(
            format!("{}, page {}", asked(&request), pages.len() + 1),
            page.entries.len() <= most,
            format!("at most {most} entries"),
            format!("{} entries", page.entries.len()),
        )?;
        let next = page.next.clone();
        pages.push(page);
        let Some(next) = next else { return Ok(pages) };
        holds(
            format!("{}, after {} pages", asked(&request), pages.len()),
            tokens.insert(next.as_str().to_owned()),
            "a page token that was not handed out before in this listing",
            &next,
        )?;
        request.token = Some(next);
    }
}

/// The entries of all pages, in the order in which they came.
pub(crate) async fn walk(
    store: &dyn StorageProvider,
    request: &ListRequest,
) -> Result<Vec<Entry>, Failure> {
    Ok(entries(&pages(store, request).await?))
}

pub(crate) fn entries(pages: &[ListPage]) -> Vec<Entry> {
    pages.iter().flat_map(|page| &page.entries).map(Entry::from).collect()
}

/// The request that continues `request` with a token that went through text.
pub(crate) fn continued(request: &ListRequest, token: &PageToken) -> ListRequest {
    let text = token.as_str().to_owned();
    ListRequest { token: Some(PageToken::new(text)), ..request.clone() }
}

/// Expects that all pages together have the entries that the model says, in any order.
pub(crate) async fn lists_as_expected(
    store: &dyn StorageProvider,
    keys: &BTreeSet<String>,
    request: &ListRequest,
) -> Outcome {
    same_entries(asked(request), &expected(keys, request), &walk(store, request).await?)
}

/// Expects the same entries, in any order; a failure tells them apart.
pub(crate) fn same_entries(
    situation: impl Into<String>,
    expected: &[Entry],
    seen: &[Entry],
) -> Outcome {
    let mut count: BTreeMap<&Entry, (usize, usize)> = BTreeMap::new();
    for entry in expected {
        count.entry(entry).or_default().0 += 1;
    }
    for entry in seen {
        count.entry(entry).or_default().1 += 1;
    }
    let wrong = |is: fn(usize, usize) -> bool| -> Vec<&Entry> {
        let found = count.iter().filter(|(_, (expected, seen))| is(*expected, *seen));
        found.map(|(entry, _)| *entry).take(8).collect()
    };
    let missing = wrong(|expected, seen| seen < expected);
    let strange = wrong(|expected, seen| expected == 0 && seen > 0);
    let repeated = wrong(|expected, seen| expected > 0 && seen > expected);
    holds(
        situation,
        missing.is_empty() && strange.is_empty() && repeated.is_empty(),
        format!("{} entries, each once", expected.len()),
        format_args!(
            "{} entries; missing {missing:?}, not asked for {strange:?}, repeated {repeated:?}",
            seen.len()
        ),
    )
}

/// Puts an object under each key, many at a time; returns the keys as the model wants them.
pub(crate) async fn fill<S: AsRef<str>>(
    store: &dyn StorageProvider,
    keys: impl IntoIterator<Item = S>,
) -> Result<BTreeSet<String>, Failure> {
    const AT_ONCE: usize = 64;
    let keys: BTreeSet<String> = keys.into_iter().map(|key| key.as_ref().to_owned()).collect();
    let puts = keys.iter().map(|text| async move {
        let content = Bytes::copy_from_slice(&text.as_bytes()[..text.len().min(9)]);
        put(store, &Key::new(text)?, content).await
    });
    let all = stream::iter(puts.collect::<Vec<_>>()).buffer_unordered(AT_ONCE);
    ok("put of the objects to list", all.map_ok(drop).try_collect::<Vec<_>>().await)?;
    settled(store).await;
    Ok(keys)
}

/// A listing that nobody thought of: the beginning of some key, any delimiter, any place to start.
pub(crate) fn any_request(rng: &mut StdRng, keys: &[&String]) -> ListRequest {
    let some_key = |rng: &mut StdRng| keys.choose(rng).map_or("", |key| key.as_str()).to_owned();
    let prefix = match rng.random_range(0..4) {
        0 => String::new(),
        1 => some_key(rng),
        _ => {
            let key = some_key(rng);
            beginning(rng, &key)
        }
    };
    let delimiter = match rng.random_range(0..3) {
        0 => None,
        1 => Some("/".to_owned()),
        _ => DELIMITERS.choose(rng).map(|text| (*text).to_owned()),
    };
    let limit = match rng.random_range(0..3) {
        0 => None,
        _ => Some(rng.random_range(1..=20)),
    };
    ListRequest { delimiter, limit, ..request(&prefix) }
}

/// Some characters from the beginning of `key`, at least one.
pub(crate) fn beginning(rng: &mut StdRng, key: &str) -> String {
    let length = key.chars().count();
    key.chars().take(rng.random_range(1..=length.clamp(1, 6))).collect()
}

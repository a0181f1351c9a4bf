//! Lists: prefixes, delimiters, generations and pages.
//!
//! From `cloud.google.com/storage/docs/json_api/v1/objects/list` and the comments of
//! `ListObjectsRequest`: names are in the order of their bytes, a start is inclusive, an end
//! exclusive, and a page counts objects and prefixes together.

use std::ops::Bound;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::fault::Fault;
use super::object::Object;
use super::store::Bucket;

/// The most entries of a page, and as many as it has when nothing is said.
const LARGEST_PAGE: usize = 1000;

/// What is to be listed.
#[derive(Clone, Debug, Default)]
pub(super) struct Query {
    pub(super) prefix: String,
    /// Empty: none.
    pub(super) delimiter: String,
    pub(super) include_trailing_delimiter: bool,
    /// The first name that may be listed.
    pub(super) start: String,
    /// The first name that may not; empty: none.
    pub(super) end: String,
    pub(super) versions: bool,
    /// Zero: as many as are possible.
    pub(super) page_size: usize,
    /// Empty: the first page.
    pub(super) page_token: String,
}

/// A part of a list.
#[derive(Debug, Default)]
pub(super) struct Page<'a> {
    pub(super) objects: Vec<&'a Object>,
    pub(super) prefixes: Vec<String>,
    pub(super) next: Option<String>,
}

/// An entry of a list.
#[derive(Clone, Copy, Debug)]
enum Entry<'a> {
    Object(&'a Object),
    Prefix(&'a str),
}

/// The last entry that was listed: where the next page goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Last {
    Object { name: String, generation: i64 },
    Prefix(String),
}

impl Last {
    fn of(entry: Entry<'_>) -> Self {
        match entry {
            Entry::Object(object) => {
                Self::Object { name: object.name.clone(), generation: object.generation }
            }
            Entry::Prefix(prefix) => Self::Prefix(prefix.to_owned()),
        }
    }

    fn seal(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(serde_json::json!(self).to_string())
    }

    fn open(token: &str) -> Result<Option<Self>, Fault> {
        if token.is_empty() {
            return Ok(None);
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok();
        let last = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        last.map(Some).ok_or_else(|| Fault::invalid("Invalid pageToken"))
    }

    fn name(&self) -> &str {
        match self {
            Self::Object { name, .. } | Self::Prefix(name) => name,
        }
    }

    /// Whether `entry` was listed already. An object that is named like a prefix comes before it.
    fn covers(&self, entry: Entry<'_>) -> bool {
        match (self, entry) {
            (Self::Object { name, generation }, Entry::Object(object)) => {
                (&object.name, object.generation) <= (name, *generation)
            }
            (Self::Object { .. }, Entry::Prefix(_)) => false,
            (Self::Prefix(prefix), Entry::Object(object)) => object.name.starts_with(prefix),
            (Self::Prefix(listed), Entry::Prefix(prefix)) => listed == prefix,
        }
    }
}

impl Query {
    /// The page of `bucket` that is asked for.
    pub(super) fn page<'a>(&self, bucket: &'a Bucket) -> Result<Page<'a>, Fault> {
        let mut last = Last::open(&self.page_token)?;
        let limit = match self.page_size {
            0 => LARGEST_PAGE,
            size => size.min(LARGEST_PAGE),
        };
        let after = last.as_ref().map_or("", Last::name);
        let start = self.start.as_str().max(&self.prefix).max(after);
        let mut page = Page::default();
        let names = bucket.objects.range::<str, _>((Bound::Included(start), Bound::Unbounded));
        let names = names.take_while(|(name, _)| {
            name.starts_with(&self.prefix) && (self.end.is_empty() || **name < self.end)
        });
        for entry in names.flat_map(|(name, generations)| self.entries(name, generations)) {
            if last.as_ref().is_some_and(|last| last.covers(entry)) {
                continue;
            }
            if page.objects.len() + page.prefixes.len() == limit {
                page.next = last.as_ref().map(Last::seal);
                break;
            }
            match entry {
                Entry::Object(object) => page.objects.push(object),
                Entry::Prefix(prefix) => page.prefixes.push(prefix.to_owned()),
            }
            last = Some(Last::of(entry));
        }
        Ok(page)
    }

    /// What is listed of one name.
    fn entries<'a>(&self, name: &'a str, generations: &'a [Object]) -> Vec<Entry<'a>> {
        let listed = |object: &&Object| self.versions || object.deleted.is_none();
        let objects = generations.iter().filter(listed).map(Entry::Object);
        let Some(prefix) = self.rolled_up(name) else { return objects.collect() };
        let mut entries: Vec<_> = objects.collect();
        let any = !entries.is_empty();
        if !(self.include_trailing_delimiter && name == prefix) {
            entries.clear();
        }
        entries.extend(any.then_some(Entry::Prefix(prefix)));
        entries
    }

    /// The name up to the first delimiter after the prefix, if there is one.
    fn rolled_up<'a>(&self, name: &'a str) -> Option<&'a str> {
        if self.delimiter.is_empty() {
            return None;
        }
        let at = name[self.prefix.len()..].find(&self.delimiter)?;
        Some(&name[..self.prefix.len() + at + self.delimiter.len()])
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::conditions::Conditions;
    use super::super::object::{Attributes, Content};
    use super::super::store::{Draft, Store};
    use super::*;

    fn store(names: &[&str], versioning: bool) -> Store {
        let mut store = Store::default();
        let bucket = Bucket { versioning, ..Bucket::new("bucket", "p") };
        store.create_bucket(bucket).unwrap();
        for name in names {
            let content = Content::new(Bytes::new());
            let draft = Draft::uploaded(Attributes::default(), content, None);
            store.insert("bucket", name, draft, &Conditions::default()).unwrap();
        }
        store
    }

    /// All pages of the size: objects as they are named, prefixes with a `*`.
    fn pages(store: &Store, query: &Query, page_size: usize) -> Vec<Vec<String>> {
        let mut pages = Vec::new();
        let mut query = Query { page_size, ..query.clone() };
        loop {
            let page = query.page(store.bucket("bucket").unwrap()).unwrap();
            let objects = page.objects.iter().map(|object| object.name.clone());
            let prefixes = page.prefixes.iter().map(|prefix| format!("{prefix}*"));
            pages.push(objects.chain(prefixes).collect());
            let Some(next) = page.next else { return pages };
            query.page_token = next;
        }
    }

    fn all(store: &Store, query: &Query) -> Vec<String> {
        let mut one_by_one: Vec<_> = pages(store, query, 1).concat();
        let mut at_once = pages(store, query, 0).concat();
        one_by_one.sort();
        at_once.sort();
        assert_eq!(one_by_one, at_once, "{query:?}");
        at_once
    }

    #[test]
    fn names_are_in_the_order_of_their_bytes_from_start_to_end() {
        let store = store(&["b", "a\u{1F600}", "a\u{FF5E}", "a", "B"], false);
        let query = Query::default();
        let flat = pages(&store, &query, 0).concat();
        assert_eq!(flat, ["B", "a", "a\u{FF5E}", "a\u{1F600}", "b"]);
        assert_eq!(pages(&store, &query, 2).len(), 3);
        let some = Query { start: "a".to_owned(), end: "b".to_owned(), ..query };
        assert_eq!(pages(&store, &some, 0).concat(), ["a", "a\u{FF5E}", "a\u{1F600}"]);
    }

    #[test]
    fn a_delimiter_rolls_names_up() {
        let store = store(&["a/", "a/b", "a/c/d", "a/c/e", "ab", "a//x"], false);
        let query = Query { delimiter: "/".to_owned(), ..Query::default() };
        assert_eq!(all(&store, &query), ["a/*", "ab"]);
        let below = Query { prefix: "a/".to_owned(), ..query.clone() };
        assert_eq!(all(&store, &below), ["a/", "a//*", "a/b", "a/c/*"]);
        let trailing = Query { include_trailing_delimiter: true, ..query.clone() };
        assert_eq!(all(&store, &trailing), ["a/", "a/*", "ab"]);
        let long = Query { delimiter: "/c/".to_owned(), prefix: "a".to_owned(), ..query.clone() };
        assert_eq!(all(&store, &long), ["a/", "a//x", "a/b", "a/c/*", "ab"]);
        let inside = Query { start: "a/c/e".to_owned(), ..query };
        assert_eq!(all(&store, &inside), ["a/*", "ab"]);
    }

    #[test]
    fn versions_are_listed_on_request() {
        let mut store = store(&["a", "a", "b", "a"], true);
        store.delete("bucket", "b", None, &Conditions::default()).unwrap();
        let query = Query::default();
        assert_eq!(all(&store, &query), ["a"]);
        let versions = Query { versions: true, ..query };
        assert_eq!(all(&store, &versions), ["a", "a", "a", "b"]);
        let rolled = Query { delimiter: "b".to_owned(), ..versions };
        assert_eq!(all(&store, &rolled), ["a", "a", "a", "b*"]);
    }

    #[test]
    fn a_wrong_token_is_refused() {
        let store = store(&["a"], false);
        for token in ["x", "e30", "%"] {
            let query = Query { page_token: token.to_owned(), ..Query::default() };
            query.page(store.bucket("bucket").unwrap()).unwrap_err();
        }
    }
}

//! Listing: requests, pages and their entries.

use std::fmt;
use std::ops::Bound;
use std::time::SystemTime;

use super::{Crc32c, Key, Prefix, Version};
use crate::{Error, Result};

/// Which objects to list (clauses `STO-080` to `STO-096`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListRequest {
    /// The text that keys begin with. Raw, not by segments.
    pub prefix: Prefix,
    /// Rolls keys up into one [`ListEntry::Prefix`] each, at the first occurrence of this text after
    /// the prefix. Any non-empty text; `/` lists like a directory.
    pub delimiter: Option<String>,
    /// Lists only entries whose name is after this text, exclusive. Need not be an existing key.
    pub start_after: Option<Key>,
    /// Continues an earlier listing with the same prefix and delimiter; `start_after` is then
    /// ignored.
    pub token: Option<PageToken>,
    /// The most entries to return, at least 1; more than the provider's page size means that.
    pub limit: Option<usize>,
}

impl ListRequest {
    /// Every key that begins with `prefix`.
    #[must_use]
    pub fn prefix(prefix: Prefix) -> Self {
        Self { prefix, ..Self::default() }
    }

    /// Refuses an empty delimiter and a limit of 0, before any I/O.
    ///
    /// # Errors
    ///
    /// `InvalidArgument`.
    pub fn validate(&self) -> Result<()> {
        if self.delimiter.as_deref() == Some("") {
            return Err(Error::invalid("the delimiter must not be empty; leave it out instead"));
        }
        if self.limit == Some(0) {
            return Err(Error::invalid("the limit must be at least 1"));
        }
        Ok(())
    }

    /// The common prefix that `key` is rolled up into, if the delimiter occurs after the prefix.
    #[must_use]
    pub fn rolled_up<'key>(&self, key: &'key str) -> Option<&'key str> {
        let delimiter = self.delimiter.as_deref()?;
        let rest = key.get(self.prefix.as_str().len()..)?;
        let end = rest.find(delimiter)? + delimiter.len();
        Some(&key[..self.prefix.as_str().len() + end])
    }

    /// The token that continues this listing after the entry of this name.
    #[must_use]
    pub fn token_after(&self, name: &str) -> PageToken {
        PageToken::sealed(&self.scope(), name)
    }

    /// What tells this listing from others, wherever it begins.
    fn scope(&self) -> [&str; 3] {
        ["list", self.prefix.as_str(), self.delimiter.as_deref().unwrap_or_default()]
    }

    /// Where to begin in an index of keys in byte order, by token or `start_after`; `None` when
    /// nothing can follow. For providers that have such an index and whose tokens are those of
    /// [`token_after`](Self::token_after).
    ///
    /// # Errors
    ///
    /// `InvalidArgument` when the token is none of this listing.
    pub fn scan_start(&self) -> Result<Option<Bound<String>>> {
        let prefix = self.prefix.as_str();
        let after = match (&self.token, &self.start_after) {
            (Some(token), _) => token.open(&self.scope())?,
            (None, Some(key)) => key.as_str(),
            (None, None) => return Ok(Some(Bound::Included(prefix.to_owned()))),
        };
        if after < prefix {
            return Ok(Some(Bound::Included(prefix.to_owned())));
        }
        // What is rolled up into a name that was passed already is not listed again.
        match self.rolled_up(after).filter(|_| after.starts_with(prefix)) {
            Some(passed) => Ok(Prefix::new(passed)?.upper_bound().map(Bound::Included)),
            None => Ok(Some(Bound::Excluded(after.to_owned()))),
        }
    }
}

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListPage {
    /// The entries, in the provider's order.
    pub entries: Vec<ListEntry>,
    /// Where to continue; `None` on the last page. A page may be empty and still have a successor.
    pub next: Option<PageToken>,
}

/// An object, or the common prefix of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListEntry {
    /// An object.
    Object(ObjectEntry),
    /// Keys rolled up at the delimiter, which is part of the text.
    Prefix(Prefix),
}

impl ListEntry {
    /// The key or the prefix, as text.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Object(object) => object.key.as_str(),
            Self::Prefix(prefix) => prefix.as_str(),
        }
    }

    /// The object, unless the entry is a prefix.
    #[must_use]
    pub fn as_object(&self) -> Option<&ObjectEntry> {
        match self {
            Self::Object(object) => Some(object),
            Self::Prefix(_) => None,
        }
    }
}

/// What a listing says about an object: the same as `head`, without attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectEntry {
    /// The key, exactly as stored. Not [portable](Key::is_portable) when another program wrote an
    /// object outside the portable profile.
    pub key: Key,
    /// The size of the content, in bytes.
    pub size: u64,
    /// The version.
    pub version: Version,
    /// When it was written, by the provider's clock.
    pub modified: SystemTime,
}

/// One stored version of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionEntry {
    /// Key, size, version and time.
    pub object: ObjectEntry,
    /// Whether a plain `get` returns this version.
    pub current: bool,
}

/// One page of a listing of versions: by key, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionPage {
    /// The entries.
    pub entries: Vec<VersionEntry>,
    /// Where to continue; `None` on the last page.
    pub next: Option<PageToken>,
}

/// Where a listing continues. Opaque; may be stored and used later, more than once.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PageToken(String);

impl PageToken {
    /// A token as a provider made it, or as [`as_str`](Self::as_str) gave it.
    #[must_use]
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    /// The token as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A token that holds a place in the listing that `scope` describes. It is checked, so that a
    /// token of somebody else, or of another listing, is told; it is not secret.
    #[must_use]
    pub fn sealed(scope: &[&str], place: &str) -> Self {
        Self(format!("{}-{place}", seal(scope, place)))
    }

    /// The place in a token that was [sealed](Self::sealed) for this listing.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for any other token.
    pub fn open(&self, scope: &[&str]) -> Result<&str> {
        self.0
            .split_once('-')
            .filter(|(sum, place)| seal(scope, place).to_string() == *sum)
            .map(|(_, place)| place)
            .ok_or_else(|| Error::invalid("the page token does not continue this listing"))
    }
}

fn seal(scope: &[&str], place: &str) -> Crc32c {
    let mut seal = Crc32c::of(b"omni page token");
    for text in scope.iter().chain([&place]) {
        seal.update(&(text.len() as u64).to_le_bytes());
        seal.update(text.as_bytes());
    }
    seal
}

impl fmt::Debug for PageToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rolls_up_at_the_first_delimiter_after_the_prefix() {
        let request = |prefix: &str, delimiter: &str| ListRequest {
            delimiter: Some(delimiter.to_owned()),
            ..ListRequest::prefix(Prefix::new(prefix).unwrap())
        };
        assert_eq!(request("", "/").rolled_up("a/b/c"), Some("a/"));
        assert_eq!(request("a/", "/").rolled_up("a/b/c"), Some("a/b/"));
        assert_eq!(request("a", "/").rolled_up("a/b"), Some("a/"));
        assert_eq!(request("a/", "/").rolled_up("a/b"), None);
        assert_eq!(request("", "--").rolled_up("x--y--z"), Some("x--"));
        assert_eq!(ListRequest::default().rolled_up("a/b"), None);
    }

    #[test]
    fn a_scan_begins_after_what_was_passed() {
        let start = |prefix: &str, delimiter: Option<&str>, after: &str| {
            let request = ListRequest {
                delimiter: delimiter.map(str::to_owned),
                start_after: Some(Key::native(after)),
                ..ListRequest::prefix(Prefix::new(prefix).unwrap())
            };
            let by_token = ListRequest {
                token: Some(request.token_after(after)),
                start_after: None,
                ..request.clone()
            };
            assert_eq!(request.scan_start().unwrap(), by_token.scan_start().unwrap());
            request.scan_start().unwrap()
        };
        let included = |text: &str| Some(Bound::Included(text.to_owned()));
        let excluded = |text: &str| Some(Bound::Excluded(text.to_owned()));
        assert_eq!(start("", None, "a/m"), excluded("a/m"));
        assert_eq!(start("", Some("/"), "a/m"), included("a0"));
        assert_eq!(start("", Some("/"), "a/"), included("a0"));
        assert_eq!(start("b", Some("/"), "a/m"), included("b"));
        assert_eq!(start("a/", Some("/"), "a/m"), excluded("a/m"));
        assert_eq!(start("a/", Some("/"), "b"), excluded("b"));
        assert_eq!(start("", Some("\u{10ffff}"), "\u{10ffff}"), None);
    }

    #[test]
    fn a_token_continues_its_own_listing_only() {
        let scope = ["list", "a/", "/"];
        for place in ["a/\u{1f600}-b", ""] {
            let token = PageToken::sealed(&scope, place);
            assert_eq!(token.open(&scope).unwrap(), place);
            for other in [["list", "a/", ""], ["list", "a", "//"], ["versions", "a/", "/"]] {
                assert!(token.open(&other).is_err(), "{other:?}");
            }
            assert!(PageToken::new(&token.as_str()[1..]).open(&scope).is_err());
        }
        for foreign in ["", "-", "--", "00000000-x", "x"] {
            assert!(PageToken::new(foreign).open(&scope).is_err(), "{foreign:?}");
        }
    }
}

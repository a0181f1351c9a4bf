//! What all listings share: page tokens, which are the name of the last entry, sealed with a checksum
//! over what is listed; the page size; and the end of a scan.

use omni_contracts::storage::{Crc32c, PageToken};
use omni_contracts::{Error, Result};
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};

/// The most entries of a page.
pub(crate) const PAGE_SIZE: usize = 1000;

/// The end of a scan over keys: text, or beyond all text, which in SQLite is any blob.
pub(crate) struct KeysBelow<'a>(pub(crate) Option<&'a str>);

impl ToSql for KeysBelow<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let bound = self.0.map_or(ValueRef::Blob(&[]), |end| ValueRef::Text(end.as_bytes()));
        Ok(ToSqlOutput::Borrowed(bound))
    }
}

/// What a token continues: which operation, and its arguments. A token is good for nothing else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listing<'a>(pub(crate) &'static str, pub(crate) &'a str, pub(crate) &'a str);

impl Listing<'_> {
    /// The token after the entry named `name`; `rest` tells entries of the same name apart.
    pub(crate) fn token(&self, name: &str, rest: &str) -> PageToken {
        let seal = self.seal(name, rest);
        PageToken::new(format!("{seal}.{}.{name}{rest}", name.len()))
    }

    /// The name and the rest that the token holds.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for a token of another listing or another provider.
    pub(crate) fn open<'t>(&self, token: &'t PageToken) -> Result<(&'t str, &'t str)> {
        let parts = || {
            let (seal, rest) = token.as_str().split_once('.')?;
            let (length, names) = rest.split_once('.')?;
            let (name, rest) = names.split_at_checked(length.parse().ok()?)?;
            (self.seal(name, rest).to_string() == seal).then_some((name, rest))
        };
        parts().ok_or_else(not_ours)
    }

    fn seal(&self, name: &str, rest: &str) -> Crc32c {
        let Listing(operation, prefix, delimiter) = self;
        let mut seal = Crc32c::default();
        for text in ["omni-local", operation, prefix, delimiter, name, rest] {
            seal.update(&(text.len() as u64).to_le_bytes());
            seal.update(text.as_bytes());
        }
        seal
    }
}

pub(crate) fn not_ours() -> Error {
    Error::invalid("the page token does not continue this listing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_continues_its_own_listing_only() {
        let listing = Listing("list", "a/", "/");
        let token = listing.token("a/\u{1f600}.b", "1-2");
        assert_eq!(listing.open(&token).unwrap(), ("a/\u{1f600}.b", "1-2"));
        for other in
            [Listing("list", "a/", ""), Listing("list", "a", "//"), Listing("versions", "a/", "/")]
        {
            assert!(other.open(&token).is_err(), "{other:?}");
        }
        for foreign in ["", ".", "a.b.c", "00000000.1.\u{1f600}", "x", &token.as_str()[1..]] {
            assert!(listing.open(&PageToken::new(foreign)).is_err(), "{foreign:?}");
        }
    }
}

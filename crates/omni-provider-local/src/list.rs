//! Listing objects and versions, page by page. Every page is one snapshot; a token is the name of the
//! last entry, so it stays good whatever is created or deleted meanwhile.

use std::ops::Bound;
use std::str::FromStr;

use omni_contracts::storage::{
    ListEntry, ListPage, ListRequest, PageToken, Prefix, VersionEntry, VersionPage,
};
use omni_contracts::{Error, Result};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ToSql, params};

use crate::error::Stop;
use crate::record::{entry_columns, read_entry, read_key};

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

/// A page of objects that is to be listed. Validated: nothing has been read yet.
#[derive(Debug)]
pub(crate) struct ObjectsPage {
    request: ListRequest,
    limit: usize,
    /// The smallest name of the page; `None` when nothing can follow.
    from: Option<String>,
}

/// A page of versions that is to be listed.
#[derive(Debug)]
pub(crate) struct VersionsPage {
    prefix: Prefix,
    limit: usize,
    /// The write and the key that the page before ended with.
    after: Option<(u64, String)>,
}

impl ObjectsPage {
    pub(crate) fn new(request: &ListRequest) -> Result<Self> {
        request.validate()?;
        Ok(Self {
            limit: request.limit.unwrap_or(PAGE_SIZE).min(PAGE_SIZE),
            from: request.scan_start()?.map(smallest),
            request: request.clone(),
        })
    }

    pub(crate) fn read(mut self, connection: &Connection) -> Result<ListPage, Stop> {
        let snapshot = connection.unchecked_transaction()?;
        let mut statement = connection.prepare_cached(concat!(
            "SELECT ",
            entry_columns!(),
            " FROM objects WHERE key >= ?1 AND key < ?2 ORDER BY key"
        ))?;
        let end = self.request.prefix.upper_bound();
        let mut entries = Vec::with_capacity(self.limit + 1);
        let mut from = self.from.take();
        // One more than the page holds tells whether there is another page.
        while let (Some(start), true) = (&from, entries.len() <= self.limit) {
            from = self.scan(&mut statement, start, end.as_deref(), &mut entries)?;
        }
        drop(statement);
        drop(snapshot);
        let more = entries.len() > self.limit;
        entries.truncate(self.limit);
        let last = entries.last().filter(|_| more);
        let next = last.map(|last| self.request.token_after(last.name()));
        Ok(ListPage { entries, next })
    }

    /// Lists from `start` up to the next common prefix, to the end, or until the page is more than
    /// full. Returns where to go on: past everything below the common prefix, without reading it.
    fn scan(
        &self,
        statement: &mut CachedStatement<'_>,
        start: &str,
        end: Option<&str>,
        entries: &mut Vec<ListEntry>,
    ) -> Result<Option<String>, Stop> {
        let mut rows = statement.query(params![start, KeysBelow(end)])?;
        while let Some(row) = rows.next()? {
            let key = read_key(row)?;
            if let Some(rolled_up) = self.request.rolled_up(key) {
                let prefix = Prefix::new(rolled_up)?;
                let past = prefix.upper_bound();
                entries.push(ListEntry::Prefix(prefix));
                return Ok(past);
            }
            entries.push(ListEntry::Object(read_entry(key, row)?));
            if entries.len() > self.limit {
                break;
            }
        }
        Ok(None)
    }
}

impl VersionsPage {
    pub(crate) fn new(
        prefix: &Prefix,
        token: Option<&PageToken>,
        limit: Option<usize>,
    ) -> Result<Self> {
        let bounds = ListRequest { limit, ..ListRequest::default() };
        bounds.validate()?;
        let after = token.map(|token| pair(token, &scope(prefix))).transpose()?;
        Ok(Self { prefix: prefix.clone(), limit: limit.unwrap_or(PAGE_SIZE).min(PAGE_SIZE), after })
    }

    pub(crate) fn read(self, connection: &Connection) -> Result<VersionPage, Stop> {
        let mut statement = connection.prepare_cached(concat!(
            "SELECT ",
            entry_columns!(),
            ", 1 FROM objects WHERE key >= ?1 AND key < ?2 AND NOT (key = ?1 AND write >= ?3)
             UNION ALL SELECT ",
            entry_columns!(),
            ", 0 FROM versions WHERE key >= ?1 AND key < ?2 AND NOT (key = ?1 AND write >= ?3)
             ORDER BY key, write DESC LIMIT ?4"
        ))?;
        let end = self.prefix.upper_bound();
        let (before, start) = match &self.after {
            Some((write, key)) => (*write, key.as_str()),
            None => (i64::MAX as u64, self.prefix.as_str()),
        };
        let limit = self.limit + 1;
        let rows = params![start, KeysBelow(end.as_deref()), before, limit];
        let mut found = statement
            .query_map(rows, |row| {
                let version =
                    VersionEntry { object: read_entry(read_key(row)?, row)?, current: row.get(5)? };
                Ok((version, row.get::<_, u64>(1)?))
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let more = found.len() > self.limit;
        found.truncate(self.limit);
        let last = found.last().filter(|_| more);
        let next = last.map(|(version, write)| {
            let place = format!("{write} {}", version.object.key);
            PageToken::sealed(&scope(&self.prefix), &place)
        });
        let entries = found.into_iter().map(|(version, _)| version).collect();
        Ok(VersionPage { entries, next })
    }
}

/// The smallest text within a bound from below.
fn smallest(bound: Bound<String>) -> String {
    match bound {
        Bound::Unbounded => String::new(),
        Bound::Included(text) => text,
        Bound::Excluded(text) => text + "\0",
    }
}

/// The two things that a token holds, the second being a key.
pub(crate) fn pair<T: FromStr>(token: &PageToken, scope: &[&str]) -> Result<(T, String)> {
    let parts = token.open(scope)?.split_once(' ');
    let parts = parts.and_then(|(first, key)| Some((first.parse().ok()?, key.to_owned())));
    parts.ok_or_else(|| Error::invalid("the page token does not continue this listing"))
}

/// What the tokens of versions are sealed with.
fn scope(prefix: &Prefix) -> [&str; 2] {
    ["versions", prefix.as_str()]
}

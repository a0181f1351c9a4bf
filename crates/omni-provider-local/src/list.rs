//! Listing objects and versions, page by page. Every page is one snapshot; a token is the name of the
//! last entry, so it stays good whatever is created or deleted meanwhile.

use omni_contracts::Result;
use omni_contracts::storage::{
    ListEntry, ListPage, ListRequest, PageToken, Prefix, VersionEntry, VersionPage,
};
use rusqlite::{CachedStatement, Connection, params};

use crate::error::Stop;
use crate::record::{entry_columns, read_entry};
use crate::token::{KeysBelow, Listing, PAGE_SIZE, not_ours};

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
    /// The key and the write that the page before ended with.
    after: Option<(String, u64)>,
}

impl ObjectsPage {
    pub(crate) fn new(request: &ListRequest) -> Result<Self> {
        request.validate()?;
        let after = match (&request.token, &request.start_after) {
            (Some(token), _) => Some(objects_of(request).open(token)?.0),
            (None, after) => after.as_ref().map(|key| key.as_str()),
        };
        let prefix = request.prefix.as_str();
        Ok(Self {
            limit: request.limit.unwrap_or(PAGE_SIZE).min(PAGE_SIZE),
            from: match after {
                Some(after) if after >= prefix => following(request, after),
                _ => Some(prefix.to_owned()),
            },
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
        let mut entries = Vec::new();
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
        let next = last.map(|last| objects_of(&self.request).token(last.name(), ""));
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
            let key = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
            if let Some(rolled_up) = self.request.rolled_up(key) {
                let prefix = Prefix::new(rolled_up)?;
                let past = prefix.upper_bound();
                entries.push(ListEntry::Prefix(prefix));
                return Ok(past);
            }
            entries.push(ListEntry::Object(read_entry(row)?));
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
        let after = token.map(|token| -> Result<_> {
            let (key, write) = versions_of(prefix).open(token)?;
            let write = write.parse().map_err(|_| not_ours())?;
            Ok((key.to_owned(), write))
        });
        Ok(Self {
            prefix: prefix.clone(),
            limit: limit.unwrap_or(PAGE_SIZE).min(PAGE_SIZE),
            after: after.transpose()?,
        })
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
        let (start, before) = match &self.after {
            Some((key, write)) => (key.as_str(), *write),
            None => (self.prefix.as_str(), i64::MAX as u64),
        };
        let limit = self.limit + 1;
        let rows = params![start, KeysBelow(end.as_deref()), before, limit];
        let mut found = statement
            .query_map(rows, |row| {
                let version = VersionEntry { object: read_entry(row)?, current: row.get(5)? };
                Ok((version, row.get::<_, u64>(1)?))
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let more = found.len() > self.limit;
        found.truncate(self.limit);
        let last = found.last().filter(|_| more);
        let next = last.map(|(version, write)| {
            versions_of(&self.prefix).token(version.object.key.as_str(), &write.to_string())
        });
        let entries = found.into_iter().map(|(version, _)| version).collect();
        Ok(VersionPage { entries, next })
    }
}

/// The smallest name that can follow the entry, or the key, `after`.
fn following(request: &ListRequest, after: &str) -> Option<String> {
    let inside = after.starts_with(request.prefix.as_str());
    match request.rolled_up(after).filter(|_| inside) {
        // The common prefix comes before `after`, and everything below it belongs to it.
        Some(rolled_up) => Prefix::new(rolled_up).ok()?.upper_bound(),
        None => Some(format!("{after}\0")),
    }
}

fn objects_of(request: &ListRequest) -> Listing<'_> {
    let delimiter = request.delimiter.as_deref().unwrap_or_default();
    Listing("list", request.prefix.as_str(), delimiter)
}

fn versions_of(prefix: &Prefix) -> Listing<'_> {
    Listing("versions", prefix.as_str(), "")
}

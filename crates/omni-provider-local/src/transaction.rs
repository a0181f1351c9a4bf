//! `Transaction`: the changes of objects inside one transaction of the index, conditions included.
//! Changes of uploads live in `multipart`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use omni_contracts::storage::{Attributes, Crc32c, Deleted, Version, WriteCondition, Written};
use omni_contracts::{Error, ErrorKind, Result};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, ToSql, params};

use crate::attributes;
use crate::blobs::Keep;
use crate::error::Stop;
use crate::receive::Content;
use crate::record::{COLUMN_COUNT, FileId, Place, Record, Stamp, columns, now};

/// The space that is left to deletes. A transaction dirties at most about 1 MiB of pages, the log is
/// folded when it has 2 MiB, and folding may need all of that once more in the index.
const RESERVE: u64 = 4 << 20;

/// A transaction with this many bytes of contents takes no further change.
const MAX_INLINED: u64 = 1 << 20;

/// One transaction of the writer. A change refuses before it changes anything.
pub(crate) struct Transaction<'a> {
    connection: &'a Connection,
    folder: &'a Path,
    tag: u32,
    versioning: bool,
    /// Whether there is room for changes that add something, once it is known.
    room: Option<bool>,
    /// How many bytes went into the table `inline`.
    inlined: u64,
    /// The number of the last write, and as it was when the transaction began.
    writes: u64,
    writes_before: u64,
    now: u64,
    consequences: Consequences,
}

/// What is to be done with files once the transaction is committed.
#[derive(Default)]
pub(crate) struct Consequences {
    kept: Vec<Keep>,
    /// Files that no row names any more.
    pub(crate) discarded: Vec<FileId>,
}

/// A content that is to become an object, a version or a part.
#[derive(Clone, Debug)]
pub(crate) struct NewRecord {
    pub(crate) size: u64,
    pub(crate) crc: Crc32c,
    pub(crate) content: Content,
    pub(crate) attributes: Arc<Attributes>,
    pub(crate) write_id: Option<String>,
}

impl Consequences {
    pub(crate) fn keep(&self) {
        for keep in &self.kept {
            keep.store(true, Ordering::Release);
        }
    }
}

impl<'a> Transaction<'a> {
    /// Continues a transaction that has begun.
    pub(crate) fn new(
        connection: &'a Connection,
        folder: &'a Path,
        tag: u32,
        versioning: bool,
    ) -> rusqlite::Result<Self> {
        let writes = connection
            .prepare_cached("SELECT value FROM meta WHERE name = 'writes'")?
            .query_row([], |row| row.get(0))?;
        Ok(Self {
            connection,
            folder,
            tag,
            versioning,
            room: None,
            inlined: 0,
            writes,
            writes_before: writes,
            now: now(),
            consequences: Consequences::default(),
        })
    }

    /// Prepares the commit.
    pub(crate) fn finish(self) -> rusqlite::Result<Consequences> {
        if self.writes != self.writes_before {
            let count = "UPDATE meta SET value = ?1 WHERE name = 'writes'";
            self.execute(count, [self.writes])?;
        }
        Ok(self.consequences)
    }

    /// Stores an object if the condition holds. A write that is already the current object succeeds
    /// with what it stored.
    pub(crate) fn put(
        &mut self,
        key: &str,
        condition: &WriteCondition,
        new: &NewRecord,
    ) -> Result<Written, Stop> {
        let current = current(self.connection, key)?;
        if let Err(refusal) = check(condition, current.as_ref()) {
            return match current {
                Some(own) if new.write_id.is_some() && own.write_id == new.write_id => {
                    Ok(own.written())
                }
                _ => Err(refusal.into()),
            };
        }
        let not_before = current.as_ref().map_or(0, |record| record.modified);
        self.expect_room()?;
        // Staged first: the new content may be a copy of the one that goes.
        let record = self.stage(new, not_before)?;
        if let Some(record) = &current {
            self.retire(key, record)?;
        }
        let insert = concat!(
            "INSERT OR REPLACE INTO objects (",
            columns!(),
            ", key) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
        );
        self.insert(insert, &record, &[&key])?;
        Ok(record.written())
    }

    /// Whether the object of `key` is still the one with this stamp.
    pub(crate) fn is_current(&self, key: &str, stamp: Stamp) -> rusqlite::Result<bool> {
        let current = current(self.connection, key)?;
        Ok(current.is_some_and(|record| record.stamp == stamp))
    }

    /// Deletes the current object if it has the stated version.
    pub(crate) fn delete(
        &mut self,
        key: &str,
        if_match: Option<&Version>,
    ) -> Result<Deleted, Stop> {
        let current = current(self.connection, key)?;
        if let Some(version) = if_match {
            check(&WriteCondition::IfMatch(version.clone()), current.as_ref())?;
        }
        if let Some(record) = &current {
            self.retire(key, record)?;
            self.execute("DELETE FROM objects WHERE key = ?1", [key])?;
        }
        Ok(Deleted::new(Some(current.is_some())))
    }

    /// Removes one stored version for good, current or not. No other becomes current for it.
    pub(crate) fn delete_version(
        &mut self,
        key: &str,
        version: &Version,
        if_match: Option<&Version>,
    ) -> Result<Deleted, Stop> {
        let current = current(self.connection, key)?;
        if let Some(version) = if_match {
            check(&WriteCondition::IfMatch(version.clone()), current.as_ref())?;
        }
        let stamp = Stamp::parse(version.as_str());
        if let Some(record) = current.filter(|record| Some(record.stamp) == stamp) {
            self.execute("DELETE FROM objects WHERE key = ?1", [key])?;
            self.discard(&record)?;
            return Ok(Deleted::new(Some(true)));
        }
        let older = match stamp {
            None => None,
            Some(stamp) => self
                .statement(concat!(
                    "SELECT ",
                    columns!(),
                    " FROM versions WHERE key = ?1 AND write = ?2 AND tag = ?3"
                ))?
                .query_row(params![key, stamp.write, stamp.tag], |row| Record::read(row, 0))
                .optional()?,
        };
        let record = older.ok_or_else(|| no_such_version(version))?;
        let delete = "DELETE FROM versions WHERE key = ?1 AND write = ?2";
        self.execute(delete, params![key, record.stamp.write])?;
        self.discard(&record)?;
        Ok(Deleted::new(Some(true)))
    }

    /// Refuses a change that adds something when little space is left, so that deletes always have
    /// the space that they need themselves: in the log, and to fold the log into the index.
    pub(crate) fn expect_room(&mut self) -> Result<(), Stop> {
        let room = match self.room {
            Some(room) => room,
            None => {
                let space = available(self.folder);
                space >= RESERVE || space + self.free_in_index()? >= RESERVE
            }
        };
        self.room = Some(room);
        if room {
            return Ok(());
        }
        let left = format!(
            "less than {} MiB of space are left, which are kept for deletions: {}",
            RESERVE >> 20,
            self.folder.display()
        );
        Err(Error::new(ErrorKind::CapacityExceeded, left).into())
    }

    fn free_in_index(&self) -> rusqlite::Result<u64> {
        let number = |sql: &str| -> rusqlite::Result<u64> {
            self.statement(sql)?.query_row([], |row| row.get(0))
        };
        Ok(number("PRAGMA freelist_count")? * number("PRAGMA page_size")?)
    }

    /// Whether the transaction is as large as one should be.
    pub(crate) fn is_full(&self) -> bool {
        self.inlined >= MAX_INLINED
    }

    /// Gives a new content its stamp, and its bytes their place. The caller inserts the row.
    pub(crate) fn stage(&mut self, new: &NewRecord, not_before: u64) -> rusqlite::Result<Record> {
        let stamp = self.stamp();
        let write = stamp.write;
        let place = match &new.content {
            Content::File(blob) => {
                self.consequences.kept.push(blob.keep());
                Place::File(blob.id.clone())
            }
            _ if new.size == 0 => Place::Inline,
            Content::Inline(bytes) => {
                let insert = "INSERT INTO inline (id, data) VALUES (?1, ?2)";
                self.execute(insert, params![write, &bytes[..]])?;
                self.inlined += new.size;
                Place::Inline
            }
            Content::CopyOf(other) => {
                let copy =
                    "INSERT INTO inline (id, data) SELECT ?1, data FROM inline WHERE id = ?2";
                match self.execute(copy, params![write, other])? {
                    1 => Place::Inline,
                    rows => return Err(rusqlite::Error::StatementChangedRows(rows)),
                }
            }
        };
        Ok(Record {
            stamp,
            size: new.size,
            modified: self.now.max(not_before),
            crc: new.crc,
            place,
            attributes: Arc::clone(&new.attributes),
            write_id: new.write_id.clone(),
        })
    }

    /// Runs an insert whose first parameters are the columns of a record.
    pub(crate) fn insert(
        &self,
        sql: &str,
        record: &Record,
        rest: &[&dyn ToSql],
    ) -> rusqlite::Result<()> {
        let (session, file) = match &record.place {
            Place::Inline => (None, None),
            Place::File(file) => (Some(&*file.session), Some(file.number)),
        };
        let crc = record.crc.to_u32();
        let encoded = attributes::encode(&record.attributes);
        let columns: [&dyn ToSql; COLUMN_COUNT] = [
            &record.stamp.write,
            &record.stamp.tag,
            &record.size,
            &record.modified,
            &crc,
            &session,
            &file,
            &encoded,
            &record.write_id,
        ];
        let all: Vec<_> = columns.into_iter().chain(rest.iter().copied()).collect();
        self.execute(sql, &all[..]).map(drop)
    }

    /// Frees the bytes of a record whose row goes.
    pub(crate) fn discard(&mut self, record: &Record) -> rusqlite::Result<()> {
        match &record.place {
            Place::Inline if record.size == 0 => {}
            Place::Inline => {
                self.execute("DELETE FROM inline WHERE id = ?1", [record.stamp.write])?;
            }
            Place::File(file) => self.consequences.discarded.push(file.clone()),
        }
        Ok(())
    }

    /// Sees an object off that is replaced or deleted: among the older versions, or for good.
    fn retire(&mut self, key: &str, record: &Record) -> rusqlite::Result<()> {
        if !self.versioning {
            return self.discard(record);
        }
        let archive = concat!(
            "INSERT INTO versions (key, ",
            columns!(),
            ") SELECT key, ",
            columns!(),
            " FROM objects WHERE key = ?1"
        );
        self.execute(archive, [key]).map(drop)
    }

    /// When this transaction happens, in milliseconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        self.now
    }

    /// A stamp that nothing else has.
    pub(crate) fn stamp(&mut self) -> Stamp {
        self.writes += 1;
        Stamp { write: self.writes, tag: self.tag }
    }

    pub(crate) fn execute(&self, sql: &str, params: impl Params) -> rusqlite::Result<usize> {
        self.statement(sql)?.execute(params)
    }

    pub(crate) fn statement(&self, sql: &str) -> rusqlite::Result<CachedStatement<'a>> {
        self.connection.prepare_cached(sql)
    }

    pub(crate) fn connection(&self) -> &'a Connection {
        self.connection
    }
}

/// How many bytes the file system has left for us; plenty, where that cannot be asked.
#[cfg(unix)]
fn available(folder: &Path) -> u64 {
    rustix::fs::statvfs(folder).map_or(u64::MAX, |space| space.f_bavail * space.f_frsize)
}

/// How many bytes the file system has left for us; plenty, where that cannot be asked.
#[cfg(not(unix))]
fn available(_folder: &Path) -> u64 {
    u64::MAX
}

/// The current object of `key`.
pub(crate) fn current(connection: &Connection, key: &str) -> rusqlite::Result<Option<Record>> {
    connection
        .prepare_cached(concat!("SELECT ", columns!(), " FROM objects WHERE key = ?1"))?
        .query_row([key], |row| Record::read(row, 0))
        .optional()
}

/// Decides a condition by the current object.
pub(crate) fn check(condition: &WriteCondition, current: Option<&Record>) -> Result<()> {
    let version = current.map(|record| record.stamp.version());
    condition.check(version.as_ref())
}

pub(crate) fn no_such_version(version: &Version) -> Error {
    Error::new(ErrorKind::NotFound, format!("the object has no version {version}"))
}

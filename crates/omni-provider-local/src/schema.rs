//! The file format of the index: creating it, and refusing what is not ours. Described for people in
//! `docs/guides/local-format.md`; whoever changes one changes the other and [`VERSION`].

use std::path::Path;
use std::time::Duration;

use omni_contracts::{Error, ErrorKind, Result};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::from_sqlite;
use crate::settings::LocalDurability;

/// "OMNI", in the header of the database file.
const APPLICATION_ID: i64 = 0x4f4d_4e49;

/// The version of the format that this crate reads and writes.
const VERSION: i64 = 1;

/// The index, inside the folder of the store.
///
/// Never open this file but through SQLite: closing any other handle on it would drop the locks that
/// SQLite holds for the whole process.
pub(crate) const INDEX: &str = "index.sqlite";

/// `record!` is what a row of content consists of, the same in `objects`, `versions` and `parts`.
macro_rules! record {
    () => {
        "write INTEGER NOT NULL, tag INTEGER NOT NULL, size INTEGER NOT NULL,
         modified INTEGER NOT NULL, crc INTEGER NOT NULL, session TEXT, file INTEGER,
         attributes BLOB, write_id TEXT"
    };
}

const CREATE: &str = concat!(
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
     INSERT INTO meta VALUES ('writes', 0);
     CREATE TABLE inline (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
     CREATE TABLE objects (key TEXT NOT NULL, ",
    record!(),
    ", PRIMARY KEY (key)) STRICT, WITHOUT ROWID;
     CREATE TABLE versions (key TEXT NOT NULL, ",
    record!(),
    ", PRIMARY KEY (key, write DESC)) STRICT, WITHOUT ROWID;
     CREATE TABLE uploads (key TEXT NOT NULL, id TEXT NOT NULL, created INTEGER NOT NULL,
         attributes BLOB, PRIMARY KEY (key, id)) STRICT, WITHOUT ROWID;
     CREATE TABLE parts (upload TEXT NOT NULL, number INTEGER NOT NULL, ",
    record!(),
    ", PRIMARY KEY (upload, number)) STRICT, WITHOUT ROWID;
     CREATE INDEX object_files ON objects (session, file) WHERE session IS NOT NULL;
     CREATE INDEX version_files ON versions (session, file) WHERE session IS NOT NULL;
     CREATE INDEX part_files ON parts (session, file) WHERE session IS NOT NULL;",
);

/// The connection that writes; an empty file when the folder has no index.
pub(crate) fn open_writer(index: &Path, busy_timeout: Duration) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    connect(index, flags, busy_timeout)
}

/// A connection that reads; the index exists.
pub(crate) fn open_reader(index: &Path, busy_timeout: Duration) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = connect(index, flags, busy_timeout)?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    Ok(connection)
}

fn connect(index: &Path, flags: OpenFlags, wait: Duration) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(index, flags)?;
    connection.busy_timeout(wait)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Otherwise partial indexes make SQLite plan some statements anew for every value that is bound.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

/// What a connection that reads keeps of the index in memory, at most.
const READER_CACHE_KIB: i64 = 8 << 10;

/// More than there are statements in this crate.
const STATEMENTS: usize = 64;

/// Whether there is no index yet; refuses one that is not ours before anything is changed.
pub(crate) fn is_fresh(connection: &Connection, index: &Path) -> Result<bool> {
    let number = |sql: &str| -> Result<i64> {
        connection.query_row(sql, [], |row| row.get(0)).map_err(|error| from_sqlite(error, index))
    };
    let application_id = number("PRAGMA application_id")?;
    let version = number("PRAGMA user_version")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    let index = index.display();
    let refused = |message: String| Err(Error::new(ErrorKind::Configuration, message));
    match (application_id, version, tables) {
        (APPLICATION_ID, VERSION, _) => Ok(false),
        (0, 0, 0) => Ok(true),
        (APPLICATION_ID, ..) => refused(format!(
            "{index} has format version {version}, this program supports version {VERSION}"
        )),
        _ => refused(format!(
            "{index} belongs to another program: its application id is {application_id:#010x}, a \
             store has {APPLICATION_ID:#010x} (version {VERSION})"
        )),
    }
}

/// Makes the empty file an index. The caller holds the lock under which stores are opened.
pub(crate) fn create(connection: &Connection) -> rusqlite::Result<()> {
    // One transaction, header fields included: a crash leaves a store or an empty file.
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE; {CREATE}
         PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;"
    ))
}

/// Prepares the connection that writes for its work.
pub(crate) fn tune(connection: &Connection, durability: LocalDurability) -> rusqlite::Result<()> {
    let synchronous = match durability {
        LocalDurability::None => "off",
        LocalDurability::Process => "normal",
        LocalDurability::Disk => "full",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "foreign_keys", false)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)
}

/// The log is folded into the index when it has this many pages (2 MiB).
const CHECKPOINT_PAGES: u32 = 512;

//! The sweep: removes files that no row names, left by sessions that ended without cleaning up.

use std::fs;
use std::path::Path;

use omni_contracts::Result;
use rusqlite::{Connection, params};

use crate::blobs::{FILES, SESSION_LOCK};
use crate::error::{IoContext, from_sqlite};
use crate::lock::{lock_file, try_lock};

const REFERENCED: &str = "SELECT EXISTS (SELECT 1 FROM objects WHERE session = ?1 AND file = ?2)
    OR EXISTS (SELECT 1 FROM versions WHERE session = ?1 AND file = ?2)
    OR EXISTS (SELECT 1 FROM parts WHERE session = ?1 AND file = ?2)";

/// Sweeps every session whose lock is free. The caller holds the lock under which sessions begin, so
/// no session is met half begun. Sessions of live processes are left alone.
pub(crate) fn sweep(folder: &Path, connection: &Connection, index: &Path) -> Result<()> {
    let files = folder.join(FILES);
    for session in fs::read_dir(&files).context("list the folder", &files)? {
        let session = session.context("list the folder", &files)?;
        let is_folder = session.file_type().is_ok_and(|kind| kind.is_dir());
        if let (true, Some(name)) = (is_folder, session.file_name().to_str()) {
            let path = session.path();
            let lock_path = path.join(SESSION_LOCK);
            let lock = lock_file(&lock_path)?;
            if try_lock(&lock, &lock_path)? {
                sweep_session(&path, name, connection, index)?;
            }
        }
    }
    Ok(())
}

fn sweep_session(path: &Path, name: &str, connection: &Connection, index: &Path) -> Result<()> {
    let sqlite = |error| from_sqlite(error, index);
    let mut referenced = connection.prepare_cached(REFERENCED).map_err(sqlite)?;
    let mut remaining = 0;
    for file in fs::read_dir(path).context("list the folder", path)? {
        let file = file.context("list the folder", path)?;
        if file.file_name() == SESSION_LOCK {
            continue;
        }
        // Only what a session could have made is removed; anything else is not ours.
        let number = file.file_name().to_str().and_then(|name| name.parse().ok());
        let orphan = match number {
            Option::<u64>::None => false,
            Some(number) => !referenced
                .query_row(params![name, number], |row| row.get::<_, bool>(0))
                .map_err(sqlite)?,
        };
        if orphan {
            fs::remove_file(file.path()).context("remove the orphan", &file.path())?;
        } else {
            remaining += 1;
        }
    }
    if remaining == 0 {
        let lock_path = path.join(SESSION_LOCK);
        fs::remove_file(&lock_path).context("remove the lock file", &lock_path)?;
        fs::remove_dir(path).context("remove the folder", path)?;
    }
    Ok(())
}

//! From the errors of SQLite and of the file system to the error of the contracts, each wrapped once.

use std::io;
use std::path::Path;
use std::sync::Arc;

use omni_contracts::{Effect, Error, ErrorKind, Result};
use rusqlite::ffi;

/// The failure of a whole batch of writes; every write of the batch is answered with it.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: ErrorKind,
    message: String,
    source: Option<Arc<rusqlite::Error>>,
    /// Whether the batch may have been committed.
    pub(crate) effect: Effect,
    /// Whether a write of the batch may do better on its own.
    pub(crate) is_divisible: bool,
}

impl Failure {
    /// A statement failed, and the batch was rolled back.
    pub(crate) fn rolled_back(error: rusqlite::Error, index: &Path) -> Self {
        let described = describe(&error, index);
        Self {
            kind: described.kind(),
            message: described.message().to_owned(),
            is_divisible: !is_busy(&error),
            source: Some(Arc::new(error)),
            effect: Effect::No,
        }
    }

    /// The commit failed. After a failed sync its frames may be on disk all the same, and a recovery
    /// would take them for committed; only an error from before the sync certainly left nothing.
    pub(crate) fn of_commit(error: rusqlite::Error, index: &Path) -> Self {
        let code = error.sqlite_error().map_or(0, |error| error.extended_code);
        let rolled_back = matches!(code & 0xff, ffi::SQLITE_FULL | ffi::SQLITE_BUSY);
        Self {
            effect: if rolled_back { Effect::No } else { Effect::Unknown },
            is_divisible: rolled_back,
            ..Self::rolled_back(error, index)
        }
    }

    /// The batch could not begin.
    pub(crate) fn before(error: &Error) -> Self {
        Self {
            kind: error.kind(),
            message: error.message().to_owned(),
            source: None,
            effect: Effect::No,
            is_divisible: false,
        }
    }

    pub(crate) fn is_want_of_space(&self) -> bool {
        self.kind == ErrorKind::CapacityExceeded
    }

    /// The error of one write of the batch.
    pub(crate) fn to_error(&self) -> Error {
        let error = Error::new(self.kind, self.message.clone()).with_effect(self.effect);
        match &self.source {
            Some(source) => error.with_source(Arc::clone(source)),
            None => error,
        }
    }
}

/// Why a piece of work on the index ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// By the contract, before anything was changed.
    Refused(Error),
    /// By a statement that failed; what the work changed before must be rolled back.
    Broken(rusqlite::Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Broken(error)
    }
}

/// An error of SQLite, with the file that it is about.
pub(crate) fn from_sqlite(error: rusqlite::Error, index: &Path) -> Error {
    describe(&error, index).with_source(error)
}

fn describe(error: &rusqlite::Error, index: &Path) -> Error {
    let index = index.display();
    let Some(ffi::Error { extended_code, .. }) = error.sqlite_error() else {
        return match error {
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::StatementChangedRows(..)
            | rusqlite::Error::Utf8Error(..) => Error::new(
                ErrorKind::Corrupt,
                format!("the index does not hold what was written, in {index}: {error}"),
            ),
            _ => Error::new(
                ErrorKind::Internal,
                format!("the index refused a statement, in {index}: {error}"),
            ),
        };
    };
    let (kind, what) = match extended_code & 0xff {
        ffi::SQLITE_FULL => (ErrorKind::CapacityExceeded, "no space is left for the index"),
        // The shared memory beside the index could not grow: for want of space, on a file system.
        ffi::SQLITE_IOERR if *extended_code == ffi::SQLITE_IOERR_SHMSIZE => {
            (ErrorKind::CapacityExceeded, "no space is left for the index")
        }
        ffi::SQLITE_CORRUPT => (ErrorKind::Corrupt, "the index is damaged"),
        ffi::SQLITE_NOTADB => (ErrorKind::Corrupt, "the index is not an SQLite database"),
        ffi::SQLITE_PERM | ffi::SQLITE_READONLY | ffi::SQLITE_AUTH => {
            (ErrorKind::PermissionDenied, "the index cannot be written")
        }
        ffi::SQLITE_CANTOPEN => (ErrorKind::PermissionDenied, "the index cannot be opened"),
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED | ffi::SQLITE_PROTOCOL => {
            (ErrorKind::Unavailable, "another process holds the index")
        }
        ffi::SQLITE_IOERR | ffi::SQLITE_NOMEM => {
            (ErrorKind::Unavailable, "the index cannot be read or written")
        }
        _ => (ErrorKind::Internal, "the index failed"),
    };
    Error::new(kind, format!("{what}: {index}: {error}"))
}

/// Whether another connection holds what the statement needs.
pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
}

/// An error of the file system, with what was attempted and where.
pub(crate) fn from_io(error: io::Error, attempt: &str, path: &Path) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::CapacityExceeded,
        io::ErrorKind::FileTooLarge => ErrorKind::TooLarge,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            ErrorKind::PermissionDenied
        }
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => ErrorKind::Configuration,
        _ => ErrorKind::Unavailable,
    };
    let message = format!("cannot {attempt}: {}: {error}", path.display());
    Error::new(kind, message).with_source(error)
}

/// Adds what was attempted, and where, to errors of the file system.
pub(crate) trait IoContext<T> {
    fn context(self, attempt: &str, path: &Path) -> Result<T>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn context(self, attempt: &str, path: &Path) -> Result<T> {
        self.map_err(|error| from_io(error, attempt, path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_disks_are_capacity_and_read_only_ones_permission() {
        let kind = |kind: io::ErrorKind| from_io(kind.into(), "write", Path::new("f")).kind();
        assert_eq!(kind(io::ErrorKind::StorageFull), ErrorKind::CapacityExceeded);
        assert_eq!(kind(io::ErrorKind::QuotaExceeded), ErrorKind::CapacityExceeded);
        assert_eq!(kind(io::ErrorKind::ReadOnlyFilesystem), ErrorKind::PermissionDenied);
        let sqlite = |code| {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            from_sqlite(error, Path::new("index.sqlite"))
        };
        assert_eq!(sqlite(ffi::SQLITE_FULL).kind(), ErrorKind::CapacityExceeded);
        assert_eq!(sqlite(ffi::SQLITE_CORRUPT).kind(), ErrorKind::Corrupt);
        assert_eq!(sqlite(ffi::SQLITE_NOTADB).kind(), ErrorKind::Corrupt);
        assert_eq!(sqlite(ffi::SQLITE_READONLY_DBMOVED).kind(), ErrorKind::PermissionDenied);
        let busy = sqlite(ffi::SQLITE_BUSY);
        assert!(busy.is_retryable());
        assert!(busy.message().contains("index.sqlite"), "{busy}");
    }

    #[test]
    fn only_a_commit_that_wrote_nothing_had_no_effect() {
        let effect = |code| {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let failure = Failure::of_commit(error, Path::new("index.sqlite"));
            failure.to_error().effect()
        };
        assert_eq!(effect(ffi::SQLITE_FULL), Effect::No);
        assert_eq!(effect(ffi::SQLITE_IOERR_FSYNC), Effect::Unknown);
    }
}

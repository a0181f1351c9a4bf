//! Advisory locks between processes, on files of the store's folder. They end with the process.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use omni_contracts::{Error, ErrorKind, Result};

use crate::error::{IoContext, from_io};

/// Opens a file to lock, creating it when it is missing.
pub(crate) fn lock_file(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .context("open the lock file", path)
}

/// Takes the lock if it is free.
pub(crate) fn try_lock(file: &File, path: &Path) -> Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(from_io(error, "lock", path)),
    }
}

/// Waits for the lock until `deadline`; fails with `Unavailable` after it.
pub(crate) fn lock_until(file: &File, path: &Path, deadline: Instant) -> Result<()> {
    let mut pause = Pause::until(deadline);
    while !try_lock(file, path)? {
        if !pause.wait() {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!("another process holds {}", path.display()),
            ));
        }
    }
    Ok(())
}

/// Sleeps between attempts at something that another process holds: briefly at first, because locks
/// are held briefly.
pub(crate) struct Pause {
    deadline: Instant,
    next: Duration,
}

impl Pause {
    pub(crate) fn until(deadline: Instant) -> Self {
        Self { deadline, next: Duration::from_micros(50) }
    }

    /// Sleeps; false when the deadline has passed.
    pub(crate) fn wait(&mut self) -> bool {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        std::thread::sleep(self.next.min(left));
        self.next = (self.next * 3 / 2).min(Duration::from_millis(2));
        true
    }
}

//! Large contents as files: `files/<session>/<number>`, written once, never changed, made visible by
//! the index alone.
//!
//! A session is the folder of one instance, held by a lock for its life. What a dead session left
//! without a row is removed by `sweep`.

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, IoSlice, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use omni_contracts::{Error, ErrorKind, Result};

use crate::error::{IoContext, from_io};
use crate::lock::{lock_file, lock_until};
use crate::record::FileId;
use crate::settings::LocalDurability;

/// The folder of the sessions, inside the folder of the store.
pub(crate) const FILES: &str = "files";
/// The lock under which stores are opened, sessions begun and dead ones swept.
pub(crate) const OPEN_LOCK: &str = "open.lock";
/// The lock file of a session, inside its folder.
pub(crate) const SESSION_LOCK: &str = "lock";

/// The files of a store, and this instance's session among them.
#[derive(Debug)]
pub(crate) struct Blobs {
    folder: PathBuf,
    durability: LocalDurability,
    busy_timeout: Duration,
    /// Begun with the first file, so that an instance that only reads leaves no trace.
    session: Mutex<Option<Arc<Session>>>,
}

#[derive(Debug)]
struct Session {
    name: Arc<str>,
    path: PathBuf,
    next: AtomicU64,
    lock: File,
}

/// A finished file that no row names yet. Removed when dropped, unless its row was committed.
#[derive(Debug)]
pub(crate) struct Blob {
    pub(crate) id: FileId,
    path: PathBuf,
    kept: Arc<AtomicBool>,
    session: Arc<Session>,
}

/// A file that is being written.
#[derive(Debug)]
pub(crate) struct BlobWriter {
    file: File,
    blob: Blob,
    sync: bool,
}

/// Set when the row that names a file is committed: from then on the file stays.
pub(crate) type Keep = Arc<AtomicBool>;

impl Blobs {
    pub(crate) fn new(
        folder: PathBuf,
        durability: LocalDurability,
        busy_timeout: Duration,
    ) -> Self {
        Self { folder, durability, busy_timeout, session: Mutex::new(None) }
    }

    /// A new, empty file. Blocks.
    pub(crate) fn create(&self) -> Result<BlobWriter> {
        let blob = self.reserve()?;
        let file = File::create_new(&blob.path).context("create the file", &blob.path)?;
        Ok(BlobWriter { file, blob, sync: self.durability == LocalDurability::Disk })
    }

    /// A second name for a file, or a copy where the file system has no second names. Files never
    /// change, so the two are independent. `None` when the file is gone. Blocks.
    pub(crate) fn duplicate(&self, id: &FileId) -> Result<Option<Blob>> {
        let blob = self.reserve()?;
        let source = self.path(id);
        match fs::hard_link(&source, &blob.path) {
            Ok(()) => {
                if self.durability == LocalDurability::Disk {
                    blob.session.sync()?;
                }
                return Ok(Some(blob));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if is_full(&error) => {
                return Err(from_io(error, "link the file", &blob.path));
            }
            // Too many links, or a file system without them.
            Err(_) => {}
        }
        let mut from = match File::open(&source) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.context("open the file", &source)?,
        };
        drop(blob);
        let mut writer = self.create()?;
        writer.append(&mut from)?;
        writer.finish().map(Some)
    }

    /// Opens a file for reading. Blocks.
    pub(crate) fn open(&self, id: &FileId) -> io::Result<File> {
        File::open(self.path(id))
    }

    /// Removes a file that no row names any more. A failure leaves an orphan to the next sweep.
    pub(crate) fn remove(&self, id: &FileId) {
        let _ = fs::remove_file(self.path(id));
    }

    fn path(&self, id: &FileId) -> PathBuf {
        let mut path = self.folder.join(FILES);
        path.push(&*id.session);
        path.push(id.number.to_string());
        path
    }

    fn reserve(&self) -> Result<Blob> {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let session = match &*session {
            Some(session) => Arc::clone(session),
            None => Arc::clone(session.insert(Arc::new(self.begin_session()?))),
        };
        let number = session.next.fetch_add(1, Ordering::Relaxed);
        Ok(Blob {
            id: FileId { session: Arc::clone(&session.name), number },
            path: session.path.join(number.to_string()),
            kept: Keep::default(),
            session,
        })
    }

    fn begin_session(&self) -> Result<Session> {
        // A sweep must not meet the folder before its lock is held.
        let open_path = self.folder.join(OPEN_LOCK);
        let open = lock_file(&open_path)?;
        lock_until(&open, &open_path, Instant::now() + self.busy_timeout)?;

        let files = self.folder.join(FILES);
        let name = format!("{:016x}", random());
        let path = files.join(&name);
        fs::create_dir(&path).context("create the folder", &path)?;
        let lock_path = path.join(SESSION_LOCK);
        let lock = lock_file(&lock_path)?;
        lock_until(&lock, &lock_path, Instant::now())?;
        if self.durability == LocalDurability::Disk {
            sync_folder(&files)?;
        }
        Ok(Session { name: name.into(), path, next: AtomicU64::new(1), lock })
    }
}

impl BlobWriter {
    /// Appends all pieces. Blocks.
    pub(crate) fn write(&mut self, pieces: &[Bytes]) -> Result<()> {
        let mut slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut left = &mut slices[..];
        IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() {
            match self.file.write_vectored(left) {
                Ok(0) => {
                    let error = io::ErrorKind::WriteZero.into();
                    return Err(from_io(error, "write the file", &self.blob.path));
                }
                Ok(written) => IoSlice::advance_slices(&mut left, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(from_io(error, "write the file", &self.blob.path)),
            }
        }
        Ok(())
    }

    /// Appends a whole file, inside the kernel where that is possible. Blocks.
    pub(crate) fn append(&mut self, from: &mut File) -> Result<u64> {
        io::copy(from, &mut self.file).context("copy to the file", &self.blob.path)
    }

    /// Syncs the file and its name, if the durability asks for it. Blocks.
    pub(crate) fn finish(self) -> Result<Blob> {
        if self.sync {
            self.file.sync_data().context("sync the file", &self.blob.path)?;
            self.blob.session.sync()?;
        }
        Ok(self.blob)
    }
}

impl Blob {
    pub(crate) fn keep(&self) -> Keep {
        Arc::clone(&self.kept)
    }
}

impl Drop for Blob {
    fn drop(&mut self) {
        if !self.kept.load(Ordering::Acquire) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Session {
    fn sync(&self) -> Result<()> {
        sync_folder(&self.path)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Without its lock file a session counts as dead, which it is. The folder goes if it is empty.
        let _ = fs::remove_file(self.path.join(SESSION_LOCK));
        let _ = fs::remove_dir(&self.path);
        let _ = self.lock.unlock();
    }
}

/// Makes the names inside a folder durable.
pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    // Only Unix can sync a folder; elsewhere the file system orders names itself.
    if cfg!(unix) {
        File::open(path).and_then(|folder| folder.sync_all()).context("sync the folder", path)?;
    }
    Ok(())
}

/// 64 random bits.
pub(crate) fn random() -> u64 {
    // The standard library's only source of randomness; ample for names that must not meet.
    RandomState::new().hash_one(std::process::id())
}

/// Whether an error says that there is no space left.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The object is replaced faster than it can be followed.
pub(crate) fn changed_too_often() -> Error {
    Error::new(ErrorKind::Conflict, "the object was replaced again and again while it was read")
}

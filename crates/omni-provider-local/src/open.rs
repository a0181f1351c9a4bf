//! Opening a store: folder, format, sweep, and the thread that writes.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use omni_contracts::storage::{Capabilities, Capability, Limits};
use omni_contracts::{Error, ErrorKind, Result};
use rusqlite::Connection;

use crate::blobs::{Blobs, FILES, OPEN_LOCK, random, sync_folder};
use crate::error::{IoContext, from_sqlite};
use crate::list::PAGE_SIZE;
use crate::lock::{lock_file, lock_until};
use crate::provider::LocalStorage;
use crate::readers::Readers;
use crate::record::Stamp;
use crate::schema::{self, INDEX};
use crate::settings::{LocalDurability, LocalSettings};
use crate::stream::Buffers;
use crate::sweep::sweep;
use crate::writer::{Writer, WriterState};

/// Ranges of a vectored read at most this many bytes apart are read as one: less than a disk reads
/// ahead anyway.
const COALESCE_GAP: u64 = 16 << 10;

/// Opens the store, creating it when the folder has none. Blocks.
pub(crate) fn open(settings: LocalSettings) -> Result<LocalStorage> {
    settings.validate()?;
    // The store stays where it is when the process changes its folder.
    let folder = std::path::absolute(&settings.path).context("find the folder", &settings.path)?;
    let sync = settings.durability == LocalDurability::Disk;
    if !folder.is_dir() {
        fs::create_dir_all(&folder).context("create the folder", &folder)?;
        if let (true, Some(parent)) = (sync, folder.parent()) {
            sync_folder(parent)?;
        }
    }

    let open_path = folder.join(OPEN_LOCK);
    let opening = lock_file(&open_path)?;
    lock_until(&opening, &open_path, Instant::now() + settings.busy_timeout)?;
    let index = folder.join(INDEX);
    let connection = open_index(&folder, &index, &settings)?;
    sweep(&folder, &connection, &index)?;
    drop(opening);

    let blobs = Arc::new(Blobs::new(folder.clone(), settings.durability, settings.busy_timeout));
    let writer = Writer::start(WriterState {
        connection,
        index: index.clone(),
        folder,
        blobs: Arc::clone(&blobs),
        busy_timeout: settings.busy_timeout,
        tag: random() as u32 & Stamp::TAG_MASK,
        versioning: settings.versioning,
    })?;
    Ok(LocalStorage {
        capabilities: capabilities(&settings),
        readers: Arc::new(Readers::new(index.clone(), settings.busy_timeout)),
        index,
        buffers: Arc::new(Buffers::default()),
        blobs,
        writer,
        settings,
    })
}

fn open_index(folder: &Path, index: &Path, settings: &LocalSettings) -> Result<Connection> {
    let sqlite = |error| from_sqlite(error, index);
    let connection = schema::open_writer(index, settings.busy_timeout).map_err(sqlite)?;
    let files = folder.join(FILES);
    if schema::is_fresh(&connection, index)? {
        // Without this, the sweep would take every file for an orphan.
        if has_entries(&files) {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "the index is missing or empty, but there are contents: {}",
                    files.display()
                ),
            ));
        }
        schema::create(&connection).map_err(sqlite)?;
    }
    schema::tune(&connection, settings.durability).map_err(sqlite)?;
    if !files.is_dir() {
        fs::create_dir(&files).context("create the folder", &files)?;
        if settings.durability == LocalDurability::Disk {
            sync_folder(folder)?;
        }
    }
    Ok(connection)
}

fn has_entries(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

fn capabilities(settings: &LocalSettings) -> Capabilities {
    let mut capabilities = Capabilities::new(settings.durability.declared()).with(&[
        Capability::ConditionalCopy,
        Capability::ConditionalCreate,
        Capability::ConditionalDelete,
        Capability::ConditionalMultipart,
        Capability::ConditionalRead,
        Capability::ConditionalUpdate,
        Capability::MultiProcess,
        Capability::Multipart,
        Capability::OrderedList,
        Capability::UniqueVersions,
    ]);
    if settings.versioning {
        capabilities = capabilities.with(&[Capability::Versioning]);
    }
    capabilities.limits = Limits {
        max_object_size: settings.max_object_size,
        max_page_size: PAGE_SIZE,
        coalesce_gap: COALESCE_GAP,
        ..Limits::default()
    };
    capabilities
}

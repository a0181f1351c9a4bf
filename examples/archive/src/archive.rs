//! `Archive`: contents under their hash, and snapshots that list them.
//!
//! `contents/HASH` holds a file's bytes, once for all files and snapshots that have them;
//! `snapshots/HASH` holds a [`Manifest`]. Nothing is ever overwritten. Files are streamed; a manifest is
//! held in memory. Folders without files, links and permissions are not archived.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use omni_storage::{Crc32c, ErrorKind, Storage};
use sha2::{Digest, Sha256};
use tokio::fs::{self, File};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::failure::{Failure, Result};
use crate::manifest::{Entry, Manifest};

const CHUNK_BYTES: usize = 256 * 1024;

pub(crate) struct Archive {
    storage: Storage,
}

/// The outcome of an ingest.
pub(crate) struct Ingested {
    pub(crate) snapshot: String,
    pub(crate) files: usize,
    pub(crate) bytes: u64,
    pub(crate) new: usize,
    pub(crate) known: usize,
}

/// The outcome of a verification.
#[derive(Default)]
pub(crate) struct Verified {
    pub(crate) snapshots: usize,
    pub(crate) contents: usize,
    pub(crate) faults: Vec<String>,
}

impl Archive {
    pub(crate) fn new(storage: Storage) -> Self {
        Self { storage }
    }

    /// Stores the files of a folder. The same files give the same snapshot.
    pub(crate) async fn ingest(&self, folder: &Path) -> Result<Ingested> {
        let absolute = fs::canonicalize(folder)
            .await
            .map_err(|error| Failure::file("cannot open the folder", folder, error))?;
        let name = absolute.file_name().map_or("root".into(), |name| name.to_string_lossy());
        let mut manifest =
            Manifest { name: name.replace(char::is_control, "?"), entries: Vec::new() };
        let (mut new, mut known) = (0, 0);
        for (path, file) in files(&absolute).await? {
            let (entry, is_new) = self.ingest_file(path, &file).await?;
            *(if is_new { &mut new } else { &mut known }) += 1;
            manifest.entries.push(entry);
        }
        let text = manifest.to_text();
        let snapshot = hexadecimal(&Sha256::digest(&text));
        let (files, bytes) = (manifest.entries.len(), manifest.bytes());
        self.put_once(self.storage.put(snapshot_key(&snapshot), text).if_absent()).await?;
        Ok(Ingested { snapshot, files, bytes, new, known })
    }

    /// Reads the file once to name it, and again to store it, unless its content is known. The checksum
    /// of the first reading makes sure that the second saw the same bytes.
    async fn ingest_file(&self, path: String, file: &Path) -> Result<(Entry, bool)> {
        let first = read(file).await?;
        let key = content_key(&first.hash);
        let mut is_new = !self.storage.exists(&key).await?;
        if is_new {
            let reader = File::open(file)
                .await
                .map_err(|error| Failure::file("cannot read", file, error))?;
            let put = self.storage.put_reader(&key, reader).if_absent().checksum(first.checksum);
            is_new = match self.put_once(put).await {
                Err(Failure::Storage(error)) if error.kind() == ErrorKind::Corrupt => {
                    let why = "the file changed while it was read";
                    return Err(Failure::NotArchivable { path: file.to_owned(), why });
                }
                stored => stored?,
            };
        }
        Ok((Entry { hash: first.hash, size: first.size, path }, is_new))
    }

    /// Whether the object is new; that it is there already is as good, since keys are hashes.
    async fn put_once(&self, put: omni_storage::Put<'_>) -> Result<bool> {
        match put.await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The snapshots with their hashes.
    pub(crate) async fn snapshots(&self) -> Result<Vec<(String, Manifest)>> {
        let mut snapshots = Vec::new();
        for id in self.ids("").await? {
            let manifest = self.manifest(&id).await?;
            snapshots.push((id, manifest));
        }
        Ok(snapshots)
    }

    /// Reads everything back and compares it with its hashes.
    pub(crate) async fn verify(&self) -> Result<Verified> {
        let mut found = Verified::default();
        let mut seen = BTreeSet::new();
        for id in self.ids("").await? {
            found.snapshots += 1;
            let manifest = match self.manifest(&id).await {
                Ok(manifest) => manifest,
                Err(failure) => {
                    found.faults.push(format!("snapshot {id}: {}", failure.damage()?));
                    continue;
                }
            };
            for entry in manifest.entries {
                if !seen.insert(entry.hash.clone()) {
                    continue;
                }
                found.contents += 1;
                if let Err(failure) = self.copy_out(&entry, &mut tokio::io::sink()).await {
                    found.faults.push(failure.damage()?);
                }
            }
        }
        Ok(found)
    }

    /// Writes the files of a snapshot into a folder; `snapshot` is its hash, or how it begins. Files
    /// that are there are not overwritten.
    pub(crate) async fn restore(&self, snapshot: &str, folder: &Path) -> Result<usize> {
        let ids = self.ids(snapshot).await?;
        let [id] = ids.as_slice() else {
            return Err(Failure::NoSnapshot { begin: snapshot.to_owned(), found: ids.len() });
        };
        let manifest = self.manifest(id).await?;
        fs::create_dir_all(folder)
            .await
            .map_err(|error| Failure::file("cannot create", folder, error))?;
        for entry in &manifest.entries {
            let path = folder.join(&entry.path);
            self.restore_file(entry, &path).await?;
        }
        Ok(manifest.entries.len())
    }

    async fn restore_file(&self, entry: &Entry, path: &Path) -> Result<()> {
        let wrong = |error| Failure::file("cannot create", path, error);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).await.map_err(wrong)?;
        }
        let mut file = File::create_new(path).await.map_err(wrong)?;
        let copied = self.copy_out(entry, &mut file).await;
        if copied.is_err() {
            // What is not whole is not left behind; the first failure is the one to tell.
            let _ = fs::remove_file(path).await;
        }
        copied
    }

    /// Streams a content into `writer`; `Damaged` when it is not what its hash says.
    async fn copy_out(&self, entry: &Entry, writer: &mut (impl AsyncWrite + Unpin)) -> Result<()> {
        let fault = |why: &dyn std::fmt::Display| {
            Failure::Damaged(format!("{} ({}): {why}", entry.path, entry.hash))
        };
        let object = match self.storage.get(content_key(&entry.hash)).await {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Corrupt) => {
                return Err(fault(&error));
            }
            object => object?,
        };
        match pass(&mut object.reader(), writer).await {
            Ok(seen) if seen.hash == entry.hash && seen.size == entry.size => Ok(()),
            Ok(_) => Err(fault(&"has another content")),
            Err(error) => match error.downcast::<omni_storage::Error>() {
                Ok(error) if error.kind() == ErrorKind::Corrupt => Err(fault(&error)),
                Ok(error) => Err(error.into()),
                Err(error) => Err(Failure::file("cannot write", Path::new(&entry.path), error)),
            },
        }
    }

    /// The hashes of the snapshots that begin with a text.
    async fn ids(&self, begin: &str) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        let mut entries = self.storage.list(snapshot_key(begin)).stream();
        while let Some(entry) = entries.next().await {
            ids.extend(entry?.name().strip_prefix("snapshots/").map(str::to_owned));
        }
        Ok(ids)
    }

    async fn manifest(&self, id: &str) -> Result<Manifest> {
        let reading = async { self.storage.get(snapshot_key(id)).await?.bytes().await };
        let text = reading.await.map_err(|error| match error.kind() {
            ErrorKind::Corrupt => Failure::Damaged(error.to_string()),
            _ => Failure::Storage(error),
        })?;
        if hexadecimal(&Sha256::digest(&text)) != id {
            return Err(Failure::Damaged("the list of files is not what its hash says".to_owned()));
        }
        Manifest::parse(&String::from_utf8_lossy(&text))
    }
}

/// The paths and hashes of the files below a folder.
pub(crate) async fn hashes(folder: &Path) -> Result<Vec<(String, String)>> {
    let mut hashes = Vec::new();
    for (path, file) in files(folder).await? {
        hashes.push((path, read(&file).await?.hash));
    }
    Ok(hashes)
}

/// Reads a file of the user.
async fn read(file: &Path) -> Result<Seen> {
    let unreadable = |error| Failure::file("cannot read", file, error);
    let mut reader = File::open(file).await.map_err(unreadable)?;
    pass(&mut reader, &mut tokio::io::sink()).await.map_err(unreadable)
}

/// What one reading of a content has seen.
struct Seen {
    hash: String,
    checksum: Crc32c,
    size: u64,
}

/// Reads to the end, chunk by chunk, and writes what was read.
async fn pass(
    reader: &mut (impl AsyncRead + Unpin),
    writer: &mut (impl AsyncWrite + Unpin),
) -> std::io::Result<Seen> {
    let mut hash = Sha256::new();
    let mut seen = Seen { hash: String::new(), checksum: Crc32c::default(), size: 0 };
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match reader.read(&mut chunk).await? {
            0 => break,
            count => {
                hash.update(&chunk[..count]);
                seen.checksum.update(&chunk[..count]);
                seen.size += count as u64;
                writer.write_all(&chunk[..count]).await?;
            }
        }
    }
    writer.flush().await?;
    seen.hash = hexadecimal(&hash.finalize());
    Ok(seen)
}

/// Every file below a folder, by its path with `/` between the parts, in the order of the paths.
async fn files(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    let mut folders = vec![(String::new(), folder.to_owned())];
    while let Some((prefix, folder)) = folders.pop() {
        let unreadable = |error| Failure::file("cannot read the folder", &folder, error);
        let mut entries = fs::read_dir(&folder).await.map_err(unreadable)?;
        while let Some(entry) = entries.next_entry().await.map_err(unreadable)? {
            let path = entry.path();
            let name = match entry.file_name().into_string() {
                Ok(name) if !name.contains(char::is_control) => name,
                _ => {
                    let why = "the name is not UTF-8, or has control characters";
                    return Err(Failure::NotArchivable { path, why });
                }
            };
            let kind = entry.file_type().await.map_err(unreadable)?;
            if kind.is_dir() {
                folders.push((format!("{prefix}{name}/"), path));
            } else if kind.is_file() {
                found.push((format!("{prefix}{name}"), path));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn content_key(hash: &str) -> String {
    format!("contents/{hash}")
}

fn snapshot_key(id: &str) -> String {
    format!("snapshots/{id}")
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use omni_storage::Loader;

    use super::*;

    async fn archive() -> Archive {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/omni.toml");
        let loader = Loader::new().environment([("", ""); 0]).file(file).profile("memory");
        Archive::new(Storage::from_config(&loader.load().unwrap(), "main").await.unwrap())
    }

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        folder
    }

    #[tokio::test]
    async fn equal_contents_are_stored_once_and_come_back() {
        let large = vec![7; 3 * CHUNK_BYTES + 1];
        let source = folder(&[("a", b"x"), ("b/a", b"x"), ("b/c d", &large), ("empty", b"")]);
        let archive = archive().await;
        let first = archive.ingest(source.path()).await.unwrap();
        assert_eq!((first.files, first.new, first.known), (4, 3, 1));
        let again = archive.ingest(source.path()).await.unwrap();
        assert_eq!((again.snapshot.as_str(), again.new), (first.snapshot.as_str(), 0));
        assert_eq!(archive.snapshots().await.unwrap().len(), 1);

        let target = tempfile::tempdir().unwrap();
        assert_eq!(archive.restore(&first.snapshot[..8], target.path()).await.unwrap(), 4);
        for path in ["a", "b/a", "b/c d", "empty"] {
            let read =
                |folder: &tempfile::TempDir| std::fs::read(folder.path().join(path)).unwrap();
            assert!(read(&target) == read(&source), "{path}");
        }
        let again = archive.restore(&first.snapshot, target.path()).await;
        assert!(matches!(again, Err(Failure::File { .. })), "nothing is overwritten");
    }

    #[tokio::test]
    async fn damage_is_found_and_named() {
        let source = folder(&[("a", b"one"), ("b", b"two"), ("c", b"three")]);
        let archive = archive().await;
        let snapshot = archive.ingest(source.path()).await.unwrap().snapshot;
        assert!(archive.verify().await.unwrap().faults.is_empty());
        let key = |content| content_key(&hexadecimal(&Sha256::digest(content)));
        archive.storage.delete(key("one")).await.unwrap();
        archive.storage.put(key("two"), "2").await.unwrap();
        let found = archive.verify().await.unwrap();
        assert_eq!((found.snapshots, found.contents, found.faults.len()), (1, 3, 2));
        assert!(found.faults[0].starts_with("a (") && found.faults[0].contains("not found"));
        assert!(found.faults[1].starts_with("b (") && found.faults[1].ends_with("another content"));
        let target = tempfile::tempdir().unwrap();
        let restored = archive.restore(&snapshot, target.path()).await;
        assert!(matches!(restored, Err(Failure::Damaged(_))));
        assert_eq!(std::fs::read_dir(target.path()).unwrap().count(), 0, "nothing half is left");

        archive.storage.put(snapshot_key(&snapshot), "archive 1 x").await.unwrap();
        assert_eq!(archive.verify().await.unwrap().faults.len(), 1);
    }

    #[tokio::test]
    async fn a_snapshot_is_named_by_how_it_begins() {
        let archive = archive().await;
        let mut begins = BTreeSet::new();
        for content in 0..20_u8 {
            let source = folder(&[("a", &[content])]);
            begins.insert(archive.ingest(source.path()).await.unwrap().snapshot[..1].to_owned());
        }
        assert!(begins.len() < 20, "two of 20 begin with the same of 16 digits");
        let target = tempfile::tempdir().unwrap();
        for (begin, expected) in [("", 20), ("x", 0)] {
            match archive.restore(begin, target.path()).await {
                Err(Failure::NoSnapshot { found, .. }) => assert_eq!(found, expected),
                other => panic!("{other:?}"),
            }
        }
    }
}

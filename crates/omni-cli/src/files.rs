//! Local files: read as a stream, written under a temporary name and renamed when whole.

use std::fs::Permissions;
use std::io;
use std::path::{Path, PathBuf};

use futures_util::StreamExt;
use indicatif::ProgressBar;
use omni_storage::Body;
use tempfile::{NamedTempFile, TempDir};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio_util::io::ReaderStream;

use crate::output::{Exit, Outcome};

const CHUNK: usize = 256 * 1024;

/// A file as a body of its length, which advances `bar`.
pub(crate) async fn read(path: &Path, bar: &ProgressBar) -> Outcome<Body> {
    let named = |error| Exit::file(path, &error);
    let file = tokio::fs::File::open(path).await.map_err(named)?;
    let metadata = file.metadata().await.map_err(named)?;
    if metadata.is_dir() {
        return Err(Exit::usage(format!("{} is a folder; copy it with cp -r", path.display())));
    }
    bar.set_length(metadata.len());
    // A pipe or a device has no length.
    let length = metadata.is_file().then_some(metadata.len());
    Ok(stream(file, path.to_path_buf(), bar.clone(), length))
}

/// Standard input as a body of unknown length.
pub(crate) fn standard_input(bar: &ProgressBar) -> Body {
    stream(tokio::io::stdin(), "standard input".into(), bar.clone(), None)
}

fn stream<R>(reader: R, name: PathBuf, bar: ProgressBar, length: Option<u64>) -> Body
where
    R: tokio::io::AsyncRead + Send + 'static,
{
    let chunks = ReaderStream::with_capacity(reader, CHUNK).map(move |chunk| {
        let chunk = chunk.map_err(|error| {
            let message = format!("cannot read {}", name.display());
            omni_storage::Error::new(omni_storage::ErrorKind::Unavailable, message)
                .with_retryable(false)
                .with_source(error)
        })?;
        bar.inc(chunk.len() as u64);
        Ok(chunk)
    });
    Body::from_stream(chunks, length)
}

/// Writes a body to a file, which appears when it is whole. An existing file is replaced and keeps its
/// permissions; what a symbolic link names is replaced, not the link; a device or a pipe is written to.
pub(crate) async fn write(path: &Path, body: Body, bar: &ProgressBar) -> Outcome {
    let named = |error| Exit::file(path, &error);
    let existing = match std::fs::metadata(path) {
        Ok(metadata) => Some(metadata),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(named(error)),
    };
    match existing {
        Some(existing) if existing.is_dir() => {
            Err(Exit::usage(format!("{} is a folder, a file is needed", path.display())))
        }
        Some(existing) if existing.is_file() && !is_descriptor(path) => {
            let path = path.canonicalize().map_err(named)?;
            replace(&path, Some(existing.permissions()), body, bar).await
        }
        Some(_) => {
            let file = tokio::fs::OpenOptions::new().write(true).open(path).await;
            drain(body, &mut file.map_err(named)?, bar, named).await
        }
        None => replace(path, None, body, bar).await,
    }
}

/// Whether the path stands for an open file, as `/dev/stdout` does: others are writing to it, too.
fn is_descriptor(path: &Path) -> bool {
    std::fs::read_link(path).is_ok_and(|target| target.starts_with("/proc"))
}

async fn replace(
    path: &Path,
    permissions: Option<Permissions>,
    body: Body,
    bar: &ProgressBar,
) -> Outcome {
    let named = |error| Exit::file(path, &error);
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let temporary = tempfile::Builder::new()
        .prefix(".omni-")
        .make_in(folder, |path| std::fs::File::create_new(path))
        .map_err(|error| Exit::file(folder, &error))?;
    let (file, temporary) = temporary.into_parts();
    if let Some(permissions) = permissions {
        file.set_permissions(permissions).map_err(named)?;
    }
    let mut file = tokio::fs::File::from_std(file);
    drain(body, &mut file, bar, named).await?;
    file.sync_all().await.map_err(named)?;
    let file = NamedTempFile::from_parts(file.into_std().await, temporary);
    file.persist(path).map_err(|error| named(error.error))?;
    Ok(())
}

/// Writes a body to standard output.
pub(crate) async fn standard_output(body: Body) -> Outcome {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::BrokenPipe => Exit::Negative,
        _ => Exit::failed(format!("standard output: {error}")),
    };
    drain(body, &mut tokio::io::stdout(), &ProgressBar::hidden(), failed).await
}

async fn drain<W: AsyncWrite + Unpin>(
    mut body: Body,
    to: &mut W,
    bar: &ProgressBar,
    failed: impl Fn(io::Error) -> Exit,
) -> Outcome {
    while let Some(chunk) = body.next().await {
        let chunk = chunk?;
        to.write_all(&chunk).await.map_err(&failed)?;
        bar.inc(chunk.len() as u64);
    }
    to.flush().await.map_err(failed)
}

/// What is below a folder.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// Every file, as its path and its `/`-separated name.
    pub(crate) files: Vec<(PathBuf, String)>,
    /// How many entries are neither a file nor a folder. Symbolic links are not followed.
    pub(crate) skipped: usize,
}

/// Walks a folder.
pub(crate) fn walk(folder: &Path) -> Outcome<Walk> {
    let mut found = Walk::default();
    let mut folders = vec![(folder.to_path_buf(), String::new())];
    while let Some((folder, name)) = folders.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|error| Exit::file(&folder, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| Exit::file(&folder, &error))?;
            let path = entry.path();
            let kind = entry.file_type().map_err(|error| Exit::file(&path, &error))?;
            let Some(last) = entry.file_name().to_str().map(str::to_owned) else {
                return Err(Exit::failed(format!("{}: the name is not UTF-8", path.display())));
            };
            let name = if name.is_empty() { last } else { format!("{name}/{last}") };
            if kind.is_dir() {
                folders.push((path, name));
            } else if kind.is_file() {
                found.files.push((path, name));
            } else {
                found.skipped += 1;
            }
        }
    }
    found.files.sort();
    Ok(found)
}

/// A folder that takes every temporary file of this process, and goes with them.
#[derive(Debug)]
pub(crate) struct Scratch {
    _folder: TempDir,
}

impl Scratch {
    /// Makes the folder. Only the first of a process takes the temporary files.
    pub(crate) fn new() -> Outcome<Self> {
        let folder = tempfile::Builder::new().prefix("omni-").tempdir();
        let folder = folder.map_err(|error| Exit::file(&std::env::temp_dir(), &error))?;
        // Fails when another folder takes them, which then is the one that is removed.
        let _ = tempfile::env::override_temp_dir(folder.path());
        Ok(Self { _folder: folder })
    }
}

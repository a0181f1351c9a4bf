//! Local files: read as a stream, written under a temporary name and renamed when whole.

use std::path::{Path, PathBuf};

use futures_util::StreamExt;
use indicatif::ProgressBar;
use omni_storage::Body;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt;
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

/// Writes a body to a file, which appears when it is whole. An existing file is replaced.
pub(crate) async fn write(path: &Path, mut body: Body, bar: &ProgressBar) -> Outcome {
    let named = |error| Exit::file(path, &error);
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if path.is_dir() {
        return Err(Exit::usage(format!("{} is a folder, a file is needed", path.display())));
    }
    let temporary = tempfile::Builder::new()
        .prefix(".omni-")
        .make_in(folder, |path| std::fs::File::create_new(path))
        .map_err(|error| Exit::file(folder, &error))?;
    let (file, temporary) = temporary.into_parts();
    let mut file = tokio::fs::File::from_std(file);
    while let Some(chunk) = body.next().await {
        let chunk = chunk?;
        file.write_all(&chunk).await.map_err(named)?;
        bar.inc(chunk.len() as u64);
    }
    file.sync_all().await.map_err(named)?;
    let file = NamedTempFile::from_parts(file.into_std().await, temporary);
    file.persist(path).map_err(|error| named(error.error))?;
    Ok(())
}

/// Writes a body to standard output.
pub(crate) async fn standard_output(mut body: Body) -> Outcome {
    let mut out = tokio::io::stdout();
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::BrokenPipe => Exit::Negative,
        _ => Exit::failed(format!("standard output: {error}")),
    };
    while let Some(chunk) = body.next().await {
        out.write_all(&chunk?).await.map_err(failed)?;
    }
    out.flush().await.map_err(failed)
}

/// Every file below a folder, as its path and its `/`-separated name. Symbolic links are not followed.
pub(crate) fn walk(folder: &Path) -> Outcome<Vec<(PathBuf, String)>> {
    let mut files = Vec::new();
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
                files.push((path, name));
            }
        }
    }
    files.sort();
    Ok(files)
}

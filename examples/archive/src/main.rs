//! A deduplicating archive of folders, on whatever storage `omni.toml` names.
//!
//! What lives here: the commands, their output and exit codes. The work is in `archive`, the list of a
//! snapshot's files in `manifest`, what can go wrong in `failure`.

mod archive;
mod failure;
mod manifest;

use std::fmt::Display;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use omni_storage::Storage;

use crate::archive::{Archive, hashes};
use crate::failure::{Failure, Result};

const USAGE: &str = "usage: archive [COMMAND]

  ingest [FOLDER]           store the files of a folder as a snapshot
  list                      the snapshots
  verify                    read everything back and compare it with its hashes
  restore SNAPSHOT FOLDER   write the files of a snapshot into a folder

Without a command: all four with the source of this program, as a demonstration.
The storage is `main` of omni.toml; OMNI_PROFILE selects a profile.
Exit codes: 0 done, 1 failed or damaged, 2 wrong command or configuration.
";

/// What is ingested when no folder is named: this program.
const OWN_SOURCE: &str = env!("CARGO_MANIFEST_DIR");

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("archive: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

async fn run(arguments: &[&str]) -> Result<()> {
    if let ["-h" | "--help" | "help"] = arguments {
        return say(USAGE.trim_end());
    }
    // Wrong words are told before a storage is opened.
    if !matches!(
        arguments,
        [] | ["ingest"] | ["ingest", _] | ["list"] | ["verify"] | ["restore", _, _]
    ) {
        return Err(Failure::Usage(USAGE));
    }
    let archive = Archive::new(Storage::open("main").await?);
    match arguments {
        ["ingest"] => ingest(&archive, OWN_SOURCE).await.map(drop),
        ["ingest", folder] => ingest(&archive, folder).await.map(drop),
        ["list"] => list(&archive).await,
        ["verify"] => verify(&archive).await,
        ["restore", snapshot, folder] => restore(&archive, snapshot, Path::new(folder)).await,
        _ => demonstrate(&archive).await,
    }
}

async fn ingest(archive: &Archive, folder: &str) -> Result<String> {
    let done = archive.ingest(Path::new(folder)).await?;
    say(format!(
        "snapshot {}: {} files, {} bytes, {} contents new, {} known",
        &done.snapshot[..12],
        done.files,
        done.bytes,
        done.new,
        done.known
    ))?;
    Ok(done.snapshot)
}

async fn list(archive: &Archive) -> Result<()> {
    for (id, manifest) in archive.snapshots().await? {
        let (files, bytes) = (manifest.entries.len(), manifest.bytes());
        say(format!("{}  {files} files  {bytes} bytes  {}", &id[..12], manifest.name))?;
    }
    Ok(())
}

async fn verify(archive: &Archive) -> Result<()> {
    let found = archive.verify().await?;
    for fault in &found.faults {
        say(fault)?;
    }
    say(format!("verified {} snapshots, {} contents", found.snapshots, found.contents))?;
    match found.faults.len() {
        0 => Ok(()),
        faults => Err(Failure::Damaged(format!("the archive has faults: {faults}"))),
    }
}

async fn restore(archive: &Archive, snapshot: &str, folder: &Path) -> Result<()> {
    let files = archive.restore(snapshot, folder).await?;
    say(format!("restored {files} files into {}", folder.display()))
}

/// Prints a line; a closed pipe is a failure, not a panic.
fn say(line: impl Display) -> Result<()> {
    writeln!(std::io::stdout(), "{line}")
        .map_err(|error| Failure::file("cannot write", Path::new("standard output"), error))
}

/// Ingest, verify, list, restore, and compare with what was ingested.
async fn demonstrate(archive: &Archive) -> Result<()> {
    let snapshot = ingest(archive, OWN_SOURCE).await?;
    verify(archive).await?;
    list(archive).await?;
    let folder = std::env::temp_dir().join(format!("archive-{}", std::process::id()));
    let compared: Result<bool> = async {
        restore(archive, &snapshot, &folder).await?;
        Ok(hashes(&folder).await? == hashes(Path::new(OWN_SOURCE)).await?)
    }
    .await;
    // Also after a failure, which matters more than that of the removal.
    let removed = tokio::fs::remove_dir_all(&folder).await;
    if !compared? {
        return Err(Failure::Damaged("the restored files differ".to_owned()));
    }
    say("the restored files are identical")?;
    removed.map_err(|error| Failure::file("cannot remove", &folder, error))
}

//! The handle over the providers that are compiled in by default, opened from a configuration as an
//! application does.

mod adaptors;
mod calls;
mod failover;
mod layers;
mod opening;
mod telemetry;
mod transfers;

use omni_storage::{Loader, Storage};
use tempfile::TempDir;

/// A storage of each provider, and the folder that one of them needs.
async fn storages() -> (TempDir, [Storage; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "[default.storage.memory]\nprovider = 'memory'\n\
         [default.storage.local]\nprovider = 'local'\npath = {:?}",
        folder.path().join("data")
    );
    let config = Loader::new().environment([("", ""); 0]).text(text).load().unwrap();
    let memory = Storage::from_config(&config, "memory").await.unwrap();
    let local = Storage::from_config(&config, "local").await.unwrap();
    assert_eq!([memory.name(), local.name()], ["memory", "local"]);
    (folder, [memory, local])
}

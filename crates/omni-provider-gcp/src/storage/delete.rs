//! Deleting: the current generation, a stated one for good, or many objects.

use futures_util::{StreamExt, stream};
use omni_contracts::storage::{DeleteOptions, Deleted, Key};
use omni_contracts::{Error, ErrorKind, Operation, Result};

use super::area;
use super::describe;
use super::error::Intent;
use super::provider::{GcsStorage, NAME};
use super::write::expected;

/// How many objects are deleted at once: the service has no request for several.
const PARALLEL: usize = 16;

impl GcsStorage {
    pub(crate) async fn try_delete(&self, key: &Key, options: &DeleteOptions) -> Result<Deleted> {
        options.expect_supported(&self.capabilities)?;
        let generation = match &options.version {
            None => 0,
            Some(version) => describe::generation(version).ok_or_else(no_version)?,
        };
        let if_match = options.if_match.as_ref().map(expected).transpose()?;
        if !area::can_exist(key) {
            return match (&options.if_match, &options.version) {
                (Some(_), _) => {
                    Err(Error::new(ErrorKind::PreconditionFailed, "no object has this key"))
                }
                (None, Some(_)) => Err(no_version()),
                (None, None) => Ok(Deleted::new(Some(false))),
            };
        }
        let intent = if if_match.is_some() { Intent::Update } else { Intent::Write };
        let delete = self.bucket.delete(key.as_str()).set_generation(generation);
        let delete = delete.set_or_clear_if_generation_match(if_match);
        match self.bucket.ask(intent, delete.send()).await {
            Ok(()) => Ok(Deleted::new(Some(true))),
            Err(error) if error.kind() == ErrorKind::NotFound => match options.version {
                None => Ok(Deleted::new(Some(false))),
                Some(_) => Err(no_version()),
            },
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn try_delete_many(&self, keys: &[Key]) -> Vec<Result<Deleted>> {
        // Owned: a stream that borrows from its closure is none that a task can hold.
        let storage = self.clone();
        let delete = move |key: Key| {
            let storage = storage.clone();
            async move {
                let deleted = storage.try_delete(&key, &DeleteOptions::default()).await;
                deleted.map_err(|error| error.at(Operation::DeleteMany, NAME, key.as_str()))
            }
        };
        stream::iter(keys.to_vec()).map(delete).buffered(PARALLEL).collect().await
    }
}

fn no_version() -> Error {
    Error::new(ErrorKind::NotFound, "there is no such version")
}

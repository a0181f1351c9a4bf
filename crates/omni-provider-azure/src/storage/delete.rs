//! Deleting, one object or many.

use azure_core::http::Method;
use futures_util::{StreamExt, stream};
use omni_contracts::storage::{DeleteOptions, Deleted, Key};
use omni_contracts::{ErrorKind, Operation, Result};

use super::error::Intent;
use super::provider::{BlobStorage, NAME};
use super::write::expected_tag;

/// How many objects are deleted at once.
const PARALLEL: usize = 16;

impl BlobStorage {
    pub(crate) async fn try_delete(&self, key: &Key, options: &DeleteOptions) -> Result<Deleted> {
        options.expect_supported(&self.capabilities)?;
        let (intent, if_match) = match &options.if_match {
            None => (Intent::Write, None),
            Some(version) => (Intent::Update, Some(expected_tag(version)?)),
        };
        let delete = self.container.blob(Method::Delete, key)?.optional("if-match", if_match);
        match self.container.send(delete, intent).await {
            // Without a condition, Azurite says so of blocks that were never committed, too.
            Ok(_) => Ok(Deleted::new((intent == Intent::Update).then_some(true))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Deleted::new(Some(false))),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn try_delete_many(&self, keys: &[Key]) -> Vec<Result<Deleted>> {
        // The service has no request for several that says of each what came of it in its own terms.
        let delete = |key: Key| async move {
            let deleted = self.try_delete(&key, &DeleteOptions::default()).await;
            deleted.map_err(|error| error.at(Operation::DeleteMany, NAME, key.as_str()))
        };
        stream::iter(keys.to_vec()).map(delete).buffered(PARALLEL).collect().await
    }
}

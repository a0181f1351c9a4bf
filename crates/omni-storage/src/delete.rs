//! `Delete`, and the deletion of many.

use std::future::IntoFuture;

use futures_util::future::BoxFuture;
use omni_contracts::storage::{DeleteOptions, Deleted, Key, StorageProvider, Version};
use omni_contracts::{Error, Operation, Result};

use crate::handle::Target;

/// A delete that is sent when it is awaited; see [`Storage::delete`](crate::Storage::delete).
///
/// # Errors
///
/// As [`StorageProvider::delete`](crate::StorageProvider::delete).
#[derive(Debug)]
#[must_use = "nothing is deleted until this is awaited"]
pub struct Delete<'a> {
    target: Target<'a>,
    options: DeleteOptions,
}

impl<'a> Delete<'a> {
    pub(crate) fn new(target: Target<'a>) -> Self {
        Self { target, options: DeleteOptions::default() }
    }

    /// Only when the object still has this version; fails with `PreconditionFailed`. Needs
    /// `conditional-delete`.
    pub fn if_match(mut self, version: Version) -> Self {
        self.options.if_match = Some(version);
        self
    }

    /// Removes this stored version for good instead of deleting the current one. Needs `versioning`.
    pub fn version(mut self, version: Version) -> Self {
        self.options.version = Some(version);
        self
    }
}

impl<'a> IntoFuture for Delete<'a> {
    type Output = Result<Deleted>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let provider = self.target.provider;
            let key = self.target.key(Operation::Delete)?;
            provider.delete(&key, &self.options).await
        })
    }
}

/// Deletes the valid keys in one batch and puts the errors of the others where they belong.
pub(crate) async fn many(
    provider: &dyn StorageProvider,
    keys: Vec<Result<Key>>,
) -> Vec<Result<Deleted>> {
    let valid: Vec<Key> = keys.iter().filter_map(|key| key.as_ref().ok()).cloned().collect();
    let mut results = match valid.as_slice() {
        [] => Vec::new(),
        valid => provider.delete_many(valid).await,
    }
    .into_iter();
    let missing = || Err(Error::new(omni_contracts::ErrorKind::Internal, "no result for this key"));
    keys.into_iter()
        .map(|key| match key {
            Ok(_) => results.next().unwrap_or_else(missing),
            Err(error) => Err(error.at(Operation::DeleteMany, provider.name(), "")),
        })
        .collect()
}

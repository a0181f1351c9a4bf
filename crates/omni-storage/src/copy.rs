//! `Copy`: copying within one storage.

use std::future::IntoFuture;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use omni_contracts::storage::{Attributes, CopyOptions, Key, Version, Written};
use omni_contracts::{Operation, Result};

use crate::attributes::{attribute_setters, condition_setters};
use crate::handle::Target;

/// A copy that is made when it is awaited; see [`Storage::copy`](crate::Storage::copy).
///
/// The attributes of the source are kept; setting any replaces them all.
///
/// # Errors
///
/// As [`StorageProvider::copy`](crate::StorageProvider::copy).
#[derive(Debug)]
#[must_use = "nothing is copied until this is awaited"]
pub struct Copy<'a> {
    from: Result<Key>,
    target: Target<'a>,
    options: CopyOptions,
}

impl<'a> Copy<'a> {
    pub(crate) fn new(from: Result<Key>, target: Target<'a>) -> Self {
        Self { from, target, options: CopyOptions::default() }
    }

    condition_setters!(|self| self.options.condition);
    attribute_setters!(|self| self.replaced());

    /// Copies only this version of the source; fails with `PreconditionFailed` when it has another.
    pub fn source_version(mut self, version: Version) -> Self {
        self.options.source_version = Some(version);
        self
    }

    fn replaced(&mut self) -> &mut Attributes {
        Arc::make_mut(self.options.attributes.get_or_insert_with(Attributes::none))
    }
}

impl<'a> IntoFuture for Copy<'a> {
    type Output = Result<Written>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let provider = self.target.provider;
            let from = self.from.map_err(|error| error.at(Operation::Copy, provider.name(), ""))?;
            let to = self.target.key(Operation::Copy)?;
            provider.copy(&from, &to, &self.options).await
        })
    }
}

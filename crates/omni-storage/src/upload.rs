//! `CreateUpload` and `CompleteUpload`: the two ends of an explicit multipart upload.

use std::future::IntoFuture;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use omni_contracts::storage::{CompleteOptions, Crc32c, Part, PutOptions, UploadId, Written};
use omni_contracts::{Operation, Result};

use crate::attributes::{attribute_setters, condition_setters};
use crate::handle::Target;

/// An upload that begins when this is awaited; see
/// [`Storage::create_upload`](crate::Storage::create_upload).
///
/// # Errors
///
/// As [`StorageProvider::create_upload`](crate::StorageProvider::create_upload).
#[derive(Debug)]
#[must_use = "nothing begins until this is awaited"]
pub struct CreateUpload<'a> {
    target: Target<'a>,
    options: PutOptions,
}

impl<'a> CreateUpload<'a> {
    pub(crate) fn new(target: Target<'a>) -> Self {
        Self { target, options: PutOptions::default() }
    }

    attribute_setters!(|self| Arc::make_mut(&mut self.options.attributes));
}

impl<'a> IntoFuture for CreateUpload<'a> {
    type Output = Result<UploadId>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let provider = self.target.provider;
            let key = self.target.key(Operation::CreateUpload)?;
            provider.create_upload(&key, &self.options).await
        })
    }
}

/// An upload that is completed when this is awaited; see
/// [`Storage::complete_upload`](crate::Storage::complete_upload).
///
/// # Errors
///
/// As [`StorageProvider::complete_upload`](crate::StorageProvider::complete_upload).
#[derive(Debug)]
#[must_use = "nothing is visible until this is awaited"]
pub struct CompleteUpload<'a> {
    target: Target<'a>,
    upload: &'a UploadId,
    parts: &'a [Part],
    options: CompleteOptions,
}

impl<'a> CompleteUpload<'a> {
    pub(crate) fn new(target: Target<'a>, upload: &'a UploadId, parts: &'a [Part]) -> Self {
        Self { target, upload, parts, options: CompleteOptions::default() }
    }

    condition_setters!(|self| self.options.condition);

    /// The whole content must have this checksum; else `Corrupt`, and nothing is stored.
    pub fn checksum(mut self, checksum: Crc32c) -> Self {
        self.options.checksum = Some(checksum);
        self
    }
}

impl<'a> IntoFuture for CompleteUpload<'a> {
    type Output = Result<Written>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let provider = self.target.provider;
            let key = self.target.key(Operation::CompleteUpload)?;
            provider.complete_upload(&key, self.upload, self.parts, &self.options).await
        })
    }
}

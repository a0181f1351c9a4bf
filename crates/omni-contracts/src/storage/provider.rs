//! `StorageProvider`: what a provider implements. Every method is required, so that a wrapper cannot
//! forget one; conveniences live on the handle of `omni-storage`.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    ByteRange, Capabilities, CompleteOptions, CopyOptions, DeleteOptions, Deleted, GetOptions,
    GetResult, Key, ListPage, ListRequest, ObjectMeta, PageToken, Part, PartNumber, Prefix,
    PresignRequest, PresignedUrl, PutOptions, UploadId, UploadPage, VersionPage, Written,
};
use crate::{Body, Result};

/// Objects under keys.
///
/// The rules are the clauses `STO-` of `docs/spec/storage.md`; the ids stand at each method.
/// They hold for every method alike:
///
/// - Arguments are validated before any I/O, with `InvalidArgument` (`STO-014`).
/// - What needs an undeclared capability fails with `Unsupported` before any I/O (`STO-180`).
/// - An error names operation, provider and resource, and says whether the call took effect
///   (`ERR-001` to `ERR-004`).
/// - The future is cancel safe: dropped, the operation has happened as a whole or not at all
///   (`STO-025`).
/// - Besides the kinds of the method's table, every method may fail with `Conflict`, `Corrupt`,
///   `Internal`, `PermissionDenied`, `PolicyDenied`, `Throttled`, `Timeout`, `Unauthenticated` or
///   `Unavailable`.
#[async_trait]
pub trait StorageProvider: Send + Sync + fmt::Debug + 'static {
    /// The product, as configurations name it: `memory`, `local`, `s3`.
    fn name(&self) -> &str;

    /// What this instance supports and promises. Constant for the life of the instance.
    fn capabilities(&self) -> &Capabilities;

    /// The layers around the provider, outermost first; empty for a provider itself.
    fn layers(&self) -> Vec<&'static str>;

    /// Asks whether the back-end answers and lets us in. Cheap; changes nothing (`STO-190`).
    ///
    /// # Errors
    ///
    /// | kind | when |
    /// |---|---|
    /// | `NotFound` | the bucket or folder does not exist |
    /// | `Unauthenticated`, `PermissionDenied` | the credentials do not suffice |
    /// | `Unavailable`, `Timeout` | the back-end does not answer |
    async fn check(&self) -> Result<()>;

    /// Stores an object as a whole, or nothing (`STO-001` to `STO-006`, `STO-020` to `STO-027`,
    /// `STO-045` to `STO-052`, `STO-060` to `STO-067`, `STO-110` to `STO-116`).
    ///
    /// # Errors
    ///
    /// | kind | when |
    /// |---|---|
    /// | `AlreadyExists` | the condition is `IfAbsent` and an object has the key |
    /// | `CapacityExceeded` | no space is left |
    /// | `Corrupt` | the content does not have the stated checksum or length |
    /// | `PreconditionFailed` | the condition is `IfMatch` and the version differs or is missing |
    /// | `TooLarge` | the content is above the declared limit |
    ///
    /// # Idempotency
    ///
    /// See [`PutOptions::idempotency`].
    async fn put(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Written>;

    /// Reads an object or a range of it, always of one version (`STO-001` to `STO-008`, `STO-030` to
    /// `STO-036`, `STO-050` to `STO-054`, `STO-070` to `STO-074`).
    ///
    /// # Errors
    ///
    /// | kind | when |
    /// |---|---|
    /// | `NotFound` | no object, or no such version, has the key |
    /// | `NotModified`, `PreconditionFailed` | by the condition |
    /// | `OutOfRange` | the range starts after the end |
    async fn get(&self, key: &Key, options: &GetOptions) -> Result<GetResult>;

    /// Reads several ranges of one version, in the order of `ranges` (`STO-037`, `STO-038`).
    /// The range of `options` is ignored.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get), for the first range that fails.
    async fn get_ranges(
        &self,
        key: &Key,
        ranges: &[ByteRange],
        options: &GetOptions,
    ) -> Result<Vec<Bytes>>;

    /// Reads what is known about an object (`STO-002`, `STO-040`, `STO-074`).
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get), without `OutOfRange`.
    async fn head(&self, key: &Key, options: &GetOptions) -> Result<ObjectMeta>;

    /// Deletes an object; deleting what is missing is a success (`STO-100` to `STO-103`).
    ///
    /// # Errors
    ///
    /// | kind | when |
    /// |---|---|
    /// | `NotFound` | the stated version is not stored |
    /// | `PreconditionFailed` | the condition does not hold, or there is no object |
    ///
    /// # Idempotency
    ///
    /// See [`DeleteOptions::idempotency`].
    async fn delete(&self, key: &Key, options: &DeleteOptions) -> Result<Deleted>;

    /// Deletes any number of objects, with a result for each, in the order of `keys` (`STO-104`,
    /// `STO-105`). One failure hides no other. Not atomic: dropped, some may be deleted.
    ///
    /// # Errors
    ///
    /// As [`delete`](Self::delete), for each key.
    async fn delete_many(&self, keys: &[Key]) -> Vec<Result<Deleted>>;

    /// Lists one page of objects (`STO-080` to `STO-096`).
    ///
    /// # Errors
    ///
    /// | kind | when |
    /// |---|---|
    /// | `InvalidArgument` | empty delimiter, limit 0, or a token of another provider |
    async fn list(&self, request: &ListRequest) -> Result<ListPage>;

    /// Lists one page of all stored versions below `prefix`, by key, newest first (`STO-142`).
    /// Needs `versioning`.
    ///
    /// # Errors
    ///
    /// As [`list`](Self::list).
    async fn list_versions(
        &self,
        prefix: &Prefix,
        token: Option<&PageToken>,
        limit: Option<usize>,
    ) -> Result<VersionPage>;

    /// Copies an object within the store (`STO-120` to `STO-126`). The copy has no write id. An error
    /// names the source when that is missing, else the target.
    ///
    /// # Errors
    ///
    /// | kind | when |
    /// |---|---|
    /// | `AlreadyExists` | the condition is `IfAbsent` and the target exists |
    /// | `InvalidArgument` | source and target are the same, and no new attributes are given |
    /// | `NotFound` | there is no source |
    /// | `PreconditionFailed` | the version of source or target differs |
    ///
    /// # Idempotency
    ///
    /// See [`CopyOptions::idempotency`].
    async fn copy(&self, from: &Key, to: &Key, options: &CopyOptions) -> Result<Written>;

    /// Begins a multipart upload; nothing is visible until it completes (`STO-130`). The condition,
    /// checksum and write id of `options` are not used: conditions are stated when completing.
    /// Needs `multipart`.
    ///
    /// # Errors
    ///
    /// | kind | when |
    /// |---|---|
    /// | `InvalidArgument` | condition, checksum or write id is stated |
    async fn create_upload(&self, key: &Key, options: &PutOptions) -> Result<UploadId>;

    /// Sends one part; sent again, it replaces (`STO-131`, `STO-132`). Needs `multipart`.
    ///
    /// # Errors
    ///
    /// | kind | when |
    /// |---|---|
    /// | `NotFound` | there is no such upload for this key |
    /// | `TooLarge`, `CapacityExceeded`, `Corrupt` | as [`put`](Self::put) |
    async fn upload_part(
        &self,
        key: &Key,
        upload: &UploadId,
        number: PartNumber,
        body: Body,
    ) -> Result<Part>;

    /// The parts received so far, by number (`STO-133`). Needs `multipart`.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is no such upload for this key.
    async fn list_parts(&self, key: &Key, upload: &UploadId) -> Result<Vec<Part>>;

    /// Joins the stated parts into the object (`STO-134` to `STO-137`, `STO-148`). Repeated after success it
    /// succeeds, as long as its object is the current one. Needs `multipart`.
    ///
    /// # Errors
    ///
    /// | kind | when |
    /// |---|---|
    /// | `InvalidArgument` | no part, a part twice or out of order, a part that was not received or was replaced, a part below the minimum |
    /// | `NotFound` | there is no such upload for this key |
    /// | others | as [`put`](Self::put); the upload then remains |
    async fn complete_upload(
        &self,
        key: &Key,
        upload: &UploadId,
        parts: &[Part],
        options: &CompleteOptions,
    ) -> Result<Written>;

    /// Gives an upload up and frees its parts; an unknown or finished one is a success (`STO-138`).
    /// Needs `multipart`.
    ///
    /// # Errors
    ///
    /// None of its own.
    async fn abort_upload(&self, key: &Key, upload: &UploadId) -> Result<()>;

    /// Lists one page of unfinished uploads below `prefix` (`STO-139`). Needs `multipart`.
    ///
    /// # Errors
    ///
    /// As [`list`](Self::list).
    async fn list_uploads(&self, prefix: &Prefix, token: Option<&PageToken>) -> Result<UploadPage>;

    /// Makes a URL that works without credentials (`STO-145` to `STO-147`). Needs `presign`.
    ///
    /// # Errors
    ///
    /// | kind | when |
    /// |---|---|
    /// | `InvalidArgument` | the expiry is 0 or above the declared limit |
    async fn presign(&self, key: &Key, request: &PresignRequest) -> Result<PresignedUrl>;
}

// Object safety is part of the contract: handles hold `Arc<dyn StorageProvider>`.
const _: Option<&dyn StorageProvider> = None;

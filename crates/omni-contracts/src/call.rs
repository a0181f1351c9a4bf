//! `Call` describes one operation to cross-cutting layers; `Interceptor` is what they implement, once
//! for all contracts. The adapter of the storage contract is [`Intercepted`](crate::storage::Intercepted).

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use crate::{Body, Result};

/// One operation, as layers see it: enough to time, retry, limit, trace or forbid it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Call<'a> {
    /// The contract that the operation belongs to.
    pub contract: Contract,
    /// The operation.
    pub operation: Operation,
    /// The provider's product name.
    pub provider: &'a str,
    /// What is acted on: a key, or the prefix of a listing.
    pub resource: &'a str,
    /// Whether the call may be repeated when it is unknown whether it took effect.
    pub idempotency: Idempotency,
    /// Whether the payload can be sent again: false while a one-time stream is the source.
    pub replayable: bool,
    /// Payload size in bytes, where known.
    pub size: Option<u64>,
    /// When the caller stops waiting.
    pub deadline: Option<Instant>,
    /// On whose behalf the call is made.
    pub scope: &'a Scope,
}

impl<'a> Call<'a> {
    /// A call with the contract's idempotency for `operation`, no payload and no deadline.
    #[must_use]
    pub fn new(
        operation: Operation,
        provider: &'a str,
        resource: &'a str,
        scope: &'a Scope,
    ) -> Self {
        Self {
            contract: Contract::Storage,
            operation,
            provider,
            resource,
            idempotency: operation.idempotency(),
            replayable: true,
            size: None,
            deadline: scope.deadline,
            scope,
        }
    }
}

/// On whose behalf calls are made. Set on a handle; every layer can read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The tenant that owns the data.
    pub tenant: Option<Arc<str>>,
    /// The user or service that acts.
    pub principal: Option<Arc<str>>,
    /// Free labels that policies may read, such as `residency = "eu"`.
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// When the caller stops waiting.
    pub deadline: Option<Instant>,
}

/// A contract of the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Contract {
    /// Objects under keys.
    Storage,
}

impl Contract {
    /// Every contract.
    pub const ALL: &'static [Self] = &[Self::Storage];

    /// The contract's name, as it stands in configurations, spans and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Storage => "storage",
        }
    }
}

/// Whether repeating a call whose answer was lost can do harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Idempotency {
    /// Twice is the same as once.
    Idempotent,
    /// A repeat may fail, or do the work twice.
    NotIdempotent,
}

/// The operations of all contracts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Abort a multipart upload.
    AbortUpload,
    /// Ask whether the back-end answers.
    Check,
    /// Complete a multipart upload.
    CompleteUpload,
    /// Copy an object.
    Copy,
    /// Begin a multipart upload.
    CreateUpload,
    /// Delete one object.
    Delete,
    /// Delete many objects.
    DeleteMany,
    /// Read an object or a range of it.
    Get,
    /// Read several ranges of an object.
    GetRanges,
    /// Read what is known about an object.
    Head,
    /// List objects.
    List,
    /// List the parts of an upload.
    ListParts,
    /// List unfinished uploads.
    ListUploads,
    /// List the versions of objects.
    ListVersions,
    /// Make a URL that works without credentials.
    Presign,
    /// Write an object.
    Put,
    /// Send one part of an upload.
    UploadPart,
}

impl Operation {
    /// Every operation, in alphabetical order.
    pub const ALL: &'static [Self] = &[
        Self::AbortUpload,
        Self::Check,
        Self::CompleteUpload,
        Self::Copy,
        Self::CreateUpload,
        Self::Delete,
        Self::DeleteMany,
        Self::Get,
        Self::GetRanges,
        Self::Head,
        Self::List,
        Self::ListParts,
        Self::ListUploads,
        Self::ListVersions,
        Self::Presign,
        Self::Put,
        Self::UploadPart,
    ];

    /// The idempotency of the operation without conditions (clause `STO-150`).
    #[must_use]
    pub fn idempotency(self) -> Idempotency {
        match self {
            Self::CreateUpload => Idempotency::NotIdempotent,
            _ => Idempotency::Idempotent,
        }
    }

    /// Whether the operation may change what is stored: whether it is unknown what a call that was cut
    /// off has done.
    #[must_use]
    pub fn changes(self) -> bool {
        match self {
            Self::AbortUpload
            | Self::CompleteUpload
            | Self::Copy
            | Self::CreateUpload
            | Self::Delete
            | Self::DeleteMany
            | Self::Put
            | Self::UploadPart => true,
            Self::Check
            | Self::Get
            | Self::GetRanges
            | Self::Head
            | Self::List
            | Self::ListParts
            | Self::ListUploads
            | Self::ListVersions
            | Self::Presign => false,
        }
    }

    /// Whether the back-end may work for minutes before it answers: it moves contents, or the call
    /// becomes many requests.
    #[must_use]
    pub fn is_long(self) -> bool {
        matches!(self, Self::CompleteUpload | Self::Copy | Self::DeleteMany | Self::GetRanges)
    }

    /// The operation's name, as it stands in errors, spans and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AbortUpload => "abort_upload",
            Self::Check => "check",
            Self::CompleteUpload => "complete_upload",
            Self::Copy => "copy",
            Self::CreateUpload => "create_upload",
            Self::Delete => "delete",
            Self::DeleteMany => "delete_many",
            Self::Get => "get",
            Self::GetRanges => "get_ranges",
            Self::Head => "head",
            Self::List => "list",
            Self::ListParts => "list_parts",
            Self::ListUploads => "list_uploads",
            Self::ListVersions => "list_versions",
            Self::Presign => "presign",
            Self::Put => "put",
            Self::UploadPart => "upload_part",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A cross-cutting concern, written once and applied to every operation of every contract.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use omni_contracts::{Call, Interceptor, Result};
///
/// #[derive(Debug, Default)]
/// struct Count(AtomicU64);
///
/// impl Interceptor for Count {
///     fn name(&self) -> &'static str {
///         "count"
///     }
///
///     async fn around<T, F, Fut>(&self, _call: &Call<'_>, attempt: F) -> Result<T>
///     where
///         T: Send,
///         F: Fn() -> Fut + Send + Sync,
///         Fut: Future<Output = Result<T>> + Send,
///     {
///         self.0.fetch_add(1, Ordering::Relaxed);
///         attempt().await
///     }
/// }
/// ```
pub trait Interceptor: Send + Sync + fmt::Debug + 'static {
    /// The layer's name, as [`layers`](crate::storage::StorageProvider::layers) shows it.
    fn name(&self) -> &'static str;

    /// The layers that this one is made of, outermost first.
    fn layers(&self) -> Vec<&'static str> {
        vec![self.name()]
    }

    /// Runs the operation by calling `attempt`, any number of times.
    ///
    /// An attempt after the first fails with `Internal` when [`Call::replayable`] is false.
    /// Dropping the returned future drops the attempt.
    fn around<T, F, Fut>(
        &self,
        call: &Call<'_>,
        attempt: F,
    ) -> impl Future<Output = Result<T>> + Send
    where
        T: Send,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send;

    /// Sees the bytes of a body: the payload on its way in, the content on its way out. A body whose
    /// [bytes are in memory](Body::as_bytes) must stay so: as a stream it could not be sent again.
    fn body(&self, call: &Call<'_>, body: Body) -> Body {
        let _ = call;
        body
    }
}

/// One interceptor in several stacks: what it counts, it counts for all of them.
#[deny(clippy::missing_trait_methods)]
impl<I: Interceptor> Interceptor for Arc<I> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn layers(&self) -> Vec<&'static str> {
        (**self).layers()
    }

    fn around<T, F, Fut>(
        &self,
        call: &Call<'_>,
        attempt: F,
    ) -> impl Future<Output = Result<T>> + Send
    where
        T: Send,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        (**self).around(call, attempt)
    }

    fn body(&self, call: &Call<'_>, body: Body) -> Body {
        (**self).body(call, body)
    }
}

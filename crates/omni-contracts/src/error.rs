//! The one error type of all contracts: what happened, whether to try again, and whether the
//! operation took effect. Rendering of configuration errors lives in `omni-config`.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::Operation;

/// The result of every contract operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A boxed cause, kept for [`std::error::Error::source`].
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An error of a contract operation (clauses `ERR-001` to `ERR-005`).
///
/// Opaque and one pointer wide. Decide by [`kind`](Self::kind), [`is_retryable`](Self::is_retryable)
/// and [`effect`](Self::effect); the text is for people.
///
/// ```
/// use omni_contracts::{Effect, Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::NotFound, "no object has this key").with_resource("a/b");
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// assert_eq!(error.effect(), Effect::No);
/// assert_eq!(error.to_string(), "not found: no object has this key (resource `a/b`)");
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    retryable: bool,
    effect: Effect,
    retry_after: Option<Duration>,
    operation: Option<Operation>,
    provider: Option<Cow<'static, str>>,
    resource: Option<String>,
    source: Option<BoxError>,
}

/// What went wrong, coarse enough to decide by. Each kind says what the caller should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The target of a create already exists. Read it, or choose another name.
    AlreadyExists,
    /// The back-end is out of space or over a quota. Free space or raise the quota.
    CapacityExceeded,
    /// The handle was closed. Open it anew.
    Closed,
    /// The configuration is wrong. Correct it; the message names file, profile, key and value.
    Configuration,
    /// A concurrent operation got in the way. Repeat the operation.
    Conflict,
    /// Stored or received bytes fail their checksum, or the store itself is damaged. Restore.
    Corrupt,
    /// A bug in Omni or its back-end. Report it with the source.
    Internal,
    /// The call breaks a rule of the contract. Correct the program; nothing was sent.
    InvalidArgument,
    /// The lease of the delivery has ended: the message is somebody else's to settle. Forget it.
    LeaseLost,
    /// There is no such object, upload, version, topic or subscription.
    NotFound,
    /// A conditional read found nothing newer. Use what you have.
    NotModified,
    /// The range starts after the end of the object. Ask for its size first.
    OutOfRange,
    /// The credentials are known and lack a right. Grant it.
    PermissionDenied,
    /// A policy forbids the call. The message names the rule.
    PolicyDenied,
    /// The stated version is not the current one. Read again, then decide.
    PreconditionFailed,
    /// The caller goes too fast. Wait for [`Error::retry_after`], then repeat.
    Throttled,
    /// The deadline passed. See [`Error::effect`] before repeating.
    Timeout,
    /// The value is above a limit that the provider declares.
    TooLarge,
    /// No credentials, or credentials that are wrong or expired. Renew them.
    Unauthenticated,
    /// The back-end cannot be reached or does not answer. Try later or fail over.
    Unavailable,
    /// The provider does not declare this capability. Nothing was sent.
    Unsupported,
}

/// Whether the operation that failed may have changed what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Nothing was changed.
    No,
    /// The change was made although the call failed.
    Yes,
    /// The answer was lost: read back, or repeat with the same write id.
    Unknown,
}

impl Error {
    /// An error of `kind` that had no effect; `message` is lower case, without a full stop, and never
    /// holds a secret.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            retryable: kind.is_transient(),
            effect: Effect::No,
            retry_after: None,
            operation: None,
            provider: None,
            resource: None,
            source: None,
        }))
    }

    /// Shorthand for [`ErrorKind::InvalidArgument`].
    #[must_use]
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// Shorthand for [`ErrorKind::Unsupported`]; `what` names the missing capability.
    #[must_use]
    pub fn unsupported(what: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Unsupported, format!("the provider does not declare {what}"))
    }

    /// States whether a retry can help, where it differs from what the kind says.
    #[must_use]
    pub fn with_retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    /// States whether the operation took effect.
    #[must_use]
    pub fn with_effect(mut self, effect: Effect) -> Self {
        self.0.effect = effect;
        self
    }

    /// States how long the back-end asks the caller to wait.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Keeps the cause. Provider errors are wrapped exactly once, at the provider's edge.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Names what the operation acted on.
    #[must_use]
    pub fn with_resource(mut self, resource: impl Into<String>) -> Self {
        self.0.resource = Some(resource.into());
        self
    }

    /// Fills in where the error arose; what is already known stays.
    #[must_use]
    pub fn at(mut self, operation: Operation, provider: &str, resource: &str) -> Self {
        let inner = &mut self.0;
        inner.operation.get_or_insert(operation);
        inner.provider.get_or_insert_with(|| Cow::Owned(provider.to_owned()));
        if !resource.is_empty() {
            inner.resource.get_or_insert_with(|| resource.to_owned());
        }
        self
    }

    /// The same error, of an operation that is still to be named: for one operation that is made of
    /// another.
    pub(crate) fn elsewhere(mut self) -> Self {
        self.0.operation = None;
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether repeating the same call can help. Says nothing about whether it is safe: read
    /// [`effect`](Self::effect) and the call's [`Idempotency`](crate::Idempotency) for that.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// Whether the operation may have changed what is stored.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.0.effect
    }

    /// How long the back-end asks the caller to wait before repeating.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The operation that failed.
    #[must_use]
    pub fn operation(&self) -> Option<Operation> {
        self.0.operation
    }

    /// The provider that failed, by its product name.
    #[must_use]
    pub fn provider(&self) -> Option<&str> {
        self.0.provider.as_deref()
    }

    /// What the operation acted on: a key, a prefix, an upload.
    #[must_use]
    pub fn resource(&self) -> Option<&str> {
        self.0.resource.as_deref()
    }

    /// The message alone, without kind and place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

impl ErrorKind {
    /// Every kind, in alphabetical order.
    pub const ALL: &'static [Self] = &[
        Self::AlreadyExists,
        Self::CapacityExceeded,
        Self::Closed,
        Self::Configuration,
        Self::Conflict,
        Self::Corrupt,
        Self::Internal,
        Self::InvalidArgument,
        Self::LeaseLost,
        Self::NotFound,
        Self::NotModified,
        Self::OutOfRange,
        Self::PermissionDenied,
        Self::PolicyDenied,
        Self::PreconditionFailed,
        Self::Throttled,
        Self::Timeout,
        Self::TooLarge,
        Self::Unauthenticated,
        Self::Unavailable,
        Self::Unsupported,
    ];

    /// Whether a repeated call may succeed without anybody changing anything.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Conflict | Self::Throttled | Self::Timeout | Self::Unavailable)
    }

    /// The kind in words, as it stands in messages and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AlreadyExists => "already exists",
            Self::CapacityExceeded => "capacity exceeded",
            Self::Closed => "closed",
            Self::Configuration => "configuration",
            Self::Conflict => "conflict",
            Self::Corrupt => "corrupt",
            Self::Internal => "internal",
            Self::InvalidArgument => "invalid argument",
            Self::LeaseLost => "lease lost",
            Self::NotFound => "not found",
            Self::NotModified => "not modified",
            Self::OutOfRange => "out of range",
            Self::PermissionDenied => "permission denied",
            Self::PolicyDenied => "policy denied",
            Self::PreconditionFailed => "precondition failed",
            Self::Throttled => "throttled",
            Self::Timeout => "timeout",
            Self::TooLarge => "too large",
            Self::Unauthenticated => "unauthenticated",
            Self::Unavailable => "unavailable",
            Self::Unsupported => "unsupported",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.kind, self.0.message)?;
        let mut parts = Vec::with_capacity(4);
        if let Some(operation) = self.0.operation {
            parts.push(format!("operation {operation}"));
        }
        if let Some(provider) = &self.0.provider {
            parts.push(format!("provider {provider}"));
        }
        if let Some(resource) = &self.0.resource {
            parts.push(format!("resource `{}`", resource.escape_debug()));
        }
        match self.0.effect {
            Effect::No => {}
            Effect::Yes => parts.push("the change was made".to_owned()),
            Effect::Unknown => parts.push("the change may have been made".to_owned()),
        }
        if parts.is_empty() { Ok(()) } else { write!(f, " ({})", parts.join(", ")) }
    }
}

/// What a program prints whose `main` returns the error: the text and the causes, not the fields.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            // Who repeats a cause has said what it has to say.
            if text.contains(&cause_text) {
                break;
            }
            text = format!("{text}: {cause_text}");
            source = cause.source();
        }
        f.write_str(&text)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_one_pointer_wide() {
        assert_eq!(size_of::<Result<()>>(), size_of::<usize>());
    }

    #[test]
    fn place_is_filled_in_once() {
        let error = Error::new(ErrorKind::Timeout, "no answer in 2s")
            .with_effect(Effect::Unknown)
            .at(Operation::Put, "s3", "a")
            .at(Operation::Copy, "outer", "b");
        assert_eq!(error.operation(), Some(Operation::Put));
        assert_eq!(
            error.to_string(),
            "timeout: no answer in 2s (operation put, provider s3, resource `a`, \
             the change may have been made)"
        );
        assert!(error.is_retryable());
    }

    #[test]
    fn a_main_that_fails_prints_text_and_causes() {
        let cause = std::io::Error::other("the disk is gone");
        let said = Error::new(ErrorKind::Unavailable, "cannot read a").with_source(cause);
        assert_eq!(format!("{said:?}"), "unavailable: cannot read a: the disk is gone");
    }
}

//! What the service says, in the terms of the contract. The only place that reads its error codes; the
//! table for people is `docs/guides/errors.md`.

use std::time::{Duration, SystemTime};

use azure_core::error::ErrorKind as CoreKind;
use azure_core::time::parse_rfc7231;
use omni_contracts::{Effect, Error, ErrorKind};

use super::call::Answer;
use super::client::Container;
use super::xml::Element;

/// How far the clock of this machine may be from the service's, as documented.
const SKEW: Duration = Duration::from_secs(15 * 60);

/// What a commit comes to whose blocks are not there any more.
const DISCARDED: &str =
    "another write of this key was completed meanwhile, and discarded the blocks of this one";

/// Whether a commit failed because its blocks are not there any more.
pub(crate) fn is_discarded(error: &Error) -> bool {
    error.kind() == ErrorKind::Conflict && error.message() == DISCARDED
}

/// What a call was about, as far as an answer cannot tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    /// It changes nothing.
    Read,
    /// It changes something.
    Write,
    /// It writes only where nothing is.
    Create,
    /// It writes only over, or deletes only, a stated version.
    Update,
}

/// A request that got no answer, or only the beginning of one.
pub(crate) fn failed(error: azure_core::Error, intent: Intent, container: &Container) -> Error {
    let kind = error.kind().clone();
    let message = error.to_string();
    let (timeout, cause) = match error.into_downcast::<reqwest::Error>() {
        // Without the URL, whose query may hold a signature.
        Ok(error) => (error.is_timeout(), causes(&error.without_url())),
        Err(_) => (false, message),
    };
    let place = container.endpoint().authority().to_owned();
    let (translated, sent) = match kind {
        CoreKind::Credential => {
            let none = "no credentials were found, or they are wrong";
            (Error::new(ErrorKind::Unauthenticated, none), false)
        }
        CoreKind::Connection => {
            let lost = format!("the service cannot be reached at {place:?}: see `endpoint`");
            (Error::new(ErrorKind::Unavailable, lost), false)
        }
        _ if timeout => {
            let limit = container.settings().read_timeout;
            let late = format!(
                "the service at {place:?} did not answer within {limit:?}, the setting `read_timeout`"
            );
            (Error::new(ErrorKind::Timeout, late), true)
        }
        CoreKind::Io => {
            let broken = format!("the connection to the service at {place:?} broke");
            (Error::new(ErrorKind::Unavailable, broken), true)
        }
        _ => (Error::new(ErrorKind::Internal, "the request could not be made"), false),
    };
    in_doubt(translated, intent, sent).with_source(cause)
}

/// An error and all its causes, in words.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

fn in_doubt(error: Error, intent: Intent, sent: bool) -> Error {
    match intent {
        Intent::Read => error,
        _ if sent => error.with_effect(Effect::Unknown),
        _ => error,
    }
}

/// What an error answer means.
pub(crate) fn answered(answer: &Answer, intent: Intent, container: &Container) -> Error {
    let said = Said::of(answer);
    let request = answer.text("x-ms-request-id").unwrap_or("unknown");
    let source = format!("status {} {}, request {request}", answer.status, said.code);
    said.meaning(answer, intent, &container.settings().container).with_source(source)
}

/// The code and the words of an error answer.
struct Said {
    code: String,
    words: String,
}

impl Said {
    fn of(answer: &Answer) -> Self {
        let body = Element::parse(&answer.body).ok();
        let field = |name: &str| body.as_ref().and_then(|body| body.text(name)).map(str::to_owned);
        let header = answer.text("x-ms-error-code").map(str::to_owned);
        let code = header.or_else(|| field("Code")).unwrap_or_default();
        // The first line; the others name the request and the time.
        let words = field("Message").unwrap_or_default();
        Self { code, words: words.lines().next().unwrap_or_default().to_owned() }
    }

    fn as_said(&self, what: &str) -> String {
        match self.words.as_str() {
            "" => what.to_owned(),
            words => format!("{what}: {words}"),
        }
    }

    fn meaning(&self, answer: &Answer, intent: Intent, container: &str) -> Error {
        use ErrorKind as Kind;
        let status = answer.status;
        let failed = |kind: ErrorKind, what: &str| Error::new(kind, self.as_said(what));
        let plain = |kind: ErrorKind, what: &'static str| Error::new(kind, what);
        match (self.code.as_str(), status) {
            ("ContainerNotFound" | "ContainerDisabled", _) => Error::new(
                Kind::Configuration,
                format!(
                    "there is no container {container:?}: correct `container`, `account` or `endpoint`"
                ),
            ),
            ("CannotVerifyCopySource", 404) => plain(Kind::NotFound, "no object has this key"),
            ("SourceConditionNotMet", _) => {
                plain(Kind::PreconditionFailed, "the stated version of the source is not current")
            }
            // A condition on something that is missing.
            (_, 404) if intent == Intent::Update => {
                plain(Kind::PreconditionFailed, "no object has this key")
            }
            (_, 404) => plain(Kind::NotFound, "no object has this key"),
            (
                "LeaseIdMissing"
                | "LeaseIdMismatchWithBlobOperation"
                | "LeaseNotPresentWithBlobOperation",
                _,
            )
            | ("LeaseAlreadyPresent" | "LeaseLost", _) => {
                failed(Kind::Conflict, "another program holds a lease on the object")
            }
            ("BlobAlreadyExists", _) | (_, 412) if intent == Intent::Create => {
                plain(Kind::AlreadyExists, "an object has this key")
            }
            (_, 412) => plain(Kind::PreconditionFailed, "the stated version is not current"),
            (_, 304) => plain(Kind::NotModified, "the known version is current"),
            (_, 416) => plain(Kind::OutOfRange, "the range starts after the end"),
            ("InvalidBlockList", _) => plain(Kind::Conflict, DISCARDED),
            ("InvalidBlobOrBlock" | "InvalidBlockId", _) => failed(
                Kind::Conflict,
                "blocks that another program left at this key are in the way for up to a week",
            )
            .with_retryable(false),
            ("InvalidUri" | "InvalidResourceName" | "OutOfRangeInput", 400) => {
                failed(Kind::InvalidArgument, "the service takes no such key")
            }
            ("SnapshotsPresent", _) => {
                failed(Kind::Conflict, "the object has snapshots: delete them first")
                    .with_retryable(false)
            }
            ("BlobImmutableDueToPolicy" | "BlobImmutableDueToLegalHold", _) => {
                failed(Kind::PolicyDenied, "the object is immutable by a policy or legal hold")
            }
            ("BlobArchived" | "BlobBeingRehydrated", _) => {
                failed(Kind::Unavailable, "the object is archived: rehydrate it first")
                    .with_retryable(false)
            }
            ("InvalidBlobType", _) => failed(
                Kind::Conflict,
                "another program stored an append or page blob here: delete it",
            )
            .with_retryable(false),
            ("ContainerBeingDeleted" | "AccountBeingCreated", _) => {
                failed(Kind::Unavailable, "the container is not ready")
            }
            ("BlockCountExceedsLimit" | "BlockListTooLong" | "RequestBodyTooLarge", _)
            | (_, 413) => {
                failed(Kind::TooLarge, "the service takes no content of this size: see `part_size`")
            }
            ("PublicAccessNotPermitted", _) => {
                failed(Kind::PermissionDenied, "the account allows no requests without credentials")
            }
            (_, 409) => failed(Kind::Conflict, "another request got in the way"),
            ("Md5Mismatch" | "Crc64Mismatch", _) => {
                failed(Kind::Corrupt, "the content was damaged on its way").with_retryable(true)
            }
            (
                "AuthenticationFailed"
                | "InvalidAuthenticationInfo"
                | "NoAuthenticationInformation",
                _,
            )
            | (_, 401) => match skew(answer) {
                Some(skew) => Error::new(
                    Kind::Unauthenticated,
                    format!(
                        "the clock of this machine is {} minutes off: set it",
                        skew.as_secs() / 60
                    ),
                ),
                None => failed(
                    Kind::Unauthenticated,
                    "the credentials are wrong or have expired: see `account_key`, `sas_token` or \
                     `credential`",
                ),
            },
            ("AuthorizationFailure", _) if self.words.contains("failed to authenticate") => {
                failed(Kind::Unauthenticated, "the credentials are wrong or have expired")
            }
            ("KeyBasedAuthenticationNotPermitted", _) => failed(
                Kind::PermissionDenied,
                "the account takes no account keys: set `credential` instead of `account_key`",
            ),
            (_, 403) => failed(Kind::PermissionDenied, "the credentials lack a right"),
            ("ServerBusy" | "TooManyRequests", _) | (_, 429) => {
                let throttled = failed(Kind::Throttled, "the service asks to go slower");
                match answer.number("retry-after") {
                    Some(seconds) => throttled.with_retry_after(Duration::from_secs(seconds)),
                    None => throttled,
                }
            }
            ("InsufficientStorage", _) | (_, 507) => {
                failed(Kind::CapacityExceeded, "no space is left")
            }
            (_, 501 | 405) => failed(
                Kind::Unsupported,
                "the service does not know this request: see the setting `lacks`",
            ),
            (code, 300..=499) => failed(
                Kind::Internal,
                &format!("the service refuses the request with {status} {code}"),
            ),
            (code, _) => in_doubt(
                failed(Kind::Unavailable, &format!("the service failed with {status} {code}")),
                intent,
                true,
            ),
        }
    }
}

/// How far the clock of this machine is off, when that is too far.
fn skew(answer: &Answer) -> Option<Duration> {
    let there = SystemTime::from(parse_rfc7231(answer.text("date")?).ok()?);
    let now = SystemTime::now();
    let off = now.duration_since(there).or_else(|_| there.duration_since(now)).ok()?;
    (off >= SKEW).then_some(off)
}

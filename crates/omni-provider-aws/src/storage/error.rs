//! What the service says, in the terms of the contract. The only place that reads its error codes; the
//! table for people is `docs/guides/errors.md`.

use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use omni_contracts::{Effect, Error, ErrorKind};

use super::settings::S3Settings;

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

/// Translates what went wrong. Of the settings, those are named that are what is wrong.
pub(crate) fn translate<E>(
    error: SdkError<E, HttpResponse>,
    intent: Intent,
    settings: &S3Settings,
) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let translated = match &error {
        _ if has_no_credentials(&error) => {
            Error::new(ErrorKind::Unauthenticated, "no credentials were found, or they are wrong")
        }
        SdkError::ServiceError(context) => {
            answered(context.err(), context.raw(), intent, &settings.bucket)
        }
        SdkError::DispatchFailure(failure) if failure.is_user() => {
            Error::new(ErrorKind::Internal, "the request could not be made")
        }
        SdkError::DispatchFailure(failure) => lost(&error, failure.is_timeout(), intent, settings),
        SdkError::TimeoutError(_) => lost(&error, true, intent, settings),
        SdkError::ResponseError(context) => {
            let status = context.raw().status().as_u16();
            // As a rule it was cut off.
            let broken = format!("the answer cannot be read, status {status}");
            in_doubt(Error::new(ErrorKind::Unavailable, broken), intent, true)
        }
        SdkError::ConstructionFailure(_) => {
            Error::new(ErrorKind::InvalidArgument, "the request cannot be made")
        }
        _ => in_doubt(Error::new(ErrorKind::Internal, "the call failed"), intent, true),
    };
    translated.with_source(cause(&error))
}

/// What the SDK says, without the answer's headers and content, which hold the caller's data.
fn cause<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let Some(response) = error.raw_response() else {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        return text;
    };
    let request = response.headers().get("x-amz-request-id").unwrap_or("unknown");
    let code = error.code().unwrap_or("no code");
    format!("status {}, {code}, request id {request}", response.status().as_u16())
}

/// No answer came.
fn lost(
    error: &(dyn std::error::Error + 'static),
    late: bool,
    intent: Intent,
    settings: &S3Settings,
) -> Error {
    let sent = !never_sent(error);
    let place = settings.endpoint.as_ref().map_or_else(String::new, |url| format!(" at {url}"));
    let (connect, read) = (settings.connect_timeout, settings.read_timeout);
    let (kind, what) = match (late, sent) {
        (true, true) => (
            ErrorKind::Timeout,
            format!(
                "the service{place} did not answer within {read:?}, the setting `read_timeout`"
            ),
        ),
        (true, false) => (
            ErrorKind::Timeout,
            format!(
                "no connection to the service{place} within {connect:?}, the setting `connect_timeout`"
            ),
        ),
        (false, true) => {
            (ErrorKind::Unavailable, format!("the connection to the service{place} broke off"))
        }
        (false, false) => (ErrorKind::Unavailable, format!("the service{place} cannot be reached")),
    };
    in_doubt(Error::new(kind, what), intent, sent)
}

fn in_doubt(error: Error, intent: Intent, sent: bool) -> Error {
    match intent {
        Intent::Read => error,
        _ if sent => error.with_effect(Effect::Unknown),
        _ => error,
    }
}

/// Whether the chain of causes says that no connection was made.
fn never_sent(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        let refused = error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused);
        // The last is a handshake that failed.
        if refused || ["dns error", "connect timeout", "(Connect)"].iter().any(|s| text.contains(s))
        {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Whether the chain of causes says that no credentials could be had.
fn has_no_credentials(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<CredentialsError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// What an error answer means.
fn answered<E: ProvideErrorMetadata>(
    error: &E,
    response: &HttpResponse,
    intent: Intent,
    bucket: &str,
) -> Error {
    let status = response.status().as_u16();
    let code = error.code().unwrap_or_default();
    let said = error.message().unwrap_or_default();
    let header = |name: &str| response.headers().get(name);
    let as_said = |what: &str| match said {
        "" => what.to_owned(),
        said => format!("{what}: {said}"),
    };
    let failed = |kind: ErrorKind, what: String| Error::new(kind, what);
    use ErrorKind as Kind;
    match (code, status) {
        ("NoSuchBucket", _) => failed(
            Kind::Configuration,
            format!("there is no bucket {bucket:?}: correct `bucket`, `region` or `endpoint`"),
        ),
        ("NoSuchUpload", _) => failed(Kind::NotFound, "there is no such upload".to_owned()),
        ("NoSuchVersion", _) => failed(Kind::NotFound, "there is no such version".to_owned()),
        // A condition on something that is missing.
        (_, 404) if intent == Intent::Update => {
            failed(Kind::PreconditionFailed, "no object has this key".to_owned())
        }
        (_, 404) => failed(Kind::NotFound, "no object has this key".to_owned()),
        (_, 412) if intent == Intent::Create => {
            failed(Kind::AlreadyExists, "an object has this key".to_owned())
        }
        (_, 412) => {
            failed(Kind::PreconditionFailed, "the stated version is not current".to_owned())
        }
        (_, 304) => failed(Kind::NotModified, "the known version is current".to_owned()),
        (_, 416) => failed(Kind::OutOfRange, "the range starts after the end".to_owned()),
        ("ConditionalRequestConflict" | "OperationAborted", _) | (_, 409) => {
            failed(Kind::Conflict, as_said("another request got in the way"))
        }
        ("RequestTimeTooSkewed", _) => {
            failed(Kind::Unauthenticated, as_said("the clock of this machine is wrong: set it"))
        }
        ("ExpiredToken" | "TokenRefreshRequired" | "ExpiredTokenException", _) => {
            failed(Kind::Unauthenticated, as_said("the credentials have expired: renew them"))
        }
        (
            "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "InvalidSecurity",
            _,
        )
        | (_, 401) => failed(Kind::Unauthenticated, as_said("the credentials are wrong")),
        (
            "PermanentRedirect"
            | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException",
            _,
        )
        | (_, 301 | 307) => {
            let region = header("x-amz-bucket-region");
            let hint = region.map_or_else(String::new, |region| format!(", it is in {region:?}"));
            failed(
                Kind::Configuration,
                as_said(&format!("the bucket {bucket:?} is in another region{hint}: set `region`")),
            )
        }
        ("InvalidObjectState", _) => {
            failed(Kind::Unavailable, as_said("the object is archived: restore it first"))
                .with_retryable(false)
        }
        (_, 403) => failed(Kind::PermissionDenied, as_said("the credentials lack a right")),
        ("SlowDown" | "SlowDownRead" | "SlowDownWrite" | "RequestLimitExceeded", _)
        | (
            "Throttling" | "ThrottlingException" | "TooManyRequests" | "BandwidthLimitExceeded",
            _,
        )
        | (_, 429) => {
            let throttled = failed(Kind::Throttled, as_said("the service asks to go slower"));
            match header("retry-after").and_then(|text| text.parse().ok()) {
                Some(seconds) => throttled.with_retry_after(Duration::from_secs(seconds)),
                None => throttled,
            }
        }
        ("RequestTimeout" | "RequestTimeoutException", _) => {
            failed(Kind::Unavailable, as_said("the request did not arrive in time"))
        }
        ("BadDigest" | "InvalidDigest" | "XAmzContentSHA256Mismatch", _)
        | ("XAmzContentChecksumMismatch", _) => {
            failed(Kind::Corrupt, as_said("the content was damaged on its way"))
                .with_retryable(true)
        }
        ("EntityTooLarge", _) | (_, 413) => {
            failed(Kind::TooLarge, as_said("the service takes no content of this size"))
        }
        ("InvalidPart" | "InvalidPartOrder" | "EntityTooSmall", _) => {
            failed(Kind::InvalidArgument, as_said("the parts do not make an object"))
        }
        ("QuotaExceeded" | "ServiceQuotaExceeded", _) | (_, 507) => {
            failed(Kind::CapacityExceeded, as_said("no space is left"))
        }
        ("NotImplemented" | "MethodNotAllowed", _) | (_, 501 | 405) => failed(
            Kind::Unsupported,
            as_said("the service does not know this request: see the setting `lacks`"),
        ),
        (_, 400..=499) => failed(
            Kind::Internal,
            as_said(&format!("the service refuses the request with {status} {code}")),
        ),
        _ => in_doubt(
            failed(Kind::Unavailable, as_said(&format!("the service failed with {status} {code}"))),
            intent,
            true,
        ),
    }
}

//! What the service says, in the terms of the contract. The only place that reads its codes; the table
//! for people is `docs/guides/errors.md`.

use std::borrow::Cow;
use std::time::Duration;

use google_cloud_gax::error::rpc::Code;
use google_cloud_storage::Error as SdkError;
use omni_contracts::{Effect, Error, ErrorKind};

use super::settings::{GcsControl, GcsSettings};

/// Where the service is unless the settings say otherwise.
pub(crate) const DEFAULT_ENDPOINT: &str = "https://storage.googleapis.com";

/// The longest part of an answer that no one expected which is repeated in an error.
const MAX_SAID: usize = 300;

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

/// Translates what went wrong.
pub(crate) fn translate(error: &SdkError, intent: Intent, settings: &GcsSettings) -> Error {
    let translated = if error.is_authentication() {
        unauthenticated(error)
    } else if error.is_connect() {
        unreachable(settings)
    } else if error.is_timeout() || error.is_exhausted() {
        timed_out(intent, settings)
    } else if let Some(status) = error.http_status_code().filter(|status| *status != 200) {
        answered(status, error, intent, settings)
    } else if let Some(status) = error.status() {
        match status.code {
            Code::DeadlineExceeded => timed_out(intent, settings),
            code => answered(http_status(code), error, intent, settings),
        }
    } else if error.is_binding() {
        Error::new(ErrorKind::InvalidArgument, "the request cannot be made")
    } else if is_mismatch(error) {
        // The service has stored something else than was sent.
        Error::new(ErrorKind::Corrupt, "what is stored is not what was sent")
            .with_effect(Effect::Yes)
    } else if error.is_deserialization() {
        // As a rule it was cut off.
        in_doubt(Error::new(ErrorKind::Unavailable, "the answer cannot be read"), intent)
    } else if never_sent(error) {
        unreachable(settings)
    } else {
        in_doubt(Error::new(ErrorKind::Unavailable, broken_off(settings)), intent)
    };
    translated.with_source(causes(error))
}

/// No answer came within the time that the settings give a request.
pub(crate) fn timed_out(intent: Intent, settings: &GcsSettings) -> Error {
    let late = format!(
        "the service at {} did not answer within {:?}, the setting `read_timeout`",
        place(settings),
        settings.read_timeout
    );
    in_doubt(Error::new(ErrorKind::Timeout, late), intent)
}

fn unreachable(settings: &GcsSettings) -> Error {
    let lost = format!("the service cannot be reached at {}", place(settings));
    Error::new(ErrorKind::Unavailable, lost)
}

/// Where the service is asked.
fn place(settings: &GcsSettings) -> String {
    let contents = settings.endpoint.as_deref().unwrap_or(DEFAULT_ENDPOINT);
    let control = settings.control_endpoint().map_or(DEFAULT_ENDPOINT, String::as_str);
    match control == contents {
        true => contents.to_owned(),
        false => format!("{contents} or {control}"),
    }
}

/// Some servers that stand in for Google's have the older interface alone, and hang up.
fn broken_off(settings: &GcsSettings) -> Cow<'static, str> {
    match settings.control_endpoint() {
        None => "the connection broke off".into(),
        Some(_) if settings.control == GcsControl::Http => "the connection broke off".into(),
        Some(place) => format!(
            "the connection broke off; does {place} speak gRPC, by which everything but contents is \
             asked? `control_endpoint` says where, `control = \"http\"` does without"
        )
        .into(),
    }
}

fn unauthenticated(error: &SdkError) -> Error {
    if error.is_transient_and_before_rpc() {
        return Error::new(
            ErrorKind::Unavailable,
            "the source of the credentials does not answer; it is the first that there is of \
             `anonymous`, `service_account_key`, `credentials_file`, the variable \
             GOOGLE_APPLICATION_CREDENTIALS, the file of gcloud and the metadata server",
        );
    }
    Error::new(
        ErrorKind::Unauthenticated,
        "no access was granted for the credentials: correct `credentials_file` or \
         `service_account_key`",
    )
}

fn in_doubt(error: Error, intent: Intent) -> Error {
    match intent {
        Intent::Read => error,
        _ => error.with_effect(Effect::Unknown),
    }
}

fn is_mismatch(error: &SdkError) -> bool {
    use google_cloud_storage::error::WriteError;
    let mismatch = |cause: &WriteError| matches!(cause, WriteError::ChecksumMismatch { .. });
    any_cause(error, |cause| cause.downcast_ref().is_some_and(mismatch))
}

/// Whether the chain of causes says that no connection was made.
fn never_sent(error: &SdkError) -> bool {
    any_cause(error, |cause| {
        cause
            .downcast_ref()
            .is_some_and(|io: &std::io::Error| io.kind() == std::io::ErrorKind::ConnectionRefused)
            || cause.to_string().contains("dns error")
    })
}

fn any_cause(error: &SdkError, is: impl Fn(&(dyn std::error::Error + 'static)) -> bool) -> bool {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.into_iter().any(is)
}

fn causes(error: &SdkError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

/// The status of HTTP that a code of gRPC stands for.
fn http_status(code: Code) -> u16 {
    match code {
        Code::InvalidArgument => 400,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::NotFound => 404,
        Code::Aborted | Code::AlreadyExists => 409,
        Code::FailedPrecondition => 412,
        Code::OutOfRange => 416,
        Code::ResourceExhausted => 429,
        Code::Unimplemented => 501,
        Code::Internal | Code::Unknown | Code::DataLoss => 500,
        _ => 503,
    }
}

/// What the service says in words.
fn said(error: &SdkError) -> String {
    if let Some(status) = error.status() {
        return status.message.clone();
    }
    let payload = error.http_payload().map(|payload| String::from_utf8_lossy(payload));
    payload.map_or_else(String::new, |text| text.chars().take(MAX_SAID).collect())
}

/// What an error answer means.
fn answered(status: u16, error: &SdkError, intent: Intent, settings: &GcsSettings) -> Error {
    let said = said(error);
    let meant = meaning(status, &said, intent, &settings.bucket);
    let wait = error.http_headers().and_then(|headers| headers.get("retry-after"));
    let wait = wait.and_then(|text| text.to_str().ok()).and_then(|text| text.parse().ok());
    match wait {
        Some(seconds) if meant.kind() == ErrorKind::Throttled => {
            meant.with_retry_after(Duration::from_secs(seconds))
        }
        _ => meant,
    }
}

/// The table.
fn meaning(status: u16, said: &str, intent: Intent, bucket: &str) -> Error {
    let as_said = |what: &str| match said {
        "" => what.to_owned(),
        said => format!("{what}: {said}"),
    };
    let failed = |kind: ErrorKind, what: String| Error::new(kind, what);
    use ErrorKind as Kind;
    match status {
        404 if is_bucket(said) => failed(
            Kind::Configuration,
            format!("there is no bucket {bucket:?}: correct `bucket` or `endpoint`"),
        ),
        // A condition on something that is missing.
        404 if intent == Intent::Update => {
            failed(Kind::PreconditionFailed, "no object has this key".to_owned())
        }
        404 => failed(Kind::NotFound, "no object has this key".to_owned()),
        412 if intent == Intent::Create => {
            failed(Kind::AlreadyExists, "an object has this key".to_owned())
        }
        412 => failed(Kind::PreconditionFailed, "the stated version is not current".to_owned()),
        304 => failed(Kind::NotModified, "the known version is current".to_owned()),
        416 => failed(Kind::OutOfRange, "the range starts after the end".to_owned()),
        409 => failed(Kind::Conflict, as_said("another request got in the way")),
        401 => failed(Kind::Unauthenticated, as_said("the credentials are wrong")),
        403 => failed(Kind::PermissionDenied, as_said("the credentials lack a right")),
        408 => in_doubt(
            failed(Kind::Unavailable, as_said("the request did not arrive in time")),
            intent,
        ),
        429 => failed(Kind::Throttled, as_said("the service asks to go slower")),
        400 if is_checksum(said) => {
            failed(Kind::Corrupt, as_said("the content was damaged on its way"))
                .with_retryable(true)
        }
        413 => failed(Kind::TooLarge, as_said("the service takes no content of this size")),
        507 => failed(Kind::CapacityExceeded, as_said("no space is left")),
        405 | 501 => failed(
            Kind::Unsupported,
            as_said("the service does not know this request: see the setting `lacks`"),
        ),
        300..=399 => failed(
            Kind::Configuration,
            format!("the service is elsewhere, status {status}: correct `endpoint`"),
        ),
        400..=499 => failed(
            Kind::Internal,
            as_said(&format!("the service refuses the request with {status}")),
        ),
        _ => in_doubt(
            failed(Kind::Unavailable, as_said(&format!("the service failed with {status}"))),
            intent,
        ),
    }
}

/// Whether it is the bucket that is missing: the code says no more than that something is.
fn is_bucket(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    said.contains("bucket does not exist") || said.contains("no such bucket")
}

/// Whether a stated checksum is what is wrong with a request.
fn is_checksum(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    (said.contains("crc32c") || said.contains("md5")) && said.contains("match")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_answers() {
        use ErrorKind as Kind;
        use Intent::{Create, Read, Update, Write};
        let no_bucket = "The specified bucket does not exist.";
        let no_object = "No such object: b/k";
        let sum = "Provided CRC32C \"AAAAAA==\" doesn't match calculated CRC32C \"4waSgw==\".";
        for (status, said, intent, kind, effect) in [
            (404, no_object, Read, Kind::NotFound, Effect::No),
            (404, no_object, Update, Kind::PreconditionFailed, Effect::No),
            (404, no_bucket, Write, Kind::Configuration, Effect::No),
            (412, "", Create, Kind::AlreadyExists, Effect::No),
            (412, "", Update, Kind::PreconditionFailed, Effect::No),
            (304, "", Read, Kind::NotModified, Effect::No),
            (416, "", Read, Kind::OutOfRange, Effect::No),
            (409, "", Write, Kind::Conflict, Effect::No),
            (401, "", Read, Kind::Unauthenticated, Effect::No),
            (403, "", Write, Kind::PermissionDenied, Effect::No),
            (429, "", Write, Kind::Throttled, Effect::No),
            (400, sum, Write, Kind::Corrupt, Effect::No),
            (400, "", Write, Kind::Internal, Effect::No),
            (501, "", Write, Kind::Unsupported, Effect::No),
            (307, "", Read, Kind::Configuration, Effect::No),
            (503, "", Read, Kind::Unavailable, Effect::No),
            (503, "", Write, Kind::Unavailable, Effect::Unknown),
            (408, "", Create, Kind::Unavailable, Effect::Unknown),
        ] {
            let error = meaning(status, said, intent, "b");
            assert_eq!((error.kind(), error.effect()), (kind, effect), "{status} {intent:?}");
        }
    }

    #[test]
    fn what_never_got_an_answer() {
        let settings = GcsSettings {
            endpoint: Some("http://one".to_owned()),
            control_endpoint: Some("http://two".to_owned()),
            ..GcsSettings::bucket("b")
        };
        let of = |error: SdkError| translate(&error, Intent::Write, &settings);
        let refused = of(SdkError::connect("refused"));
        assert_eq!((refused.kind(), refused.effect()), (ErrorKind::Unavailable, Effect::No));
        assert!(refused.message().contains("http://one or http://two"), "{refused}");
        let late = of(SdkError::timeout("late"));
        assert_eq!((late.kind(), late.effect()), (ErrorKind::Timeout, Effect::Unknown));
        let broken = of(SdkError::io("reset"));
        assert_eq!((broken.kind(), broken.effect()), (ErrorKind::Unavailable, Effect::Unknown));
        let read = translate(&SdkError::io("reset"), Intent::Read, &settings);
        assert_eq!(read.effect(), Effect::No);
    }

    #[test]
    fn a_wait_is_handed_on() {
        let status = google_cloud_gax::error::rpc::Status::default();
        let mut headers = google_cloud_storage::http::HeaderMap::new();
        headers.insert("retry-after", "7".parse().unwrap());
        let slow = SdkError::service_with_http_metadata(status, Some(429), Some(headers));
        let error = translate(&slow, Intent::Read, &GcsSettings::bucket("b"));
        assert_eq!(error.kind(), ErrorKind::Throttled);
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    }
}

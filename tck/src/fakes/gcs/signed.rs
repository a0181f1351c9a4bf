//! Signed URLs by the V4 signing process, checked for real.
//!
//! From `cloud.google.com/storage/docs/authentication/signatures`,
//! `cloud.google.com/storage/docs/authentication/canonical-requests` and
//! `cloud.google.com/storage/docs/access-control/signed-urls`.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use jiff::{SignedDuration, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::fault::{Fault, Kind};
use super::http::Call;

const ALGORITHM: &str = "GOOG4-RSA-SHA256";

/// The longest time that a signature may count: seven days.
const LONGEST: i64 = 604_800;

/// How far in the future a signature may be made, for clocks differ.
const SKEW: SignedDuration = SignedDuration::from_mins(15);

/// What is encoded in the canonical query string: all but what no URL ever encodes.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a path must not have unencoded.
const RESERVED: &str = "=!$&'()*+,:;@[]\"";

/// The public keys whose signatures count, by the e-mail addresses of their service accounts.
pub(super) type Signers = HashMap<String, Vec<u8>>;

/// Whether the request has a signature, which then is a good one.
pub(super) fn check(call: &Call, signers: &Signers, now: Timestamp) -> Result<bool, Fault> {
    let is_signed = call.query.iter().any(|(name, _)| {
        ["x-goog-algorithm", "x-goog-signature"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known))
    });
    if !is_signed {
        return Ok(false);
    }
    if parameter(call, "X-Goog-Algorithm")? != ALGORITHM {
        return Err(Fault::invalid(format!("X-Goog-Algorithm must be {ALGORITHM}")));
    }
    let stamp = parameter(call, "X-Goog-Date")?;
    let wrong = || Fault::invalid("X-Goog-Date must be like 20260131T235959Z");
    let made = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", stamp).map_err(|_| wrong())?;
    let made = made.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| wrong())?.timestamp();
    let credential = parameter(call, "X-Goog-Credential")?;
    let (signer, scope) = credential.split_once('/').unwrap_or((credential, ""));
    check_scope(scope, stamp)?;
    check_time(parameter(call, "X-Goog-Expires")?, made, now)?;

    let signature = unhex(parameter(call, "X-Goog-Signature")?).unwrap_or_default();
    let key =
        signers.get(signer).map(|key| UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key));
    let canonical = canonical_request(call, Host::AsSent)?;
    // The service has no port in its name, and Google's client for Rust signs none where there is one.
    for canonical in [&canonical, &canonical_request(call, Host::WithoutPort)?] {
        let hash = hex(digest(&SHA256, canonical.as_bytes()).as_ref());
        let signed = format!("{ALGORITHM}\n{stamp}\n{scope}\n{hash}");
        if key.as_ref().is_some_and(|key| key.verify(signed.as_bytes(), &signature).is_ok()) {
            return Ok(true);
        }
    }
    let message = format!(
        "Access denied. The request signature we calculated does not match the signature you \
         provided. CanonicalRequest: {canonical:?}"
    );
    Err(Fault::new(Kind::BadSignature, message))
}

/// `YYYYMMDD/{location}/storage/goog4_request`, of the day of the signature.
fn check_scope(scope: &str, stamp: &str) -> Result<(), Fault> {
    match scope.split('/').collect::<Vec<_>>().as_slice() {
        [day, location, "storage", "goog4_request"]
            if stamp.starts_with(day) && day.len() == 8 && !location.is_empty() =>
        {
            Ok(())
        }
        _ => Err(Fault::invalid(format!("Invalid credential scope {scope:?}"))),
    }
}

fn check_time(expires: &str, made: Timestamp, now: Timestamp) -> Result<(), Fault> {
    let seconds = expires.parse().ok().filter(|seconds| (1..=LONGEST).contains(seconds));
    let seconds = seconds.ok_or_else(|| {
        Fault::invalid(format!("X-Goog-Expires must be between 1 and {LONGEST} seconds"))
    })?;
    if made > now + SKEW {
        return Err(Fault::new(Kind::Skewed, "The date of the signature is in the future"));
    }
    if now > made + SignedDuration::from_secs(seconds) {
        let message = "The provided token has expired. Request signature expired at: ";
        let end = made + SignedDuration::from_secs(seconds);
        return Err(Fault::new(Kind::Expired, format!("{message}{end}")));
    }
    Ok(())
}

/// The `Host` header as it is signed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Host {
    AsSent,
    WithoutPort,
}

/// The request as its signer must have described it.
fn canonical_request(call: &Call, host: Host) -> Result<String, Fault> {
    if call.raw_path.contains(|c| RESERVED.contains(c)) {
        let message = format!("The path has one of {RESERVED} unencoded");
        return Err(Fault::new(Kind::BadSignature, message));
    }
    let encoded = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
    let pairs = call.query.iter().filter(|(name, _)| name != "X-Goog-Signature");
    let mut query: Vec<_> =
        pairs.map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    query.sort();
    let signed_headers = parameter(call, "X-Goog-SignedHeaders")?;
    Ok(format!(
        "{}\n{}\n{}\n{}\n{signed_headers}\n{}",
        call.method,
        call.raw_path,
        query.join("&"),
        canonical_headers(call, signed_headers, host)?,
        call.header("x-goog-content-sha256").unwrap_or("UNSIGNED-PAYLOAD"),
    ))
}

/// The signed headers, one a line. All that are named must be there; the host and what begins with
/// `x-goog-` must be named.
fn canonical_headers(call: &Call, signed_headers: &str, host: Host) -> Result<String, Fault> {
    let malformed = |what: &str, name: &str| {
        Fault::new(
            Kind::MalformedHeader,
            format!("Your request has a malformed header. {what}: {name}"),
        )
    };
    let names: Vec<_> = signed_headers.split(';').collect();
    if !names.is_sorted() || names.iter().any(|name| name.to_lowercase() != *name) {
        return Err(malformed("Signed headers must be in lower case and sorted", signed_headers));
    }
    let present = call.headers.keys().map(hyper::header::HeaderName::as_str);
    for name in present.filter(|name| name.starts_with("x-goog-") || *name == "host") {
        if !names.contains(&name) && name != "x-goog-content-sha256" {
            return Err(malformed(
                "Header was included in the request, but not in signedheaders",
                name,
            ));
        }
    }
    let mut lines = String::new();
    for name in names {
        let values = call.headers.get_all(name).iter().map(|value| {
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        });
        let values: Vec<_> = values.collect();
        if values.is_empty() {
            return Err(malformed(
                "Header was included in signedheaders, but not in the request",
                name,
            ));
        }
        let value = values.join(",");
        let value = match value.rsplit_once(':') {
            Some((host_name, _)) if name == "host" && host == Host::WithoutPort => host_name,
            _ => &value,
        };
        lines.push_str(&format!("{name}:{value}\n"));
    }
    Ok(lines)
}

fn parameter<'a>(call: &'a Call, name: &str) -> Result<&'a str, Fault> {
    call.parameter(name).ok_or_else(|| Fault::invalid(format!("Missing parameter {name}")))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = (0..text.len()).step_by(2).map(|at| text.get(at..at + 2));
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

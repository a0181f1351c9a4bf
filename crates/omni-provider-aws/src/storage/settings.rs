//! The settings of an S3 bucket, and the values they accept. Connecting lives in `connect`.

use std::time::Duration;

use omni_config::{ByteSize, Secret};
use omni_contracts::storage::Capability;
use omni_contracts::{Error, ErrorKind, Result};
use serde::Deserialize;

/// The smallest and the largest part of a multipart upload, as documented by Amazon S3.
pub(crate) const MIN_PART: u64 = 5 << 20;
pub(crate) const MAX_PART: u64 = 5 << 30;

/// The most parts that are on their way at once.
const MAX_PARALLEL: usize = 64;

/// How to reach a bucket.
///
/// Without `access_key_id`, the default chain of the AWS SDK finds the credentials: environment,
/// profile, SSO, web identity, container and instance roles.
///
/// ```
/// use omni_provider_aws::S3Settings;
///
/// let settings = S3Settings::bucket("orders");
/// assert_eq!(settings.part_size, 8 << 20);
/// assert!(settings.endpoint.is_none());
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct S3Settings {
    /// The bucket. It must exist.
    pub bucket: String,
    /// The region of the bucket; without it, what the environment or the profile says. Beside an
    /// `endpoint`, `us-east-1` when nothing says.
    pub region: Option<String>,
    /// The URL of a service other than Amazon's that speaks the protocol, such as
    /// `http://127.0.0.1:9000`.
    pub endpoint: Option<String>,
    /// Where the name of the bucket stands in URLs, `path` or `virtual`; by default in the path beside an `endpoint`, else
    /// in the host name.
    pub addressing: Option<S3Addressing>,
    /// Whether the service keeps keys that begin with `/` apart from those without it, as Amazon S3 does;
    /// by default not beside an `endpoint`. Where it does not, such keys are refused: a service that drops
    /// the `/` would read, write or delete another object, or the bucket.
    pub keeps_leading_slash: Option<bool>,
    /// The profile of the AWS configuration files to use.
    pub profile: Option<String>,
    /// Whether requests are sent without credentials, as for public buckets.
    pub anonymous: bool,
    /// A fixed access key, instead of the default chain.
    pub access_key_id: Option<String>,
    /// The secret of the access key.
    pub secret_access_key: Option<Secret>,
    /// The session token of a temporary access key.
    pub session_token: Option<Secret>,
    /// How the service encrypts what is written: `{ kind = "s3" }`, `{ kind = "kms", key_id = "…" }` or
    /// `{ kind = "customer", key = "…" }`, the key being 32 bytes in base 64; by default as the bucket
    /// says.
    pub encryption: Option<S3Encryption>,
    /// The storage class of what is written, such as `STANDARD_IA`; by default the service's.
    pub storage_class: Option<String>,
    /// Whether the requester pays.
    pub requester_pays: bool,
    /// The checksums that the service is sent and asked for: `crc32c`, or `none` for a service that does
    /// not know them or computes them wrongly. What Omni itself computes and compares stays.
    pub checksums: S3Checksums,
    /// Whether contents are left out of the signatures of requests. Over TLS they are in any case, as
    /// long as a checksum is sent; over plain HTTP the signature is what notices that someone changed
    /// them on their way, and hashing takes as long as sending on a fast network.
    pub unsigned_payload: bool,
    /// What the service cannot do of what Amazon S3 can, by the names of capabilities:
    /// `["conditional-copy"]`.
    pub lacks: Vec<String>,
    /// Contents above this many bytes are sent in parts of this size: 5 MiB to 5 GiB, by default 8 MiB.
    /// A put takes this much memory for each part on its way, and once more for the next.
    #[serde(deserialize_with = "ByteSize::bytes")]
    pub part_size: u64,
    /// How many parts of one put are on their way at once: 1 to 64, by default 2.
    pub parallel_parts: usize,
    /// How long to wait for a connection; by default `"5s"`.
    #[serde(deserialize_with = "omni_config::Duration::std")]
    pub connect_timeout: Duration,
    /// How long a request may take until the first byte of its answer, and a content until its next;
    /// by default `"30s"`. A part of a large content is one request.
    #[serde(deserialize_with = "omni_config::Duration::std")]
    pub read_timeout: Duration,
}

/// Where the name of the bucket stands in URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum S3Addressing {
    /// `https://host/bucket/key`.
    Path,
    /// `https://bucket.host/key`.
    Virtual,
}

/// The checksums that the service is sent and asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum S3Checksums {
    /// CRC-32C, of parts and of whole contents.
    #[default]
    Crc32c,
    /// None.
    None,
}

/// Who holds the key that contents are encrypted with at rest.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum S3Encryption {
    /// S3 itself (SSE-S3).
    S3,
    /// The key management service (SSE-KMS).
    Kms {
        /// The key; without it, the one that AWS manages.
        key_id: Option<String>,
    },
    /// The caller (SSE-C): the key travels with every request, over TLS.
    Customer {
        /// The AES-256 key, 32 bytes in base 64.
        key: Secret,
    },
}

impl Default for S3Settings {
    fn default() -> Self {
        Self {
            bucket: String::new(),
            region: None,
            endpoint: None,
            addressing: None,
            keeps_leading_slash: None,
            profile: None,
            anonymous: false,
            access_key_id: None,
            secret_access_key: None,
            session_token: None,
            encryption: None,
            storage_class: None,
            requester_pays: false,
            checksums: S3Checksums::Crc32c,
            unsigned_payload: false,
            lacks: Vec::new(),
            part_size: 8 << 20,
            parallel_parts: 2,
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(30),
        }
    }
}

impl S3Settings {
    /// The default settings for a bucket.
    #[must_use]
    pub fn bucket(name: impl Into<String>) -> Self {
        Self { bucket: name.into(), ..Self::default() }
    }

    /// Where the name of the bucket stands in URLs.
    pub(crate) fn addressing(&self) -> S3Addressing {
        self.addressing.unwrap_or(match self.endpoint {
            Some(_) => S3Addressing::Path,
            None => S3Addressing::Virtual,
        })
    }

    pub(crate) fn keeps_leading_slash(&self) -> bool {
        self.keeps_leading_slash.unwrap_or(self.endpoint.is_none())
    }

    /// What the service cannot do.
    pub(crate) fn lacking(&self) -> Result<Vec<Capability>> {
        let known = |name: &String| {
            name.parse().map_err(|error: Error| wrong(format!("lacks: {}", error.message())))
        };
        self.lacks.iter().map(known).collect()
    }

    pub(crate) fn validate(&self) -> Result<()> {
        if self.bucket.is_empty() {
            return Err(wrong("bucket is missing"));
        }
        if !(MIN_PART..=MAX_PART).contains(&self.part_size) {
            return Err(wrong(format!(
                "part_size is 5 MiB to 5 GiB, this is {} bytes",
                self.part_size
            )));
        }
        if !(1..=MAX_PARALLEL).contains(&self.parallel_parts) {
            return Err(wrong(format!(
                "parallel_parts is 1 to {MAX_PARALLEL}, this is {}",
                self.parallel_parts
            )));
        }
        if let Some(endpoint) = &self.endpoint
            && !["http://", "https://"].iter().any(|scheme| endpoint.starts_with(scheme))
        {
            return Err(wrong(format!(
                "endpoint begins with http:// or https://, this is {endpoint:?}"
            )));
        }
        match (&self.access_key_id, &self.secret_access_key, &self.session_token) {
            (None, None, None) | (Some(_), Some(_), _) => {}
            _ => {
                return Err(wrong(
                    "access_key_id and secret_access_key come together, session_token beside them",
                ));
            }
        }
        if self.anonymous && self.access_key_id.is_some() {
            return Err(wrong("anonymous and access_key_id exclude each other"));
        }
        self.lacking().map(drop)
    }
}

pub(crate) fn wrong(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Configuration, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<S3Settings, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_what_a_file_says() {
        let settings = parse(
            r#"{"bucket": "b", "endpoint": "http://127.0.0.1:9000", "part_size": "16MiB",
                "access_key_id": "a", "secret_access_key": "s3cr3t", "read_timeout": "2s",
                "encryption": {"kind": "kms", "key_id": "k"}, "lacks": ["presign"]}"#,
        )
        .unwrap();
        settings.validate().unwrap();
        assert_eq!(settings.part_size, 16 << 20);
        assert_eq!(settings.addressing(), S3Addressing::Path);
        assert_eq!(settings.lacking().unwrap(), [Capability::Presign]);
        assert!(matches!(settings.encryption, Some(S3Encryption::Kms { .. })));
        assert!(!format!("{settings:?}").contains("s3cr3t"));
        assert_eq!(S3Settings::bucket("b").addressing(), S3Addressing::Virtual);
    }

    #[test]
    fn says_what_is_allowed() {
        for (json, said) in [
            (r#"{"bukket": "x"}"#, "unknown field `bukket`"),
            (r#"{"addressing": "host"}"#, "`path` or `virtual`"),
            (r#"{"encryption": {"kind": "rot13"}}"#, "`customer`"),
        ] {
            let error = parse(json).unwrap_err();
            assert!(error.contains(said), "{json}: {error}");
        }
        for (json, said) in [
            ("{}", "bucket is missing"),
            (r#"{"bucket": "b", "part_size": "1MiB"}"#, "5 MiB to 5 GiB"),
            (r#"{"bucket": "b", "parallel_parts": 0}"#, "1 to 64"),
            (r#"{"bucket": "b", "endpoint": "localhost:9000"}"#, "begins with http://"),
            (r#"{"bucket": "b", "access_key_id": "a"}"#, "come together"),
            (r#"{"bucket": "b", "lacks": ["wings"]}"#, "known are conditional-copy"),
        ] {
            let error = parse(json).unwrap().validate().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.message().contains(said), "{json}: {error}");
        }
    }
}

//! The settings of a Cloud Storage bucket, and the values they accept. Connecting lives in `connect`.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use omni_config::{ByteSize, Secret};
use omni_contracts::storage::Capability;
use omni_contracts::{Error, ErrorKind, Result};
use serde::Deserialize;

/// What the chunks of a resumable upload are multiples of, as documented by Google.
pub(crate) const QUANTUM: u64 = 256 << 10;

/// The largest chunk that is accepted here: two of them are in memory.
const MAX_PART: u64 = 1 << 30;

/// How to reach a bucket.
///
/// Without a setting that says otherwise, Application Default Credentials are used: the file that
/// `GOOGLE_APPLICATION_CREDENTIALS` names, what `gcloud auth application-default login` left, the
/// metadata server of the machine.
///
/// ```
/// use omni_provider_gcp::GcsSettings;
///
/// let settings = GcsSettings::bucket("orders");
/// assert_eq!(settings.part_size, 8 << 20);
/// assert!(settings.endpoint.is_none());
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GcsSettings {
    /// The bucket. It must exist.
    pub bucket: String,
    /// The URL that contents are read and written at, by HTTP; by default
    /// `https://storage.googleapis.com`.
    pub endpoint: Option<String>,
    /// The URL that everything else is asked at; by default as `endpoint`.
    pub control_endpoint: Option<String>,
    /// How everything else is asked: `grpc`, as the official client does it, or `http`, by the JSON API,
    /// for services that stand in for Google's without gRPC and networks that let none through.
    pub control: GcsControl,
    /// A file with credentials: the key of a service account, or anything else that Application Default
    /// Credentials take from a file.
    pub credentials_file: Option<String>,
    /// The key of a service account, as JSON.
    pub service_account_key: Option<Secret>,
    /// Whether requests are sent without credentials, as for public buckets.
    pub anonymous: bool,
    /// The project that is billed for requests, for buckets whose requester pays.
    pub user_project: Option<String>,
    /// The key of Cloud KMS that encrypts what is written, as
    /// `projects/P/locations/L/keyRings/R/cryptoKeys/K`; by default as the bucket says.
    pub kms_key: Option<String>,
    /// The key that encrypts what is written and decrypts what is read, 32 bytes in base 64. It travels
    /// with every request; the service forgets it.
    pub customer_key: Option<Secret>,
    /// The storage class of what is written, such as `NEARLINE`; by default the bucket's.
    pub storage_class: Option<String>,
    /// Whether the bucket keeps older versions. What the bucket does is not changed.
    pub versioning: bool,
    /// What the service cannot do of what Cloud Storage can, by the names of capabilities:
    /// `["presign"]`.
    pub lacks: Vec<String>,
    /// Contents above this many bytes are sent in chunks of this size: a multiple of 256 KiB, at most
    /// 1 GiB, by default 8 MiB. A put takes up to twice this much memory.
    #[serde(deserialize_with = "ByteSize::bytes")]
    pub part_size: u64,
    /// How long a request may take, connecting included, without a byte of its content moving; by
    /// default `"30s"`. A chunk of a large content counts as one request.
    #[serde(deserialize_with = "omni_config::Duration::std")]
    pub read_timeout: Duration,
}

/// How everything but contents is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GcsControl {
    /// By gRPC.
    #[default]
    Grpc,
    /// By the JSON API.
    Http,
}

impl Default for GcsSettings {
    fn default() -> Self {
        Self {
            bucket: String::new(),
            endpoint: None,
            control_endpoint: None,
            control: GcsControl::Grpc,
            credentials_file: None,
            service_account_key: None,
            anonymous: false,
            user_project: None,
            kms_key: None,
            customer_key: None,
            storage_class: None,
            versioning: false,
            lacks: Vec::new(),
            part_size: 8 << 20,
            read_timeout: Duration::from_secs(30),
        }
    }
}

impl GcsSettings {
    /// The default settings for a bucket.
    #[must_use]
    pub fn bucket(name: impl Into<String>) -> Self {
        Self { bucket: name.into(), ..Self::default() }
    }

    /// Where everything but contents is asked.
    pub(crate) fn control_endpoint(&self) -> Option<&String> {
        self.control_endpoint.as_ref().or(self.endpoint.as_ref())
    }

    /// What the service cannot do.
    pub(crate) fn lacking(&self) -> Result<Vec<Capability>> {
        let known = |name: &String| {
            name.parse().map_err(|error: Error| wrong(format!("lacks: {}", error.message())))
        };
        self.lacks.iter().map(known).collect()
    }

    /// The bytes of the customer's key.
    pub(crate) fn customer_key(&self) -> Result<Option<Vec<u8>>> {
        let Some(key) = &self.customer_key else { return Ok(None) };
        match STANDARD.decode(key.expose()) {
            Ok(bytes) if bytes.len() == 32 => Ok(Some(bytes)),
            _ => Err(wrong("customer_key is 32 bytes in base 64")),
        }
    }

    pub(crate) fn validate(&self) -> Result<()> {
        if self.bucket.is_empty() {
            return Err(wrong("bucket is missing"));
        }
        if self.bucket.contains('/') {
            return Err(wrong(format!(
                "bucket is a name without project or path, this is {:?}",
                self.bucket
            )));
        }
        if self.part_size == 0
            || !self.part_size.is_multiple_of(QUANTUM)
            || self.part_size > MAX_PART
        {
            return Err(wrong(format!(
                "part_size is a multiple of 256 KiB, at most 1 GiB, this is {} bytes",
                self.part_size
            )));
        }
        if self.read_timeout.is_zero() {
            return Err(wrong("read_timeout is more than 0"));
        }
        for (name, endpoint) in
            [("endpoint", &self.endpoint), ("control_endpoint", &self.control_endpoint)]
        {
            if let Some(endpoint) = endpoint
                && !["http://", "https://"].iter().any(|scheme| endpoint.starts_with(scheme))
            {
                return Err(wrong(format!(
                    "{name} begins with http:// or https://, this is {endpoint:?}"
                )));
            }
        }
        let exclusive = [
            ("anonymous", self.anonymous),
            ("credentials_file", self.credentials_file.is_some()),
            ("service_account_key", self.service_account_key.is_some()),
        ];
        at_most_one(&exclusive)?;
        at_most_one(&[
            ("kms_key", self.kms_key.is_some()),
            ("customer_key", self.customer_key.is_some()),
        ])?;
        self.customer_key()?;
        self.lacking().map(drop)
    }
}

fn at_most_one(settings: &[(&str, bool)]) -> Result<()> {
    let mut set = settings.iter().filter(|(_, set)| *set).map(|(name, _)| name);
    match (set.next(), set.next()) {
        (Some(one), Some(other)) => Err(wrong(format!("{one} and {other} exclude each other"))),
        _ => Ok(()),
    }
}

pub(crate) fn wrong(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Configuration, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<GcsSettings, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_what_a_file_says() {
        let settings = parse(
            r#"{"bucket": "b", "endpoint": "http://127.0.0.1:9000", "part_size": "16MiB",
                "service_account_key": "s3cr3t", "read_timeout": "2s", "lacks": ["presign"],
                "customer_key": "S0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0s="}"#,
        )
        .unwrap();
        settings.validate().unwrap();
        assert_eq!(settings.part_size, 16 << 20);
        assert_eq!(settings.control_endpoint(), settings.endpoint.as_ref());
        assert_eq!(settings.lacking().unwrap(), [Capability::Presign]);
        assert_eq!(settings.customer_key().unwrap().unwrap(), [b'K'; 32]);
        let shown = format!("{settings:?}");
        assert!(!shown.contains("s3cr3t") && !shown.contains("S0tL"), "{shown}");
    }

    #[test]
    fn says_what_is_allowed() {
        let unknown = parse(r#"{"bukket": "x"}"#).unwrap_err();
        assert!(unknown.contains("unknown field `bukket`"), "{unknown}");
        for (json, said) in [
            ("{}", "bucket is missing"),
            (r#"{"bucket": "projects/_/buckets/b"}"#, "without project or path"),
            (r#"{"bucket": "b", "part_size": "100KiB"}"#, "multiple of 256 KiB"),
            (r#"{"bucket": "b", "part_size": 0}"#, "multiple of 256 KiB"),
            (r#"{"bucket": "b", "part_size": "2GiB"}"#, "at most 1 GiB"),
            (r#"{"bucket": "b", "endpoint": "localhost:9000"}"#, "begins with http://"),
            (r#"{"bucket": "b", "control_endpoint": "x"}"#, "control_endpoint begins"),
            (
                r#"{"bucket": "b", "anonymous": true, "credentials_file": "f"}"#,
                "anonymous and credentials_file exclude each other",
            ),
            (
                r#"{"bucket": "b", "credentials_file": "f", "service_account_key": "k"}"#,
                "credentials_file and service_account_key exclude each other",
            ),
            (
                r#"{"bucket": "b", "kms_key": "k", "customer_key": "k"}"#,
                "kms_key and customer_key exclude each other",
            ),
            (r#"{"bucket": "b", "customer_key": "YQ=="}"#, "32 bytes in base 64"),
            (r#"{"bucket": "b", "lacks": ["wings"]}"#, "known are conditional-copy"),
        ] {
            let error = parse(json).unwrap().validate().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.message().contains(said), "{json}: {error}");
        }
    }
}

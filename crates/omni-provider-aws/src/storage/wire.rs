//! The requests that move contents: get, head, put and the parts of an upload. They are built, signed and
//! sent here, for the machinery around each request of the SDK takes longer than a small one takes
//! (`docs/adr/0011`). Who is asked, as whom, and over which connection is decided by the SDK's parts.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use aws_sdk_s3::config::http::{HttpRequest, HttpResponse};
use aws_sdk_s3::error::{ErrorMetadata, SdkError};
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::identity::Identity;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use omni_contracts::storage::Key;
use omni_contracts::{Piece, Result};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::settings::{S3Settings, wrong};

/// What goes wrong, in the SDK's terms, so that it is translated where theirs is.
pub(crate) type Failure = SdkError<ErrorMetadata, HttpResponse>;

/// How long before they expire credentials are asked for anew.
const EARLY: Duration = Duration::from_secs(60);

const USER_AGENT: &str = concat!("omni-provider-aws/", env!("CARGO_PKG_VERSION"));

/// The largest body of a refusal that is read.
const MAX_REFUSAL: usize = 64 << 10;

/// A request for one object. It may hold the key that the content is encrypted with.
pub(crate) struct Call<'a> {
    method: &'static str,
    key: &'a Key,
    query: String,
    headers: Vec<(Cow<'static, str>, String)>,
    body: Piece,
}

impl<'a> Call<'a> {
    pub(crate) fn new(method: &'static str, key: &'a Key) -> Self {
        Self { method, key, query: String::new(), headers: Vec::new(), body: Piece::default() }
    }

    pub(crate) fn key(&self) -> &'a Key {
        self.key
    }

    pub(crate) fn header(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<String>,
    ) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn optional(self, name: &'static str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.header(name, value),
            None => self,
        }
    }

    /// Adds a parameter. Its name needs no encoding.
    pub(crate) fn parameter(mut self, name: &str, value: &str) -> Self {
        self.query.push(if self.query.is_empty() { '?' } else { '&' });
        self.query.push_str(name);
        self.query.push('=');
        encode(value, &mut self.query, b"");
        self
    }

    pub(crate) fn body(mut self, content: Piece) -> Self {
        self.body = content;
        self
    }
}

/// A bucket, and how it is asked.
pub(crate) struct Wire {
    connector: SharedHttpConnector,
    /// What the URLs of all objects begin with, up to the key.
    base: String,
    /// `None` for requests without credentials.
    signer: Option<Signer>,
    unsigned_payload: bool,
    /// How long the reason of a refusal may take to arrive.
    patience: Duration,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("base", &self.base).finish_non_exhaustive()
    }
}

struct Signer {
    credentials: SharedCredentialsProvider,
    known: Mutex<Option<Identity>>,
    region: String,
    service: String,
    settings: SigningSettings,
}

impl Wire {
    /// Asks nobody; where the bucket is follows from `place`.
    pub(crate) async fn new(
        connector: SharedHttpConnector,
        credentials: Option<SharedCredentialsProvider>,
        place: &Params,
        region: &str,
        settings: &S3Settings,
    ) -> Result<Self> {
        let resolver = DefaultResolver::new();
        let found = ResolveEndpoint::resolve_endpoint(&resolver, place).await;
        let found = found.map_err(|error| wrong(format!("no endpoint follows: {error}")))?;
        let mut region = region.to_owned();
        let mut service = "s3".to_owned();
        if let Some(scheme) = found.auth_schemes().first() {
            if scheme.name() != "sigv4" {
                return Err(wrong(format!(
                    "the bucket needs signatures of the kind {}, which are not made here: directory \
                     buckets and multi-region access points cannot be used",
                    scheme.name()
                )));
            }
            let text = |name: &str| scheme.get(name).and_then(|value| value.as_string());
            if let Some(stated) = text("signingRegion") {
                region = stated.to_owned();
            }
            if let Some(stated) = text("signingName") {
                service = stated.to_owned();
            }
        }
        let signer = credentials.map(|credentials| Signer {
            credentials,
            known: Mutex::new(None),
            region,
            service,
            settings: signing(),
        });
        let base = format!("{}/", found.url().trim_end_matches('/'));
        let (unsigned_payload, patience) = (settings.unsigned_payload, settings.read_timeout);
        Ok(Self { connector, base, signer, unsigned_payload, patience })
    }

    /// Sends a request, and returns the answer of a service that did what it was asked.
    pub(crate) async fn send(&self, call: Call<'_>) -> Result<HttpResponse, Failure> {
        let request = self.request(call).await?;
        let answer = self.connector.call(request).await.map_err(SdkError::dispatch_failure)?;
        if answer.status().is_success() {
            Ok(answer)
        } else {
            Err(refusal(answer, self.patience).await)
        }
    }

    async fn request(&self, call: Call<'_>) -> Result<HttpRequest, Failure> {
        let Call { method, key, query, headers, body } = call;
        let mut uri = self.base.clone();
        encode(key.as_str(), &mut uri, b"/");
        uri.push_str(&query);
        let signature = match &self.signer {
            None => Vec::new(),
            Some(signer) => {
                let headers = headers.iter().map(|(name, value)| (&**name, value.as_str()));
                // Where TLS and a checksum protect the content already, it is not hashed once more.
                let covered = self.base.starts_with("https:") && headers.clone().any(is_checksum);
                let signed = match covered || self.unsigned_payload {
                    true => SignableBody::UnsignedPayload,
                    false => SignableBody::Precomputed(sha256(&body)),
                };
                signer.headers(method, &uri, headers, signed).await?
            }
        };
        let length = body.len();
        let mut request = HttpRequest::new(sent(body));
        let unmade = |error: &dyn fmt::Display| SdkError::construction_failure(error.to_string());
        request.set_method(method).map_err(|error| unmade(&error))?;
        request.set_uri(uri).map_err(|error| unmade(&error))?;
        let sent = request.headers_mut();
        sent.insert("user-agent", USER_AGENT);
        if method == "PUT" {
            sent.insert("content-length", length.to_string());
        }
        for (name, value) in headers.into_iter().chain(signature) {
            sent.try_insert(name, value).map_err(|error| unmade(&error))?;
        }
        Ok(request)
    }
}

/// A body as the connection takes it: chunk by chunk, not copied.
fn sent(body: Piece) -> SdkBody {
    if body.chunks().len() < 2 {
        return SdkBody::from(body.into_bytes());
    }
    let frames: Vec<_> =
        body.chunks().iter().map(|chunk| Ok::<_, Infallible>(Frame::data(chunk.clone()))).collect();
    SdkBody::from_body_1_x(StreamBody::new(stream::iter(frames)))
}

/// The sum that a signature covers a body by, in hexadecimal digits.
fn sha256(body: &Piece) -> String {
    let mut sum = Sha256::new();
    body.chunks().iter().for_each(|chunk| sum.update(chunk));
    sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_checksum((name, _): (&str, &str)) -> bool {
    name == "x-amz-checksum-crc32c"
}

fn signing() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings
}

impl Signer {
    /// Credentials that are valid now; asked for by one request at a time.
    async fn identity(&self) -> Result<Identity, Failure> {
        let mut known = self.known.lock().await;
        let now = SystemTime::now();
        let lasts =
            |identity: &&Identity| identity.expiration().is_none_or(|expiry| expiry > now + EARLY);
        if let Some(identity) = known.as_ref().filter(lasts) {
            return Ok(identity.clone());
        }
        let credentials: Credentials =
            self.credentials.provide_credentials().await.map_err(SdkError::construction_failure)?;
        Ok(known.insert(credentials.into()).clone())
    }

    /// The headers that sign a request.
    async fn headers<'a>(
        &self,
        method: &'a str,
        uri: &'a str,
        headers: impl Iterator<Item = (&'a str, &'a str)>,
        body: SignableBody<'a>,
    ) -> Result<Vec<(Cow<'static, str>, String)>, Failure> {
        let identity = self.identity().await?;
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(SystemTime::now())
            .settings(self.settings.clone())
            .build()
            .map_err(SdkError::construction_failure)?;
        let request = SignableRequest::new(method, uri, headers, body)
            .map_err(SdkError::construction_failure)?;
        let signed = sign(request, &parameters.into()).map_err(SdkError::construction_failure)?;
        let headers = signed.output().headers();
        Ok(headers.map(|(name, value)| (name.to_owned().into(), value.to_owned())).collect())
    }
}

/// What a service says that does not do what it was asked.
async fn refusal(mut answer: HttpResponse, patience: Duration) -> Failure {
    let body = std::mem::replace(answer.body_mut(), SdkBody::empty());
    let mut chunks = ByteStream::new(body);
    let mut text = Vec::new();
    let deadline = Instant::now() + patience;
    // When it breaks off or does not come, the status says enough.
    while let Ok(Some(Ok(chunk))) = timeout_at(deadline, chunks.next()).await
        && text.len() < MAX_REFUSAL
    {
        text.extend_from_slice(&chunk);
    }
    let text = String::from_utf8_lossy(&text);
    let mut said = ErrorMetadata::builder();
    if let Some(code) = element(&text, "Code") {
        said = said.code(code);
    }
    if let Some(message) = element(&text, "Message") {
        said = said.message(message);
    }
    SdkError::service_error(said.build(), answer)
}

/// The text of the first element of that name, in a document without attributes.
fn element(text: &str, name: &str) -> Option<String> {
    let start = text.find(&format!("<{name}>"))? + name.len() + 2;
    let rest = &text[start..];
    let inner = &rest[..rest.find(&format!("</{name}>"))?];
    let entities =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    Some(entities.iter().fold(inner.to_owned(), |text, (from, to)| text.replace(from, to)))
}

/// Adds text as it stands in a URL: everything that needs no encoding anywhere, and `kept`, stays.
fn encode(text: &str, to: &mut String, kept: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || kept.contains(&byte) {
            to.push(char::from(byte));
        } else {
            to.push('%');
            to.push(char::from(DIGITS[usize::from(byte >> 4)]));
            to.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::client::http::HttpConnectorSettings;

    use super::*;

    #[test]
    fn urls_hold_every_key() {
        let mut url = "http://host/b/".to_owned();
        encode("a b/ü+%&?#", &mut url, b"/");
        assert_eq!(url, "http://host/b/a%20b/%C3%BC%2B%25%26%3F%23");
        let key = Key::new("k").unwrap();
        let call =
            Call::new("PUT", &key).parameter("partNumber", "1").parameter("uploadId", "a/b=");
        assert_eq!(call.query, "?partNumber=1&uploadId=a%2Fb%3D");
    }

    async fn base(bucket: &str, endpoint: Option<&str>) -> Result<String> {
        let connector = HttpConnectorSettings::builder().build();
        let connector = aws_smithy_http_client::default_connector(&connector, None).unwrap();
        let place = Params::builder().bucket(bucket).region("eu-central-1");
        let place = place.set_endpoint(endpoint.map(str::to_owned));
        let place = place.force_path_style(endpoint.is_some()).build().unwrap();
        let settings = S3Settings::bucket(bucket);
        Ok(Wire::new(connector, None, &place, "eu-central-1", &settings).await?.base)
    }

    #[tokio::test]
    async fn buckets_are_where_the_sdk_says() {
        let host = "s3.eu-central-1.amazonaws.com";
        for (bucket, endpoint, expected) in [
            ("orders", None, format!("https://orders.{host}/")),
            ("dotted.name", None, format!("https://{host}/dotted.name/")),
            ("orders", Some("http://127.0.0.1:9000"), "http://127.0.0.1:9000/orders/".to_owned()),
            ("orders", Some("http://host/path/"), "http://host/path/orders/".to_owned()),
        ] {
            assert_eq!(base(bucket, endpoint).await.unwrap(), expected);
        }
        let refused = base("orders--euc1-az1--x-s3", None).await.unwrap_err();
        assert!(refused.message().contains("directory buckets"), "{refused}");
    }

    #[test]
    fn refusals_are_read() {
        let text = "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code>\
                    <Message>a &lt;b&gt; &amp;lt;</Message></Error>";
        assert_eq!(element(text, "Code").as_deref(), Some("NoSuchKey"));
        assert_eq!(element(text, "Message").as_deref(), Some("a <b> &lt;"));
        assert_eq!(element("<Code>", "Code"), None);
        assert_eq!(element("", "Code"), None);
    }
}

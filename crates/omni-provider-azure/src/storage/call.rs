//! One request on its way to the service, and its answer.

use azure_core::http::headers::{HeaderName, Headers};
use azure_core::http::{Method, Request, Url};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use md5::{Digest as _, Md5};
use omni_contracts::Result;

use super::address::in_query;
use super::describe::unexpected;

/// The version of the service that is asked: known to Azure and to Azurite.
const VERSION: &str = "2025-11-05";

/// A request in the making.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: Method,
    url: String,
    headers: Headers,
    body: Bytes,
}

impl Call {
    pub(crate) fn new(method: Method, url: String) -> Self {
        let call = Self { method, url, headers: Headers::new(), body: Bytes::new() };
        call.header("x-ms-version", VERSION)
    }

    /// With a header; the last of a name stands.
    pub(crate) fn header(mut self, name: impl Into<HeaderName>, value: impl Into<String>) -> Self {
        self.headers.insert(name, value.into());
        self
    }

    /// With a header, if there is one.
    pub(crate) fn optional(self, name: &'static str, value: Option<impl Into<String>>) -> Self {
        match value {
            None => self,
            Some(value) => self.header(name, value),
        }
    }

    /// With headers whose names come from elsewhere.
    pub(crate) fn headers(self, headers: impl IntoIterator<Item = (String, String)>) -> Self {
        headers.into_iter().fold(self, |call, (name, value)| call.header(name, value))
    }

    /// With a parameter in the query.
    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        self.add(&format!("{name}={}", in_query(value)));
        self
    }

    /// With a shared access signature, which is a query by itself.
    pub(crate) fn signed(mut self, signature: &str) -> Self {
        self.add(signature);
        self
    }

    /// With a content, and the sum by which the service sees whether it arrived whole.
    pub(crate) fn body(self, content: Bytes) -> Self {
        let sum = STANDARD.encode(Md5::digest(&content));
        Self { body: content, ..self.header("content-md5", sum) }
    }

    fn add(&mut self, query: &str) {
        self.url.push(if self.url.contains('?') { '&' } else { '?' });
        self.url.push_str(query);
    }

    pub(crate) fn into_request(self) -> Result<Request> {
        let url = Url::parse(&self.url);
        let url = url.map_err(|error| unexpected(format!("the request has no URL: {error}")))?;
        let mut request = Request::new(url, self.method);
        *request.headers_mut() = self.headers;
        request.set_body(self.body);
        Ok(request)
    }
}

/// What the service answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The value of a header.
    pub(crate) fn text(&self, name: &'static str) -> Option<&str> {
        self.headers.get_optional_str(&HeaderName::from_static(name))
    }

    /// A header that is a number.
    pub(crate) fn number(&self, name: &'static str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }
}

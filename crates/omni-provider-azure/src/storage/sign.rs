//! Signing: requests with a key of the account (Shared Key), and shared access signatures. The SDK knows
//! neither.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::credentials::Secret;
use azure_core::hmac::hmac_sha256;
use azure_core::http::headers::{AUTHORIZATION, HeaderName};
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{Context, Request, Url};
use percent_encoding::percent_decode_str;

use super::account::AccountKey;

/// The headers that are signed by their values alone, in this order. The length of the content comes
/// after the second.
const SIGNED: [&str; 10] = [
    "content-encoding",
    "content-language",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
];

/// Signs every request with a key of the account.
#[derive(Debug)]
pub(crate) struct SharedKey(pub(crate) AccountKey);

#[async_trait]
impl Policy for SharedKey {
    async fn send(
        &self,
        context: &Context,
        request: &mut Request,
        next: &[Arc<dyn Policy>],
    ) -> PolicyResult {
        let AccountKey { account, key } = &self.0;
        let signature = hmac_sha256(&string_to_sign(request, account), key)?;
        request.insert_header(AUTHORIZATION, format!("SharedKey {account}:{signature}"));
        next[0].send(context, request, &next[1..]).await
    }
}

/// What is signed of a request.
fn string_to_sign(request: &Request, account: &str) -> String {
    let header = |name: &'static str| {
        request.headers().get_optional_str(&HeaderName::from_static(name)).unwrap_or_default()
    };
    let mut text = format!("{}\n", request.method().as_ref());
    for (at, name) in SIGNED.into_iter().enumerate() {
        if at == 2 {
            match request.body().len() {
                None | Some(0) => {}
                Some(length) => text.push_str(&length.to_string()),
            }
            text.push('\n');
        }
        text.push_str(header(name));
        text.push('\n');
    }
    let own = request.headers().iter().filter(|(name, _)| name.as_str().starts_with("x-ms-"));
    let mut own: Vec<_> = own.map(|(name, value)| (name.as_str(), value.as_str())).collect();
    own.sort_by_cached_key(|(name, _)| collated(name));
    for (name, value) in own {
        text.push_str(&format!("{name}:{}\n", value.trim()));
    }
    text + &resource(request.url(), account)
}

/// The service does not sort names by their bytes: it passes over `-`, and has `_` before digits.
fn collated(name: &str) -> String {
    name.replace('-', "").replace('_', " ")
}

/// Account, path and query, as they are signed.
fn resource(url: &Url, account: &str) -> String {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pair in url.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        parameters.entry(decoded(name).to_lowercase()).or_default().push(decoded(value));
    }
    let mut text = format!("/{account}{}", url.path());
    for (name, mut values) in parameters {
        values.sort();
        text.push_str(&format!("\n{name}:{}", values.join(",")));
    }
    text
}

/// The signature of a text by a key in base 64.
pub(crate) fn signature(text: &str, key: &Secret) -> azure_core::Result<String> {
    hmac_sha256(text, key)
}

#[cfg(test)]
mod tests {
    use azure_core::http::Method;

    use super::*;

    fn request(method: Method, url: &str, headers: &[(&'static str, &'static str)]) -> Request {
        let mut request = Request::new(Url::parse(url).unwrap(), method);
        for (name, value) in headers {
            request.insert_header(*name, *value);
        }
        request
    }

    /// The worked example "Get Container Metadata" of "Authorize with Shared Key" in the documentation
    /// of Azure Storage.
    #[test]
    fn a_worked_example() {
        let example = request(
            Method::Get,
            "https://myaccount.blob.core.windows.net/mycontainer?comp=metadata&restype=container&timeout=20",
            &[("x-ms-version", "2015-02-21"), ("x-ms-date", "Fri, 26 Jun 2015 23:39:12 GMT")],
        );
        assert_eq!(
            string_to_sign(&example, "myaccount"),
            "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\n\
             x-ms-version:2015-02-21\n/myaccount/mycontainer\ncomp:metadata\nrestype:container\n\
             timeout:20"
        );
    }

    #[test]
    fn contents_headers_and_parameters_are_signed() {
        let mut put = request(
            Method::Put,
            "http://127.0.0.1:10000/shop/orders/a%20b?X=2&prefix=%C3%A4&x=1",
            &[
                ("content-md5", "sum"),
                ("if-none-match", "*"),
                ("x-ms-meta-a1", "1"),
                ("x-ms-meta-a_b", "2"),
                ("x-ms-meta-_omni", "3"),
                ("x-ms-blob-type", "BlockBlob"),
            ],
        );
        put.set_body(b"content".to_vec());
        assert_eq!(
            string_to_sign(&put, "shop"),
            "PUT\n\n\n7\nsum\n\n\n\n\n*\n\n\nx-ms-blob-type:BlockBlob\nx-ms-meta-_omni:3\n\
             x-ms-meta-a_b:2\nx-ms-meta-a1:1\n/shop/shop/orders/a%20b\nprefix:\u{e4}\nx:1,2"
        );
    }
}

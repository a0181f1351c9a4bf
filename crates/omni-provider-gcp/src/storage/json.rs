//! What the SDK asks by gRPC, asked by the JSON API instead: for services that stand in for Google's and
//! have nothing else, and for networks that let no gRPC through. In place of the SDK's own transport.
//!
//! From `cloud.google.com/storage/docs/json_api/v1/objects` and `.../buckets`.

use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use google_cloud_auth::credentials::{CacheableResource, Credentials};
use google_cloud_gax::error::Error;
use google_cloud_gax::options::RequestOptions;
use google_cloud_gax::response::Response;
use google_cloud_storage::Result;

use google_cloud_storage::model::bucket::Versioning;
use google_cloud_storage::model::{
    Bucket, CommonObjectRequestParams, ComposeObjectRequest, DeleteObjectRequest, GetBucketRequest,
    GetObjectRequest, ListObjectsRequest, ListObjectsResponse, Object, ObjectChecksums,
    RewriteObjectRequest, RewriteResponse,
};
use google_cloud_storage::stub::StorageControl;
use google_cloud_wkt::Timestamp;
use http::{Extensions, HeaderMap, Method};
use serde_json::{Map, Value, json};

/// The JSON API of a service.
pub(crate) struct Json {
    http: reqwest::Client,
    /// Of the service, without a path.
    endpoint: String,
    credentials: Credentials,
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Json").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Json {
    pub(crate) fn new(endpoint: &str, credentials: Credentials) -> reqwest::Result<Self> {
        // Elsewhere is a wrong `endpoint`, which is told.
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        Ok(Self { http: client.build()?, endpoint, credentials })
    }

    /// Sends a request; the answer is `Null` where it has no content.
    async fn send(&self, call: Call, options: &RequestOptions) -> Result<Value> {
        let credentials = self.credentials.headers(Extensions::new()).await;
        let mut headers = match credentials.map_err(Error::authentication)? {
            CacheableResource::New { data, .. } => data,
            CacheableResource::NotModified => HeaderMap::new(),
        };
        for (name, value) in call.headers {
            headers.insert(name, value.parse().map_err(Error::binding)?);
        }
        if let Some(project) = options.quota_project() {
            headers.insert("x-goog-user-project", project.parse().map_err(Error::binding)?);
        }
        let url = format!("{}/storage/v1/b/{}", self.endpoint, call.target);
        let mut request = self.http.request(call.method, url).headers(headers);
        if let Some(body) = call.body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.map_err(lost)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let content = answer.bytes().await.map_err(lost)?;
        if !status.is_success() {
            return Err(Error::http(status.as_u16(), headers, said(content)));
        }
        match content.is_empty() {
            true => Ok(Value::Null),
            false => serde_json::from_slice(&content).map_err(Error::deser),
        }
    }
}

/// What went wrong without an answer, or with the beginning of one. Without the URL, which the caller
/// knows.
fn lost(error: reqwest::Error) -> Error {
    let error = error.without_url();
    if error.is_connect() {
        Error::connect(error)
    } else if error.is_timeout() {
        Error::timeout(error)
    } else {
        Error::io(error)
    }
}

/// The words of a refusal, where they stand where they should.
fn said(content: Bytes) -> Bytes {
    let parsed = serde_json::from_slice::<Value>(&content).ok();
    let message = parsed.as_ref().and_then(|value| value.pointer("/error/message")?.as_str());
    message.map(|message| Bytes::copy_from_slice(message.as_bytes())).unwrap_or(content)
}

/// A request.
struct Call {
    method: Method,
    /// The path below that of all buckets, and the parameters.
    target: String,
    headers: Vec<(&'static str, String)>,
    body: Option<Value>,
}

impl Call {
    /// A request about what the words lead to, the first of which is the resource name of a bucket.
    fn new(method: Method, bucket: &str, words: &[&str]) -> Self {
        let mut target = id(bucket).to_owned();
        for word in words {
            target.push('/');
            encode(word, &mut target);
        }
        Self { method, target, headers: Vec::new(), body: None }
    }

    /// With a parameter, unless that says nothing.
    fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        let value = value.to_string();
        if !value.is_empty() {
            self.target.push(if self.target.contains('?') { '&' } else { '?' });
            self.target.push_str(name);
            self.target.push('=');
            encode(&value, &mut self.target);
        }
        self
    }

    fn with_number(self, name: &str, value: Option<i64>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    fn with_body(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }

    /// With the key of the customer.
    fn with_key(self, params: Option<&CommonObjectRequestParams>) -> Self {
        let Some(params) = params else { return self };
        let names = [
            "x-goog-encryption-algorithm",
            "x-goog-encryption-key",
            "x-goog-encryption-key-sha256",
        ];
        let key = [&params.encryption_key_bytes, &params.encryption_key_sha256_bytes];
        self.with_headers(names, &params.encryption_algorithm, key)
    }

    fn with_headers(mut self, names: [&'static str; 3], algorithm: &str, key: [&Bytes; 2]) -> Self {
        if !algorithm.is_empty() {
            let [key, hash] = key.map(|bytes| STANDARD.encode(bytes));
            self.headers.extend(names.into_iter().zip([algorithm.to_owned(), key, hash]));
        }
        self
    }
}

/// The name of a bucket in its resource name, `projects/_/buckets/{name}`.
fn id(bucket: &str) -> &str {
    bucket.rsplit('/').next().unwrap_or(bucket)
}

/// Adds text as it stands in a URL, where it must be one word.
fn encode(text: &str, to: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            to.push(char::from(byte));
        } else {
            // Writing to a text does not fail.
            let _ = write!(to, "%{byte:02X}");
        }
    }
}

/// A generation that is asked for; 0 stands for the current one.
fn stated(generation: i64) -> Option<i64> {
    Some(generation).filter(|generation| *generation != 0)
}

impl StorageControl for Json {
    async fn get_bucket(
        &self,
        request: GetBucketRequest,
        options: RequestOptions,
    ) -> Result<Response<Bucket>> {
        let answer = self.send(Call::new(Method::GET, &request.name, &[]), &options).await?;
        let enabled = answer.pointer("/versioning/enabled").and_then(Value::as_bool);
        let versioning = Versioning::new().set_enabled(enabled.unwrap_or(false));
        Ok(Response::from(Bucket::new().set_versioning(versioning)))
    }

    async fn get_object(
        &self,
        request: GetObjectRequest,
        options: RequestOptions,
    ) -> Result<Response<Object>> {
        let call = Call::new(Method::GET, &request.bucket, &["o", &request.object])
            .with_number("generation", stated(request.generation))
            .with_number("ifGenerationMatch", request.if_generation_match)
            .with_number("ifGenerationNotMatch", request.if_generation_not_match)
            .with_key(request.common_object_request_params.as_ref());
        Ok(Response::from(object(&self.send(call, &options).await?)))
    }

    async fn delete_object(
        &self,
        request: DeleteObjectRequest,
        options: RequestOptions,
    ) -> Result<Response<()>> {
        let call = Call::new(Method::DELETE, &request.bucket, &["o", &request.object])
            .with_number("generation", stated(request.generation))
            .with_number("ifGenerationMatch", request.if_generation_match);
        self.send(call, &options).await?;
        Ok(Response::from(()))
    }

    async fn list_objects(
        &self,
        request: ListObjectsRequest,
        options: RequestOptions,
    ) -> Result<Response<ListObjectsResponse>> {
        let mut call = Call::new(Method::GET, &request.parent, &["o"])
            .with("prefix", &request.prefix)
            .with("delimiter", &request.delimiter)
            .with("startOffset", &request.lexicographic_start)
            .with("endOffset", &request.lexicographic_end)
            .with("pageToken", &request.page_token);
        if request.page_size > 0 {
            call = call.with("maxResults", request.page_size);
        }
        if request.versions {
            call = call.with("versions", true);
        }
        let answer = self.send(call, &options).await?;
        let list = |name: &str| answer.get(name).and_then(Value::as_array).into_iter().flatten();
        let prefixes = list("prefixes").filter_map(Value::as_str);
        Ok(Response::from(
            ListObjectsResponse::new()
                .set_objects(list("items").map(object))
                .set_prefixes(prefixes)
                .set_next_page_token(text(&answer, "nextPageToken")),
        ))
    }

    async fn rewrite_object(
        &self,
        request: RewriteObjectRequest,
        options: RequestOptions,
    ) -> Result<Response<RewriteResponse>> {
        let to = id(&request.destination_bucket);
        let words =
            ["o", &request.source_object, "rewriteTo", "b", to, "o", &request.destination_name];
        let source_key = [
            "x-goog-copy-source-encryption-algorithm",
            "x-goog-copy-source-encryption-key",
            "x-goog-copy-source-encryption-key-sha256",
        ];
        let mut call = Call::new(Method::POST, &request.source_bucket, &words)
            .with_number("sourceGeneration", stated(request.source_generation))
            .with_number("ifGenerationMatch", request.if_generation_match)
            .with("destinationKmsKeyName", &request.destination_kms_key)
            .with("rewriteToken", &request.rewrite_token)
            .with_number("maxBytesRewrittenPerCall", stated(request.max_bytes_rewritten_per_call))
            .with_key(request.common_object_request_params.as_ref())
            .with_headers(
                source_key,
                &request.copy_source_encryption_algorithm,
                [
                    &request.copy_source_encryption_key_bytes,
                    &request.copy_source_encryption_key_sha256_bytes,
                ],
            );
        if let Some(described) = &request.destination {
            call = call.with_body(resource(described));
        }
        let answer = self.send(call, &options).await?;
        Ok(Response::from(
            RewriteResponse::new()
                .set_done(answer.get("done").and_then(Value::as_bool).unwrap_or(false))
                .set_rewrite_token(text(&answer, "rewriteToken"))
                .set_or_clear_resource(answer.get("resource").map(object)),
        ))
    }

    async fn compose_object(
        &self,
        request: ComposeObjectRequest,
        options: RequestOptions,
    ) -> Result<Response<Object>> {
        let target = request.destination.unwrap_or_default();
        let sources: Vec<_> = request
            .source_objects
            .iter()
            .map(|source| match stated(source.generation) {
                None => json!({ "name": source.name }),
                // A number of 64 bits stands as text.
                Some(generation) => {
                    json!({ "name": source.name, "generation": generation.to_string() })
                }
            })
            .collect();
        let call = Call::new(Method::POST, &target.bucket, &["o", &target.name, "compose"])
            .with_number("ifGenerationMatch", request.if_generation_match)
            .with("kmsKeyName", &request.kms_key)
            .with_key(request.common_object_request_params.as_ref())
            .with_body(json!({ "sourceObjects": sources, "destination": resource(&target) }));
        Ok(Response::from(object(&self.send(call, &options).await?)))
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A number of 64 bits, which stands as text.
fn number(value: &Value, name: &str) -> Option<i64> {
    let value = value.get(name)?;
    value.as_str().map_or_else(|| value.as_i64(), |text| text.parse().ok())
}

/// An object as the SDK describes it. What is missing is found missing by who needs it.
fn object(value: &Value) -> Object {
    let crc32c = STANDARD.decode(text(value, "crc32c")).ok();
    let crc32c = crc32c.and_then(|sum| Some(u32::from_be_bytes(*sum.first_chunk()?)));
    let entries = value.get("metadata").and_then(Value::as_object).into_iter().flatten();
    let entries = entries.filter_map(|(name, value)| Some((name.clone(), value.as_str()?)));
    Object::new()
        .set_name(text(value, "name"))
        .set_generation(number(value, "generation").unwrap_or_default())
        .set_size(number(value, "size").unwrap_or(-1))
        .set_cache_control(text(value, "cacheControl"))
        .set_content_disposition(text(value, "contentDisposition"))
        .set_content_encoding(text(value, "contentEncoding"))
        .set_content_language(text(value, "contentLanguage"))
        .set_content_type(text(value, "contentType"))
        .set_storage_class(text(value, "storageClass"))
        .set_metadata(entries)
        .set_or_clear_create_time(Timestamp::try_from(text(value, "timeCreated")).ok())
        .set_or_clear_delete_time(Timestamp::try_from(text(value, "timeDeleted")).ok())
        .set_checksums(ObjectChecksums::new().set_or_clear_crc32c(crc32c))
}

/// The description of what is written.
fn resource(object: &Object) -> Value {
    let fields = [
        ("cacheControl", &object.cache_control),
        ("contentDisposition", &object.content_disposition),
        ("contentEncoding", &object.content_encoding),
        ("contentLanguage", &object.content_language),
        ("contentType", &object.content_type),
        ("storageClass", &object.storage_class),
    ];
    let stated = fields.into_iter().filter(|(_, text)| !text.is_empty());
    let mut value: Map<_, _> = stated.map(|(name, text)| (name.to_owned(), json!(text))).collect();
    value.insert("metadata".to_owned(), json!(object.metadata));
    Value::Object(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_one_word_for_each_name() {
        let call = Call::new(Method::GET, "projects/_/buckets/b", &["o", "a/../b c%\u{e4}?"])
            .with("prefix", "")
            .with_number("generation", None)
            .with_number("generation", Some(0))
            .with("pageToken", "a&b=c");
        assert_eq!(call.target, "b/o/a%2F..%2Fb%20c%25%C3%A4%3F?generation=0&pageToken=a%26b%3Dc");
    }

    #[test]
    fn an_object_is_read_as_it_is_documented() {
        let read = object(&json!({
            "name": "a/b", "generation": "1700000000000001", "size": "7", "crc32c": "4waSgw==",
            "timeCreated": "2026-01-02T03:04:05.678Z", "contentType": "text/plain",
            "metadata": {"k": "v"},
        }));
        assert_eq!(
            (read.name.as_str(), read.generation, read.size),
            ("a/b", 1_700_000_000_000_001, 7)
        );
        assert_eq!(read.checksums.unwrap().crc32c, Some(0xe306_9283));
        assert_eq!(read.metadata["k"], "v");
        assert!(read.create_time.is_some() && read.delete_time.is_none());
        let nothing = object(&Value::Null);
        assert_eq!((nothing.generation, nothing.size), (0, -1));
    }

    #[test]
    fn what_is_written_is_stated_even_when_it_is_nothing() {
        assert_eq!(resource(&Object::new()), json!({ "metadata": {} }));
        let typed = Object::new().set_content_type("text/plain").set_metadata([("a", "b")]);
        let expected = json!({ "contentType": "text/plain", "metadata": { "a": "b" } });
        assert_eq!(resource(&typed), expected);
    }

    #[test]
    fn the_words_of_a_refusal() {
        let error = r#"{"error": {"code": 404, "message": "No such object: b/k"}}"#;
        assert_eq!(said(Bytes::from_static(error.as_bytes())), "No such object: b/k");
        assert_eq!(said(Bytes::from_static(b"<html>")), "<html>");
    }
}

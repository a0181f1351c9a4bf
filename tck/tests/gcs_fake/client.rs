//! A client of the fake that knows nothing but HTTP and the published messages.

use bytes::Bytes;
use googleapis_tonic_google_storage_v2::google::storage::v2::storage_client::StorageClient;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tck::fakes::gcs::{Gcs, NewBucket};
use tonic::body::Body;

/// A server with one bucket, and who uses it.
#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) server: Gcs,
    pub(crate) endpoint: String,
    http: Client<HttpConnector, Full<Bytes>>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The answer, if it has the status.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self
    }

    /// The reason of an error.
    pub(crate) fn reason(&self) -> String {
        self.json()["error"]["errors"][0]["reason"].as_str().unwrap().to_owned()
    }

    /// The generation of the object whose content this is.
    pub(crate) fn generation_header(&self) -> i64 {
        self.header("x-goog-generation").parse().unwrap()
    }

    /// The generation of the object that is described.
    pub(crate) fn generation(&self) -> i64 {
        self.json()["generation"].as_str().unwrap().parse().unwrap()
    }
}

impl Fake {
    /// A new server with a bucket `bucket`.
    pub(crate) fn start() -> Self {
        Self::with(&NewBucket::named("bucket"))
    }

    /// A new server with this bucket.
    pub(crate) fn with(bucket: &NewBucket) -> Self {
        let server = Gcs::start().unwrap();
        server.create_bucket(bucket).unwrap();
        let http = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        Self { endpoint: server.endpoint().to_owned(), server, http }
    }

    /// Sends a request to a path, or to a whole address.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let uri = match path.starts_with('/') {
            true => format!("{}{path}", self.endpoint),
            false => path.to_owned(),
        };
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.http.request(request.body(Full::new(body.into())).unwrap()).await;
        let (parts, body) = answer.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    /// Writes an object in one request without metadata.
    pub(crate) async fn put(&self, name: &str, content: impl Into<Bytes>) -> Answer {
        self.put_if(name, "", content).await
    }

    /// As [`Self::put`], with more parameters.
    pub(crate) async fn put_if(
        &self,
        name: &str,
        parameters: &str,
        content: impl Into<Bytes>,
    ) -> Answer {
        let path =
            format!("/upload/storage/v1/b/bucket/o?uploadType=media&name={name}{parameters}");
        self.send("POST", &path, &[("content-type", "text/plain")], content).await
    }

    /// The content of an object.
    pub(crate) async fn read(&self, name: &str) -> Answer {
        self.get(&format!("/storage/v1/b/bucket/o/{name}?alt=media")).await
    }

    /// A client of the other API.
    pub(crate) fn grpc(&self) -> StorageClient<Client<HttpConnector, Body>> {
        let channel =
            Client::builder(TokioExecutor::new()).http2_only(true).build(HttpConnector::new());
        StorageClient::with_origin(channel, self.endpoint.parse().unwrap())
    }
}

/// The bucket as gRPC names it.
pub(crate) const BUCKET: &str = "projects/_/buckets/bucket";

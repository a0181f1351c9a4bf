//! `/upload/storage/v1/b/{bucket}/o`: writing contents in one request, or in a session.
//!
//! From `cloud.google.com/storage/docs/json_api/v1/objects/insert`,
//! `cloud.google.com/storage/docs/uploading-objects` and
//! `cloud.google.com/storage/docs/performing-resumable-uploads`. One thing is not on these pages: a
//! third part of a multipart upload with the checksums of the second, which Google's own client for
//! Rust sends.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Method, StatusCode};

use super::State as Server;
use super::encryption::KeyHash;
use super::fault::{Fault, Kind};
use super::http::{self, Answer, Call};
use super::json as resource;
use super::metadata::{not_allowed, parsed};
use super::multipart;
use super::object::{Attributes, Content, Stated};
use super::router;
use super::store::Draft;
use super::uploads::{Piece, State, Upload};

/// Any request to the path.
pub(super) async fn serve(
    server: &Server,
    call: &Call,
    bucket: &str,
    body: Incoming,
) -> Result<Answer, Fault> {
    let id = call.parameter("upload_id");
    if let Err(fault) = router::admit(server, call, bucket) {
        // Read all the same: a client that cannot send its body does not see the answer.
        collected(body).await?;
        return Err(fault);
    }
    match (call.method.clone(), call.parameter("uploadType"), id) {
        (Method::PUT, _, Some(id)) => piece(server, call, id, body).await,
        (Method::DELETE, _, Some(id)) => {
            server.store().cancel_upload(id)?;
            Err(Fault::new(Kind::Cancelled, "The upload was cancelled"))
        }
        (Method::POST, Some("multipart"), None) => related(server, call, bucket, body).await,
        (Method::POST, Some("media"), None) => media(server, call, bucket, body).await,
        (Method::POST, Some("resumable"), None) => begin(server, call, bucket, body).await,
        (Method::POST, other, None) => {
            Err(Fault::invalid(format!("Invalid value for uploadType: {other:?}")))
        }
        _ => Err(not_allowed(call)),
    }
}

/// All of a body.
pub(super) async fn collected(body: Incoming) -> Result<Bytes, Fault> {
    let broken = |error: hyper::Error| Fault::invalid(format!("The request broke off: {error}"));
    Ok(body.collect().await.map_err(broken)?.to_bytes())
}

/// The checksums in the headers of a request.
pub(super) fn stated(call: &Call) -> Result<Stated, Fault> {
    let values = call.headers.get_all("x-goog-hash").iter();
    Stated::header(values.filter_map(|value| value.to_str().ok()))
}

/// Metadata and content in one body.
async fn related(
    server: &Server,
    call: &Call,
    bucket: &str,
    body: Incoming,
) -> Result<Answer, Fault> {
    let body = collected(body).await?;
    let boundary = multipart::boundary(call.header("content-type").unwrap_or_default())?;
    let parts = multipart::parts(&body, boundary)?;
    let is_json = |part: &multipart::Part| {
        part.content_type.as_deref().is_some_and(|kind| kind.starts_with("application/json"))
    };
    let (metadata, content, trailer) = match parts.as_slice() {
        [metadata, content] if is_json(metadata) => (metadata, content, None),
        [metadata, content, trailer] if is_json(metadata) && is_json(trailer) => {
            (metadata, content, Some(trailer))
        }
        _ => {
            return Err(Fault::invalid(
                "Invalid multipart request: metadata in JSON and then the content are expected",
            ));
        }
    };
    let (name, mut attributes, mut sums) = resource::read_object(&parsed(&metadata.content)?)?;
    if let Some(trailer) = trailer {
        sums = sums.and(resource::read_object(&parsed(&trailer.content)?)?.2)?;
    }
    if attributes.content_type.is_empty() {
        let stated = content.content_type.as_deref().unwrap_or("text/plain");
        stated.clone_into(&mut attributes.content_type);
    }
    let sums = sums.and(stated(call)?)?;
    insert(server, call, bucket, name, attributes, content.content.clone(), &sums)
}

/// Nothing but content.
async fn media(
    server: &Server,
    call: &Call,
    bucket: &str,
    body: Incoming,
) -> Result<Answer, Fault> {
    let content_type = call.header("content-type").unwrap_or_default().to_owned();
    let attributes = Attributes { content_type, ..Attributes::default() };
    let content = collected(body).await?;
    insert(server, call, bucket, None, attributes, content, &stated(call)?)
}

fn insert(
    server: &Server,
    call: &Call,
    bucket: &str,
    name: Option<String>,
    mut attributes: Attributes,
    content: Bytes,
    sums: &Stated,
) -> Result<Answer, Fault> {
    let name = named(call, name)?;
    let key = KeyHash::of_call(call)?;
    parameters(call, &mut attributes);
    let content = Content::new(content);
    sums.check(&content)?;
    let mut store = server.store();
    let draft = Draft::uploaded(attributes, content, key);
    let object = store.insert(bucket, &name, draft, &call.conditions()?)?;
    Ok(http::json(&resource::object(bucket, object, key)))
}

/// The name of the object: the parameter counts more than the metadata.
fn named(call: &Call, in_metadata: Option<String>) -> Result<String, Fault> {
    let name = call.parameter("name").map(str::to_owned).or(in_metadata);
    name.ok_or_else(|| Fault::required("name"))
}

/// What parameters say about the object.
fn parameters(call: &Call, attributes: &mut Attributes) {
    if let Some(encoding) = call.parameter("contentEncoding") {
        encoding.clone_into(&mut attributes.content_encoding);
    }
    if let Some(key) = call.parameter("kmsKeyName") {
        key.clone_into(&mut attributes.kms_key);
    }
}

/// Opens a session.
async fn begin(
    server: &Server,
    call: &Call,
    bucket: &str,
    body: Incoming,
) -> Result<Answer, Fault> {
    let (name, mut attributes, sums) = resource::read_object(&parsed(&collected(body).await?)?)?;
    let name = named(call, name)?;
    parameters(call, &mut attributes);
    if attributes.content_type.is_empty() {
        call.header("x-upload-content-type")
            .unwrap_or_default()
            .clone_into(&mut attributes.content_type);
    }
    let wrong = || Fault::invalid("Invalid X-Upload-Content-Length");
    let total =
        call.header("x-upload-content-length").map(|text| text.parse().map_err(|_| wrong()));
    let upload = Upload {
        bucket: bucket.to_owned(),
        name,
        attributes,
        conditions: call.conditions()?,
        stated: sums.and(stated(call)?)?,
        key: KeyHash::of_call(call)?,
        total: total.transpose()?,
        content: Vec::new(),
        outcome: None,
    };
    let id = server.store().begin_upload(upload)?;
    // The address that is listened on, whatever the request calls it.
    let location = format!(
        "{}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={id}",
        server.endpoint
    );
    let headers = [("location", location), ("x-guploader-uploadid", id)];
    Ok(http::answer(StatusCode::OK, headers, Bytes::new()))
}

/// A piece of a session, the last one, or a question for its state.
async fn piece(
    server: &Server,
    call: &Call,
    id: &str,
    mut body: Incoming,
) -> Result<Answer, Fault> {
    let piece = Piece::parse(call.header("content-range"));
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(data)) => bytes.extend_from_slice(&data),
            Ok(Err(_trailers)) => {}
            Err(error) => {
                server.store().broken_piece(id, piece?, &bytes);
                return Err(Fault::invalid(format!("The request broke off: {error}")));
            }
        }
    }
    let mut store = server.store();
    match store.take_piece(id, piece?, &bytes, stated(call)?, KeyHash::of_call(call)?)? {
        State::Finished(object) => {
            let upload = store.upload(id)?;
            Ok(http::json(&resource::object(&upload.bucket, &object, upload.key)))
        }
        State::Open(persisted) => {
            let range = persisted.checked_sub(1).map(|last| ("range", format!("bytes=0-{last}")));
            Ok(http::answer(StatusCode::PERMANENT_REDIRECT, range, Bytes::new()))
        }
    }
}

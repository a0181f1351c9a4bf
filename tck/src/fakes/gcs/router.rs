//! Which protocol a request speaks, and who answers it.

use hyper::body::Incoming;
use hyper::{Method, Request};

use super::State;
use super::fault::Fault;
use super::http::{self, Answer, Call};
use super::store::Bucket;
use super::{copies_json, grpc, json, media, metadata, upload, xml};

/// Answers any request.
pub(super) async fn serve(server: &State, request: Request<Incoming>) -> Answer {
    let content_type = request.headers().get("content-type");
    if content_type.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc")) {
        return grpc::serve(server, request).await;
    }
    let (parts, body) = request.into_parts();
    let answered = async { text(server, Call::new(parts)?, body).await };
    answered.await.unwrap_or_else(|fault| http::refused(&fault))
}

/// The protocols in text: the JSON and XML APIs, and the switches of the kit.
async fn text(server: &State, call: Call, body: Incoming) -> Result<Answer, Fault> {
    let path: Vec<_> = call.path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["upload", "storage", "v1", "b", bucket, "o"] => {
            upload::serve(server, &call, bucket, body).await
        }
        ["download", "storage", "v1", "b", bucket, "o", object] => {
            admit(server, &call, bucket)?;
            content(server, &call, bucket, object)
        }
        ["storage", "v1", "b"] => {
            let body = upload::collected(body).await?;
            metadata::buckets(&mut server.store(), &call, &body)
        }
        ["storage", "v1", "b", bucket] => {
            admit(server, &call, bucket)?;
            metadata::bucket(&mut server.store(), &call, bucket)
        }
        ["storage", "v1", "b", bucket, "o"] => {
            admit(server, &call, bucket)?;
            metadata::objects(&server.store(), &call, bucket)
        }
        ["storage", "v1", "b", bucket, "o", object] => {
            admit(server, &call, bucket)?;
            match (&call.method, call.parameter("alt")) {
                (&Method::GET, Some("media")) => content(server, &call, bucket, object),
                _ => {
                    let body = upload::collected(body).await?;
                    metadata::object(&mut server.store(), &call, bucket, object, &body)
                }
            }
        }
        ["storage", "v1", "b", from, "o", source, "rewriteTo", "b", to, "o", target] => {
            admit(server, &call, from)?;
            admit(server, &call, to)?;
            let body = upload::collected(body).await?;
            copies_json::rewrite(&mut server.store(), &call, [from, source], [to, target], &body)
        }
        ["storage", "v1", "b", bucket, "o", target, "compose"] => {
            admit(server, &call, bucket)?;
            let body = upload::collected(body).await?;
            copies_json::compose(&mut server.store(), &call, bucket, target, &body)
        }
        ["-", "buckets", bucket] => make_bucket(server, &call, bucket),
        _ => Ok(xml::serve(server, &call, body).await),
    }
}

/// Refuses who may not use the bucket.
pub(super) fn admit(server: &State, call: &Call, bucket: &str) -> Result<(), Fault> {
    server.store().bucket(bucket)?.admit(call.headers.contains_key("authorization"))
}

/// A switch of the kit, at a path that the service does not have: makes a bucket.
fn make_bucket(server: &State, call: &Call, name: &str) -> Result<Answer, Fault> {
    let mut bucket = Bucket::new(name, "kit");
    bucket.versioning = call.flag("versioning")?;
    bucket.private = call.flag("private")?;
    let mut store = server.store();
    Ok(http::json(&json::bucket(store.create_bucket(bucket)?)))
}

fn content(server: &State, call: &Call, bucket: &str, object: &str) -> Result<Answer, Fault> {
    let store = server.store();
    let found = store.bucket(bucket)?.object_if(object, call.generation()?, &call.conditions()?)?;
    media::read(call, found)
}

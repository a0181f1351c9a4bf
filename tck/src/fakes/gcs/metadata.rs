//! The JSON API without contents: buckets, and what is known about objects.

use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::encryption::KeyHash;
use super::fault::{Fault, Kind};
use super::http::{self, Answer, Call};
use super::json as resource;
use super::listing::Query;
use super::store::Store;

/// `/storage/v1/b`
pub(super) fn buckets(store: &mut Store, call: &Call, body: &Bytes) -> Result<Answer, Fault> {
    let project = call.parameter("project").ok_or_else(|| Fault::required("project"))?;
    match call.method {
        Method::POST => {
            let bucket = resource::read_bucket(&parsed(body)?, project)?;
            Ok(http::json(&resource::bucket(store.create_bucket(bucket)?)))
        }
        Method::GET => {
            let prefix = call.text("prefix");
            let buckets = store
                .buckets
                .values()
                .filter(|bucket| bucket.project == project && bucket.name.starts_with(&prefix));
            let items: Vec<_> = buckets.map(resource::bucket).collect();
            Ok(http::json(&json!({"kind": "storage#buckets", "items": items})))
        }
        _ => Err(not_allowed(call)),
    }
}

/// `/storage/v1/b/{bucket}`
pub(super) fn bucket(store: &mut Store, call: &Call, name: &str) -> Result<Answer, Fault> {
    match call.method {
        Method::GET => Ok(http::json(&resource::bucket(store.bucket(name)?))),
        Method::DELETE => {
            store.delete_bucket(name)?;
            Ok(no_content())
        }
        _ => Err(not_allowed(call)),
    }
}

/// `/storage/v1/b/{bucket}/o`
pub(super) fn objects(store: &Store, call: &Call, bucket: &str) -> Result<Answer, Fault> {
    if call.method != Method::GET {
        return Err(not_allowed(call));
    }
    let wrong = || Fault::invalid("Invalid value for maxResults");
    let page_size = call.number("maxResults")?.unwrap_or_default();
    let query = Query {
        prefix: call.text("prefix"),
        delimiter: call.text("delimiter"),
        include_trailing_delimiter: call.flag("includeTrailingDelimiter")?,
        start: call.text("startOffset"),
        end: call.text("endOffset"),
        versions: call.flag("versions")?,
        page_size: page_size.try_into().map_err(|_| wrong())?,
        page_token: call.text("pageToken"),
    };
    let page = query.page(store.bucket(bucket)?)?;
    let items: Vec<_> =
        page.objects.into_iter().map(|object| resource::object(bucket, object, None)).collect();
    let mut value = json!({"kind": "storage#objects"});
    if !items.is_empty() {
        value["items"] = json!(items);
    }
    if !page.prefixes.is_empty() {
        value["prefixes"] = json!(page.prefixes);
    }
    if let Some(next) = page.next {
        value["nextPageToken"] = json!(next);
    }
    Ok(http::json(&value))
}

/// `/storage/v1/b/{bucket}/o/{object}` without `alt=media`
pub(super) fn object(
    store: &mut Store,
    call: &Call,
    bucket: &str,
    name: &str,
    body: &Bytes,
) -> Result<Answer, Fault> {
    let (generation, conditions) = (call.generation()?, call.conditions()?);
    match call.method {
        Method::GET => {
            let found = store.bucket(bucket)?.object_if(name, generation, &conditions)?;
            Ok(http::json(&resource::object(bucket, found, KeyHash::of_call(call)?)))
        }
        Method::DELETE => {
            store.delete(bucket, name, generation, &conditions)?;
            Ok(no_content())
        }
        Method::PATCH => {
            let patch = parsed(body)?;
            let updated = store.update(bucket, name, generation, &conditions, |attributes| {
                resource::merge(attributes, &patch)
            })?;
            Ok(http::json(&resource::object(bucket, updated, None)))
        }
        _ => Err(not_allowed(call)),
    }
}

/// A body in JSON; an empty one says nothing.
pub(super) fn parsed(body: &[u8]) -> Result<Value, Fault> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    serde_json::from_slice(body).map_err(|error| Fault::invalid(format!("Parse Error: {error}")))
}

pub(super) fn no_content() -> Answer {
    http::answer(StatusCode::NO_CONTENT, [], Bytes::new())
}

pub(super) fn not_allowed(call: &Call) -> Fault {
    Fault::new(Kind::NotAllowed, format!("{} {} is not allowed", call.method, call.raw_path))
}

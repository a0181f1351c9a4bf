//! The JSON API of objects made of other objects: `rewriteTo` and `compose`.
//!
//! From `cloud.google.com/storage/docs/json_api/v1/objects/rewrite` and
//! `cloud.google.com/storage/docs/json_api/v1/objects/compose`.

use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};

use super::conditions::Conditions;
use super::copies::{Compose, Copy, Progress, Source};
use super::encryption::KeyHash;
use super::fault::Fault;
use super::http::{self, Answer, Call};
use super::json as resource;
use super::metadata::{not_allowed, parsed};
use super::store::Store;

/// `/storage/v1/b/{bucket}/o/{object}/rewriteTo/b/{bucket}/o/{object}`
pub(super) fn rewrite(
    store: &mut Store,
    call: &Call,
    [source_bucket, source]: [&str; 2],
    [target_bucket, target]: [&str; 2],
    body: &Bytes,
) -> Result<Answer, Fault> {
    if call.method != Method::POST {
        return Err(not_allowed(call));
    }
    // Without a body, the target is like the source.
    let described = match body.is_empty() {
        true => None,
        false => Some(resource::read_object(&parsed(body)?)?),
    };
    let (attributes, stated) = match described {
        None => (None, Default::default()),
        Some((_, attributes, stated)) => (Some(attributes), stated),
    };
    let wrong = |_| Fault::invalid("Invalid value for maxBytesRewrittenPerCall");
    let bytes_per_call = call.number("maxBytesRewrittenPerCall")?.unwrap_or_default();
    let copy = Copy {
        source_bucket: source_bucket.to_owned(),
        source: source.to_owned(),
        source_generation: call.number("sourceGeneration")?,
        source_conditions: Conditions {
            generation: call.number("ifSourceGenerationMatch")?,
            not_generation: call.number("ifSourceGenerationNotMatch")?,
            metageneration: call.number("ifSourceMetagenerationMatch")?,
            not_metageneration: call.number("ifSourceMetagenerationNotMatch")?,
        },
        source_key: KeyHash::of_source(call)?,
        target_bucket: target_bucket.to_owned(),
        target: target.to_owned(),
        attributes,
        kms_key: call.text("destinationKmsKeyName"),
        conditions: call.conditions()?,
        stated,
        bytes_per_call: bytes_per_call.try_into().map_err(wrong)?,
        key: KeyHash::of_call(call)?,
    };
    let key = copy.key;
    let progress = store.rewrite(copy, &call.text("rewriteToken"))?;
    let (written, size) = match &progress {
        Progress::Done(object) => (object.size(), object.size()),
        Progress::More { written, size, .. } => (*written, *size),
    };
    let mut value = json!({
        "kind": "storage#rewriteResponse",
        "totalBytesRewritten": written.to_string(),
        "objectSize": size.to_string(),
        "done": matches!(progress, Progress::Done(_)),
    });
    match progress {
        Progress::Done(object) => value["resource"] = resource::object(target_bucket, &object, key),
        Progress::More { token, .. } => value["rewriteToken"] = json!(token),
    }
    Ok(http::json(&value))
}

/// `/storage/v1/b/{bucket}/o/{object}/compose`
pub(super) fn compose(
    store: &mut Store,
    call: &Call,
    bucket: &str,
    target: &str,
    body: &Bytes,
) -> Result<Answer, Fault> {
    if call.method != Method::POST {
        return Err(not_allowed(call));
    }
    let request = parsed(body)?;
    let nothing = json!({});
    let described = request.get("destination").unwrap_or(&nothing);
    let (_, mut attributes, stated) = resource::read_object(described)?;
    if let Some(key) = call.parameter("kmsKeyName") {
        key.clone_into(&mut attributes.kms_key);
    }
    let sources = request.get("sourceObjects").and_then(Value::as_array);
    let sources = sources.ok_or_else(|| Fault::required("sourceObjects"))?;
    let conditions = call.conditions()?;
    let compose = Compose {
        bucket: bucket.to_owned(),
        target: target.to_owned(),
        attributes,
        conditions: Conditions { not_generation: None, not_metageneration: None, ..conditions },
        sources: sources.iter().map(source).collect::<Result<_, _>>()?,
        stated,
        delete_sources: call.flag("deleteSourceObjects")?,
        key: KeyHash::of_call(call)?,
    };
    let made = store.compose(&compose)?;
    Ok(http::json(&resource::object(bucket, &made, compose.key)))
}

fn source(value: &Value) -> Result<Source, Fault> {
    let name = value.get("name").and_then(Value::as_str);
    // A number of 64 bits stands as text; a number is taken as well.
    let number = |value: Option<&Value>| match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let number = value.as_str().map_or_else(|| value.as_i64(), |text| text.parse().ok());
            let wrong = || Fault::invalid(format!("Invalid generation of a source: {value}"));
            number.map(Some).ok_or_else(wrong)
        }
    };
    let wanted = value.pointer("/objectPreconditions/ifGenerationMatch");
    Ok(Source {
        name: name.ok_or_else(|| Fault::required("sourceObjects.name"))?.to_owned(),
        generation: number(value.get("generation"))?,
        conditions: Conditions { generation: number(wanted)?, ..Conditions::default() },
    })
}

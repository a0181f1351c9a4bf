//! The resources of the JSON API: `cloud.google.com/storage/docs/json_api/v1/objects#resource` and
//! `cloud.google.com/storage/docs/json_api/v1/buckets#resource`.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use super::encryption::{ALGORITHM, KeyHash};
use super::fault::Fault;
use super::object::{Attributes, Object, Stated, crc32c_text};
use super::store::Bucket;

/// An object as it is returned to who has this key.
pub(super) fn object(bucket: &str, object: &Object, key: Option<KeyHash>) -> Value {
    let attributes = &object.attributes;
    let mut value = json!({
        "kind": "storage#object",
        "id": format!("{bucket}/{}/{}", object.name, object.generation),
        "name": object.name,
        "bucket": bucket,
        "generation": object.generation.to_string(),
        "metageneration": object.metageneration.to_string(),
        "storageClass": attributes.storage_class,
        "size": object.size().to_string(),
        "etag": object.etag(),
        "timeCreated": object.created.to_string(),
        "timeFinalized": object.created.to_string(),
        "timeStorageClassUpdated": object.created.to_string(),
        "updated": object.updated.to_string(),
    });
    let texts = [
        ("cacheControl", &attributes.cache_control),
        ("contentDisposition", &attributes.content_disposition),
        ("contentEncoding", &attributes.content_encoding),
        ("contentLanguage", &attributes.content_language),
        ("contentType", &attributes.content_type),
        ("kmsKeyName", &attributes.kms_key),
    ];
    for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        value[name] = json!(text);
    }
    if !attributes.metadata.is_empty() {
        value["metadata"] = json!(attributes.metadata);
    }
    if let Some(time) = attributes.custom_time {
        value["customTime"] = json!(time.to_string());
    }
    if object.shows_sums(key) {
        value["crc32c"] = json!(crc32c_text(object.content.crc32c));
        if let Some(md5) = object.content.md5 {
            value["md5Hash"] = json!(BASE64_STANDARD.encode(md5));
        }
    }
    if let Some(key) = object.key {
        value["customerEncryption"] =
            json!({"encryptionAlgorithm": ALGORITHM, "keySha256": key.text()});
    }
    if let Some(components) = object.components {
        value["componentCount"] = json!(components);
    }
    if let Some(time) = object.deleted {
        value["timeDeleted"] = json!(time.to_string());
    }
    value
}

/// A bucket as it is returned.
pub(super) fn bucket(bucket: &Bucket) -> Value {
    json!({
        "kind": "storage#bucket",
        "id": bucket.name,
        "name": bucket.name,
        "projectNumber": "1",
        "location": bucket.location,
        "storageClass": bucket.storage_class,
        "metageneration": "1",
        "timeCreated": bucket.created.to_string(),
        "updated": bucket.created.to_string(),
        "versioning": {"enabled": bucket.versioning},
    })
}

/// A bucket as a client describes it.
pub(super) fn read_bucket(value: &Value, project: &str) -> Result<Bucket, Fault> {
    let fields = fields(value)?;
    let name = text(fields, "name")?.ok_or_else(|| Fault::required("name"))?;
    let mut bucket = Bucket::new(&name, project);
    if let Some(class) = text(fields, "storageClass")? {
        bucket.storage_class = class;
    }
    if let Some(location) = text(fields, "location")? {
        bucket.location = location.to_ascii_uppercase();
    }
    let versioning = value.pointer("/versioning/enabled");
    bucket.versioning = versioning.and_then(Value::as_bool).unwrap_or(false);
    Ok(bucket)
}

/// What a client says about an object that it writes: its name, if it is there, what it is like, and
/// its checksums.
pub(super) fn read_object(value: &Value) -> Result<(Option<String>, Attributes, Stated), Fault> {
    let fields = fields(value)?;
    let mut attributes = Attributes::default();
    merge(&mut attributes, value)?;
    let [crc32c, md5] = [text(fields, "crc32c")?, text(fields, "md5Hash")?];
    let stated = Stated::parse(crc32c.as_deref(), md5.as_deref())?;
    Ok((text(fields, "name")?, attributes, stated))
}

/// Changes attributes as a patch says: `null` removes, also single entries of the metadata.
pub(super) fn merge(attributes: &mut Attributes, patch: &Value) -> Result<(), Fault> {
    let fields = fields(patch)?;
    let texts = [
        ("cacheControl", &mut attributes.cache_control),
        ("contentDisposition", &mut attributes.content_disposition),
        ("contentEncoding", &mut attributes.content_encoding),
        ("contentLanguage", &mut attributes.content_language),
        ("contentType", &mut attributes.content_type),
        ("storageClass", &mut attributes.storage_class),
        ("kmsKeyName", &mut attributes.kms_key),
    ];
    for (name, target) in texts {
        match fields.get(name) {
            None => {}
            Some(_) => *target = text(fields, name)?.unwrap_or_default(),
        }
    }
    match fields.get("customTime") {
        None => {}
        Some(Value::Null) => attributes.custom_time = None,
        Some(_) => {
            let wrong = || Fault::invalid("Invalid value for customTime");
            let text = text(fields, "customTime")?.unwrap_or_default();
            attributes.custom_time = Some(text.parse().map_err(|_| wrong())?);
        }
    }
    match fields.get("metadata") {
        None => {}
        Some(Value::Null) => attributes.metadata.clear(),
        Some(Value::Object(entries)) => {
            for name in entries.keys() {
                match text(entries, name)? {
                    Some(value) => attributes.metadata.insert(name.clone(), value),
                    None => attributes.metadata.remove(name),
                };
            }
        }
        Some(_) => return Err(Fault::invalid("Invalid value for metadata: an object is expected")),
    }
    Ok(())
}

fn fields(value: &Value) -> Result<&Map<String, Value>, Fault> {
    value.as_object().ok_or_else(|| Fault::invalid("A JSON object is expected"))
}

fn text(fields: &Map<String, Value>, name: &str) -> Result<Option<String>, Fault> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Fault::invalid(format!("Invalid value for {name}: text is expected"))),
    }
}

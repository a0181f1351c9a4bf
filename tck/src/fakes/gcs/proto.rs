//! Messages of `google/storage/v2/storage.proto`, from what is stored and to it.

use googleapis_tonic_google_storage_v2::google::storage::v2 as proto;
use jiff::Timestamp;

use super::encryption::{ALGORITHM, KeyHash};
use super::fault::Fault;
use super::object::{Attributes, Object, Stated};
use super::store::Bucket;

/// The fields of an object that a client may state, as an `update_mask` names them.
const FIELDS: &[&str] = &[
    "cache_control",
    "content_disposition",
    "content_encoding",
    "content_language",
    "content_type",
    "custom_time",
    "metadata",
    "storage_class",
];

/// The name of a bucket in `projects/{project}/buckets/{bucket}`.
pub(super) fn bucket_id(resource: &str) -> Result<&str, Fault> {
    let id = resource.strip_prefix("projects/").and_then(|rest| rest.split_once("/buckets/"));
    let id = id.map(|(_, id)| id).filter(|id| !id.is_empty() && !id.contains('/'));
    id.ok_or_else(|| {
        Fault::invalid(format!(
            "Invalid bucket name {resource:?}: projects/_/buckets/{{bucket}} is expected"
        ))
    })
}

/// A generation in a request; zero stands for none.
pub(super) fn generation(number: i64) -> Option<i64> {
    (number != 0).then_some(number)
}

/// What a message states about checksums.
pub(super) fn stated(checksums: Option<proto::ObjectChecksums>) -> Stated {
    let checksums = checksums.unwrap_or_default();
    let md5 = (!checksums.md5_hash.is_empty()).then_some(checksums.md5_hash);
    Stated { crc32c: checksums.crc32c, md5 }
}

/// An object as it is returned to who has this key.
pub(super) fn object(bucket: &str, object: &Object, key: Option<KeyHash>) -> proto::Object {
    let attributes = object.attributes.clone();
    let checksums = proto::ObjectChecksums {
        crc32c: Some(object.content.crc32c),
        md5_hash: object.content.md5.map(|md5| md5.to_vec()).unwrap_or_default(),
    };
    proto::Object {
        name: object.name.clone(),
        bucket: format!("projects/_/buckets/{bucket}"),
        etag: object.etag(),
        generation: object.generation,
        metageneration: object.metageneration,
        storage_class: attributes.storage_class,
        size: i64::try_from(object.size()).unwrap_or(i64::MAX),
        content_encoding: attributes.content_encoding,
        content_disposition: attributes.content_disposition,
        cache_control: attributes.cache_control,
        content_language: attributes.content_language,
        delete_time: object.deleted.map(time),
        finalize_time: Some(time(object.created)),
        content_type: attributes.content_type,
        create_time: Some(time(object.created)),
        component_count: object.components.unwrap_or_default(),
        checksums: object.shows_sums(key).then_some(checksums),
        update_time: Some(time(object.updated)),
        kms_key: attributes.kms_key,
        update_storage_class_time: Some(time(object.created)),
        metadata: attributes.metadata,
        event_based_hold: Some(false),
        customer_encryption: object.key.map(|key| proto::CustomerEncryption {
            encryption_algorithm: ALGORITHM.to_owned(),
            key_sha256_bytes: key.bytes().to_vec(),
        }),
        custom_time: attributes.custom_time.map(time),
        ..proto::Object::default()
    }
}

/// A bucket as it is returned.
pub(super) fn bucket(bucket: &Bucket) -> proto::Bucket {
    proto::Bucket {
        name: format!("projects/_/buckets/{}", bucket.name),
        bucket_id: bucket.name.clone(),
        project: format!("projects/{}", bucket.project),
        metageneration: 1,
        location: bucket.location.clone(),
        storage_class: bucket.storage_class.clone(),
        create_time: Some(time(bucket.created)),
        update_time: Some(time(bucket.created)),
        versioning: Some(proto::bucket::Versioning { enabled: bucket.versioning }),
        ..proto::Bucket::default()
    }
}

/// What a client states about an object.
pub(super) fn attributes(object: &proto::Object) -> Result<Attributes, Fault> {
    let mut attributes = Attributes { kms_key: object.kms_key.clone(), ..Attributes::default() };
    for field in FIELDS {
        take(&mut attributes, object, field)?;
    }
    Ok(attributes)
}

/// Changes the attributes that `mask` names to those of `object`; `*` names all.
pub(super) fn update(
    attributes: &mut Attributes,
    object: &proto::Object,
    mask: &[String],
) -> Result<(), Fault> {
    if mask.is_empty() {
        return Err(Fault::invalid("An update_mask is required"));
    }
    for path in mask {
        match path.as_str() {
            "*" => {
                for field in FIELDS.iter().filter(|field| **field != "storage_class") {
                    take(attributes, object, field)?;
                }
            }
            path => take(attributes, object, path)?,
        }
    }
    Ok(())
}

/// Takes one field over; `metadata.x` is the entry `x`, which is removed where it is not stated.
fn take(target: &mut Attributes, from: &proto::Object, field: &str) -> Result<(), Fault> {
    match field {
        "cache_control" => target.cache_control.clone_from(&from.cache_control),
        "content_disposition" => target.content_disposition.clone_from(&from.content_disposition),
        "content_encoding" => target.content_encoding.clone_from(&from.content_encoding),
        "content_language" => target.content_language.clone_from(&from.content_language),
        "content_type" => target.content_type.clone_from(&from.content_type),
        "storage_class" => target.storage_class.clone_from(&from.storage_class),
        "metadata" => target.metadata.clone_from(&from.metadata),
        "custom_time" => {
            let wrong = |_| Fault::invalid("Invalid custom_time");
            let read = |time: prost_types::Timestamp| Timestamp::new(time.seconds, time.nanos);
            target.custom_time = from.custom_time.map(read).transpose().map_err(wrong)?;
        }
        other => {
            let Some(key) = other.strip_prefix("metadata.") else {
                return Err(Fault::invalid(format!("Invalid path in update_mask: {other:?}")));
            };
            match from.metadata.get(key) {
                Some(value) => target.metadata.insert(key.to_owned(), value.clone()),
                None => target.metadata.remove(key),
            };
        }
    }
    Ok(())
}

fn time(time: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: time.as_second(), nanos: time.subsec_nanosecond() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_named_with_their_project() {
        assert_eq!(bucket_id("projects/_/buckets/b").unwrap(), "b");
        for bad in ["b", "projects/_/buckets/", "projects/_/buckets/b/c", "buckets/b"] {
            bucket_id(bad).unwrap_err();
        }
    }

    #[test]
    fn a_mask_says_what_is_taken() {
        let metadata = [("a", "1"), ("b", "2")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let from = proto::Object {
            content_type: "text/html".to_owned(),
            metadata: metadata.into(),
            ..proto::Object::default()
        };
        let mut target =
            Attributes { cache_control: "no-cache".to_owned(), ..Attributes::default() };
        target.metadata.insert("c".to_owned(), "3".to_owned());
        update(&mut target, &from, &["metadata.a".to_owned(), "metadata.c".to_owned()]).unwrap();
        assert_eq!(target.metadata.keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!((target.content_type.as_str(), target.cache_control.as_str()), ("", "no-cache"));
        update(&mut target, &from, &["*".to_owned()]).unwrap();
        assert_eq!(target, attributes(&from).unwrap());
        update(&mut target, &from, &["size".to_owned()]).unwrap_err();
        update(&mut target, &from, &[]).unwrap_err();
    }
}

//! How the description of an object stands with the service, and how it is read from it.
//!
//! User metadata stands as it is, but for values that could not travel in a header: they stand as `b64:`
//! and base 64, for the service also sends metadata with contents. What Omni itself must remember stands in one entry that no user
//! metadata can be named like: `-omni`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use google_cloud_storage::model::Object;
use google_cloud_wkt::Timestamp;
use omni_contracts::storage::{
    Attributes, Crc32c, Key, ObjectEntry, ObjectMeta, Version, WriteId, Written,
};
use omni_contracts::{Effect, Error, ErrorKind, Result};

/// The name of Omni's own entry in the user metadata.
const OWN: &str = "-omni";

/// What a value begins with that stands in base 64.
const ENCODED: &str = "b64:";

/// What Omni remembers about an object beyond the attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Own {
    /// Who wrote it. Bound to the key, so that a copy by another program is not taken for it.
    write: Option<String>,
    /// The upload that it was made by, bound to the key likewise.
    upload: Option<String>,
    /// Of an unfinished upload: the key that it is for.
    pub(crate) key: Option<Key>,
    /// The content type was not stated; the service makes one up.
    untyped: bool,
}

impl Own {
    /// What is remembered with an object of these attributes.
    pub(crate) fn new(attributes: &Attributes) -> Self {
        Self { untyped: attributes.content_type.is_none(), ..Self::default() }
    }

    /// The object is written to `key` by the write of that name.
    pub(crate) fn by_write(mut self, key: &Key, id: Option<&WriteId>) -> Self {
        self.write = id.map(|id| bound(key, id.as_str()));
        self
    }

    /// The object is made of the parts of that upload.
    pub(crate) fn by_upload(mut self, key: &Key, id: &str) -> Self {
        self.upload = Some(bound(key, id));
        self
    }

    /// The object stands for an upload to that key.
    pub(crate) fn for_key(mut self, key: &Key) -> Self {
        self.key = Some(key.clone());
        self
    }

    /// Whether the object was written to `key` by the write of that name.
    pub(crate) fn was_written_by(&self, key: &Key, id: &WriteId) -> bool {
        self.write.as_deref() == Some(&*bound(key, id.as_str()))
    }

    /// Whether the object at `key` was made of the parts of that upload.
    pub(crate) fn was_uploaded_by(&self, key: &Key, id: &str) -> bool {
        self.upload.as_deref() == Some(&*bound(key, id))
    }

    fn text(&self) -> String {
        let write = self.write.as_ref().map(|write| format!("write={write}"));
        let upload = self.upload.as_ref().map(|upload| format!("upload={upload}"));
        let key = self.key.as_ref().map(|key| URL_SAFE_NO_PAD.encode(key.as_str()));
        let key = key.map(|key| format!("key={key}"));
        let untyped = self.untyped.then(|| "untyped".to_owned());
        let words: Vec<_> = [write, upload, key, untyped].into_iter().flatten().collect();
        words.join(" ")
    }

    /// Unknown words are of a later version, or of somebody else: they say nothing.
    fn parse(text: &str) -> Self {
        let mut own = Self::default();
        for word in text.split(' ') {
            match word.split_once('=') {
                Some(("write", write)) => own.write = Some(write.to_owned()),
                Some(("upload", upload)) => own.upload = Some(upload.to_owned()),
                Some(("key", key)) => {
                    let bytes = URL_SAFE_NO_PAD.decode(key).ok();
                    own.key = bytes.and_then(|b| String::from_utf8(b).ok()).map(Key::native);
                }
                None if word == "untyped" => own.untyped = true,
                _ => {}
            }
        }
        own
    }
}

fn bound(key: &Key, text: &str) -> String {
    format!("{text}.{:08x}", Crc32c::of(key.as_str().as_bytes()).to_u32())
}

/// The user metadata to send.
pub(crate) fn metadata(attributes: &Attributes, own: &Own) -> HashMap<String, String> {
    let named = |(name, value): (&String, &String)| (name.clone(), encoded(value));
    let mut sent: HashMap<_, _> = attributes.metadata.iter().map(named).collect();
    let own = own.text();
    if !own.is_empty() {
        sent.insert(OWN.to_owned(), own);
    }
    sent
}

fn encoded(value: &str) -> String {
    let carried = !value.is_empty()
        && !value.contains(|c: char| c.is_ascii_control())
        && !value.starts_with(ENCODED);
    if carried { value.to_owned() } else { format!("{ENCODED}{}", URL_SAFE_NO_PAD.encode(value)) }
}

/// A value that another program wrote stays as it is, whatever it looks like.
fn decoded(value: &str) -> String {
    let bytes = value.strip_prefix(ENCODED).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.unwrap_or_else(|| value.to_owned())
}

/// What an object is described by, and what Omni remembers of it.
pub(crate) fn read(object: &Object) -> Result<(ObjectMeta, Own)> {
    let stated = |text: &String| Some(text).filter(|text| !text.is_empty()).cloned();
    let mut own = Own::default();
    let mut metadata = BTreeMap::new();
    for (name, value) in &object.metadata {
        if name == OWN {
            own = Own::parse(value);
        } else {
            metadata.insert(name.clone(), decoded(value));
        }
    }
    let attributes = Attributes {
        cache_control: stated(&object.cache_control),
        content_disposition: stated(&object.content_disposition),
        content_encoding: stated(&object.content_encoding),
        content_language: stated(&object.content_language),
        content_type: stated(&object.content_type).filter(|_| !own.untyped),
        metadata,
    };
    let attributes = if attributes.is_empty() { Attributes::none() } else { Arc::new(attributes) };
    let meta = ObjectMeta {
        size: size(object)?,
        version: version(object.generation)?,
        modified: time(object.create_time)?,
        checksum: checksum(object),
        attributes,
    };
    Ok((meta, own))
}

/// What a listing says of an object.
pub(crate) fn entry(object: &Object) -> Result<ObjectEntry> {
    Ok(ObjectEntry {
        key: Key::native(&object.name),
        size: size(object)?,
        version: version(object.generation)?,
        modified: time(object.create_time)?,
    })
}

/// What the answer to a write says of the object.
pub(crate) fn written(object: &Object) -> Result<Written> {
    let unknown = |error: Error| error.with_effect(Effect::Unknown);
    Ok(Written {
        size: size(object).map_err(unknown)?,
        version: version(object.generation).map_err(unknown)?,
        checksum: checksum(object),
    })
}

pub(crate) fn checksum(object: &Object) -> Option<Crc32c> {
    object.checksums.as_ref().and_then(|sums| sums.crc32c).map(Crc32c::from_u32)
}

pub(crate) fn size(object: &Object) -> Result<u64> {
    u64::try_from(object.size).map_err(|_| unexpected("the answer holds no size"))
}

/// The version that a generation stands for.
pub(crate) fn version(generation: i64) -> Result<Version> {
    match generation {
        1.. => Version::new(generation.to_string()),
        _ => Err(unexpected("the answer holds no generation")),
    }
}

/// The generation of a version; `None` when the service cannot have made it.
pub(crate) fn generation(version: &Version) -> Option<i64> {
    let text = version.as_str();
    let generation = text.parse().ok().filter(|generation: &i64| *generation > 0)?;
    (generation.to_string() == text).then_some(generation)
}

pub(crate) fn time(time: Option<Timestamp>) -> Result<SystemTime> {
    time.and_then(|time| SystemTime::try_from(time).ok())
        .ok_or_else(|| unexpected("the answer holds no time of creation"))
}

pub(crate) fn unexpected(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Internal, message)
}

#[cfg(test)]
mod tests {
    use google_cloud_storage::model::ObjectChecksums;

    use super::*;

    #[test]
    fn an_object_says_what_was_sent() {
        let key = Key::new("k").unwrap();
        let other = Key::new("other").unwrap();
        let metadata_of = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let stated = Attributes {
            content_language: Some("de".to_owned()),
            metadata: [metadata_of("a_b", " ä\n"), metadata_of("omni", "")].into(),
            ..Attributes::default()
        };
        let id = WriteId::new("w-1").unwrap();
        let own = Own::new(&stated).by_write(&key, Some(&id)).by_upload(&key, "u1").for_key(&other);
        let object = Object::new()
            .set_size(7)
            .set_generation(1_700_000_000_000_001_i64)
            .set_create_time(Timestamp::try_from("2026-01-02T03:04:05.678Z").unwrap())
            .set_content_type("application/octet-stream")
            .set_content_language("de")
            .set_checksums(ObjectChecksums::new().set_crc32c(Crc32c::of(b"content").to_u32()))
            .set_metadata(metadata(&stated, &own));
        let (meta, seen) = read(&object).unwrap();
        assert_eq!(seen, own);
        assert_eq!(*meta.attributes, stated);
        assert_eq!(meta.checksum, Some(Crc32c::of(b"content")));
        assert_eq!(meta.version.as_str(), "1700000000000001");
        assert_eq!(meta.written(), written(&object).unwrap());
        assert!(seen.was_written_by(&key, &id) && !seen.was_written_by(&other, &id));
        assert!(seen.was_uploaded_by(&key, "u1") && !seen.was_uploaded_by(&other, "u1"));
        assert!(!seen.was_uploaded_by(&key, "u2"));
    }

    #[test]
    fn every_value_comes_back() {
        for value in ["", " ", "a", " a ", "\n", "\0", "ä\u{1f600}", "b64:YQ"] {
            let sent = encoded(value);
            assert!(!sent.is_empty() && !sent.contains(char::is_control), "{sent:?}");
            assert_eq!(decoded(&sent), value);
        }
        assert_eq!(encoded("ä b"), "ä b");
        assert_eq!(decoded("b64:!"), "b64:!", "another program's value");
    }

    #[test]
    fn foreign_words_say_nothing() {
        assert_eq!(Own::parse("later=1 whatever key=!"), Own::default());
    }

    #[test]
    fn versions_are_generations() {
        let of = |text: &str| generation(&Version::new(text).unwrap());
        assert_eq!(of("1700000000000001"), Some(1_700_000_000_000_001));
        for text in ["0", "-1", "+1", "01", "x", "1.0", "9223372036854775808"] {
            assert_eq!(of(text), None, "{text}");
        }
        assert!(version(0).is_err());
        assert!(read(&Object::new()).is_err());
    }
}

//! How the description of an object stands in headers, and how it is read from them.
//!
//! User metadata stands under its own names. Values that a header cannot carry unchanged stand as `b64:`
//! and base 64. What Omni itself must remember stands in one entry that no user metadata can be named
//! like: `_omni`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use azure_core::time::parse_rfc7231;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use omni_contracts::storage::{Attributes, Crc32c, Key, ObjectMeta, UploadId, Version, WriteId};
use omni_contracts::{Effect, Error, ErrorKind, Result};

use super::call::Answer;

/// The headers of user metadata.
const METADATA: &str = "x-ms-meta-";

/// The name of Omni's own entry in the user metadata.
const OWN: &str = "_omni";

/// What a value begins with that stands in base 64.
const ENCODED: &str = "b64:";

/// What Omni remembers about an object beyond the attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Own {
    /// Of the whole content.
    pub(crate) checksum: Option<Crc32c>,
    /// Who wrote it. Bound to the key, so that a copy by another program is not taken for it.
    write: Option<String>,
    /// The upload that it was made of, bound to the key as well.
    upload: Option<String>,
    /// The content type was not stated; the service makes one up.
    untyped: bool,
}

impl Own {
    /// What is remembered with an object of these attributes.
    pub(crate) fn new(attributes: &Attributes, checksum: Option<Crc32c>) -> Self {
        let untyped = attributes.content_type.is_none();
        Self { checksum, untyped, ..Self::default() }
    }

    /// Written to `key` by this write.
    pub(crate) fn by_write(self, key: &Key, id: Option<&WriteId>) -> Self {
        Self { write: id.map(|id| bound(key, id.as_str())), ..self }
    }

    /// Written to `key` by completing this upload.
    pub(crate) fn by_upload(self, key: &Key, id: &UploadId) -> Self {
        Self { upload: Some(bound(key, id.as_str())), ..self }
    }

    /// Whether the object was written to `key` by the write of that name.
    pub(crate) fn was_written_by(&self, key: &Key, id: &WriteId) -> bool {
        self.write.as_deref() == Some(&*bound(key, id.as_str()))
    }

    /// Whether the object was made at `key` of this upload.
    pub(crate) fn was_made_of(&self, key: &Key, id: &UploadId) -> bool {
        self.upload.as_deref() == Some(&*bound(key, id.as_str()))
    }

    /// Never empty: metadata that is stated at all replaces that of the source of a copy.
    fn text(&self) -> String {
        let checksum = self.checksum.map(|crc| format!("crc32c={:08x}", crc.to_u32()));
        let write = self.write.as_ref().map(|write| format!("write={write}"));
        let upload = self.upload.as_ref().map(|upload| format!("upload={upload}"));
        let untyped = self.untyped.then(|| "untyped".to_owned());
        let words = [Some("v1".to_owned()), checksum, write, upload, untyped];
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// Unknown words are of a later version, or of somebody else: they say nothing.
    fn parse(text: &str) -> Self {
        let mut own = Self::default();
        for word in text.split(' ') {
            match word.split_once('=') {
                Some(("crc32c", hex)) => {
                    own.checksum = u32::from_str_radix(hex, 16).ok().map(Crc32c::from_u32);
                }
                Some(("write", write)) => own.write = Some(write.to_owned()),
                Some(("upload", upload)) => own.upload = Some(upload.to_owned()),
                None if word == "untyped" => own.untyped = true,
                _ => {}
            }
        }
        own
    }
}

fn bound(key: &Key, id: &str) -> String {
    format!("{id}.{:08x}", Crc32c::of(key.as_str().as_bytes()).to_u32())
}

/// The content fields as headers of a request that writes.
pub(crate) fn fields(attributes: &Attributes) -> Vec<(String, String)> {
    let stated = attributes.fields().filter_map(|(name, value)| Some((name, value?)));
    stated.map(|(name, value)| (format!("x-ms-blob-{name}"), value.to_owned())).collect()
}

/// The user metadata, and what Omni remembers, as headers of a request that writes.
pub(crate) fn metadata(attributes: &Attributes, own: &Own) -> Vec<(String, String)> {
    let named = |(name, value): (&String, &String)| (format!("{METADATA}{name}"), encoded(value));
    let mut headers: Vec<_> = attributes.metadata.iter().map(named).collect();
    headers.push((format!("{METADATA}{OWN}"), own.text()));
    headers
}

/// A value as a header can carry it.
pub(crate) fn encoded(value: &str) -> String {
    let carried = value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
        && !value.is_empty()
        && value.trim() == value
        && !value.contains("  ")
        && !value.starts_with(ENCODED);
    if carried { value.to_owned() } else { format!("{ENCODED}{}", URL_SAFE_NO_PAD.encode(value)) }
}

/// A value that another program wrote stays as it is, whatever it looks like.
pub(crate) fn decoded(value: &str) -> String {
    let bytes = value.strip_prefix(ENCODED).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.unwrap_or_else(|| value.to_owned())
}

/// What the answer to a get or a head says about an object of `size` bytes, and what Omni remembers.
pub(crate) fn read(answer: &Answer, size: u64) -> Result<(ObjectMeta, Own)> {
    let field = |name| answer.text(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let mut own = Own::default();
    let mut metadata = BTreeMap::new();
    for (name, value) in answer.headers.iter() {
        match name.as_str().strip_prefix(METADATA) {
            None => {}
            Some(OWN) => own = Own::parse(value.as_str()),
            Some(name) => {
                metadata.insert(name.to_owned(), decoded(value.as_str()));
            }
        }
    }
    let attributes = Attributes {
        cache_control: field("cache-control"),
        content_disposition: field("content-disposition"),
        content_encoding: field("content-encoding"),
        content_language: field("content-language"),
        content_type: field("content-type").filter(|_| !own.untyped),
        metadata,
    };
    let attributes = if attributes.is_empty() { Attributes::none() } else { Arc::new(attributes) };
    let meta = ObjectMeta {
        size,
        version: version(answer.text("etag"))?,
        modified: time(answer.text("last-modified"))?,
        checksum: own.checksum,
        attributes,
    };
    Ok((meta, own))
}

/// The version that an entity tag stands for: the tag without its quotes, which listings leave out.
pub(crate) fn version(e_tag: Option<&str>) -> Result<Version> {
    let text = e_tag.ok_or_else(|| unexpected("the answer holds no entity tag"))?;
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    Version::new(inner.unwrap_or(text)).map_err(|_| unexpected("the entity tag is none"))
}

/// The version that a write has made: without one, nobody knows what it did.
pub(crate) fn written(e_tag: Option<&str>) -> Result<Version> {
    version(e_tag).map_err(|error| error.with_effect(Effect::Unknown))
}

/// The entity tag of a version; `None` when the service cannot have made it.
pub(crate) fn e_tag(version: &Version) -> Option<String> {
    let text = version.as_str();
    // Not what is taken for a list, a wildcard or the end of the tag.
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:+/=~".contains(&b));
    plain.then(|| format!("\"{text}\""))
}

/// A time in whole seconds, as headers and listings have it.
pub(crate) fn time(text: Option<&str>) -> Result<SystemTime> {
    let time = text.and_then(|text| parse_rfc7231(text).ok());
    let seconds = time.and_then(|time| u64::try_from(time.unix_timestamp()).ok());
    let seconds = seconds.ok_or_else(|| unexpected("the answer holds no time of modification"))?;
    Ok(UNIX_EPOCH + Duration::from_secs(seconds))
}

pub(crate) fn unexpected(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Internal, message)
}

#[cfg(test)]
mod tests {
    use azure_core::http::headers::Headers;
    use bytes::Bytes;

    use super::*;

    #[test]
    fn every_value_comes_back() {
        for value in
            ["", " ", "a", "a b", "a  b", " a", "\n", "ä\u{1f600}", "b64:YQ", "=?UTF-8?B?YQ==?="]
        {
            let sent = encoded(value);
            assert!(sent.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{sent:?}");
            assert_eq!(sent.trim(), sent);
            assert!(!sent.is_empty());
            assert_eq!(decoded(&sent), value);
        }
        assert_eq!(encoded("plain text"), "plain text");
        assert_eq!(decoded("b64:!"), "b64:!", "another program's value");
    }

    #[test]
    fn an_answer_says_what_was_sent() {
        let (key, other) = (Key::new("k").unwrap(), Key::new("other").unwrap());
        let (write, upload) = (WriteId::new("w-1").unwrap(), UploadId::new("u-1"));
        let stated = Attributes {
            content_encoding: Some("gzip".to_owned()),
            metadata: [("a_b".to_owned(), "ä".to_owned()), ("omni".to_owned(), "d".to_owned())]
                .into(),
            ..Attributes::default()
        };
        let own = Own::new(&stated, Some(Crc32c::of(b"content")));
        let own = own.by_write(&key, Some(&write)).by_upload(&key, &upload);
        let mut headers = Headers::new();
        for (name, value) in metadata(&stated, &own) {
            headers.insert(name, value);
        }
        for (name, value) in fields(&stated) {
            let name = name.strip_prefix("x-ms-blob-").unwrap().to_owned();
            headers.insert(name, value);
        }
        headers.insert("content-type", "application/octet-stream");
        headers.insert("etag", "\"0x8D\"");
        headers.insert("last-modified", "Thu, 01 Jan 1970 00:00:17 GMT");
        let answer = Answer { status: 200, headers, body: Bytes::new() };
        let (meta, seen) = read(&answer, 7).unwrap();
        assert_eq!(seen, own);
        assert_eq!(*meta.attributes, stated);
        assert_eq!(meta.checksum, Some(Crc32c::of(b"content")));
        assert_eq!((meta.size, meta.version.as_str()), (7, "0x8D"));
        assert_eq!(meta.modified, UNIX_EPOCH + Duration::from_secs(17));
        assert!(seen.was_written_by(&key, &write) && !seen.was_written_by(&other, &write));
        assert!(seen.was_made_of(&key, &upload) && !seen.was_made_of(&other, &upload));
    }

    #[test]
    fn foreign_words_say_nothing() {
        assert_eq!(Own::parse("crc32c=xyz later=1 whatever"), Own::default());
        assert!(!Own::default().text().is_empty());
    }

    #[test]
    fn versions_are_tags_without_quotes() {
        let text = |version: &str| e_tag(&Version::new(version).unwrap());
        assert_eq!(version(Some("\"a-1\"")).unwrap(), version(Some("a-1")).unwrap());
        assert_eq!(text("a-1").as_deref(), Some("\"a-1\""));
        for none in ["ä", "a\"b", "a,", "*"] {
            assert_eq!(text(none), None, "{none}");
        }
    }
}

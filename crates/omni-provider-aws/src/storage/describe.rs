//! How the description of an object stands in headers, and how it is read from them.
//!
//! User metadata stands under its own names, `_` as `-`, for some proxies drop names with `_`. Values
//! that a header cannot carry unchanged stand as `b64:` and base 64. What Omni itself must remember
//! stands in one header that no user metadata can be named like: `x-amz-meta--omni`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat as Format};
use aws_smithy_runtime_api::http::Headers;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use omni_contracts::storage::{Attributes, Crc32c, Key, ObjectMeta, Version, WriteId};
use omni_contracts::{Effect, Error, ErrorKind, Result};

use super::wire::Call;

/// The name of Omni's own entry in the user metadata.
const OWN: &str = "-omni";

/// What the names of headers begin with that hold user metadata.
const METADATA: &str = "x-amz-meta-";

/// What a value begins with that stands in base 64.
const ENCODED: &str = "b64:";

/// What Omni remembers about an object beyond the attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Own {
    /// Of the whole content.
    pub(crate) checksum: Option<Crc32c>,
    /// Who wrote it. Bound to the key, so that a copy by another program is not taken for it.
    write: Option<String>,
    /// The content type was not stated; services make one up.
    untyped: bool,
}

impl Own {
    /// What is remembered with an object that is written to `key`.
    pub(crate) fn new(
        key: &Key,
        attributes: &Attributes,
        checksum: Option<Crc32c>,
        write_id: Option<&str>,
    ) -> Self {
        Self {
            checksum,
            write: write_id.map(|id| bound(key, id)),
            untyped: attributes.content_type.is_none(),
        }
    }

    /// Whether the object was written to `key` by the write of that name.
    pub(crate) fn was_written_by(&self, key: &Key, id: &WriteId) -> bool {
        self.write.as_deref() == Some(&*bound(key, id.as_str()))
    }

    fn text(&self) -> String {
        let checksum = self.checksum.map(|crc| format!("crc32c={:08x}", crc.to_u32()));
        let write = self.write.as_ref().map(|write| format!("write={write}"));
        let untyped = self.untyped.then(|| "untyped".to_owned());
        let words: Vec<_> = [checksum, write, untyped].into_iter().flatten().collect();
        words.join(" ")
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

/// The user metadata to send.
pub(crate) fn metadata(attributes: &Attributes, own: &Own) -> HashMap<String, String> {
    let named = |(name, value): (&String, &String)| (name.replace('_', "-"), encoded(value));
    let mut sent: HashMap<_, _> = attributes.metadata.iter().map(named).collect();
    let own = own.text();
    if !own.is_empty() {
        sent.insert(OWN.to_owned(), own);
    }
    sent
}

fn encoded(value: &str) -> String {
    let carried = value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
        && !value.is_empty()
        && value.trim() == value
        && !value.contains("  ")
        && !value.starts_with(ENCODED);
    if carried { value.to_owned() } else { format!("{ENCODED}{}", URL_SAFE_NO_PAD.encode(value)) }
}

/// A value that another program wrote stays as it is, whatever it looks like.
fn decoded(value: &str) -> String {
    let bytes = value.strip_prefix(ENCODED).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.unwrap_or_else(|| value.to_owned())
}

/// What the headers of an answer to a get or a head say about an object, and what Omni remembers of it.
pub(crate) fn read(answer: &Headers, size: u64) -> Result<(ObjectMeta, Own)> {
    let owned = |name: &str| answer.get(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let mut own = Own::default();
    let mut metadata = BTreeMap::new();
    for (name, value) in answer.iter() {
        match name.strip_prefix(METADATA) {
            Some(OWN) => own = Own::parse(value),
            Some(name) => drop(metadata.insert(name.replace('-', "_"), decoded(value))),
            None => {}
        }
    }
    let attributes = Attributes {
        cache_control: owned("cache-control"),
        content_disposition: owned("content-disposition"),
        content_encoding: owned("content-encoding"),
        content_language: owned("content-language"),
        content_type: owned("content-type").filter(|_| !own.untyped),
        metadata,
    };
    let attributes = if attributes.is_empty() { Attributes::none() } else { Arc::new(attributes) };
    let modified = answer.get("last-modified");
    let modified = modified.and_then(|text| DateTime::from_str(text, Format::HttpDate).ok());
    let meta = ObjectMeta {
        size,
        version: version(answer.get("etag"))?,
        modified: time(modified.as_ref())?,
        checksum: answer.get("x-amz-checksum-crc32c").and_then(checksum).or(own.checksum),
        attributes,
    };
    Ok((meta, own))
}

/// The headers that describe an object that is written.
pub(crate) fn described<'a>(call: Call<'a>, attributes: &Attributes, own: &Own) -> Call<'a> {
    let call = call
        .optional("cache-control", attributes.cache_control.clone())
        .optional("content-disposition", attributes.content_disposition.clone())
        .optional("content-encoding", attributes.content_encoding.clone())
        .optional("content-language", attributes.content_language.clone())
        .optional("content-type", attributes.content_type.clone());
    metadata(attributes, own)
        .into_iter()
        .fold(call, |call, (name, value)| call.header(format!("{METADATA}{name}"), value))
}

/// The version that an entity tag stands for: the tag without its quotes.
pub(crate) fn version(e_tag: Option<&str>) -> Result<Version> {
    let text = e_tag.ok_or_else(|| unexpected("the answer holds no entity tag"))?;
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    Version::new(inner.unwrap_or(text)).map_err(|_| unexpected("the entity tag is none"))
}

/// The version that a write has made: without one, nobody knows what it did.
pub(crate) fn written(e_tag: Option<&str>) -> Result<Version> {
    version(e_tag).map_err(|error| error.with_effect(Effect::Unknown))
}

/// The entity tag of a version; `None` when no service can have made it.
pub(crate) fn e_tag(version: &Version) -> Option<String> {
    let text = version.as_str();
    // Not what some service takes for a list, a wildcard or the end of the tag.
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:+/=~".contains(&b));
    plain.then(|| format!("\"{text}\""))
}

/// A time in whole seconds: headers hold no more, although some listings do.
pub(crate) fn time(time: Option<&DateTime>) -> Result<SystemTime> {
    let seconds = time.and_then(|time| u64::try_from(time.secs()).ok());
    let seconds = seconds.ok_or_else(|| unexpected("the answer holds no time of modification"))?;
    Ok(UNIX_EPOCH + Duration::from_secs(seconds))
}

/// A checksum of the whole content. What is computed of the checksums of parts ends in their number.
pub(crate) fn checksum(text: &str) -> Option<Crc32c> {
    let bytes = STANDARD.decode(text).ok()?;
    Some(Crc32c::from_u32(u32::from_be_bytes(bytes.try_into().ok()?)))
}

/// A checksum as headers hold it.
pub(crate) fn checksum_text(checksum: Crc32c) -> String {
    STANDARD.encode(checksum.to_u32().to_be_bytes())
}

pub(crate) fn unexpected(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Internal, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(metadata: &[(&str, &str)]) -> Attributes {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Attributes { metadata: metadata.iter().map(owned).collect(), ..Attributes::default() }
    }

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
        let key = Key::new("k").unwrap();
        let other = Key::new("other").unwrap();
        let stated = attributes(&[("a_b", "ä"), ("c", "d")]);
        let own = Own::new(&key, &stated, Some(Crc32c::of(b"content")), Some("w-1"));
        let sent = metadata(&stated, &own);
        assert!(sent.contains_key("a-b"));
        let mut headers = Headers::new();
        for (name, value) in [
            ("etag", "\"tag\""),
            ("last-modified", "Thu, 01 Jan 1970 00:00:17 GMT"),
            ("x-amz-checksum-crc32c", "AAAAAA==-2"),
            ("content-encoding", ""),
            ("content-type", "binary/octet-stream"),
        ] {
            headers.insert(name, value);
        }
        for (name, value) in sent {
            headers.insert(format!("{METADATA}{name}"), value);
        }
        let (meta, seen) = read(&headers, 7).unwrap();
        assert_eq!(seen, own);
        assert_eq!(*meta.attributes, stated);
        assert_eq!(meta.checksum, Some(Crc32c::of(b"content")));
        assert_eq!(meta.version.as_str(), "tag");
        assert_eq!(meta.modified, UNIX_EPOCH + Duration::from_secs(17));
        let id = WriteId::new("w-1").unwrap();
        assert!(seen.was_written_by(&key, &id) && !seen.was_written_by(&other, &id));
    }

    #[test]
    fn foreign_words_say_nothing() {
        assert_eq!(Own::parse("crc32c=xyz later=1 whatever"), Own::default());
    }

    #[test]
    fn versions_are_tags_without_quotes() {
        let text = |version: &str| e_tag(&Version::new(version).unwrap());
        assert_eq!(version(Some("\"a-1\"")).unwrap().as_str(), "a-1");
        assert_eq!(text("a-1").as_deref(), Some("\"a-1\""));
        assert_eq!(text("ä"), None);
        assert_eq!(text("a\"b"), None);
        assert_eq!(text("a,"), None);
        assert_eq!(text("*"), None);
        assert_eq!(checksum(&checksum_text(Crc32c::of(b"x"))), Some(Crc32c::of(b"x")));
        assert_eq!(checksum("AAAAAA==-2"), None);
    }
}

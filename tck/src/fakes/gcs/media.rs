//! Reading contents: `cloud.google.com/storage/docs/json_api/v1/objects/get` with `alt=media`, ranges
//! as in RFC 9110, and the headers of `cloud.google.com/storage/docs/xml-api/reference-headers`.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};

use super::encryption::{ALGORITHM, KeyHash, unlock};
use super::fault::{Fault, Kind};
use super::http::{self, Answer, Call};
use super::object::{Object, crc32c_text};

/// The content of an object, or the range of it that is asked for.
pub(super) fn read(call: &Call, object: &Object) -> Result<Answer, Fault> {
    unlock(object.key, KeyHash::of_call(call)?)?;
    let size = object.size();
    let range = call.header("range").and_then(|header| Range::parse(header, size));
    let (status, bytes, content_range) = match range {
        None => (StatusCode::OK, object.content.bytes.clone(), None),
        Some(Range::Bytes { first, last }) => {
            let bytes = object.content.bytes.slice(first..=last);
            (StatusCode::PARTIAL_CONTENT, bytes, Some(format!("bytes {first}-{last}/{size}")))
        }
        Some(Range::NotSatisfiable) => {
            let message = "The requested range cannot be satisfied.";
            let mut answer = http::refused(&Fault::new(Kind::OutOfRange, message));
            if let Ok(value) = format!("bytes */{size}").parse() {
                answer.headers_mut().insert("content-range", value);
            }
            return Ok(answer);
        }
    };
    let mut answer = http::answer(status, headers(object), bytes);
    if let Some(range) = content_range.and_then(|range| range.parse().ok()) {
        answer.headers_mut().insert("content-range", range);
    }
    for (name, value) in &object.attributes.metadata {
        let name = HeaderName::from_bytes(format!("x-goog-meta-{name}").as_bytes());
        // What no header can carry is left out, as it is found in the metadata only.
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
            answer.headers_mut().insert(name, value);
        }
    }
    Ok(answer)
}

/// The headers that say what the object is.
fn headers(object: &Object) -> impl Iterator<Item = (&'static str, String)> {
    let attributes = &object.attributes;
    let mut hash = format!("crc32c={}", crc32c_text(object.content.crc32c));
    if let Some(md5) = object.content.md5 {
        hash = format!("{hash},md5={}", BASE64_STANDARD.encode(md5));
    }
    let or = |text: &str, otherwise: &str| match text {
        "" => otherwise.to_owned(),
        text => text.to_owned(),
    };
    let always = [
        ("accept-ranges", "bytes".to_owned()),
        ("content-type", or(&attributes.content_type, "application/octet-stream")),
        ("etag", object.etag()),
        ("last-modified", object.updated.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()),
        ("x-goog-generation", object.generation.to_string()),
        ("x-goog-metageneration", object.metageneration.to_string()),
        ("x-goog-hash", hash),
        ("x-goog-storage-class", attributes.storage_class.clone()),
        ("x-goog-stored-content-length", object.size().to_string()),
        ("x-goog-stored-content-encoding", or(&attributes.content_encoding, "identity")),
    ];
    let sometimes = [
        ("cache-control", attributes.cache_control.clone()),
        ("content-disposition", attributes.content_disposition.clone()),
        ("content-encoding", attributes.content_encoding.clone()),
        ("content-language", attributes.content_language.clone()),
        ("x-goog-encryption-algorithm", object.key.map_or("", |_| ALGORITHM).to_owned()),
        ("x-goog-encryption-key-sha256", object.key.map_or_else(String::new, |key| key.text())),
        ("x-goog-component-count", object.components.map_or_else(String::new, |n| n.to_string())),
    ];
    always.into_iter().chain(sometimes.into_iter().filter(|(_, text)| !text.is_empty()))
}

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
enum Range {
    Bytes { first: usize, last: usize },
    NotSatisfiable,
}

impl Range {
    /// `None`: the header is not understood, or has several ranges, and is passed over.
    fn parse(header: &str, size: usize) -> Option<Self> {
        let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
        let (first, last) = match (first, last) {
            ("", suffix) => {
                let suffix: usize = suffix.parse().ok()?;
                if suffix == 0 || size == 0 {
                    return Some(Self::NotSatisfiable);
                }
                (size.saturating_sub(suffix), size - 1)
            }
            (first, "") => (first.parse().ok()?, usize::MAX),
            (first, last) => (first.parse().ok()?, last.parse().ok()?),
        };
        if last < first {
            return None;
        }
        if first >= size {
            return Some(Self::NotSatisfiable);
        }
        Some(Self::Bytes { first, last: last.min(size - 1) })
    }
}

/// The body of an answer to HEAD is not sent.
pub(super) fn without_body(mut answer: Answer) -> Answer {
    *answer.body_mut() = http::full(Bytes::new());
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_has_them() {
        let bytes = |first, last| Some(Range::Bytes { first, last });
        assert_eq!(Range::parse("bytes=0-", 10), bytes(0, 9));
        assert_eq!(Range::parse("bytes=2-4", 10), bytes(2, 4));
        assert_eq!(Range::parse("bytes=2-400", 10), bytes(2, 9));
        assert_eq!(Range::parse("bytes=-3", 10), bytes(7, 9));
        assert_eq!(Range::parse("bytes=-30", 10), bytes(0, 9));
        for out in ["bytes=10-", "bytes=10-11", "bytes=-0"] {
            assert_eq!(Range::parse(out, 10), Some(Range::NotSatisfiable), "{out}");
        }
        for empty in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            assert_eq!(Range::parse(empty, 0), Some(Range::NotSatisfiable), "{empty}");
        }
        for ignored in ["bytes=4-2", "items=0-1", "bytes=0-1,3-4", "bytes=a-b", "bytes=-"] {
            assert_eq!(Range::parse(ignored, 10), None, "{ignored}");
        }
    }
}

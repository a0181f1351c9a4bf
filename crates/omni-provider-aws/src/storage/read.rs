//! Reading: get, head and what a service does not answer as the contract has it.

use std::time::SystemTime;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use omni_contracts::storage::{
    ByteRange, Crc32c, GetOptions, GetResult, Key, ObjectMeta, ReadCondition, resumed,
};
use omni_contracts::{Body, Error, ErrorKind, Result};

use super::client::Bucket;
use super::describe::{self, Own};
use super::error::Intent;
use super::provider::S3Storage;
use super::stream::Pinned;
use super::wire::Call;

/// The conditions of a read as headers.
fn conditional<'a>(call: Call<'a>, condition: &ReadCondition) -> Call<'a> {
    let if_match = condition.if_match.as_ref();
    let if_none_match = condition.if_none_match.as_ref().and_then(describe::e_tag);
    let date = |time: Option<SystemTime>| {
        time.and_then(|time| DateTime::from(time).fmt(DateTimeFormat::HttpDate).ok())
    };
    call.optional(
        "if-match",
        if_match.map(|version| describe::e_tag(version).unwrap_or_else(no_tag)),
    )
    .optional("if-none-match", if_none_match)
    .optional("if-modified-since", date(condition.if_modified_since))
    .optional("if-unmodified-since", date(condition.if_unmodified_since))
}

/// A tag that no object has: it stands for versions that no service can have made.
fn no_tag() -> String {
    "\"no such version\"".to_owned()
}

impl Bucket {
    /// The description of an object, and what Omni remembers of it.
    pub(crate) async fn describe(
        &self,
        key: &Key,
        condition: &ReadCondition,
    ) -> Result<(ObjectMeta, Own)> {
        let head = conditional(self.reading("HEAD", key), condition);
        let answer = self.send(head, Intent::Read).await?;
        let (meta, own) = describe::read(answer.headers(), length(&answer)?)?;
        condition.check(&meta)?;
        Ok((meta, own))
    }
}

impl S3Storage {
    pub(crate) async fn try_head(&self, key: &Key, options: &GetOptions) -> Result<ObjectMeta> {
        options.expect_supported(&self.capabilities)?;
        Ok(self.bucket.describe(key, &options.condition).await?.0)
    }

    pub(crate) async fn try_get(&self, key: &Key, options: &GetOptions) -> Result<GetResult> {
        options.range.validate()?;
        options.expect_supported(&self.capabilities)?;
        let Some(range) = asked(options.range) else {
            return self.nothing(key, options).await;
        };
        let get = conditional(self.bucket.reading("GET", key), &options.condition);
        let answer = match self.bucket.send(get.optional("range", range), Intent::Read).await {
            Ok(answer) => answer,
            // Perhaps a range that the contract has as empty.
            Err(error) if error.kind() == ErrorKind::OutOfRange => {
                return self.nothing(key, options).await;
            }
            Err(error) => return Err(error),
        };
        let length = length(&answer)?;
        let (start, size) = match answer.headers().get("content-range") {
            None => (0, length),
            Some(text) => content_range(text)
                .ok_or_else(|| describe::unexpected(format!("no content range: {text:?}")))?,
        };
        let (meta, _) = describe::read(answer.headers(), size)?;
        options.condition.check(&meta)?;
        let range = options.range.resolve(size)?;
        if (start, length) != (range.start, range.end - range.start) {
            return Err(describe::unexpected(format!(
                "asked for the bytes {range:?}, the service sends {length} from {start}"
            )));
        }
        let (bucket, key, version) = (self.bucket.clone(), key.clone(), meta.version.clone());
        let expected = meta.checksum.filter(|_| range == (0..size));
        let version = Pinned { bucket, key, version };
        let body = match range.is_empty() {
            true => Body::empty(),
            false => {
                let chunks = version.chunks(answer);
                resumed(version, chunks, range.clone(), expected)
            }
        };
        Ok(GetResult { meta, range, body })
    }

    /// A range without bytes, which HTTP cannot ask for.
    async fn nothing(&self, key: &Key, options: &GetOptions) -> Result<GetResult> {
        let (meta, _) = self.bucket.describe(key, &options.condition).await?;
        let range = options.range.resolve(meta.size)?;
        if !range.is_empty() {
            return Err(Error::new(
                ErrorKind::Conflict,
                "the object was replaced while a range of it was asked for",
            ));
        }
        if meta.size == 0 && meta.checksum.is_some_and(|crc| crc != Crc32c::default()) {
            return Err(Error::new(
                ErrorKind::Corrupt,
                "the content is empty, its checksum is not",
            ));
        }
        Ok(GetResult { meta, range, body: Body::empty() })
    }
}

/// How many bytes the answer promises.
fn length(answer: &HttpResponse) -> Result<u64> {
    let length = answer.headers().get("content-length").and_then(|text| text.parse().ok());
    length.ok_or_else(|| describe::unexpected("the answer holds no length"))
}

/// The header that asks for a range: `Some(None)` for everything, `None` for a range that is known to
/// hold nothing.
fn asked(range: ByteRange) -> Option<Option<String>> {
    Some(match range {
        ByteRange::Full => None,
        ByteRange::Bounded { start, end } if start == end => return None,
        ByteRange::Bounded { start, end } => Some(format!("bytes={start}-{}", end - 1)),
        ByteRange::From(0) => None,
        ByteRange::From(start) => Some(format!("bytes={start}-")),
        ByteRange::Suffix(0) => return None,
        ByteRange::Suffix(length) => Some(format!("bytes=-{length}")),
    })
}

/// Start and whole size of `bytes 1-2/3`.
pub(super) fn content_range(text: &str) -> Option<(u64, u64)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.parse().ok()?, size.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_as_headers() {
        let header = |range: ByteRange| asked(range).flatten();
        assert_eq!(header((2..5).into()).as_deref(), Some("bytes=2-4"));
        assert_eq!(header((7..).into()).as_deref(), Some("bytes=7-"));
        assert_eq!(header(ByteRange::suffix(3)).as_deref(), Some("bytes=-3"));
        assert_eq!(asked((..).into()), Some(None));
        assert_eq!(asked((3..3).into()), None);
        assert_eq!(asked(ByteRange::suffix(0)), None);
    }

    #[test]
    fn content_ranges_of_answers() {
        assert_eq!(content_range("bytes 2-4/10"), Some((2, 10)));
        assert_eq!(content_range("bytes */10"), None);
        assert_eq!(content_range("2-4/10"), None);
    }
}

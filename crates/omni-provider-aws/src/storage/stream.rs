//! One version of an object, of which any range can be asked for.

use std::ops::Range;

use async_trait::async_trait;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use omni_contracts::storage::{Key, Reopen, Version};
use omni_contracts::{Error, ErrorKind, Operation, Result};

use super::client::Bucket;
use super::describe;
use super::error::{Intent, translate};
use super::provider::NAME;
use super::read::content_range;

#[derive(Debug)]
pub(crate) struct Pinned {
    pub(crate) bucket: Bucket,
    pub(crate) key: Key,
    pub(crate) version: Version,
}

/// What an answer yields.
pub(crate) fn chunks(answer: ByteStream) -> BoxStream<'static, Result<Bytes>> {
    let chunks = stream::unfold(answer, |mut answer| async move {
        let chunk = answer.next().await?;
        let broken = |error| Error::new(ErrorKind::Unavailable, "broken off").with_source(error);
        Some((chunk.map_err(broken), answer))
    });
    chunks.boxed()
}

#[async_trait]
impl Reopen for Pinned {
    async fn reopen(&self, rest: Range<u64>) -> Result<BoxStream<'static, Result<Bytes>>> {
        let Self { bucket, key, version } = self;
        let tag = describe::e_tag(version);
        let range = format!("bytes={}-{}", rest.start, rest.end - 1);
        let get = bucket.get(key).set_if_match(tag.clone()).range(range);
        let answer = get.send().await;
        let answer = answer.map_err(|error| translate(error, Intent::Read, &bucket.settings))?;
        // Where the service does not look at conditions, they are looked at here.
        if answer.e_tag != tag {
            return Err(Error::new(ErrorKind::PreconditionFailed, "the object was replaced"));
        }
        let start = answer.content_range().and_then(content_range).map(|(start, _)| start);
        if start != Some(rest.start) {
            return Err(describe::unexpected(format!(
                "asked for the rest from byte {}, the service sends something else",
                rest.start
            )));
        }
        Ok(chunks(answer.body))
    }

    fn at(&self, error: Error) -> Error {
        error.at(Operation::Get, NAME, self.key.as_str())
    }
}

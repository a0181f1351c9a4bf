//! One version of an object, of which any range can be asked for.

use std::ops::Range;

use async_trait::async_trait;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use omni_contracts::storage::{Key, Reopen, Version};
use omni_contracts::{Error, ErrorKind, Operation, Result};
use tokio::time::timeout;

use super::client::Bucket;
use super::describe;
use super::error::Intent;
use super::provider::NAME;
use super::read::content_range;

#[derive(Debug)]
pub(crate) struct Pinned {
    pub(crate) bucket: Bucket,
    pub(crate) key: Key,
    pub(crate) version: Version,
}

impl Pinned {
    /// What an answer yields, as long as something comes every now and then.
    pub(crate) fn chunks(&self, answer: HttpResponse) -> BoxStream<'static, Result<Bytes>> {
        let limit = self.bucket.settings.read_timeout;
        let content = ByteStream::new(answer.into_body());
        let chunks = stream::unfold(content, move |mut content| async move {
            let chunk = match timeout(limit, content.next()).await {
                Ok(Some(Ok(chunk))) => Ok(chunk),
                Ok(Some(Err(error))) => Err(Error::new(ErrorKind::Unavailable, error.to_string())),
                Ok(None) => return None,
                Err(_) => {
                    let silence =
                        format!("nothing came within {limit:?}, the setting `read_timeout`");
                    Err(Error::new(ErrorKind::Timeout, silence))
                }
            };
            Some((chunk, content))
        });
        chunks.boxed()
    }
}

#[async_trait]
impl Reopen for Pinned {
    async fn reopen(&self, rest: Range<u64>) -> Result<BoxStream<'static, Result<Bytes>>> {
        let tag = describe::e_tag(&self.version);
        let get = self
            .bucket
            .reading("GET", &self.key)
            .optional("if-match", tag.clone())
            .header("range", format!("bytes={}-{}", rest.start, rest.end - 1));
        let answer = self.bucket.send(get, Intent::Read).await?;
        // Where the service does not look at conditions, they are looked at here.
        if answer.headers().get("etag") != tag.as_deref() {
            return Err(Error::new(ErrorKind::PreconditionFailed, "the object was replaced"));
        }
        let start = answer.headers().get("content-range").and_then(content_range);
        if start.map(|(start, _)| start) != Some(rest.start) {
            return Err(describe::unexpected(format!(
                "asked for the rest from byte {}, the service sends something else",
                rest.start
            )));
        }
        Ok(self.chunks(answer))
    }

    fn at(&self, error: Error) -> Error {
        error.at(Operation::Get, NAME, self.key.as_str())
    }
}

//! One version of a blob, of which any range can be asked for.

use std::ops::Range;

use async_trait::async_trait;
use azure_core::http::{AsyncResponseBody, Method};
use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt};
use omni_contracts::storage::{Key, Reopen, Version};
use omni_contracts::{Error, Operation, Result};

use super::client::Container;
use super::describe::{self, unexpected};
use super::error::{Intent, failed};
use super::provider::NAME;
use super::read::content_range;

#[derive(Debug)]
pub(crate) struct Pinned {
    pub(crate) container: Container,
    pub(crate) key: Key,
    pub(crate) version: Version,
}

impl Pinned {
    /// What an answer yields.
    pub(crate) fn chunks(&self, answer: AsyncResponseBody) -> BoxStream<'static, Result<Bytes>> {
        let container = self.container.clone();
        let chunk = move |chunk: azure_core::Result<Bytes>| {
            chunk.map_err(|error| failed(error, Intent::Read, &container))
        };
        answer.map(chunk).boxed()
    }
}

#[async_trait]
impl Reopen for Pinned {
    async fn reopen(&self, rest: Range<u64>) -> Result<BoxStream<'static, Result<Bytes>>> {
        let get = self
            .container
            .blob(Method::Get, &self.key)?
            .optional("if-match", describe::e_tag(&self.version))
            .header("x-ms-range", format!("bytes={}-{}", rest.start, rest.end - 1));
        let (answer, content) = self.container.stream(get, Intent::Read).await?;
        let start = answer.text("content-range").and_then(content_range);
        if start.map(|(start, _)| start) != Some(rest.start) {
            return Err(unexpected(format!(
                "asked for the rest from byte {}, the service sends something else",
                rest.start
            )));
        }
        Ok(self.chunks(content))
    }

    fn at(&self, error: Error) -> Error {
        error.at(Operation::Get, NAME, self.key.as_str())
    }
}

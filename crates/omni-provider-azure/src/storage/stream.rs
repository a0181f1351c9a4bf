//! The body of a get: read to its promised end, taken up again where it broke, and summed up.

use std::ops::Range;

use azure_core::http::{AsyncResponseBody, Method};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use omni_contracts::storage::{Crc32c, Key, Version};
use omni_contracts::{Body, Error, ErrorKind, Operation, Result};

use super::client::Container;
use super::describe::{self, unexpected};
use super::error::{Intent, failed};
use super::provider::NAME;
use super::read::content_range;

/// How often a body is taken up again in a row without a byte in between.
const RESUMES: usize = 3;

/// A range of one version on its way.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) container: Container,
    pub(crate) key: Key,
    pub(crate) version: Version,
    /// What is still to come.
    pub(crate) rest: Range<u64>,
    /// What a whole content must sum up to.
    pub(crate) expected: Option<Crc32c>,
}

impl Reading {
    /// The body that begins with what `answer` yields.
    pub(crate) fn into_body(self, answer: AsyncResponseBody) -> Body {
        let length = self.rest.end - self.rest.start;
        let seen = Crc32c::default();
        let state = State { reading: self, answer: Some(answer), seen, failures: 0 };
        let chunks = stream::try_unfold(state, |mut state| async move {
            let chunk = state
                .next()
                .await
                .map_err(|error| error.at(Operation::Get, NAME, state.reading.key.as_str()))?;
            Ok::<_, Error>(chunk.map(|chunk| (chunk, state)))
        });
        Body::from_stream(chunks, Some(length))
    }
}

struct State {
    reading: Reading,
    answer: Option<AsyncResponseBody>,
    seen: Crc32c,
    failures: usize,
}

impl State {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let rest = &self.reading.rest;
            if rest.is_empty() {
                return Ok(None);
            }
            let Some(answer) = &mut self.answer else {
                self.resume().await?;
                continue;
            };
            let broken = match answer.next().await {
                Some(Ok(chunk)) if chunk.len() as u64 > rest.end - rest.start => {
                    return Err(unexpected("the service sends more than it promised"));
                }
                Some(Ok(chunk)) => {
                    self.failures = 0;
                    self.reading.rest.start += chunk.len() as u64;
                    return self.counted(chunk).map(Some);
                }
                Some(Err(error)) => failed(error, Intent::Read, &self.reading.container),
                None => Error::new(ErrorKind::Unavailable, "the content ended early"),
            };
            self.answer = None;
            self.failures += 1;
            if self.failures > RESUMES {
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    format!("the content broke off at byte {}", self.reading.rest.start),
                )
                .with_source(broken));
            }
        }
    }

    /// Withholds the last chunk of a content that does not have its checksum.
    fn counted(&mut self, chunk: Bytes) -> Result<Bytes> {
        if let Some(expected) = self.reading.expected {
            self.seen.update(&chunk);
            if self.reading.rest.is_empty() && self.seen != expected {
                return Err(Error::new(
                    ErrorKind::Corrupt,
                    format!("the content has CRC-32C {}, it was stored with {expected}", self.seen),
                ));
            }
        }
        Ok(chunk)
    }

    /// Asks for the rest, of the same version.
    async fn resume(&mut self) -> Result<()> {
        let Reading { container, key, version, rest, .. } = &self.reading;
        let get = container
            .blob(Method::Get, key)?
            .optional("if-match", describe::e_tag(version))
            .header("x-ms-range", format!("bytes={}-{}", rest.start, rest.end - 1));
        match container.stream(get, Intent::Read).await {
            Ok((answer, content)) => {
                let start = answer.text("content-range").and_then(content_range);
                if start.map(|(start, _)| start) != Some(rest.start) {
                    return Err(unexpected(format!(
                        "asked for the rest from byte {}, the service sends something else",
                        rest.start
                    )));
                }
                self.answer = Some(content);
            }
            Err(error) => {
                let changed =
                    matches!(error.kind(), ErrorKind::PreconditionFailed | ErrorKind::NotFound);
                self.failures += 1;
                if changed {
                    return Err(Error::new(
                        ErrorKind::Conflict,
                        "the content broke off, and the object was replaced meanwhile",
                    ));
                }
                if !error.is_retryable() || self.failures > RESUMES {
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

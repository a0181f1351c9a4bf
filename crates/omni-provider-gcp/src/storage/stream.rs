//! The body of a get: read to its promised end, taken up again where it broke, and summed up.

use std::ops::Range;

use bytes::Bytes;
use futures_util::stream;
use google_cloud_storage::model_ext::ReadRange;
use google_cloud_storage::read_object::ReadObjectResponse;
use omni_contracts::storage::{Crc32c, Key};
use omni_contracts::{Body, Error, ErrorKind, Operation, Result};

use super::client::Bucket;
use super::describe;
use super::error::Intent;
use super::progress::within;
use super::provider::NAME;

/// How often a body is taken up again in a row without a byte in between.
const RESUMES: usize = 3;

/// A range of one generation on its way.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) bucket: Bucket,
    pub(crate) key: Key,
    pub(crate) generation: i64,
    /// What is still to come.
    pub(crate) rest: Range<u64>,
    /// What errors say that they are of.
    pub(crate) operation: Operation,
    /// What a whole content must sum up to.
    pub(crate) expected: Option<Crc32c>,
}

impl Reading {
    /// The body that begins with what `answer` yields.
    pub(crate) fn into_body(self, answer: ReadObjectResponse) -> Body {
        let length = self.rest.end - self.rest.start;
        let seen = Crc32c::default();
        let state = State { reading: self, answer: Some(answer), seen, failures: 0 };
        let chunks = stream::try_unfold(state, |mut state| async move {
            let chunk = state.next().await.map_err(|error| {
                error.at(state.reading.operation, NAME, state.reading.key.as_str())
            })?;
            Ok::<_, Error>(chunk.map(|chunk| (chunk, state)))
        });
        Body::from_stream(chunks, Some(length))
    }
}

struct State {
    reading: Reading,
    answer: Option<ReadObjectResponse>,
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
            let limit = self.reading.bucket.settings.read_timeout;
            let broken = match within(limit, answer.next()).await {
                Some(Some(Ok(chunk))) if chunk.is_empty() => continue,
                Some(Some(Ok(chunk))) if chunk.len() as u64 > rest.end - rest.start => {
                    return Err(describe::unexpected("the service sends more than it promised"));
                }
                Some(Some(Ok(chunk))) => {
                    self.failures = 0;
                    self.reading.rest.start += chunk.len() as u64;
                    return self.counted(chunk).map(Some);
                }
                Some(Some(Err(error))) => error.to_string(),
                Some(None) => "it ended early".to_owned(),
                None => format!("nothing came for {limit:?}"),
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

    /// Asks for the rest, of the same generation.
    async fn resume(&mut self) -> Result<()> {
        let Reading { bucket, key, generation, rest, .. } = &self.reading;
        let range = ReadRange::segment(rest.start, rest.end - rest.start);
        let read = bucket.read(key.as_str()).set_generation(*generation).set_read_range(range);
        match bucket.ask(Intent::Read, read.send()).await {
            Ok(answer) => self.answer = Some(answer),
            Err(error) => {
                self.failures += 1;
                if error.kind() == ErrorKind::NotFound {
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

//! One generation of an object, of which any range can be asked for.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use google_cloud_storage::model_ext::ReadRange;
use google_cloud_storage::read_object::ReadObjectResponse;
use omni_contracts::storage::{Key, Reopen};
use omni_contracts::{Error, ErrorKind, Operation, Result};

use super::client::Bucket;
use super::error::Intent;
use super::progress::within;
use super::provider::NAME;

#[derive(Debug)]
pub(crate) struct Pinned {
    pub(crate) bucket: Bucket,
    pub(crate) key: Key,
    pub(crate) generation: i64,
    /// What errors say that they are of.
    pub(crate) operation: Operation,
}

impl Pinned {
    /// What an answer yields.
    pub(crate) fn chunks(&self, answer: ReadObjectResponse) -> BoxStream<'static, Result<Bytes>> {
        let limit = self.bucket.settings.read_timeout;
        let chunks = stream::unfold(answer, move |mut answer| async move {
            let chunk = match within(limit, answer.next()).await {
                Some(Some(Ok(chunk))) => Ok(chunk),
                Some(Some(Err(error))) => {
                    Err(Error::new(ErrorKind::Unavailable, error.to_string()))
                }
                Some(None) => return None,
                None => {
                    let silence =
                        format!("nothing came within {limit:?}, the setting `read_timeout`");
                    Err(Error::new(ErrorKind::Timeout, silence))
                }
            };
            Some((chunk, answer))
        });
        chunks.boxed()
    }
}

#[async_trait]
impl Reopen for Pinned {
    async fn reopen(&self, rest: Range<u64>) -> Result<BoxStream<'static, Result<Bytes>>> {
        let range = ReadRange::segment(rest.start, rest.end - rest.start);
        let read = self.bucket.read(self.key.as_str()).set_generation(self.generation);
        let answer = self.bucket.ask(Intent::Read, read.set_read_range(range).send()).await?;
        Ok(self.chunks(answer))
    }

    fn at(&self, error: Error) -> Error {
        error.at(self.operation, NAME, self.key.as_str())
    }
}

//! `Content`: bytes that are known by a seed and a size, and that say so themselves.

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use omni_contracts::{Body, Result};
use serde::{Deserialize, Serialize};

/// The length of the repeated block: a prime, so that no buffer or page size is a multiple of it.
const PERIOD: u64 = 65_521;

/// The bytes at the beginning that name seed and size.
const HEADER: usize = 16;

/// A recipe for bytes: different seeds give different bytes everywhere, and the first 16 name the
/// recipe. Cheap to make at any size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Content {
    /// Which bytes.
    pub(crate) seed: u64,
    /// How many.
    pub(crate) size: u64,
}

impl Content {
    pub(crate) fn new(seed: u64, size: u64) -> Self {
        Self { seed, size }
    }

    /// All bytes in one piece.
    pub(crate) fn bytes(self) -> Bytes {
        let block = self.block();
        let mut bytes = block.repeat(self.size.div_ceil(PERIOD) as usize);
        bytes.truncate(self.size as usize);
        bytes.into()
    }

    /// The bytes in chunks of `chunk` bytes (the last may be shorter), holding one block in memory.
    pub(crate) fn chunks(
        self,
        chunk: usize,
    ) -> impl Stream<Item = Result<Bytes>> + Send + Sync + 'static {
        // The block and its beginning again: every chunk of the cycle is a slice of this.
        let cycle: Bytes = self.block().repeat(1 + chunk.div_ceil(PERIOD as usize)).into();
        stream::iter((0..self.size).step_by(chunk.max(1)).map(move |at| {
            let start = (at % PERIOD) as usize;
            let length = (self.size - at).min(chunk as u64) as usize;
            Ok(cycle.slice(start..start + length))
        }))
    }

    /// A body that streams chunks, and states the length only when asked to.
    pub(crate) fn stream(self, chunk: usize, length: Option<u64>) -> Body {
        Body::from_stream(self.chunks(chunk), length)
    }

    /// The recipe that `bytes` were made by: `None` when they are not one whole content.
    /// Shorter than the header, nothing can be recognised.
    pub(crate) fn recognise(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| {
            let bytes = bytes.get(at..at + 8)?;
            Some(u64::from_le_bytes(bytes.try_into().ok()?))
        };
        let content = Self::new(number(0)?, number(8)?);
        (content.size == bytes.len() as u64 && content.bytes() == bytes).then_some(content)
    }

    /// Reads a body to its end and compares chunk by chunk, holding one chunk in memory.
    /// Returns where the first wrong byte is, if any.
    pub(crate) async fn compare(self, mut body: Body) -> Result<Option<u64>> {
        let block = self.block();
        let mut at = 0;
        while let Some(chunk) = body.next().await.transpose()? {
            let mut rest = &chunk[..];
            while !rest.is_empty() {
                let expected = &block[(at % PERIOD) as usize..];
                let length = rest.len().min(expected.len());
                if at + length as u64 > self.size || rest[..length] != expected[..length] {
                    return Ok(Some(at));
                }
                at += length as u64;
                rest = &rest[length..];
            }
        }
        Ok((at != self.size).then_some(at))
    }

    fn block(self) -> Vec<u8> {
        let length = self.size.min(PERIOD) as usize;
        let mut block = Vec::with_capacity(length + HEADER);
        block.extend_from_slice(&self.seed.to_le_bytes());
        block.extend_from_slice(&self.size.to_le_bytes());
        let mut state = self.seed ^ 0x9e37_79b9_7f4a_7c15;
        while block.len() < length {
            // SplitMix64.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = state;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            block.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
        }
        block.truncate(length);
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_form_has_the_same_bytes_and_is_recognised() {
        for size in [0, 1, 15, 16, 17, 65_520, 65_521, 65_522, 200_000] {
            let content = Content::new(7, size);
            let bytes = content.bytes();
            assert_eq!(bytes.len() as u64, size);
            for chunk in [1000, 65_521, 100_000] {
                let streamed = content.stream(chunk, Some(size)).collect().await.unwrap();
                assert_eq!(streamed, bytes, "{size} in chunks of {chunk}");
            }
            assert_eq!(content.compare(bytes.clone().into()).await.unwrap(), None);
            let known = (size >= 16).then_some(content);
            assert_eq!(Content::recognise(&bytes), known);
        }
    }

    #[tokio::test]
    async fn what_is_not_whole_is_not_recognised() {
        let content = Content::new(1, 100_000);
        let mut damaged = content.bytes().to_vec();
        damaged[70_000] ^= 1;
        for wrong in [content.bytes().slice(..99_999), content.bytes().slice(1..), damaged.into()] {
            assert_eq!(Content::recognise(&wrong), None);
            assert!(content.compare(wrong.into()).await.unwrap().is_some());
        }
    }
}

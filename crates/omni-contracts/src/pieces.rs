//! `Pieces`: a body, cut into pieces of a stated size.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use crate::storage::Crc32c;
use crate::{Body, Result};

/// Chunks below this many bytes are copied together, so that a piece has few of them.
const SMALL: usize = 16 << 10;

/// Bytes that came in chunks, none of which is empty. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Piece {
    chunks: Vec<Bytes>,
    len: usize,
}

impl Piece {
    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The chunks, in order.
    #[must_use]
    pub fn chunks(&self) -> &[Bytes] {
        &self.chunks
    }

    /// The checksum of all bytes.
    #[must_use]
    pub fn checksum(&self) -> Crc32c {
        let mut sum = Crc32c::default();
        self.chunks.iter().for_each(|chunk| sum.update(chunk));
        sum
    }

    /// All bytes side by side: copied, if there is more than one chunk.
    #[must_use]
    pub fn into_bytes(mut self) -> Bytes {
        match self.chunks.len() {
            0 | 1 => self.chunks.pop().unwrap_or_default(),
            _ => self.chunks.concat().into(),
        }
    }
}

impl From<Bytes> for Piece {
    fn from(bytes: Bytes) -> Self {
        let len = bytes.len();
        let chunks = if bytes.is_empty() { Vec::new() } else { vec![bytes] };
        Self { chunks, len }
    }
}

/// What is left of a body that is cut into pieces of a stated size. For providers that send it in parts.
///
/// ```
/// use omni_contracts::{Body, Pieces};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> omni_contracts::Result<()> {
/// let mut pieces = Pieces::new(Body::from("abcd"));
/// assert_eq!(pieces.next(3).await?.into_bytes(), "abc");
/// assert!(!pieces.ended());
/// assert_eq!(pieces.next(3).await?.into_bytes(), "d");
/// assert!(pieces.ended());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Pieces {
    body: Body,
    /// What was read and belongs to the next piece.
    rest: Bytes,
    ended: bool,
}

impl Pieces {
    /// All of `body`.
    #[must_use]
    pub fn new(body: Body) -> Self {
        Self { body, rest: Bytes::new(), ended: false }
    }

    /// Whether no piece follows the last one.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// The next piece, shorter than `size` bytes only at the end. Not cancel safe: what a dropped call has
    /// read is lost.
    ///
    /// # Errors
    ///
    /// Whatever the body fails with.
    pub async fn next(&mut self, size: usize) -> Result<Piece> {
        let mut piece = Piece::default();
        let mut gathered = BytesMut::new();
        self.refill().await?;
        while piece.len < size && !self.ended {
            let chunk = self.rest.split_to(self.rest.len().min(size - piece.len));
            let gather = chunk.len() < SMALL && piece.len > 0;
            piece.len += chunk.len();
            if gather {
                gathered.extend_from_slice(&chunk);
            }
            if !gathered.is_empty() && (!gather || gathered.len() >= SMALL) {
                piece.chunks.push(gathered.split().freeze());
            }
            if !gather {
                piece.chunks.push(chunk);
            }
            self.refill().await?;
        }
        if !gathered.is_empty() {
            piece.chunks.push(gathered.freeze());
        }
        Ok(piece)
    }

    /// Reads on until something is left, or nothing comes any more.
    async fn refill(&mut self) -> Result<()> {
        while self.rest.is_empty() && !self.ended {
            match self.body.next().await {
                Some(chunk) => self.rest = chunk?,
                None => self.ended = true,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(chunks: impl IntoIterator<Item = Bytes, IntoIter: Send + 'static>) -> Pieces {
        let chunks = futures_util::stream::iter(chunks.into_iter().map(Ok));
        Pieces::new(Body::from_stream(chunks, None))
    }

    #[tokio::test]
    async fn a_body_is_cut() {
        let mut pieces = pieces(["ab", "", "cdefg", "h"].map(Bytes::from));
        for (expected, ended) in [("abc", false), ("def", false), ("gh", true)] {
            let piece = pieces.next(3).await.unwrap();
            assert_eq!(
                (piece.len(), piece.checksum()),
                (expected.len(), Crc32c::of(expected.as_bytes()))
            );
            assert_eq!(piece.into_bytes(), expected);
            assert_eq!(pieces.ended(), ended);
        }
        let mut empty = Pieces::new(Body::empty());
        assert!(empty.next(3).await.unwrap().is_empty() && empty.ended());
    }

    #[tokio::test]
    async fn only_small_chunks_are_copied() {
        let content: Bytes = (0..200_000_u32).map(|byte| (byte % 251) as u8).collect();
        let mut rest = content.clone();
        let sizes = [50_000, 3, 9_000, 9_000, 5, 100_000, 1, 31_991];
        let chunks = sizes.map(|size| rest.split_to(size));
        let piece = pieces(chunks.clone()).next(content.len()).await.unwrap();
        let lengths: Vec<_> = piece.chunks().iter().map(Bytes::len).collect();
        assert_eq!(lengths, [50_000, 18_003, 5, 100_000, 1, 31_991]);
        assert_eq!(piece.chunks()[3].as_ptr(), chunks[5].as_ptr());
        assert_eq!(piece.into_bytes(), content);
        // What comes in one chunk stays it, however small.
        let piece = pieces([chunks[1].clone()]).next(10).await.unwrap();
        assert_eq!(piece.into_bytes().as_ptr(), chunks[1].as_ptr());
    }
}

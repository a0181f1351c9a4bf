//! `Pieces`: a body, cut into pieces of a stated size.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use crate::{Body, Result};

/// What is left of a body that is cut into pieces of a stated size. For providers that send it in parts.
///
/// ```
/// use omni_contracts::{Body, Pieces};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> omni_contracts::Result<()> {
/// let mut pieces = Pieces::new(Body::from("abcd"));
/// assert_eq!(pieces.next(3).await?, "abc");
/// assert!(!pieces.ended());
/// assert_eq!(pieces.next(3).await?, "d");
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
    pub async fn next(&mut self, size: usize) -> Result<Bytes> {
        self.refill().await?;
        let mut piece = self.rest.split_to(self.rest.len().min(size));
        self.refill().await?;
        if piece.len() < size && !self.ended {
            let mut joined = BytesMut::from(piece);
            while joined.len() < size && !self.ended {
                let missing = size - joined.len();
                joined.extend_from_slice(&self.rest.split_to(self.rest.len().min(missing)));
                self.refill().await?;
            }
            piece = joined.freeze();
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

    #[tokio::test]
    async fn a_body_is_cut() {
        let chunks = ["ab", "", "cdefg", "h"].map(|chunk| Ok(Bytes::from_static(chunk.as_bytes())));
        let mut pieces = Pieces::new(Body::from_stream(futures_util::stream::iter(chunks), None));
        for (expected, ended) in [("abc", false), ("def", false), ("gh", true)] {
            assert_eq!(pieces.next(3).await.unwrap(), expected);
            assert_eq!(pieces.ended(), ended);
        }
        let mut empty = Pieces::new(Body::empty());
        assert!(empty.next(3).await.unwrap().is_empty() && empty.ended());
    }
}

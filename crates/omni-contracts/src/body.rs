//! `Body`: bytes on their way in or out, in one piece or as a stream, with the length enforced.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;

use crate::{Error, ErrorKind, Result};

/// The content of an object, in one piece or as a stream of chunks of any size.
///
/// A stream with a stated length yields exactly that many bytes or ends with an error (clause
/// `STO-048`), whoever reads it: the end of a `Body` is never a silent truncation.
///
/// ```
/// use bytes::Bytes;
/// use omni_contracts::Body;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> omni_contracts::Result<()> {
/// let chunks = ["ab", "c"].map(|chunk| Ok(Bytes::from_static(chunk.as_bytes())));
/// let body = Body::from_stream(futures_util::stream::iter(chunks), Some(3));
/// assert_eq!(body.collect().await?, "abc");
/// # Ok(())
/// # }
/// ```
pub struct Body(Inner);

enum Inner {
    Whole(Bytes),
    Stream { stream: BoxStream<'static, Result<Bytes>>, length: Option<u64>, seen: u64, done: bool },
}

impl Body {
    /// A body of no bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self(Inner::Whole(Bytes::new()))
    }

    /// A streamed body. State the `length` in bytes when it is known: it is then enforced.
    pub fn from_stream<S>(stream: S, length: Option<u64>) -> Self
    where
        S: Stream<Item = Result<Bytes>> + Send + 'static,
    {
        Self(Inner::Stream { stream: stream.boxed(), length, seen: 0, done: false })
    }

    /// The bytes, when they are in memory in one piece. Such a body can be sent again.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&Bytes> {
        match &self.0 {
            Inner::Whole(bytes) => Some(bytes),
            Inner::Stream { .. } => None,
        }
    }

    /// The bytes, when they are in memory in one piece; else the body as it was.
    ///
    /// # Errors
    ///
    /// The body itself.
    pub fn into_bytes(self) -> std::result::Result<Bytes, Self> {
        match self.0 {
            Inner::Whole(bytes) => Ok(bytes),
            stream => Err(Self(stream)),
        }
    }

    /// The bytes that are still to come, where known.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        match &self.0 {
            Inner::Whole(bytes) => Some(bytes.len() as u64),
            Inner::Stream { length, seen, .. } => length.map(|length| length.saturating_sub(*seen)),
        }
    }

    /// Reads everything into memory.
    ///
    /// # Errors
    ///
    /// Whatever the stream fails with; nothing is returned of a stream that fails.
    pub async fn collect(mut self) -> Result<Bytes> {
        if let Inner::Whole(bytes) = self.0 {
            return Ok(bytes);
        }
        let Some(first) = self.next().await.transpose()? else {
            return Ok(Bytes::new());
        };
        let Some(second) = self.next().await.transpose()? else {
            return Ok(first);
        };
        // A length from the network is a hint, not a reason to allocate.
        let expected = self.length().unwrap_or(0).min(1 << 20) as usize;
        let mut all = BytesMut::with_capacity(first.len() + second.len() + expected);
        all.extend_from_slice(&first);
        all.extend_from_slice(&second);
        while let Some(chunk) = self.next().await.transpose()? {
            all.extend_from_slice(&chunk);
        }
        Ok(all.freeze())
    }
}

impl Stream for Body {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.0 {
            Inner::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Inner::Whole(bytes) => Poll::Ready(Some(Ok(std::mem::take(bytes)))),
            Inner::Stream { done: true, .. } => Poll::Ready(None),
            Inner::Stream { stream, length, seen, done } => {
                let item = ready!(stream.as_mut().poll_next(cx));
                let checked = match item {
                    Some(Ok(chunk)) => {
                        *seen += chunk.len() as u64;
                        match *length {
                            Some(length) if *seen > length => {
                                Some(Err(wrong_length(*seen, length)))
                            }
                            _ => Some(Ok(chunk)),
                        }
                    }
                    None => match *length {
                        Some(length) if *seen < length => Some(Err(wrong_length(*seen, length))),
                        _ => None,
                    },
                    error => error,
                };
                *done = !matches!(checked, Some(Ok(_)));
                Poll::Ready(checked)
            }
        }
    }
}

fn wrong_length(seen: u64, length: u64) -> Error {
    let how = if seen < length { "ended early at" } else { "went on past its length to" };
    Error::new(
        ErrorKind::Corrupt,
        format!("the stream {how} {seen} bytes, {length} bytes were promised"),
    )
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Self(Inner::Whole(bytes.into()))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = if self.as_bytes().is_some() { "bytes" } else { "stream" };
        f.debug_struct("Body").field("form", &form).field("length", &self.length()).finish()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn stream_of(chunks: &[&'static str], length: Option<u64>) -> Body {
        let chunks: Vec<_> =
            chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk.as_bytes()))).collect();
        Body::from_stream(stream::iter(chunks), length)
    }

    #[tokio::test]
    async fn collects_any_chunking() {
        for chunks in [&[][..], &[""], &["abc"], &["a", "", "bc"], &["a", "b", "c", ""]] {
            let expected = chunks.concat();
            let body = stream_of(chunks, Some(expected.len() as u64));
            assert_eq!(body.collect().await.unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn refuses_a_wrong_length() {
        for length in [0, 2, 4] {
            let error = stream_of(&["ab", "c"], Some(length)).collect().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "length {length}");
        }
    }

    #[tokio::test]
    async fn ends_after_an_error() {
        let mut body = stream_of(&["abc"], Some(2));
        assert!(body.next().await.unwrap().is_err());
        assert!(body.next().await.is_none());
    }
}

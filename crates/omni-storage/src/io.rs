//! Between the contract's bodies and errors and those of `AsyncRead`.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use omni_contracts::{Body, Error, ErrorKind};
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};
use tokio_util::io::{ReaderStream, StreamReader};

/// How much is read at once from a reader.
pub(crate) const CHUNK_BYTES: usize = 256 * 1024;

/// The content of an object as an `AsyncRead` and `AsyncBufRead`; see
/// [`Object::reader`](crate::Object::reader).
///
/// An error is an [`std::io::Error`] with our [`Error`] inside.
#[derive(Debug)]
pub struct Reader(StreamReader<Chunks, Bytes>);

impl Reader {
    pub(crate) fn new(body: Body) -> Self {
        Self(StreamReader::new(Chunks(body)))
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncBufRead for Reader {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<&[u8]>> {
        Pin::new(&mut self.get_mut().0).poll_fill_buf(cx)
    }

    fn consume(mut self: Pin<&mut Self>, amount: usize) {
        Pin::new(&mut self.0).consume(amount);
    }
}

/// A body whose errors are those of `std::io`.
#[derive(Debug)]
struct Chunks(Body);

impl Stream for Chunks {
    type Item = std::io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx).map(|item| item.map(|chunk| chunk.map_err(to_io)))
    }
}

/// The content of a reader, to its end, as a body.
pub(crate) fn body_of(reader: impl AsyncRead + Send + 'static) -> Body {
    let chunks = ReaderStream::with_capacity(reader, CHUNK_BYTES);
    Body::from_stream(chunks.map(|chunk| chunk.map_err(from_io)), None)
}

/// Keeps our error inside, so that it can be taken out again.
pub(crate) fn to_io(error: Error) -> std::io::Error {
    let kind = match error.kind() {
        ErrorKind::AlreadyExists => std::io::ErrorKind::AlreadyExists,
        ErrorKind::CapacityExceeded => std::io::ErrorKind::StorageFull,
        ErrorKind::Corrupt => std::io::ErrorKind::InvalidData,
        ErrorKind::InvalidArgument => std::io::ErrorKind::InvalidInput,
        ErrorKind::NotFound => std::io::ErrorKind::NotFound,
        ErrorKind::PermissionDenied | ErrorKind::PolicyDenied | ErrorKind::Unauthenticated => {
            std::io::ErrorKind::PermissionDenied
        }
        ErrorKind::Timeout => std::io::ErrorKind::TimedOut,
        ErrorKind::TooLarge => std::io::ErrorKind::FileTooLarge,
        ErrorKind::Unsupported => std::io::ErrorKind::Unsupported,
        _ => std::io::ErrorKind::Other,
    };
    std::io::Error::new(kind, error)
}

/// Takes our error out again; any other is the failure of the caller's source.
pub(crate) fn from_io(error: std::io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(ours) => ours,
        Err(theirs) => {
            Error::new(ErrorKind::Unavailable, "reading the source of the content failed")
                .with_retryable(false)
                .with_source(theirs)
        }
    }
}

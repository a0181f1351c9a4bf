//! `Writer`: an object that is written piece by piece, and published at the end or not at all.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::stream;
use omni_contracts::storage::{Crc32c, Key, PutOptions, StorageProvider, WriteId, Written};
use omni_contracts::{Body, Error, ErrorKind, Operation, Result};
use tokio::io::AsyncWrite;
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

use crate::attributes::{attribute_setters, condition_setters};
use crate::io::{CHUNK_BYTES, to_io};
use crate::put;

/// A writer that opens when this is awaited; see [`Storage::writer`](crate::Storage::writer).
#[derive(Debug)]
#[must_use = "nothing opens until this is awaited"]
pub struct OpenWriter {
    provider: Arc<dyn StorageProvider>,
    key: Result<Key>,
    options: PutOptions,
}

impl OpenWriter {
    pub(crate) fn new(provider: Arc<dyn StorageProvider>, key: Result<Key>) -> Self {
        Self { provider, key, options: PutOptions::default() }
    }

    condition_setters!(|self| self.options.condition);
    attribute_setters!(|self| Arc::make_mut(&mut self.options.attributes));

    /// The content must have this checksum; else `Corrupt`, and nothing is stored.
    pub fn checksum(mut self, checksum: Crc32c) -> Self {
        self.options.checksum = Some(checksum);
        self
    }

    /// Names this write, to repeat it safely also from another process.
    pub fn write_id(mut self, id: WriteId) -> Self {
        self.options.write_id = Some(id);
        self
    }

    fn open(self) -> Result<Writer> {
        let Self { provider, key, mut options } = self;
        let key = key.map_err(|error| error.at(Operation::Put, provider.name(), ""))?;
        put::name(&mut options)?;
        let (sender, receiver) = mpsc::channel(1);
        let put = async move {
            provider.put(&key, Body::from_stream(pieces(receiver), None), &options).await
        };
        Ok(Writer {
            buffer: BytesMut::new(),
            state: State::Open { sender: PollSender::new(sender), put: Box::pin(put) },
        })
    }
}

impl IntoFuture for OpenWriter {
    type Output = Result<Writer>;
    type IntoFuture = std::future::Ready<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        std::future::ready(self.open())
    }
}

/// What goes from the writer to the put.
enum Piece {
    Bytes(Bytes),
    End,
}

/// The content as the put reads it. Only the writer's word ends it: a writer that is dropped makes the
/// put fail, also where the provider reads on in a task of its own.
fn pieces(receiver: mpsc::Receiver<Piece>) -> impl futures_util::Stream<Item = Result<Bytes>> {
    stream::unfold(Some(receiver), |receiver| async {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Piece::Bytes(bytes)) => Some((Ok(bytes), Some(receiver))),
            Some(Piece::End) => None,
            None => Some((Err(abandoned()), None)),
        }
    })
}

fn abandoned() -> Error {
    Error::new(ErrorKind::Unavailable, "the writer was dropped before it was finished")
        .with_retryable(false)
}

/// An object that is being written: an `AsyncWrite`.
///
/// Nothing is visible until [`finish`](Self::finish) or `shutdown` succeeds; a writer that is dropped
/// before leaves nothing. `flush` does not publish. Memory stays bounded whatever is written: the pieces
/// go to the storage while the writer is used.
///
/// ```
/// # use omni_storage::{Result, Storage};
/// use tokio::io::AsyncWriteExt;
///
/// # async fn program(storage: Storage) -> Result<(), Box<dyn std::error::Error>> {
/// let mut writer = storage.writer("report.csv").content_type("text/csv").await?;
/// writer.write_all(b"name,amount\n").await?;
/// writer.write_all(b"a,1\n").await?;
/// let written = writer.finish().await?;
/// assert_eq!(written.size, 16);
/// # Ok(())
/// # }
/// ```
#[must_use = "a writer that is dropped stores nothing"]
pub struct Writer {
    buffer: BytesMut,
    state: State,
}

enum State {
    /// The put is under way; it makes progress whenever the writer is used.
    Open { sender: PollSender<Piece>, put: BoxFuture<'static, Result<Written>> },
    /// The end was sent; the answer is awaited.
    Closing(BoxFuture<'static, Result<Written>>),
    /// The object is stored.
    Stored(Written),
    /// The put failed, and the caller was told.
    Failed,
}

impl Writer {
    /// Publishes the object, unless `shutdown` did, and returns what is known about it.
    ///
    /// # Errors
    ///
    /// As [`StorageProvider::put`](crate::StorageProvider::put); nothing is stored then. Dropped, it has
    /// happened as a whole or not at all.
    pub async fn finish(mut self) -> Result<Written> {
        std::future::poll_fn(|cx| self.poll_finish(cx)).await
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<Written>> {
        ready!(self.poll_send(cx))?;
        if let State::Open { .. } = self.state {
            ready!(self.poll_piece(cx, |_| Piece::End))?;
            if let State::Open { put, .. } = std::mem::replace(&mut self.state, State::Failed) {
                self.state = State::Closing(put);
            }
        }
        if let State::Closing(put) = &mut self.state {
            let answer = ready!(put.as_mut().poll(cx));
            self.state = answer.as_ref().map_or(State::Failed, |meta| State::Stored(meta.clone()));
            return Poll::Ready(answer);
        }
        Poll::Ready(match &self.state {
            State::Stored(meta) => Ok(meta.clone()),
            _ => Err(failed_before()),
        })
    }

    /// Hands what is buffered to the put.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.buffer.is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.poll_piece(cx, |buffer| Piece::Bytes(buffer.split().freeze()))
    }

    /// Hands one piece to the put as soon as it has taken the one before.
    fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        piece: impl FnOnce(&mut BytesMut) -> Piece,
    ) -> Poll<Result<()>> {
        let State::Open { sender, put } = &mut self.state else {
            return Poll::Ready(Err(failed_before()));
        };
        // The put reads only when it is polled; it may also fail, long before the end.
        if let Poll::Ready(answer) = put.as_mut().poll(cx) {
            self.state = State::Failed;
            return Poll::Ready(Err(answer.err().unwrap_or_else(|| {
                Error::new(
                    ErrorKind::Internal,
                    "the provider did not wait for the end of the content",
                )
            })));
        }
        // A channel that closed belongs to a put that is about to answer: its answer wakes us.
        match ready!(sender.poll_reserve(cx)) {
            Ok(()) if sender.send_item(piece(&mut self.buffer)).is_ok() => Poll::Ready(Ok(())),
            _ => Poll::Pending,
        }
    }
}

fn failed_before() -> Error {
    Error::invalid("the writer has failed or was shut down before")
}

impl AsyncWrite for Writer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        if self.buffer.len() >= CHUNK_BYTES {
            ready!(self.poll_send(cx)).map_err(to_io)?;
        }
        if !matches!(self.state, State::Open { .. }) {
            return Poll::Ready(Err(to_io(failed_before())));
        }
        let taken = bytes.len().min(CHUNK_BYTES - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.poll_send(cx).map_err(to_io)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.poll_finish(cx).map_ok(drop).map_err(to_io)
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Open { .. } => "open",
            State::Closing(_) => "closing",
            State::Stored(_) => "stored",
            State::Failed => "failed",
        };
        f.debug_struct("Writer").field("state", &state).finish_non_exhaustive()
    }
}

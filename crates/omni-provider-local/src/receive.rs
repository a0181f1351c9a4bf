//! Receiving a content: from a body to bytes for the index, or to a finished file.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use omni_contracts::storage::Crc32c;
use omni_contracts::{Body, Error, ErrorKind, Result};
use tokio::task::JoinHandle;

use crate::blobs::{Blob, BlobWriter, Blobs};
use crate::blocking::{blocking, finished};
use crate::settings::MAX_INLINE_LIMIT;

/// How many bytes are collected before they are written together. No inline content is larger.
const BATCH: usize = MAX_INLINE_LIMIT as usize;
/// Pieces below this size are copied together, so that a batch has few of them.
const SMALL_PIECE: usize = 4 << 10;

/// A whole content, not yet visible.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) size: u64,
    pub(crate) crc: Crc32c,
    pub(crate) content: Content,
}

/// Where a new content is.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// In memory, for the table `inline`.
    Inline(Bytes),
    /// In the table `inline` already, under another write.
    CopyOf(u64),
    /// In a file.
    File(Arc<Blob>),
}

/// What a content must keep to while it is received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) inline_limit: u64,
    pub(crate) max_size: Option<u64>,
    pub(crate) checksum: Option<Crc32c>,
}

/// Reads `body` to its end. Failing, it leaves nothing behind; dropped, nothing once a write that is
/// under way has ended.
pub(crate) async fn receive(blobs: &Arc<Blobs>, body: Body, terms: Terms) -> Result<Received> {
    refuse_above(terms.max_size, body.length().unwrap_or(0))?;
    let mut sink = Sink::new(Arc::clone(blobs));
    let received = read_to_end(body, terms, &mut sink).await;
    if received.is_err() {
        // Its file goes when the write that is under way has ended.
        let _ = sink.written().await;
    }
    received
}

async fn read_to_end(mut body: Body, terms: Terms, sink: &mut Sink) -> Result<Received> {
    let mut batch = Batch::default();
    let mut crc = Crc32c::default();
    let mut size = 0;
    while let Some(mut chunk) = body.next().await.transpose()? {
        size += chunk.len() as u64;
        refuse_above(terms.max_size, size)?;
        while !chunk.is_empty() {
            if batch.length == BATCH {
                // More follows, so the content is above every inline limit.
                sink.write(batch.take()).await?;
            }
            let piece = chunk.split_to(chunk.len().min(BATCH - batch.length));
            crc.update(&piece);
            batch.push(piece);
        }
    }
    crc.expect(terms.checksum)?;
    let content = if size <= terms.inline_limit {
        Content::Inline(batch.join())
    } else {
        Content::File(Arc::new(sink.finish(batch.take()).await?))
    };
    Ok(Received { size, crc, content })
}

pub(crate) fn refuse_above(limit: Option<u64>, size: u64) -> Result<()> {
    match limit {
        Some(limit) if size > limit => Err(Error::new(
            ErrorKind::TooLarge,
            format!("an object has at most {limit} bytes, this has {size} or more"),
        )),
        _ => Ok(()),
    }
}

/// Bytes that will be written together: large pieces as they are, small ones copied together.
#[derive(Default)]
struct Batch {
    pieces: Vec<Bytes>,
    small: BytesMut,
    length: usize,
}

impl Batch {
    fn push(&mut self, piece: Bytes) {
        self.length += piece.len();
        if piece.len() < SMALL_PIECE && self.length > piece.len() {
            self.small.extend_from_slice(&piece);
        } else {
            self.settle();
            self.pieces.push(piece);
        }
    }

    fn settle(&mut self) {
        if !self.small.is_empty() {
            self.pieces.push(self.small.split().freeze());
        }
    }

    fn take(&mut self) -> Vec<Bytes> {
        self.settle();
        self.length = 0;
        std::mem::take(&mut self.pieces)
    }

    /// All bytes in one piece; copies only when there are several.
    fn join(mut self) -> Bytes {
        let mut pieces = self.take();
        match pieces.len() {
            0 => Bytes::new(),
            1 => pieces.remove(0),
            _ => pieces.concat().into(),
        }
    }
}

/// A file that is written behind the caller's back: one batch is written while the next is collected.
struct Sink {
    blobs: Arc<Blobs>,
    writing: Option<JoinHandle<Result<BlobWriter>>>,
}

impl Sink {
    fn new(blobs: Arc<Blobs>) -> Self {
        Self { blobs, writing: None }
    }

    /// Waits for the batch before, then begins to write this one.
    async fn write(&mut self, pieces: Vec<Bytes>) -> Result<()> {
        let writer = self.written().await?;
        let blobs = Arc::clone(&self.blobs);
        self.writing = Some(tokio::task::spawn_blocking(move || append(writer, &blobs, &pieces)));
        Ok(())
    }

    async fn finish(&mut self, pieces: Vec<Bytes>) -> Result<Blob> {
        let writer = self.written().await?;
        let blobs = Arc::clone(&self.blobs);
        blocking(move || append(writer, &blobs, &pieces)?.finish()).await
    }

    async fn written(&mut self) -> Result<Option<BlobWriter>> {
        match self.writing.take() {
            None => Ok(None),
            Some(writing) => finished(writing).await.map(Some),
        }
    }
}

fn append(writer: Option<BlobWriter>, blobs: &Blobs, pieces: &[Bytes]) -> Result<BlobWriter> {
    let mut writer = match writer {
        Some(writer) => writer,
        None => blobs.create()?,
    };
    writer.write(pieces)?;
    Ok(writer)
}

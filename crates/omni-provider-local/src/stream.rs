//! Reading files: as one piece, or as a stream that reads some chunks ahead.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream;
use omni_contracts::storage::Crc32c;
use omni_contracts::{Body, Operation, Result};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::blocking::joined;
use crate::provider::NAME;
use crate::record::Record;

/// What is read and handed out at a time. Contents up to this size come in one piece.
pub(crate) const CHUNK: usize = 1 << 20;
/// How many chunks are read before they are asked for. To wake a thread can take as long as to read
/// several of them.
const AHEAD: usize = 4;
/// What is read and summed up at a time: small enough to be in the cache between the two.
const BLOCK: usize = 128 << 10;
/// How many buffers are kept for the next stream: those that one stream uses, the caller's chunk
/// included.
const IDLE_BUFFERS: usize = AHEAD + 1;

/// Buffers that are used again: fresh memory costs more than reading into it.
#[derive(Debug, Default)]
pub(crate) struct Buffers(Mutex<Vec<Box<[u8]>>>);

/// A filled buffer, returned when the last reader of its bytes drops them.
struct Lease {
    buffer: Box<[u8]>,
    filled: usize,
    home: Arc<Buffers>,
}

impl Buffers {
    fn take(self: &Arc<Self>) -> Lease {
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Lease {
            buffer: idle.unwrap_or_else(|| vec![0; CHUNK].into()),
            filled: 0,
            home: Arc::clone(self),
        }
    }
}

impl AsRef<[u8]> for Lease {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        let mut idle = self.home.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_BUFFERS {
            idle.push(buffer);
        }
    }
}

/// A range of an open file, on its way to the caller. The open file stays what it is, whatever happens
/// to its name.
#[derive(Debug)]
pub(crate) struct Reading {
    file: File,
    left: u64,
    record: Record,
    whole: bool,
    /// The checksum of what was read, kept when the whole content is.
    seen: Crc32c,
    key: String,
}

impl Reading {
    /// Prepares to read `range`; refuses a file that is not as long as its record says.
    pub(crate) fn new(
        mut file: File,
        record: Record,
        range: &Range<u64>,
        key: &str,
    ) -> Result<Self> {
        let failed = |error: io::Error| record.unreadable(error);
        let length = file.metadata().map_err(failed)?.len();
        if length != record.size {
            return Err(record.damaged(&format!("has {length} bytes instead of {}", record.size)));
        }
        file.seek(SeekFrom::Start(range.start)).map_err(failed)?;
        Ok(Self {
            file,
            left: range.end - range.start,
            whole: *range == (0..record.size),
            seen: Crc32c::default(),
            record,
            key: key.to_owned(),
        })
    }

    pub(crate) fn is_short(&self) -> bool {
        self.left <= CHUNK as u64
    }

    /// Everything in one piece. Blocks.
    pub(crate) fn read_all(mut self) -> Result<Bytes> {
        let mut bytes = Vec::with_capacity(self.left as usize);
        let read = (&mut self.file).take(self.left).read_to_end(&mut bytes);
        read.map_err(|error| self.record.unreadable(error))?;
        if bytes.len() as u64 != self.left {
            return Err(self.record.damaged("became shorter"));
        }
        if self.whole {
            check(Crc32c::of(&bytes), &self.record)?;
        }
        Ok(bytes.into())
    }

    /// A stream of chunks. The last one is withheld when the checksum does not match.
    pub(crate) fn into_body(self, buffers: &Arc<Buffers>) -> Body {
        let length = self.left;
        let (sender, chunks) = mpsc::channel(AHEAD);
        let reader = Reader { reading: self, chunks: sender, buffers: Arc::clone(buffers) };
        let mut ahead = Ahead { chunks, reader: Some(reader.start()) };
        Body::from_stream(stream::poll_fn(move |cx| ahead.poll_next(cx)), Some(length))
    }

    fn fill(&mut self, lease: &mut Lease) -> Result<()> {
        lease.filled = self.left.min(CHUNK as u64) as usize;
        self.left -= lease.filled as u64;
        for block in lease.buffer[..lease.filled].chunks_mut(BLOCK) {
            let read = self.file.read_exact(block);
            read.map_err(|error| self.record.unreadable(error))?;
            if self.whole {
                self.seen.update(block);
            }
        }
        if self.whole && self.left == 0 { check(self.seen, &self.record) } else { Ok(()) }
    }
}

/// Reads ahead of the caller, where blocking is allowed. It rests when there is no room for more
/// chunks, so that a slow caller holds no thread.
struct Reader {
    reading: Reading,
    chunks: mpsc::Sender<Result<Bytes>>,
    buffers: Arc<Buffers>,
}

impl Reader {
    /// Returns the reader when it rests, and nothing when it is done.
    fn start(mut self) -> JoinHandle<Result<Option<Self>>> {
        spawn_blocking(move || {
            while self.reading.left > 0 {
                let Ok(room) = self.chunks.try_reserve() else { break };
                let mut lease = self.buffers.take();
                if let Err(error) = self.reading.fill(&mut lease) {
                    room.send(Err(error.at(Operation::Get, NAME, &self.reading.key)));
                    return Ok(None);
                }
                room.send(Ok(Bytes::from_owner(lease)));
            }
            let rests = self.reading.left > 0 && !self.chunks.is_closed();
            Ok(rests.then_some(self))
        })
    }
}

/// The chunks that a reader has read, and the reader until it is done.
struct Ahead {
    chunks: mpsc::Receiver<Result<Bytes>>,
    reader: Option<JoinHandle<Result<Option<Reader>>>>,
}

impl Ahead {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        // A chunk first, so that there is room when the reader goes on.
        let chunk = self.chunks.poll_recv(cx);
        if let Some(reader) = &mut self.reader
            && let Poll::Ready(outcome) = Pin::new(reader).poll(cx)
        {
            self.reader = None;
            match joined(outcome) {
                Ok(resting) => self.reader = resting.map(Reader::start),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
            if chunk.is_pending() {
                cx.waker().wake_by_ref();
            }
        }
        chunk
    }
}

fn check(seen: Crc32c, record: &Record) -> Result<()> {
    if seen == record.crc {
        Ok(())
    } else {
        Err(record.damaged(&format!("has CRC-32C {seen}, it was stored with {}", record.crc)))
    }
}

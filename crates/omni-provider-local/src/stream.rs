//! Reading files: as one piece, or as a stream that reads one chunk ahead and sums up
//! the chunk before meanwhile.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream;
use omni_contracts::storage::Crc32c;
use omni_contracts::{Body, Operation, Result};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::blocking::finished;
use crate::provider::NAME;
use crate::record::Record;

/// What is read and handed out at a time. Contents up to this size come in one piece.
pub(crate) const CHUNK: usize = 1 << 20;
/// How many buffers are kept for the next stream.
const IDLE_BUFFERS: usize = 4;

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
        let whole = self.whole;
        let ahead = Some(self.read_ahead(buffers));
        let buffers = Arc::clone(buffers);
        let chunks = stream::try_unfold((ahead, Crc32c::default()), move |(ahead, mut seen)| {
            let buffers = Arc::clone(&buffers);
            async move {
                let Some(ahead) = ahead else { return Ok(None) };
                let (chunk, reading) = finished(ahead).await?;
                if reading.left > 0 {
                    // The next chunk is read while this one is summed up.
                    let ahead = Some(reading.read_ahead(&buffers));
                    if whole {
                        seen.update(&chunk);
                    }
                    return Ok(Some((chunk, (ahead, seen))));
                }
                if whole {
                    seen.update(&chunk);
                    let checked = check(seen, &reading.record);
                    checked.map_err(|error| error.at(Operation::Get, NAME, &reading.key))?;
                }
                Ok(Some((chunk, (None, seen))))
            }
        });
        Body::from_stream(chunks, Some(length))
    }

    fn read_ahead(mut self, buffers: &Arc<Buffers>) -> JoinHandle<Result<(Bytes, Self)>> {
        let mut lease = buffers.take();
        spawn_blocking(move || {
            let read = self.fill(&mut lease);
            read.map_err(|error| error.at(Operation::Get, NAME, &self.key))?;
            Ok((Bytes::from_owner(lease), self))
        })
    }

    fn fill(&mut self, lease: &mut Lease) -> Result<()> {
        lease.filled = self.left.min(CHUNK as u64) as usize;
        self.left -= lease.filled as u64;
        let read = self.file.read_exact(&mut lease.buffer[..lease.filled]);
        read.map_err(|error| self.record.unreadable(error))
    }
}

fn check(seen: Crc32c, record: &Record) -> Result<()> {
    if seen == record.crc {
        Ok(())
    } else {
        Err(record.damaged(&format!("has CRC-32C {seen}, it was stored with {}", record.crc)))
    }
}

//! Just enough of HTTP/2 (RFC 9113) to know where the request of a stream begins and its answer ends.
//! Refusals are those of gRPC.
//!
//! Fields are compressed by what was sent before (RFC 7541), so that leaving out a request would make
//! nonsense of the next one. Each end is told that the other one remembers nothing.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::time::sleep;

use super::http1::Reader;
use super::plan::Fault;
use super::proxy::{PAUSE, Shared, reset};

/// What a client begins with.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `SETTINGS_HEADER_TABLE_SIZE` is 0.
const REMEMBER_NOTHING: [u8; 6] = [0, 1, 0, 0, 0, 0];

/// The codes of gRPC that say what the statuses of HTTP say.
const UNAVAILABLE: &str = "14";
const INTERNAL: &str = "13";
const RESOURCE_EXHAUSTED: &str = "8";

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    async fn read<R: AsyncRead + Unpin>(reader: &mut Reader<R>) -> io::Result<Option<Self>> {
        if !reader.begins().await? {
            return Ok(None);
        }
        let head = reader.content(9).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        let payload = reader.content(length).await?;
        Ok(Some(Self { kind: head[3], flags: head[4], stream, payload }))
    }

    async fn write(&self, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let length = (self.payload.len() as u32).to_be_bytes();
        let stream = self.stream.to_be_bytes();
        let head = [&length[1..], &[self.kind, self.flags], &stream].concat();
        to.write_all(&[head, self.payload.clone()].concat()).await
    }

    fn remember_nothing(&mut self) {
        if self.kind == SETTINGS && self.flags & ACK == 0 {
            self.payload.extend(REMEMBER_NOTHING);
        }
    }

    fn ends(&self) -> bool {
        self.kind <= HEADERS && self.flags & END_STREAM != 0
    }

    /// A refusal with a code of gRPC.
    fn refusal(stream: u32, code: &str) -> Self {
        // `:status` 200 is one of the fields that everybody knows.
        let mut payload = vec![0x88];
        for (name, value) in [("content-type", "application/grpc"), ("grpc-status", code)] {
            payload.push(0);
            for text in [name, value] {
                payload.push(text.len() as u8);
                payload.extend(text.as_bytes());
            }
        }
        Self { kind: HEADERS, flags: END_STREAM | END_HEADERS, stream, payload }
    }
}

/// A connection: what happens to which of its streams.
struct Connection<'a> {
    shared: &'a Shared,
    client: tokio::sync::Mutex<OwnedWriteHalf>,
    /// The exchange that each stream is, and what happens to it.
    streams: Mutex<HashMap<u32, (usize, Fault)>>,
}

pub(super) async fn serve(client: Reader<TcpStream>, shared: &Shared) -> io::Result<()> {
    let back_end = TcpStream::connect(shared.back_end).await?;
    back_end.set_nodelay(true)?;
    let (answers, mut requests) = back_end.into_split();
    let (mut client, writing) = client.split();
    let preface = client.content(PREFACE.len()).await?;
    requests.write_all(&preface).await?;
    let connection =
        Connection { shared, client: tokio::sync::Mutex::new(writing), streams: Mutex::default() };
    tokio::select! {
        ended = connection.requests(client, requests) => ended,
        ended = connection.answers(Reader::new(answers)) => ended,
    }
}

impl Connection<'_> {
    fn exchange(&self, stream: u32) -> Option<(usize, Fault)> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).get(&stream).copied()
    }

    fn fault(&self, stream: u32) -> Option<Fault> {
        self.exchange(stream).map(|(_, fault)| fault)
    }

    /// What happens to a stream that begins.
    fn begins(&self, frame: &Frame) -> Fault {
        let (number, fault) = self.shared.next();
        let request = format!("stream {}", frame.stream);
        self.shared.note(number, |exchange| exchange.request = request);
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.insert(frame.stream, (number, fault));
        fault
    }

    async fn reset(&self) -> io::Result<()> {
        reset(self.client.lock().await.as_ref())
    }

    async fn requests<R: AsyncRead + Unpin>(
        &self,
        mut client: Reader<R>,
        mut back_end: OwnedWriteHalf,
    ) -> io::Result<()> {
        while let Some(mut frame) = Frame::read(&mut client).await? {
            frame.remember_nothing();
            let begins = frame.kind == HEADERS && self.fault(frame.stream).is_none();
            let fault = if begins { Some(self.begins(&frame)) } else { self.fault(frame.stream) };
            let refused = match fault {
                Some(Fault::Refuse | Fault::Reset) => return self.reset().await,
                Some(Fault::Stall) => continue,
                Some(Fault::Busy) => UNAVAILABLE,
                Some(Fault::Fail) => INTERNAL,
                Some(Fault::Throttle) => RESOURCE_EXHAUSTED,
                _ => {
                    frame.write(&mut back_end).await?;
                    continue;
                }
            };
            if begins {
                let refusal = Frame::refusal(frame.stream, refused);
                refusal.write(&mut *self.client.lock().await).await?;
            }
        }
        Ok(())
    }

    async fn answers<R: AsyncRead + Unpin>(&self, mut back_end: Reader<R>) -> io::Result<()> {
        while let Some(mut frame) = Frame::read(&mut back_end).await? {
            frame.remember_nothing();
            if let Some((number, _)) = self.exchange(frame.stream).filter(|_| frame.ends()) {
                self.shared.note(number, |exchange| exchange.took = exchange.begun.elapsed());
            }
            match self.fault(frame.stream) {
                Some(Fault::StallAnswer) => continue,
                Some(Fault::LoseAnswer) if !frame.ends() => continue,
                Some(Fault::LoseAnswer) => return self.reset().await,
                Some(Fault::CutAnswer) if frame.ends() => {
                    sleep(PAUSE).await;
                    return self.reset().await;
                }
                Some(Fault::ShortenAnswer) if frame.ends() => return Ok(()),
                Some(Fault::SlowAnswer) => sleep(PAUSE).await,
                _ => {}
            }
            frame.write(&mut *self.client.lock().await).await?;
        }
        Ok(())
    }
}

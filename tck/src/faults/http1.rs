//! Just enough of HTTP/1.1 (RFC 9112) to know where a request and its answer end. What is read is kept
//! as it came.

use std::io;
use std::ops::Range;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// Longer than any head of these services.
const LONGEST_HEAD: usize = 64 << 10;

/// Longer than any content of the suite.
const LONGEST_BODY: usize = 64 << 20;

/// A request or an answer, as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// The first line and the fields, with the empty line.
    pub(super) head: Vec<u8>,
    /// What follows, with the sizes of its chunks.
    pub(super) body: Vec<u8>,
}

impl Message {
    /// The first line.
    pub(super) fn line(&self) -> &str {
        let line = self.head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        std::str::from_utf8(line).unwrap_or_default()
    }

    fn method(&self) -> &str {
        self.line().split(' ').next().unwrap_or_default()
    }

    fn status(&self) -> Option<u16> {
        self.line().split(' ').nth(1)?.parse().ok()
    }

    /// The value of a field.
    fn field(&self, name: &str) -> Option<&str> {
        let text = std::str::from_utf8(&self.head).ok()?;
        let fields = text.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        let mut values = fields.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value.trim())
    }

    /// Turns one bit in the middle of the content: of its largest chunk, where it has chunks.
    pub(super) fn spoil(&mut self) {
        let content = match self.is_chunked() {
            true => largest_chunk(&self.body),
            false => 0..self.body.len(),
        };
        if let Some(byte) = self.body.get_mut(content.start + content.len() / 2) {
            *byte ^= 1;
        }
    }

    /// Whether it is a listing, or an error: those have no checksum at any service, and are whole where
    /// there is TLS.
    pub(super) fn is_a_description(&self) -> bool {
        let kind = self.field("content-type").unwrap_or_default();
        kind.contains("xml") || kind.contains("json")
    }

    /// Whether the connection ends with this answer.
    pub(super) fn closes(&self) -> bool {
        let asked =
            self.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let is_open_ended = !self.is_chunked() && self.field("content-length").is_none();
        asked || self.line().starts_with("HTTP/1.0") || is_open_ended
    }

    fn is_chunked(&self) -> bool {
        self.field("transfer-encoding").is_some_and(|value| value.ends_with("chunked"))
    }

    fn length(&self) -> io::Result<Option<usize>> {
        let length = self.field("content-length").map(str::parse).transpose();
        length.map_err(|_| malformed("a length that is no number"))
    }
}

/// Where the largest chunk of a chunked content is.
fn largest_chunk(body: &[u8]) -> Range<usize> {
    let (mut at, mut largest) = (0, 0..0);
    while let Some(line) = body[at..].windows(2).position(|end| end == b"\r\n") {
        let size = std::str::from_utf8(&body[at..at + line]).unwrap_or_default();
        let size = size.split(';').next().unwrap_or_default();
        let start = at + line + 2;
        let Ok(size @ 1..) = usize::from_str_radix(size, 16) else { break };
        if size > largest.len() {
            largest = start..start + size;
        }
        at = (start + size + 2).min(body.len());
    }
    largest
}

fn malformed(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

/// Reads messages one after the other.
#[derive(Debug)]
pub(super) struct Reader<R> {
    pub(super) stream: R,
    buffer: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(super) fn new(stream: R) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// Waits for more bytes; `false` at the end.
    async fn fill(&mut self) -> io::Result<bool> {
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }

    /// Waits until there are this many.
    async fn have(&mut self, count: usize) -> io::Result<()> {
        while self.buffer.len() < count {
            if !self.fill().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// Waits for the first byte of a message; `false` when none comes.
    pub(super) async fn begins(&mut self) -> io::Result<bool> {
        Ok(!self.buffer.is_empty() || self.fill().await?)
    }

    /// The first bytes, which stay to be read.
    pub(super) async fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        self.have(count).await?;
        Ok(&self.buffer[..count])
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.buffer.split_off(count);
        std::mem::replace(&mut self.buffer, rest)
    }

    /// Reads up to and with `end`.
    async fn until(&mut self, end: &[u8], longest: usize) -> io::Result<Vec<u8>> {
        let mut looked = 0;
        loop {
            let at = self.buffer[looked..].windows(end.len()).position(|window| window == end);
            if let Some(at) = at {
                return Ok(self.take(looked + at + end.len()));
            }
            looked = self.buffer.len().saturating_sub(end.len() - 1);
            if self.buffer.len() > longest {
                return Err(malformed("a head that is too long"));
            }
            if !self.fill().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn head(&mut self) -> io::Result<Message> {
        let head = self.until(b"\r\n\r\n", LONGEST_HEAD).await?;
        Ok(Message { head, body: Vec::new() })
    }

    /// A request with its content.
    pub(super) async fn request(&mut self) -> io::Result<Message> {
        let mut message = self.head().await?;
        message.body = match message.length()? {
            _ if message.is_chunked() => self.chunks().await?,
            length => self.content(length.unwrap_or(0)).await?,
        };
        Ok(message)
    }

    /// The answer to `request` with its content.
    pub(super) async fn answer(&mut self, request: &Message) -> io::Result<Message> {
        let mut message = loop {
            let message = self.head().await?;
            if !message.status().is_some_and(|status| (100..200).contains(&status)) {
                break message;
            }
        };
        let empty = request.method() == "HEAD" || matches!(message.status(), Some(204 | 304));
        message.body = match message.length()? {
            _ if empty => Vec::new(),
            _ if message.is_chunked() => self.chunks().await?,
            Some(length) => self.content(length).await?,
            None => {
                while self.fill().await? {}
                std::mem::take(&mut self.buffer)
            }
        };
        Ok(message)
    }

    /// This many bytes.
    pub(super) async fn content(&mut self, length: usize) -> io::Result<Vec<u8>> {
        if length > LONGEST_BODY {
            return Err(malformed("a content that is too long"));
        }
        self.have(length).await?;
        Ok(self.take(length))
    }

    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            let line = self.until(b"\r\n", LONGEST_HEAD).await?;
            let text = std::str::from_utf8(&line).unwrap_or_default();
            let size = text.trim_end().split(';').next().unwrap_or_default();
            let size = usize::from_str_radix(size, 16)
                .map_err(|_| malformed("a size of a chunk that is no number"))?;
            all.extend(line);
            if size == 0 {
                break;
            }
            all.extend(self.content(size).await?);
            all.extend(self.until(b"\r\n", LONGEST_HEAD).await?);
        }
        // Fields, and the empty line.
        loop {
            let line = self.until(b"\r\n", LONGEST_HEAD).await?;
            all.extend(&line);
            if line == b"\r\n" {
                return Ok(all);
            }
        }
    }
}

impl Reader<TcpStream> {
    /// Whether nothing has come, not even the end.
    pub(super) fn is_open(&self) -> bool {
        let nothing = matches!(
            self.stream.try_read(&mut [0]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock
        );
        nothing && self.buffer.is_empty()
    }

    /// The two directions of a connection.
    pub(super) fn split(self) -> (Reader<OwnedReadHalf>, OwnedWriteHalf) {
        let (stream, writing) = self.stream.into_split();
        (Reader { stream, buffer: self.buffer }, writing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Message {
        Message { head: text.as_bytes().to_vec(), body: Vec::new() }
    }

    #[tokio::test]
    async fn messages_end_where_they_end() {
        let two = "PUT /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc\
                   PUT /b HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2;x=y\r\nab\r\n0\r\nt: 1\r\n\r\n\
                   GET /c HTTP/1.1\r\n\r\n";
        let mut reader = Reader::new(two.as_bytes());
        let seen = reader.request().await.unwrap();
        assert_eq!((seen.line(), &*seen.body), ("PUT /a HTTP/1.1", &b"abc"[..]));
        let seen = reader.request().await.unwrap();
        let chunks = &b"2;x=y\r\nab\r\n0\r\nt: 1\r\n\r\n"[..];
        assert_eq!((seen.line(), &*seen.body), ("PUT /b HTTP/1.1", chunks));
        let seen = reader.request().await.unwrap();
        assert_eq!((seen.line(), seen.body.len()), ("GET /c HTTP/1.1", 0));
        assert!(!reader.begins().await.unwrap());
    }

    #[test]
    fn a_bit_of_the_content_is_turned() {
        let head = b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        let body = b"1\r\na\r\n5\r\nbbbbb\r\n2\r\ncc\r\n0\r\n\r\n".to_vec();
        let mut message = Message { head, body };
        message.spoil();
        assert_eq!(message.body, b"1\r\na\r\n5\r\nbbcbb\r\n2\r\ncc\r\n0\r\n\r\n");
        let mut empty = Message::default();
        empty.spoil();
        assert_eq!(empty, Message::default());
    }

    #[tokio::test]
    async fn answers_end_by_what_was_asked() {
        let get = request("GET / HTTP/1.1\r\n\r\n");
        let head = request("HEAD / HTTP/1.1\r\n\r\n");
        for (asked, answer, body) in [
            (&get, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", "ab"),
            (&head, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", ""),
            (&get, "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n", ""),
            (&get, "HTTP/1.1 200 OK\r\n\r\nto the end", "to the end"),
            (
                &get,
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na",
                "a",
            ),
        ] {
            let seen = Reader::new(answer.as_bytes()).answer(asked).await.unwrap();
            assert_eq!(seen.body, body.as_bytes(), "{answer}");
        }
    }

    #[tokio::test]
    async fn what_is_no_message_is_an_error() {
        for text in [
            "GET / HTTP/1.1\r\n",
            "PUT / HTTP/1.1\r\nContent-Length: 4\r\n\r\nabc",
            "PUT / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
            "PUT / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
            "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        ] {
            assert!(Reader::new(text.as_bytes()).request().await.is_err(), "{text}");
        }
    }
}

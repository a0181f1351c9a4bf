//! `Script`: an HTTP server whose every answer is written down, byte by byte.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Method and target: `GET /orders/key?x-id=GetObject`.
    pub(crate) line: String,
    /// The headers, in lower case, one per line.
    pub(crate) headers: String,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

/// What the server does about a request.
pub(crate) enum Reply {
    /// These bytes; then the connection is closed.
    Bytes(Vec<u8>),
    /// These bytes, and then nothing, for ever.
    Stall(Vec<u8>),
}

impl Reply {
    /// A whole answer.
    pub(crate) fn of(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Self {
        Self::cut(status, headers, body, body.len())
    }

    /// An answer that promises `body` and breaks off after `sent` bytes of it.
    pub(crate) fn cut(status: u16, headers: &[(&str, &str)], body: &[u8], sent: usize) -> Self {
        let mut bytes = format!("HTTP/1.1 {status} said\r\nconnection: close\r\n").into_bytes();
        if !headers.iter().any(|(name, _)| *name == "content-length") {
            bytes.extend(format!("content-length: {}\r\n", body.len()).bytes());
        }
        for (name, value) in headers {
            bytes.extend(format!("{name}: {value}\r\n").bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(&body[..sent]);
        Self::Bytes(bytes)
    }
}

/// A server on this machine.
pub(crate) struct Script {
    pub(crate) endpoint: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Script {
    /// A server that answers each request as `answer` says, given how many there were before.
    pub(crate) async fn new(
        answer: impl Fn(usize, &Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let (seen, answer) = (Arc::clone(&asked), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                tokio::spawn(async move { serve(stream, &seen, &*answer).await });
            }
        });
        Self { endpoint, asked }
    }

    /// All requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    seen: &Mutex<Vec<Asked>>,
    answer: &(impl Fn(usize, &Asked) -> Reply + Sync + ?Sized),
) {
    let Some(asked) = read(&mut stream).await else { return };
    let reply = {
        let mut seen = seen.lock().unwrap();
        let reply = answer(seen.len(), &asked);
        seen.push(asked);
        reply
    };
    match reply {
        Reply::Bytes(bytes) => {
            // Who does not read to the end has seen enough.
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Reply::Stall(bytes) => {
            let _ = stream.write_all(&bytes).await;
            std::future::pending().await
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        // What does not begin with a letter is not HTTP: servers then close the connection.
        let received = stream.read_buf(&mut bytes).await.ok()?;
        if received == 0 || !bytes[0].is_ascii_alphabetic() {
            return None;
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).ok()?;
    let (line, headers) = text.split_once("\r\n")?;
    let headers = headers.replace("\r\n", "\n").to_ascii_lowercase();
    let line = line.strip_suffix(" HTTP/1.1")?.to_owned();
    let mut asked = Asked { line, headers, body: bytes.split_off(head + 4) };
    let length = asked.header("content-length").map_or(Ok(0), str::parse).ok()?;
    while asked.body.len() < length {
        if stream.read_buf(&mut asked.body).await.ok()? == 0 {
            return None;
        }
    }
    Some(asked)
}

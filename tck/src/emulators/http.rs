//! The least of HTTP/1.1: one request without a body, and the status code of its answer. For probes
//! and for making and deleting buckets, nothing more.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// How long a request may take from connecting to its status code.
const LIMIT: Duration = Duration::from_secs(30);

/// The longest status line that is read.
const LONGEST: usize = 1024;

/// Sends a GET to `url`, which is `http://host:port/path`, and returns the status code.
///
/// # Errors
///
/// When nobody answers in time, or not in HTTP.
pub(crate) fn get(url: &str) -> io::Result<u16> {
    request("GET", url, "", LIMIT)
}

/// Sends a PUT without content to `url`, with the value of an `Authorization` header, and returns the
/// status code. Without that header where the value is empty.
///
/// # Errors
///
/// As [`get`].
pub(crate) fn put(url: &str, authorization: &str) -> io::Result<u16> {
    request("PUT", url, &header(authorization), LIMIT)
}

/// Sends a DELETE to `url`, likewise.
///
/// # Errors
///
/// As [`get`].
pub(crate) fn delete(url: &str, authorization: &str) -> io::Result<u16> {
    request("DELETE", url, &header(authorization), LIMIT)
}

fn header(authorization: &str) -> String {
    match authorization {
        "" => String::new(),
        value => format!("Authorization: {value}\r\n"),
    }
}

fn request(method: &str, url: &str, headers: &str, limit: Duration) -> io::Result<u16> {
    let wrong = |problem: String| io::Error::new(io::ErrorKind::InvalidInput, problem);
    let address = url
        .strip_prefix("http://")
        .ok_or_else(|| wrong(format!("{url:?} does not begin with http://")))?;
    let (host, path) = address.find('/').map_or((address, "/"), |slash| address.split_at(slash));
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong(format!("{url:?} has characters that must be escaped")));
    }
    let deadline = Instant::now() + limit;
    let socket = host.to_socket_addrs()?.next().ok_or_else(|| wrong(format!("no host {host}")))?;
    let mut stream = TcpStream::connect_timeout(&socket, limit)?;
    stream.set_write_timeout(Some(left(deadline)?))?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut line = Vec::new();
    let mut buffer = [0; LONGEST];
    while !line.contains(&b'\n') && line.len() < LONGEST {
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => line.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    status(&line).ok_or_else(|| {
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let seen = String::from_utf8_lossy(line);
        io::Error::new(io::ErrorKind::InvalidData, format!("no answer in HTTP/1: {seen:?}"))
    })
}

/// The time until `deadline`; an error when there is none.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    match left.is_zero() {
        true => Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time")),
        false => Ok(left),
    }
}

/// The code in `HTTP/1.1 200 OK`.
fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\n').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    words.next().filter(|code| code.len() == 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Answers one request with `pieces`, a moment apart; returns its endpoint and what was asked.
    fn answering(pieces: &'static [&str]) -> (String, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            let mut buffer = [0; 1024];
            while !asked.ends_with(b"\r\n\r\n") {
                let count = stream.read(&mut buffer).unwrap();
                assert_ne!(count, 0, "the request has no end: {}", String::from_utf8_lossy(&asked));
                asked.extend_from_slice(&buffer[..count]);
            }
            for piece in pieces {
                stream.write_all(piece.as_bytes()).unwrap();
                thread::sleep(Duration::from_millis(20));
            }
            String::from_utf8_lossy(&asked).into_owned()
        });
        (endpoint, asked)
    }

    #[test]
    fn the_status_code_is_read_as_it_comes() {
        let (endpoint, asked) = answering(&["HTTP/1", ".1 40", "4 Not Found\r\n\r\n"]);
        assert_eq!(get(&format!("{endpoint}/a?b")).unwrap(), 404);
        let asked = asked.join().unwrap();
        assert!(asked.starts_with("GET /a?b HTTP/1.1\r\nHost: 127.0.0.1:"), "{asked}");
        assert!(asked.contains("\r\nConnection: close\r\n"), "{asked}");
        let (endpoint, asked) = answering(&["HTTP/1.0 200\r\n\r\n"]);
        assert_eq!(put(&endpoint, "").unwrap(), 200);
        assert!(asked.join().unwrap().starts_with("PUT / HTTP/1.1\r\n"));
        let (endpoint, asked) = answering(&["HTTP/1.0 202\r\n\r\n"]);
        assert_eq!(delete(&endpoint, "me").unwrap(), 202);
        let asked = asked.join().unwrap();
        assert!(asked.starts_with("DELETE / HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("\r\nAuthorization: me\r\n"), "{asked}");
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        let (endpoint, _) = answering(&["SSH-2.0-x\r\n"]);
        assert!(get(&endpoint).unwrap_err().to_string().contains("SSH-2.0-x"));
        let (endpoint, _) = answering(&[]);
        assert!(get(&endpoint).is_err());
        assert!(get("https://x/").unwrap_err().to_string().contains("http://"));
        assert!(get("http://127.0.0.1:1/a b").unwrap_err().to_string().contains("escaped"));
    }

    #[test]
    fn who_never_answers_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let started = Instant::now();
        request("GET", &url, "", Duration::from_millis(50)).unwrap_err();
        assert!(started.elapsed() < LIMIT);
    }
}

//! Bodies of several parts: `multipart/related` as in RFC 2046 and RFC 2387.

use bytes::Bytes;

use super::fault::Fault;

/// A part of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// `None`: it has no header that says so, which RFC 2046 reads as `text/plain`.
    pub(super) content_type: Option<String>,
    pub(super) content: Bytes,
}

/// The boundary that a `Content-Type` header names.
pub(super) fn boundary(content_type: &str) -> Result<&str, Fault> {
    let mut words = content_type.split(';').map(str::trim);
    let wrong = || {
        Fault::invalid(format!(
            "Invalid multipart request: Content-Type is {content_type:?}, multipart/related with a \
             boundary is expected"
        ))
    };
    if !words.next().is_some_and(|kind| kind.eq_ignore_ascii_case("multipart/related")) {
        return Err(wrong());
    }
    let boundary = words.find_map(|word| {
        let (name, value) = word.split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then(|| value.trim_matches('"'))
    });
    boundary.filter(|boundary| (1..=70).contains(&boundary.len())).ok_or_else(wrong)
}

/// The parts of a body.
pub(super) fn parts(body: &Bytes, boundary: &str) -> Result<Vec<Part>, Fault> {
    let wrong = |what: &str| Fault::invalid(format!("Invalid multipart request: {what}"));
    let delimiter = format!("\r\n--{boundary}");
    let mut parts = Vec::new();
    // The first delimiter may stand at the very beginning.
    let mut at = match body.starts_with(&delimiter.as_bytes()[2..]) {
        true => delimiter.len() - 2,
        false => {
            find(body, delimiter.as_bytes(), 0).ok_or_else(|| wrong("no delimiter"))?
                + delimiter.len()
        }
    };
    loop {
        if body[at..].starts_with(b"--") {
            return Ok(parts);
        }
        let head = find(body, b"\r\n", at).ok_or_else(|| wrong("a delimiter without end"))?;
        let end =
            find(body, delimiter.as_bytes(), head).ok_or_else(|| wrong("no closing delimiter"))?;
        // Empty headers: the line after the delimiter is empty, too.
        let blank = find(body, b"\r\n\r\n", head).filter(|blank| blank + 4 <= end);
        let blank = blank.ok_or_else(|| wrong("a part without an empty line after its headers"))?;
        let headers = String::from_utf8_lossy(&body[head..blank]);
        let content_type = headers.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case("content-type").then(|| value.trim().to_owned())
        });
        parts.push(Part { content_type, content: body.slice(blank + 4..end) });
        at = end + delimiter.len();
    }
}

/// Where `what` is in `bytes`, from `start` on.
fn find(bytes: &[u8], what: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == what[0])?;
        if bytes[at..].starts_with(what) {
            return Some(at);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_taken_apart() {
        let body = Bytes::from_static(
            b"--x\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{}\r\n\
              --x\r\n\r\na\r\n--y\r\nb\r\n--x\r\ncontent-TYPE:image/png\r\nA: b\r\n\r\n\r\n--x--\r\n",
        );
        let part = |content_type: Option<&str>, content: &'static [u8]| Part {
            content_type: content_type.map(str::to_owned),
            content: Bytes::from_static(content),
        };
        let expected = [
            part(Some("application/json; charset=UTF-8"), b"{}"),
            part(None, b"a\r\n--y\r\nb"),
            part(Some("image/png"), b""),
        ];
        assert_eq!(parts(&body, "x").unwrap(), expected);
        for broken in [&b""[..], b"--x", b"--x\r\n\r\na", b"--x\r\na\r\n--x--", b"x--"] {
            parts(&Bytes::from_static(broken), "x").unwrap_err();
        }
    }

    #[test]
    fn the_boundary_is_found() {
        assert_eq!(boundary("multipart/related; boundary=a-b").unwrap(), "a-b");
        assert_eq!(boundary("Multipart/Related;type=x; Boundary=\"a b\"").unwrap(), "a b");
        for bad in ["multipart/form-data; boundary=x", "multipart/related", ""] {
            boundary(bad).unwrap_err();
        }
    }
}

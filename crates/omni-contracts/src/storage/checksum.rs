//! CRC-32C of contents: computed on the way in, checked on the way out.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest, checksum_combine};
use futures_util::StreamExt;

use crate::{Body, Error, ErrorKind, Result};

/// A CRC-32C (Castagnoli) checksum, or one in the making.
///
/// ```
/// use omni_contracts::storage::Crc32c;
///
/// let mut checksum = Crc32c::default();
/// checksum.update(b"1234");
/// checksum.update(b"56789");
/// assert_eq!(checksum, Crc32c::of(b"123456789"));
/// assert_eq!(checksum.to_string(), "e3069283");
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Crc32c(u32);

impl Crc32c {
    /// The checksum of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(crc_fast::crc32_iscsi(bytes))
    }

    /// A checksum from its number.
    #[must_use]
    pub fn from_u32(value: u32) -> Self {
        Self(value)
    }

    /// The checksum as a number.
    #[must_use]
    pub fn to_u32(self) -> u32 {
        self.0
    }

    /// Continues over `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc32Iscsi, u64::from(!self.0));
        digest.update(bytes);
        self.0 = digest.finalize() as u32;
    }

    /// The checksum of this content followed by `next`, which is `length` bytes long.
    #[must_use]
    pub fn followed_by(self, next: Self, length: u64) -> Self {
        let [first, next] = [self.0, next.0].map(u64::from);
        Self(checksum_combine(CrcAlgorithm::Crc32Iscsi, first, next, length) as u32)
    }

    /// Compares what was computed with what is expected.
    ///
    /// # Errors
    ///
    /// `Corrupt` when they differ.
    pub fn expect(self, expected: Option<Self>) -> Result<()> {
        match expected {
            Some(expected) if expected != self => Err(Error::new(
                ErrorKind::Corrupt,
                format!("the content has CRC-32C {self}, expected is {expected}"),
            )),
            _ => Ok(()),
        }
    }
}

/// A body that ends with `Corrupt` instead of its last chunk when its bytes do not have the expected
/// checksum (clause `STO-051`). For providers, around every full read.
///
/// # Errors
///
/// `Corrupt` at once when the bytes are in memory.
pub fn verified(body: Body, expected: Crc32c) -> Result<Body> {
    if let Some(bytes) = body.as_bytes() {
        Crc32c::of(bytes).expect(Some(expected))?;
        return Ok(body);
    }
    let length = body.length();
    // One chunk is held back, so that nobody sees the end of a content that fails its checksum.
    let state = (body, Crc32c::default(), None::<Bytes>);
    let checked = futures_util::stream::unfold(Some(state), move |state| async move {
        let (mut body, mut seen, mut held) = state?;
        loop {
            match body.next().await {
                Some(Ok(chunk)) => {
                    seen.update(&chunk);
                    if let Some(ready) = held.replace(chunk) {
                        return Some((Ok(ready), Some((body, seen, held))));
                    }
                }
                Some(Err(error)) => return Some((Err(error), None)),
                None => {
                    return match seen.expect(Some(expected)) {
                        Ok(()) => held.map(|last| (Ok(last), None)),
                        Err(error) => Some((Err(error), None)),
                    };
                }
            }
        }
    });
    Ok(Body::from_stream(checked, length))
}

impl fmt::Display for Crc32c {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for Crc32c {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Crc32c({self})")
    }
}

impl FromStr for Crc32c {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match (text.len(), u32::from_str_radix(text, 16)) {
            (8, Ok(value)) => Ok(Self(value)),
            _ => Err(Error::invalid("a CRC-32C is written as 8 hexadecimal digits")),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn chunks(parts: &[&'static str]) -> Body {
        let parts: Vec<_> =
            parts.iter().map(|part| Ok(Bytes::from_static(part.as_bytes()))).collect();
        Body::from_stream(stream::iter(parts), None)
    }

    #[tokio::test]
    async fn passes_what_matches_and_withholds_the_end_of_what_does_not() {
        for parts in [&[][..], &["abc"], &["a", "bc"]] {
            let sum = Crc32c::of(parts.concat().as_bytes());
            let body = verified(chunks(parts), sum).unwrap();
            assert_eq!(body.collect().await.unwrap(), parts.concat());
            let mut body = verified(chunks(parts), Crc32c::from_u32(sum.to_u32() ^ 1)).unwrap();
            let mut seen = String::new();
            let error = loop {
                match body.next().await.expect("an error before the end") {
                    Ok(chunk) => seen.push_str(std::str::from_utf8(&chunk).unwrap()),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(seen.is_empty() || seen.len() < parts.concat().len());
        }
    }

    #[test]
    fn combines_and_parses() {
        let whole = Crc32c::of(b"hello world");
        assert_eq!(Crc32c::of(b"hello ").followed_by(Crc32c::of(b"world"), 5), whole);
        assert_eq!(whole.to_string().parse::<Crc32c>().unwrap(), whole);
        assert!("xyz".parse::<Crc32c>().is_err());
    }
}

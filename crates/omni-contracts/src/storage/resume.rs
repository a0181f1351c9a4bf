//! A content on its way from a service: read to its promised end, taken up again where it breaks, and
//! summed up.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};

use super::Crc32c;
use crate::{Body, Error, ErrorKind, Result};

/// How often a content is taken up again in a row without a byte in between.
const RESUMES: usize = 3;

/// What a failure counts: after a time limit has passed, one more is waited for, not three.
fn weight(error: &Error) -> usize {
    match error.kind() {
        ErrorKind::Timeout => RESUMES,
        _ => 1,
    }
}

/// One version of an object, on a service that can be asked for any range of it. For providers.
#[async_trait]
pub trait Reopen: Send + Sync + 'static {
    /// Asks for the bytes `rest`, which are some, of this version and no other.
    ///
    /// # Errors
    ///
    /// `PreconditionFailed` or `NotFound` when the service no longer has this version.
    async fn reopen(&self, rest: Range<u64>) -> Result<BoxStream<'static, Result<Bytes>>>;

    /// Adds to an error what it is about: see [`Error::at`].
    fn at(&self, error: Error) -> Error;
}

/// The body of the bytes `range`, beginning with what `first` yields. Where that breaks, `version` is
/// asked for the rest, at most three times in a row without a byte in between, or once after an error of
/// the kind `Timeout`. With a checksum to
/// expect, a content that does not have it ends with `Corrupt` instead of its last chunk (clauses
/// `STO-036` and `STO-051`).
pub fn resumed(
    version: impl Reopen,
    first: BoxStream<'static, Result<Bytes>>,
    range: Range<u64>,
    expected: Option<Crc32c>,
) -> Body {
    let length = range.end - range.start;
    let seen = Crc32c::default();
    let reading =
        Reading { version, chunks: Some(first), rest: range, expected, seen, failures: 0 };
    let chunks = stream::try_unfold(reading, |mut reading| async move {
        let chunk = reading.next().await.map_err(|error| reading.version.at(error))?;
        Ok(chunk.map(|chunk| (chunk, reading)))
    });
    Body::from_stream(chunks, Some(length))
}

struct Reading<V> {
    version: V,
    chunks: Option<BoxStream<'static, Result<Bytes>>>,
    /// What is still to come.
    rest: Range<u64>,
    /// What a whole content must sum up to.
    expected: Option<Crc32c>,
    seen: Crc32c,
    /// In a row.
    failures: usize,
}

impl<V: Reopen> Reading<V> {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        while !self.rest.is_empty() {
            let Some(chunks) = &mut self.chunks else {
                self.reopen().await?;
                continue;
            };
            let broken = match chunks.next().await {
                Some(Ok(chunk)) if chunk.is_empty() => continue,
                Some(Ok(chunk)) => return self.counted(chunk).map(Some),
                Some(Err(error)) => error,
                None => Error::new(ErrorKind::Unavailable, "the content ended early"),
            };
            self.chunks = None;
            self.failures += weight(&broken);
            if self.failures > RESUMES {
                let kind = match broken.kind() {
                    ErrorKind::Timeout => ErrorKind::Timeout,
                    _ => ErrorKind::Unavailable,
                };
                let problem = format!("the content broke off at byte {}", self.rest.start);
                return Err(Error::new(kind, problem).with_source(broken));
            }
        }
        Ok(None)
    }

    fn counted(&mut self, chunk: Bytes) -> Result<Bytes> {
        let count = chunk.len() as u64;
        if count > self.rest.end - self.rest.start {
            let problem = "the service sends more than it promised";
            return Err(Error::new(ErrorKind::Internal, problem));
        }
        self.failures = 0;
        self.rest.start += count;
        if let Some(expected) = self.expected {
            self.seen.update(&chunk);
            if self.rest.is_empty() && self.seen != expected {
                let problem =
                    format!("the content has CRC-32C {}, it was stored with {expected}", self.seen);
                return Err(Error::new(ErrorKind::Corrupt, problem));
            }
        }
        Ok(chunk)
    }

    async fn reopen(&mut self) -> Result<()> {
        match self.version.reopen(self.rest.clone()).await {
            Ok(chunks) => {
                self.chunks = Some(chunks);
                Ok(())
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::PreconditionFailed | ErrorKind::NotFound) =>
            {
                let problem = "the content broke off, and the object was replaced meanwhile";
                Err(Error::new(ErrorKind::Conflict, problem))
            }
            Err(error) => {
                self.failures += weight(&error);
                match error.is_retryable() && self.failures <= RESUMES {
                    true => Ok(()),
                    false => Err(error),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::Operation;

    const CONTENT: &[u8] = b"twelve bytes";

    /// What one answer yields before it breaks off; or what asking fails with.
    type Answer = Result<Vec<Result<Bytes>>>;

    /// Answers as it is told, and remembers what it was asked for.
    #[derive(Clone, Default)]
    struct Scripted {
        answers: Arc<Mutex<Vec<Answer>>>,
        asked: Arc<Mutex<Vec<Range<u64>>>>,
    }

    #[async_trait]
    impl Reopen for Scripted {
        async fn reopen(&self, rest: Range<u64>) -> Result<BoxStream<'static, Result<Bytes>>> {
            self.asked.lock().unwrap().push(rest);
            let answer = self.answers.lock().unwrap().remove(0);
            answer.map(|chunks| stream::iter(chunks).boxed())
        }

        fn at(&self, error: Error) -> Error {
            error.at(Operation::Get, "scripted", "k")
        }
    }

    fn failing(kind: ErrorKind) -> Error {
        Error::new(kind, "broken")
    }

    fn piece(range: Range<usize>) -> Result<Bytes> {
        Ok(Bytes::from_static(&CONTENT[range]))
    }

    /// Reads all but the first four bytes, from the first answer and then from the others.
    async fn read(mut answers: Vec<Answer>) -> (Result<Bytes>, Vec<Range<u64>>) {
        let first = stream::iter(answers.remove(0).unwrap()).boxed();
        let version = Scripted { answers: Arc::new(Mutex::new(answers)), ..Scripted::default() };
        let sum = Crc32c::of(&CONTENT[4..]);
        let read = resumed(version.clone(), first, 4..12, Some(sum)).collect().await;
        (read, version.asked.lock().unwrap().clone())
    }

    #[tokio::test]
    async fn what_breaks_off_is_taken_up_again_at_the_next_byte() {
        let broken = || Err(failing(ErrorKind::Unavailable));
        let answers = vec![
            Ok(vec![piece(4..7), broken()]),
            Ok(vec![]),
            Err(failing(ErrorKind::Throttled)),
            Ok(vec![Ok(Bytes::new()), piece(7..8)]),
            Ok(vec![piece(8..10), piece(10..12)]),
        ];
        let (read, asked) = read(answers).await;
        assert_eq!(read.unwrap(), CONTENT[4..]);
        assert_eq!(asked, [7..12, 7..12, 7..12, 8..12]);
    }

    #[tokio::test]
    async fn what_keeps_breaking_off_is_given_up() {
        let mut answers = vec![Ok(vec![piece(4..7)])];
        answers.extend((0..3).map(|_| Ok(vec![])));
        let (read, asked) = read(answers).await;
        let error = read.unwrap_err();
        assert_eq!((error.kind(), asked.len()), (ErrorKind::Unavailable, 3));
        assert_eq!(error.operation(), Some(Operation::Get));
    }

    #[tokio::test]
    async fn silence_is_waited_out_twice() {
        let silence = || Ok(vec![Err(failing(ErrorKind::Timeout))]);
        let (given_up, asked) = read(vec![silence(), silence()]).await;
        assert_eq!((given_up.unwrap_err().kind(), asked.len()), (ErrorKind::Timeout, 1));
        let (given_up, asked) = read(vec![silence(), Err(failing(ErrorKind::Timeout))]).await;
        assert_eq!((given_up.unwrap_err().kind(), asked.len()), (ErrorKind::Timeout, 1));
        let (read, _) = read(vec![silence(), Ok(vec![piece(4..12)])]).await;
        assert_eq!(read.unwrap(), CONTENT[4..]);
    }

    #[tokio::test]
    async fn another_version_is_never_read_on() {
        for kind in [ErrorKind::PreconditionFailed, ErrorKind::NotFound] {
            let (read, _) = read(vec![Ok(vec![piece(4..7)]), Err(failing(kind))]).await;
            assert_eq!(read.unwrap_err().kind(), ErrorKind::Conflict);
        }
        let denied = Err(failing(ErrorKind::PermissionDenied));
        let (read, asked) = read(vec![Ok(vec![piece(4..7)]), denied]).await;
        assert_eq!((read.unwrap_err().kind(), asked.len()), (ErrorKind::PermissionDenied, 1));
    }

    #[tokio::test]
    async fn other_bytes_than_the_promised_are_an_error() {
        let (too_many, _) = read(vec![Ok(vec![piece(4..12), piece(0..1)])]).await;
        assert_eq!(too_many.unwrap(), CONTENT[4..], "nobody asks for more");
        let (too_many, _) = read(vec![Ok(vec![piece(4..11), piece(0..2)])]).await;
        assert_eq!(too_many.unwrap_err().kind(), ErrorKind::Internal);
        let (wrong, _) = read(vec![Ok(vec![piece(4..11), piece(0..1)])]).await;
        assert_eq!(wrong.unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

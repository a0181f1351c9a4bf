//! What a content is sent from: pieces of a body, in the form that the SDK asks for.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use google_cloud_storage::streaming_source::{Seek, SizeHint, StreamingSource};
use omni_contracts::storage::Crc32c;
use omni_contracts::{Error, Pieces, Result};

use super::progress::Progress;
use super::settings::QUANTUM;

/// The size of the pieces. The service may take less of a chunk than was sent, but only whole quanta;
/// the SDK then goes on at the border of a piece.
const PIECE: usize = QUANTUM as usize;

/// A content on its way out.
pub(crate) struct Source {
    /// What was read already.
    first: Bytes,
    /// The rest. Only ever reached through `&mut`: the lock makes the source shareable, as the SDK
    /// wants it.
    rest: Option<Mutex<Pieces>>,
    seen: Crc32c,
    expected: Option<Crc32c>,
    ended: bool,
    progress: Progress,
    failure: Failure,
}

/// Why a source failed: the SDK hands on only that it did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failure(Arc<Mutex<Option<Error>>>);

impl Failure {
    pub(crate) fn take(&self) -> Option<Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Source {
    /// A content that is in memory.
    pub(crate) fn whole(content: Bytes) -> Self {
        Self {
            first: content,
            rest: None,
            seen: Crc32c::default(),
            expected: None,
            ended: false,
            progress: Progress::new(),
            failure: Failure::default(),
        }
    }

    /// A content of which `first` was read already. It fails at its end when it has another checksum
    /// than expected, and so is never stored.
    pub(crate) fn stream(first: Bytes, rest: Pieces, expected: Option<Crc32c>) -> Self {
        Self { rest: Some(Mutex::new(rest)), expected, ..Self::whole(first) }
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    pub(crate) fn failure(&self) -> Failure {
        self.failure.clone()
    }

    async fn piece(&mut self) -> Result<Option<Bytes>> {
        if self.ended {
            return Ok(None);
        }
        let piece = if self.first.is_empty() {
            match &mut self.rest {
                None => Bytes::new(),
                Some(rest) => {
                    let rest = rest.get_mut().unwrap_or_else(PoisonError::into_inner);
                    rest.next(PIECE).await?.into_bytes()
                }
            }
        } else {
            self.first.split_to(self.first.len().min(PIECE))
        };
        if piece.is_empty() {
            self.ended = true;
            self.seen.expect(self.expected)?;
            return Ok(None);
        }
        if self.expected.is_some() {
            self.seen.update(&piece);
        }
        Ok(Some(piece))
    }
}

impl StreamingSource for Source {
    type Error = std::io::Error;

    async fn next(&mut self) -> Option<Result<Bytes, Self::Error>> {
        self.progress.waits();
        let piece = self.piece().await;
        self.progress.moves();
        match piece {
            Ok(piece) => piece.map(Ok),
            Err(error) => {
                self.ended = true;
                *self.failure.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Some(Err(std::io::Error::other("the source of the content failed")))
            }
        }
    }

    async fn size_hint(&self) -> Result<SizeHint, Self::Error> {
        Ok(match self.rest {
            None => SizeHint::with_exact(self.first.len() as u64),
            Some(_) => SizeHint::new(),
        })
    }
}

impl Seek for Source {
    type Error = std::io::Error;

    /// The SDK seeks once, before it begins.
    async fn seek(&mut self, offset: u64) -> Result<(), Self::Error> {
        match offset {
            0 if !self.ended => Ok(()),
            _ => Err(std::io::Error::other("the source of the content was read already")),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use omni_contracts::{Body, ErrorKind};

    use super::*;

    async fn drain(source: &mut Source) -> Result<Vec<usize>, std::io::Error> {
        let mut sizes = Vec::new();
        while let Some(piece) = source.next().await {
            sizes.push(piece?.len());
        }
        Ok(sizes)
    }

    fn pieces(chunks: Vec<Result<Bytes>>) -> Pieces {
        Pieces::new(Body::from_stream(stream::iter(chunks), None))
    }

    #[tokio::test]
    async fn pieces_end_at_borders_of_quanta() {
        let mut whole = Source::whole(Bytes::from(vec![1; PIECE + 3]));
        assert_eq!(whole.size_hint().await.unwrap().exact(), Some(PIECE as u64 + 3));
        assert_eq!(drain(&mut whole).await.unwrap(), [PIECE, 3]);
        let chunk = || Ok(Bytes::from_static(&[2; 100]));
        let chunks = std::iter::repeat_with(chunk).take(3 * PIECE / 100).collect();
        let mut rest = pieces(chunks);
        let first = rest.next(2 * PIECE).await.unwrap().into_bytes();
        let mut source = Source::stream(first, rest, None);
        assert_eq!(source.size_hint().await.unwrap().exact(), None);
        let sizes = drain(&mut source).await.unwrap();
        assert_eq!(sizes[..2], [PIECE; 2]);
        assert_eq!(sizes.iter().sum::<usize>(), 3 * PIECE / 100 * 100);
        assert!(source.next().await.is_none(), "it may be asked again");
    }

    #[tokio::test]
    async fn a_content_that_is_not_as_stated_never_ends_well() {
        let broken = Error::new(ErrorKind::Unavailable, "the source broke");
        let chunks = vec![Ok(Bytes::from_static(b"b")), Err(broken)];
        let mut source = Source::stream(Bytes::from_static(b"a"), pieces(chunks), None);
        assert!(drain(&mut source).await.is_err());
        let failure = source.failure();
        assert_eq!(failure.take().unwrap().message(), "the source broke");
        assert!(failure.take().is_none());

        let wrong = Some(Crc32c::of(b"other"));
        let chunks = vec![Ok(Bytes::from_static(b"b"))];
        let mut source = Source::stream(Bytes::from_static(b"a"), pieces(chunks), wrong);
        assert!(drain(&mut source).await.is_err());
        assert_eq!(source.failure().take().unwrap().kind(), ErrorKind::Corrupt);
    }
}

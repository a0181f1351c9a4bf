//! `AsyncRead`, `AsyncWrite` and streams.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream;
use omni_storage::{Bytes, Error, ErrorKind};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};

use crate::storages;

/// Content larger than what the adaptors hold at once.
fn large() -> Vec<u8> {
    (0..3_000_000_u32).flat_map(u32::to_le_bytes).take(2_500_000).collect()
}

#[tokio::test]
async fn what_a_writer_writes_a_reader_reads() {
    let (_folder, storages) = storages().await;
    for storage in storages {
        for size in [0, 1, 256 * 1024, 256 * 1024 + 1, 2_500_000] {
            let content = &large()[..size];
            let mut writer = storage.writer("a").content_type("text/plain").await.unwrap();
            for piece in content.chunks(100_000) {
                writer.write_all(piece).await.unwrap();
            }
            writer.flush().await.unwrap();
            let written = writer.finish().await.unwrap();
            assert_eq!(written.size, size as u64);
            let meta = storage.head("a").await.unwrap();
            assert_eq!(meta.written(), written);
            assert_eq!(meta.attributes.content_type.as_deref(), Some("text/plain"));
            let mut found = Vec::new();
            let mut reader = storage.get("a").await.unwrap().reader();
            reader.read_to_end(&mut found).await.unwrap();
            assert!(found == content, "{size} bytes differ");
        }
    }
}

#[tokio::test]
async fn shutdown_publishes_and_only_then() {
    let (_folder, storages) = storages().await;
    for storage in storages {
        let mut writer = storage.writer("a").await.unwrap();
        writer.write_all(b"hello").await.unwrap();
        writer.flush().await.unwrap();
        assert!(!storage.exists("a").await.unwrap(), "a flush does not publish");
        writer.shutdown().await.unwrap();
        assert_eq!(storage.get("a").await.unwrap().text().await.unwrap(), "hello");
        assert!(writer.write_all(b"more").await.is_err());
        assert_eq!(writer.finish().await.unwrap(), storage.head("a").await.unwrap().written());
    }
}

#[tokio::test]
async fn a_dropped_writer_leaves_nothing() {
    let (_folder, storages) = storages().await;
    for storage in storages {
        storage.put("old", "old").await.unwrap();
        for key in ["old", "new"] {
            let mut writer = storage.writer(key).await.unwrap();
            writer.write_all(&large()).await.unwrap();
            writer.flush().await.unwrap();
            drop(writer);
        }
        assert_eq!(storage.get("old").await.unwrap().text().await.unwrap(), "old");
        assert_eq!(storage.list("").await.unwrap().len(), 1);
        assert!(storage.list_uploads("", None).await.unwrap().entries.is_empty());
    }
}

#[tokio::test]
async fn a_writer_keeps_its_condition() {
    let (_folder, storages) = storages().await;
    for storage in storages {
        let version = storage.put("a", "old").await.unwrap().version;
        let mut writer = storage.writer("a").if_absent().await.unwrap();
        let written = writer.write_all(&large()).await;
        let error = match written {
            Ok(()) => writer.finish().await.unwrap_err(),
            Err(error) => {
                assert!(writer.finish().await.is_err(), "a writer that failed stays so");
                error.downcast::<Error>().unwrap()
            }
        };
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        let mut writer = storage.writer("a").if_match(version).await.unwrap();
        writer.write_all(b"new").await.unwrap();
        writer.finish().await.unwrap();
        assert_eq!(storage.get("a").await.unwrap().text().await.unwrap(), "new");
    }
}

#[tokio::test]
async fn a_reader_reads_lines_and_keeps_our_errors() {
    let (_folder, storages) = storages().await;
    for storage in storages {
        storage.put("a", "one\ntwo\n").await.unwrap();
        let mut lines = storage.get("a").await.unwrap().reader().lines();
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("one"));
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("two"));
        assert_eq!(lines.next_line().await.unwrap(), None);
    }
}

#[tokio::test]
async fn readers_and_streams_are_stored_to_their_end() {
    let (_folder, storages) = storages().await;
    for storage in storages {
        let content: &'static [u8] = large().leak();
        let meta = storage.put_reader("a", content).await.unwrap();
        assert_eq!(meta.size, content.len() as u64);
        assert!(storage.get("a").await.unwrap().bytes().await.unwrap() == content);
        // From one object to another, through `AsyncRead`.
        let reader = storage.get("a").await.unwrap().reader();
        assert_eq!(storage.put_reader("b", reader).await.unwrap().size, meta.size);
        let chunks = stream::iter(["x", "", "yz"].map(|chunk| Ok(Bytes::from(chunk))));
        storage.put_stream("c", chunks).await.unwrap();
        assert_eq!(storage.get("c").await.unwrap().text().await.unwrap(), "xyz");
    }
}

/// Yields a little, then fails.
struct Failing(u8);

impl AsyncRead for Failing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0 += 1;
        if self.0 > 3 {
            return Poll::Ready(Err(io::Error::other("the cable was cut")));
        }
        buffer.put_slice(b"some");
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_source_that_fails_stores_nothing() {
    let (_folder, storages) = storages().await;
    for storage in storages {
        let error = storage.put_reader("a", Failing(0)).await.unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        assert_eq!(source.as_deref(), Some("the cable was cut"), "{error}");
        assert!(!error.is_retryable());
        let broken = stream::iter([Ok(Bytes::from("x")), Err(Error::invalid("ours"))]);
        let error = storage.put_stream("a", broken).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::InvalidArgument, "ours"));
        assert!(!storage.exists("a").await.unwrap());
    }
}

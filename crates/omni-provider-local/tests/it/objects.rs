//! Contents inline and as files behave the same: conditions, ranges, copies, streams, checksums.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use omni_contracts::storage::{
    Attributes, ByteRange, Capability, CopyOptions, Crc32c, DeleteOptions, GetOptions, Key,
    PresignMethod, PresignRequest, PutOptions, StorageProvider, Version, WriteCondition, WriteId,
};
use omni_contracts::{Body, Effect, Error, ErrorKind, Operation};
use omni_provider_local::{LocalSettings, LocalStorage};

use crate::store::{Folder, LARGE, bytes, create, delete, get, head, key, put};

const SIZES: [usize; 6] = [0, 1, 1024, 64 << 10, (64 << 10) + 1, 3 << 20];

#[tokio::test]
async fn contents_of_every_size_come_back() {
    let folder = Folder::new();
    let store = folder.open().await;
    for (seed, size) in SIZES.into_iter().enumerate() {
        let content = bytes(seed as u64, size);
        let written = put(&store, "a", content.clone()).await.unwrap();
        assert_eq!(written.size, size as u64);
        assert_eq!(written.checksum, Some(Crc32c::of(&content)));
        assert_eq!(get(&store, "a").await.unwrap(), content);
        assert_eq!(head(&store, "a").await.unwrap().written(), written);
        assert_eq!(folder.files_of(&store).await.len(), usize::from(size > 64 << 10));
    }
    let deleted = delete(&store, "a").await.unwrap();
    assert_eq!(deleted.existed, Some(true));
    assert_eq!(delete(&store, "a").await.unwrap().existed, Some(false));
    assert!(folder.files_of(&store).await.is_empty());
    let error = get(&store, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.operation(), Some(Operation::Get));
    assert_eq!(error.provider(), Some("local"));
    assert_eq!(error.resource(), Some("a"));
}

#[tokio::test]
async fn streams_of_any_chunking_are_stored_and_read_in_bounded_chunks() {
    let folder = Folder::new();
    let store = folder.open().await;
    let content = bytes(1, (5 << 20) + 7);
    for chunk in [1000, 4096, 1 << 20, 3 << 20] {
        let chunks: Vec<_> = content
            .chunks(chunk)
            .flat_map(|chunk| [Ok(Bytes::new()), Ok(content.slice_ref(chunk))])
            .collect();
        let body = Body::from_stream(stream::iter(chunks), None);
        put(&store, "s", body).await.unwrap();
        let mut body = store.get(&key("s"), &GetOptions::default()).await.unwrap().body;
        assert!(body.as_bytes().is_none(), "a large object is streamed");
        let mut read = Vec::new();
        while let Some(piece) = body.next().await {
            let piece = piece.unwrap();
            assert!(piece.len() <= 1 << 20, "a chunk of {} bytes", piece.len());
            read.extend_from_slice(&piece);
        }
        assert!(read == content, "chunks of {chunk} bytes");
    }
    for small in [&[][..], &["a"], &["", "a", "bc", ""]] {
        let chunks: Vec<_> =
            small.iter().map(|text| Ok(Bytes::from_static(text.as_bytes()))).collect();
        let body = Body::from_stream(stream::iter(chunks), None);
        put(&store, "s", body).await.unwrap();
        assert_eq!(get(&store, "s").await.unwrap(), small.concat());
    }
}

#[test]
fn a_slow_reader_holds_no_thread() {
    // With one thread for work that blocks, the look ends only when the reader of the stream rests.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let folder = Folder::new();
        let store = folder.open().await;
        let content = bytes(1, (12 << 20) + 7);
        put(&store, "s", content.clone()).await.unwrap();
        let mut body = store.get(&key("s"), &GetOptions::default()).await.unwrap().body;
        let mut read = Vec::new();
        loop {
            let look = tokio::time::timeout(Duration::from_secs(60), head(&store, "s"));
            look.await.expect("the thread is free").unwrap();
            let Some(piece) = body.next().await else { break };
            read.extend_from_slice(&piece.unwrap());
        }
        assert!(read == content);
    });
}

#[tokio::test]
async fn a_source_that_fails_stores_nothing() {
    let folder = Folder::new();
    let store = folder.open().await;
    put(&store, "a", "old").await.unwrap();
    for before in [10, 5 << 20] {
        let failing = stream::iter([
            Ok(bytes(1, before)),
            Err(Error::new(ErrorKind::Unavailable, "the source broke")),
        ]);
        let error = put(&store, "a", Body::from_stream(failing, None)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let short = stream::iter([Ok(bytes(1, before))]);
        let body = Body::from_stream(short, Some(before as u64 + 1));
        let error = put(&store, "a", body).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        let options = PutOptions { checksum: Some(Crc32c::of(b"other")), ..PutOptions::default() };
        let error = store.put(&key("a"), bytes(1, before).into(), &options).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Corrupt, Effect::No));
    }
    assert_eq!(get(&store, "a").await.unwrap(), "old");
    assert!(folder.files_of(&store).await.is_empty(), "{:?}", folder.files_of(&store).await);
}

#[tokio::test]
async fn a_dropped_put_leaves_nothing() {
    let folder = Folder::new();
    let store = folder.open().await;
    let endless = stream::iter([Ok(bytes(1, 5 << 20))]).chain(stream::pending());
    let body = Body::from_stream(endless, None);
    let (name, options) = (key("a"), PutOptions::default());
    let mut dropped = store.put(&name, body, &options);
    // Until the file exists, so that there is something to leave behind.
    while folder.files().is_empty() {
        let step = tokio::time::sleep(std::time::Duration::from_millis(1));
        tokio::select! {
            stored = &mut dropped => panic!("the source does not end: {stored:?}"),
            () = step => {}
        }
    }
    drop(dropped);
    // Ends once the write that was under way has ended: a store that is closed leaves no folder.
    drop(store);
    while !folder.files().is_empty() {
        tokio::task::yield_now().await;
    }
    let store = folder.open().await;
    assert_eq!(get(&store, "a").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn ranges_are_slices_whatever_the_place() {
    let folder = Folder::new();
    let store = folder.open().await;
    for size in [10, LARGE, 3 << 20] {
        let content = bytes(2, size);
        put(&store, "r", content.clone()).await.unwrap();
        let ranges: Vec<ByteRange> = vec![
            (..).into(),
            (2..5).into(),
            (size as u64 - 3..size as u64 + 10).into(),
            (size as u64..).into(),
            ByteRange::suffix(4),
            ByteRange::suffix(0),
            (2..5).into(),
            (0..0).into(),
            (1..size as u64 - 1).into(),
        ];
        let together = store.get_ranges(&key("r"), &ranges, &GetOptions::default()).await.unwrap();
        for (range, joint) in ranges.iter().zip(together) {
            let options = GetOptions { range: *range, ..GetOptions::default() };
            let found = store.get(&key("r"), &options).await.unwrap();
            let exact = range.resolve(size as u64).unwrap();
            assert_eq!(found.range, exact);
            assert_eq!(found.meta.size, size as u64);
            let expected = &content[exact.start as usize..exact.end as usize];
            assert!(found.body.collect().await.unwrap() == expected, "{range}");
            assert!(joint == expected, "{range}");
        }
        for (range, kind) in [
            ((size as u64 + 1..).into(), ErrorKind::OutOfRange),
            (ByteRange::Bounded { start: 2, end: 1 }, ErrorKind::InvalidArgument),
        ] {
            let options = GetOptions { range, ..GetOptions::default() };
            assert_eq!(store.get(&key("r"), &options).await.unwrap_err().kind(), kind);
            let vectored = store.get_ranges(&key("r"), &[range], &GetOptions::default()).await;
            assert_eq!(vectored.unwrap_err().kind(), kind);
        }
    }
}

#[tokio::test]
async fn conditions_and_write_ids() {
    let folder = Folder::new();
    let store = folder.open().await;
    let with = |condition: WriteCondition, id: Option<&str>| PutOptions {
        condition,
        write_id: id.map(|id| WriteId::new(id).unwrap()),
        ..PutOptions::default()
    };
    let name = key("c");
    let absent = with(WriteCondition::IfAbsent, Some("first"));
    let first = store.put(&name, "1".into(), &absent).await.unwrap();
    assert_eq!(store.put(&name, "1".into(), &absent).await.unwrap(), first);
    for id in [None, Some("other")] {
        let again = with(WriteCondition::IfAbsent, id);
        let error = store.put(&name, "2".into(), &again).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!((error.effect(), error.is_retryable()), (Effect::No, false));
    }
    let update = with(WriteCondition::IfMatch(first.version.clone()), Some("up"));
    let second = store.put(&name, bytes(1, LARGE).into(), &update).await.unwrap();
    let again = store.put(&name, bytes(1, LARGE).into(), &update).await;
    assert_eq!(again.unwrap(), second);
    assert_eq!(folder.files_of(&store).await.len(), 1, "the repeated content is not kept");
    let foreign = [first.version.as_str(), "x", "\u{1f600}", "1-", "W/\"1\""];
    for version in foreign.map(|text| Version::new(text).unwrap()) {
        let stale = with(WriteCondition::IfMatch(version.clone()), None);
        let error = store.put(&name, "3".into(), &stale).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PreconditionFailed);
        let stale = DeleteOptions { if_match: Some(version), ..DeleteOptions::default() };
        let error = store.delete(&name, &stale).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PreconditionFailed);
    }
    let earlier = head(&store, "c").await.unwrap();
    assert_eq!(earlier.written(), second);
    let current =
        DeleteOptions { if_match: Some(second.version.clone()), ..DeleteOptions::default() };
    store.delete(&name, &current).await.unwrap();
    let error = store.delete(&name, &current).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PreconditionFailed);
    let third = create(&store, "c", "1").await.unwrap();
    assert!(third.version != first.version && third.version != second.version);
    assert!(head(&store, "c").await.unwrap().modified >= earlier.modified);
}

#[tokio::test]
async fn a_copy_is_independent_of_its_source() {
    let folder = Folder::new();
    let store = folder.open().await;
    let attributes = Arc::new(Attributes {
        content_type: Some("text/plain".to_owned()),
        ..Attributes::default()
    });
    for size in [0, 100, LARGE] {
        let content = bytes(3, size);
        let options = PutOptions { attributes: Arc::clone(&attributes), ..PutOptions::default() };
        let (from, to) = (key("from"), key("to"));
        let source = store.put(&from, content.clone().into(), &options).await.unwrap();
        let copy =
            CopyOptions { source_version: Some(source.version.clone()), ..CopyOptions::default() };
        let target = store.copy(&from, &to, &copy).await.unwrap();
        let copied = head(&store, "to").await.unwrap();
        assert_eq!(copied.written(), target);
        assert_eq!(copied.attributes, attributes);
        assert_ne!(target.version, source.version);
        put(&store, "from", "overwritten").await.unwrap();
        assert_eq!(get(&store, "to").await.unwrap(), content);
        delete(&store, "from").await.unwrap();
        assert_eq!(get(&store, "to").await.unwrap(), content);
        let error = store.copy(&from, &to, &copy).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);

        let itself = store.copy(&to, &to, &CopyOptions::default()).await;
        assert_eq!(itself.unwrap_err().kind(), ErrorKind::InvalidArgument);
        let replaced =
            CopyOptions { attributes: Some(Attributes::none()), ..CopyOptions::default() };
        let written = store.copy(&to, &to, &replaced).await.unwrap();
        let meta = head(&store, "to").await.unwrap();
        assert_eq!(meta.written(), written);
        assert!(meta.attributes.is_empty());
        assert_eq!(get(&store, "to").await.unwrap(), content);
        assert_eq!(folder.files_of(&store).await.len(), usize::from(size == LARGE));

        let stale = store.copy(&to, &from, &copy).await.unwrap_err();
        assert_eq!(stale.kind(), ErrorKind::PreconditionFailed);
        let taken = CopyOptions { condition: WriteCondition::IfAbsent, ..CopyOptions::default() };
        put(&store, "from", "taken").await.unwrap();
        let error = store.copy(&to, &from, &taken).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(get(&store, "from").await.unwrap(), "taken");
        assert_eq!(folder.files_of(&store).await.len(), usize::from(size == LARGE));
    }
}

#[tokio::test]
async fn a_reader_keeps_the_version_it_opened() {
    let folder = Folder::new();
    let store = folder.open().await;
    let old = bytes(4, 5 << 20);
    put(&store, "k", old.clone()).await.unwrap();
    let options = GetOptions::default();
    let replaced = store.get(&key("k"), &options).await.unwrap();
    put(&store, "k", bytes(5, 5 << 20)).await.unwrap();
    let deleted = store.get(&key("k"), &options).await.unwrap();
    delete(&store, "k").await.unwrap();
    assert!(replaced.body.collect().await.unwrap() == old);
    assert!(deleted.body.collect().await.unwrap() == bytes(5, 5 << 20));
    assert!(folder.files_of(&store).await.is_empty());
}

#[tokio::test]
async fn invalid_calls_are_refused_and_native_keys_only_read() {
    let folder = Folder::new();
    let store = folder.open().await;
    let native = Key::native("a//b");
    let options = PutOptions::default();
    let kind = |error: Error| error.kind();
    let put = store.put(&native, "x".into(), &options).await;
    assert_eq!(put.map_err(kind).unwrap_err(), ErrorKind::InvalidArgument);
    let begin = store.create_upload(&native, &options).await;
    assert_eq!(begin.map_err(kind).unwrap_err(), ErrorKind::InvalidArgument);
    let copy = store.copy(&native, &native, &CopyOptions::default()).await;
    assert_eq!(copy.map_err(kind).unwrap_err(), ErrorKind::InvalidArgument);
    let read = store.get(&native, &GetOptions::default()).await;
    assert_eq!(read.map_err(kind).unwrap_err(), ErrorKind::NotFound);
    assert_eq!(
        store.delete(&native, &DeleteOptions::default()).await.unwrap().existed,
        Some(false)
    );

    assert!(!store.capabilities().has(Capability::Versioning));
    let version = Version::new("1-000000").unwrap();
    let options = GetOptions { version: Some(version.clone()), ..GetOptions::default() };
    let read = store.head(&key("a"), &options).await;
    assert_eq!(read.map_err(kind).unwrap_err(), ErrorKind::Unsupported);
    let versions = store.list_versions(&"".try_into().unwrap(), None, None).await;
    assert_eq!(versions.map_err(kind).unwrap_err(), ErrorKind::Unsupported);
    let mut request = PresignRequest {
        method: PresignMethod::Get,
        expires_in: std::time::Duration::from_secs(1),
        content_type: None,
    };
    let presign = store.presign(&key("a"), &request).await;
    assert_eq!(presign.map_err(kind).unwrap_err(), ErrorKind::Unsupported);
    request.expires_in = std::time::Duration::ZERO;
    let presign = store.presign(&key("a"), &request).await;
    assert_eq!(presign.map_err(kind).unwrap_err(), ErrorKind::InvalidArgument);
}

#[tokio::test]
async fn the_largest_object_is_a_limit() {
    let folder = Folder::new();
    let store = LocalStorage::open(LocalSettings {
        max_object_size: Some(LARGE as u64),
        ..folder.settings()
    })
    .await
    .unwrap();
    assert_eq!(store.capabilities().limits.max_object_size, Some(LARGE as u64));
    put(&store, "a", bytes(1, LARGE)).await.unwrap();
    let unknown = Body::from_stream(stream::iter([Ok(bytes(1, LARGE + 1))]), None);
    for body in [Body::from(bytes(1, LARGE + 1)), unknown] {
        let error = put(&store, "b", body).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
    }
    assert_eq!(folder.files_of(&store).await.len(), 1);
}

#[tokio::test]
async fn many_deletes_share_one_call() {
    let folder = Folder::new();
    let store = folder.open().await;
    put(&store, "0", "x").await.unwrap();
    put(&store, "2", bytes(1, LARGE)).await.unwrap();
    let names = ["0", "1", "2", "0"].map(key);
    let existed: Vec<_> =
        store.delete_many(&names).await.into_iter().map(|result| result.unwrap().existed).collect();
    assert_eq!(existed, [Some(true), Some(false), Some(true), Some(false)]);
    assert!(folder.files_of(&store).await.is_empty());
    let many: Vec<_> = (0..2500).map(|n| key(&n.to_string())).collect();
    assert_eq!(store.delete_many(&many).await.len(), many.len());
}

//! Every call reaches the provider with its options.

use std::time::Duration;

use omni_storage::{
    ByteRange, Crc32c, ErrorKind, Key, ListEntry, Operation, PartNumber, PresignMethod,
    PresignRequest, Result, WriteId,
};

use crate::storages;

fn kind<T>(result: Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

#[tokio::test]
async fn puts_take_conditions_attributes_and_checksums() {
    let (_folder, storages) = storages().await;
    for storage in storages {
        let written = storage
            .put("a", "one")
            .if_absent()
            .content_type("text/plain")
            .content_encoding("identity")
            .content_language("en")
            .content_disposition("attachment")
            .cache_control("no-store")
            .metadata("owner", "ä")
            .checksum(Crc32c::of(b"one"))
            .write_id(WriteId::new("w-1").unwrap())
            .await
            .unwrap();
        let found = storage.head("a").await.unwrap();
        assert_eq!(found.written(), written);
        assert_eq!(found.attributes.content_type.as_deref(), Some("text/plain"));
        assert_eq!(found.attributes.fields().filter(|(_, value)| value.is_some()).count(), 5);
        assert_eq!(found.attributes.metadata["owner"], "ä");

        // The same write again, not another's object.
        let id = WriteId::new("w-1").unwrap();
        assert_eq!(storage.put("a", "one").if_absent().write_id(id).await.unwrap(), written);
        assert_eq!(kind(storage.put("a", "two").if_absent().await), Some(ErrorKind::AlreadyExists));
        let new = storage.put("a", "two").if_match(written.version.clone()).await.unwrap();
        let stale = storage.put("a", "three").if_match(written.version).await;
        assert_eq!(kind(stale), Some(ErrorKind::PreconditionFailed));
        let overwritten = storage.head("a").await.unwrap();
        assert_eq!(overwritten.written(), new);
        assert!(overwritten.attributes.is_empty(), "what an overwrite does not state is cleared");
        let corrupt = storage.put("a", "four").checksum(Crc32c::of(b"five")).await;
        assert_eq!(kind(corrupt), Some(ErrorKind::Corrupt));
        assert_eq!(storage.get("a").await.unwrap().text().await.unwrap(), "two");
        storage.put("b", "").attributes((*found.attributes).clone()).await.unwrap();
        assert_eq!(storage.head("b").await.unwrap().attributes, found.attributes);
    }
}

#[tokio::test]
async fn gets_take_ranges_and_conditions() {
    let (_folder, storages) = storages().await;
    for storage in storages {
        let version = storage.put("a", "0123456789").await.unwrap().version;
        let object = storage.get("a").range(2..5).await.unwrap();
        assert_eq!((object.meta().size, object.range()), (10, 2..5));
        assert_eq!(object.bytes().await.unwrap(), "234");
        let suffix = storage.get("a").range(ByteRange::suffix(3)).await.unwrap();
        assert_eq!(suffix.text().await.unwrap(), "789");
        let ranges = storage.get_ranges("a", [0..2, 8..10, 4..4]).await.unwrap();
        assert_eq!(ranges, ["01", "89", ""]);
        let pinned = storage.get("a").if_match(version.clone()).ranges([3..]).await.unwrap();
        assert_eq!(pinned, ["3456789"]);

        let unchanged = storage.get("a").if_none_match(version.clone()).await;
        assert_eq!(kind(unchanged), Some(ErrorKind::NotModified));
        let unchanged = storage.head("a").if_none_match(version.clone()).await;
        assert_eq!(kind(unchanged), Some(ErrorKind::NotModified));
        let now = std::time::SystemTime::now() + Duration::from_secs(60);
        let old = storage.get("a").if_modified_since(now).await;
        assert_eq!(kind(old), Some(ErrorKind::NotModified));
        storage.head("a").if_unmodified_since(now).await.unwrap();
        storage.put("a", "new").await.unwrap();
        let changed = storage.get("a").if_match(version).await;
        assert_eq!(kind(changed), Some(ErrorKind::PreconditionFailed));

        storage.put("binary", vec![0xff]).await.unwrap();
        let text = storage.get("binary").await.unwrap().text().await;
        assert_eq!(kind(text), Some(ErrorKind::InvalidArgument));
        assert!(storage.exists("a").await.unwrap() && !storage.exists("b").await.unwrap());
    }
}

#[tokio::test]
async fn deletes_report_each_key() {
    let (_folder, storages) = storages().await;
    for storage in storages {
        let version = storage.put("a", "").await.unwrap().version;
        let other = storage.put("a", "").await.unwrap().version;
        let stale = storage.delete("a").if_match(version).await;
        assert_eq!(kind(stale), Some(ErrorKind::PreconditionFailed));
        assert_eq!(storage.delete("a").if_match(other).await.unwrap().existed, Some(true));
        assert_eq!(storage.delete("a").await.unwrap().existed, Some(false));

        for key in ["x/1", "x/2", "x-3", "y"] {
            storage.put(key, "").await.unwrap();
        }
        let results = storage.delete_many(["y", "not//valid", "missing"]).await;
        let existed: Vec<_> =
            results.iter().map(|one| one.as_ref().map(|d| d.existed).ok()).collect();
        assert_eq!(existed, [Some(Some(true)), None, Some(Some(false))]);
        let error = results[1].as_ref().unwrap_err();
        assert_eq!(error.operation(), Some(Operation::DeleteMany));
        assert_eq!(storage.delete_prefix("x").await.unwrap(), 2);
        assert_eq!(kind(storage.delete_prefix("").await), Some(ErrorKind::InvalidArgument));
        assert_eq!(storage.list("").await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn listings_are_streams_pages_or_all_at_once() {
    let (_folder, storages) = storages().await;
    for storage in storages {
        for key in ["a/1", "a/2", "a/b/3", "a/b/4", "ab"] {
            storage.put(key, "").await.unwrap();
        }
        let names = |entries: &[ListEntry]| -> Vec<String> {
            entries.iter().map(|entry| entry.name().to_owned()).collect()
        };
        let all = storage.list("a").page_size(2).await.unwrap();
        assert_eq!(names(&all), ["a/1", "a/2", "a/b/3", "a/b/4", "ab"]);
        let folder = storage.list("a/").delimiter("/").await.unwrap();
        assert_eq!(names(&folder), ["a/1", "a/2", "a/b/"]);
        let after = storage.list("a").start_after("a/b/").await.unwrap();
        assert_eq!(names(&after), ["a/b/3", "a/b/4", "ab"]);

        let first = storage.list("a").page_size(3).page(None).await.unwrap();
        assert_eq!(first.entries.len(), 3);
        let second = storage.list("a").page_size(3).page(first.next).await.unwrap();
        assert_eq!(names(&second.entries), ["a/b/4", "ab"]);
        assert_eq!(second.next, None);

        let mut stream = storage.list("a").page_size(1).stream();
        let mut count = 0;
        while let Some(entry) = stream.next().await {
            count += usize::from(entry.unwrap().as_object().is_some());
        }
        assert_eq!(count, 5);
        assert_eq!(kind(storage.list("a").page_size(0).await), Some(ErrorKind::InvalidArgument));
        let error = storage.list("x".repeat(2000)).page_size(1).await.unwrap_err();
        assert_eq!(error.operation(), Some(Operation::List));
    }
}

#[tokio::test]
async fn copies_keep_or_replace_attributes() {
    let (_folder, storages) = storages().await;
    for storage in storages {
        let source = storage.put("a", "one").content_type("text/plain").await.unwrap();
        let copied = storage.copy("a", "b").if_absent().await.unwrap();
        let meta = storage.head("b").await.unwrap();
        assert_eq!(meta.written(), copied);
        assert_eq!(meta.attributes.content_type.as_deref(), Some("text/plain"));
        assert_eq!(meta.attributes, storage.head("a").await.unwrap().attributes);
        assert_eq!(kind(storage.copy("a", "b").if_absent().await), Some(ErrorKind::AlreadyExists));
        let replaced = storage
            .copy("a", "b")
            .if_match(copied.version)
            .source_version(source.version)
            .metadata("k", "v")
            .await
            .unwrap();
        let meta = storage.head("b").await.unwrap();
        assert_eq!(meta.written(), replaced);
        assert_eq!(meta.attributes.content_type, None);
        assert_eq!(meta.attributes.metadata["k"], "v");
        assert_eq!(storage.get("b").await.unwrap().text().await.unwrap(), "one");
        assert_eq!(kind(storage.copy("a/", "b").await), Some(ErrorKind::InvalidArgument));
    }
}

#[tokio::test]
async fn uploads_in_parts() {
    let (_folder, storages) = storages().await;
    for storage in storages {
        let upload = storage.create_upload("a").content_type("text/plain").await.unwrap();
        let part = |number| PartNumber::new(number).unwrap();
        let two = storage.upload_part("a", &upload, part(2), "two").await.unwrap();
        let one = storage.upload_part("a", &upload, part(1), "one").await.unwrap();
        let received = storage.list_parts("a", &upload).await.unwrap();
        assert_eq!(received, [one.clone(), two.clone()]);
        let page = storage.list_uploads("", None).await.unwrap();
        assert_eq!(page.entries.len(), 1);
        assert!(!storage.exists("a").await.unwrap());

        let wrong = storage.complete_upload("a", &upload, &received).checksum(Crc32c::of(b"x"));
        assert_eq!(kind(wrong.await), Some(ErrorKind::Corrupt));
        let written = storage
            .complete_upload("a", &upload, &received)
            .if_absent()
            .checksum(Crc32c::of(b"onetwo"))
            .await
            .unwrap();
        assert_eq!(written.size, 6);
        let meta = storage.head("a").await.unwrap();
        assert_eq!(meta.written(), written);
        assert_eq!(meta.attributes.content_type.as_deref(), Some("text/plain"));
        storage.abort_upload("a", &upload).await.unwrap();
    }
}

#[tokio::test]
async fn what_a_provider_lacks_is_unsupported() {
    let (_folder, storages) = storages().await;
    for storage in storages {
        let request = PresignRequest {
            method: PresignMethod::Get,
            expires_in: Duration::from_secs(60),
            content_type: None,
        };
        assert_eq!(kind(storage.presign("a", &request).await), Some(ErrorKind::Unsupported));
        assert_eq!(kind(storage.versions("").await), Some(ErrorKind::Unsupported));
    }
}

#[tokio::test]
async fn versions_are_listed_read_and_removed() {
    let settings = omni_provider_memory::MemorySettings { versioning: true, ..Default::default() };
    let storage = omni_storage::Storage::new(omni_provider_memory::MemoryStorage::new(settings));
    let old = storage.put("a", "old").await.unwrap().version;
    storage.put("a", "new").await.unwrap();
    let versions = storage.versions("a").page_size(1).await.unwrap();
    let current: Vec<_> = versions.iter().map(|entry| entry.current).collect();
    assert_eq!(current, [true, false]);
    let page = storage.versions("a").page_size(1).page(None).await.unwrap();
    assert!(page.entries.len() == 1 && page.next.is_some());
    let found = storage.get("a").version(old.clone()).await.unwrap();
    assert_eq!(found.text().await.unwrap(), "old");
    storage.delete("a").version(old.clone()).await.unwrap();
    assert_eq!(kind(storage.head("a").version(old).await), Some(ErrorKind::NotFound));
}

#[tokio::test]
async fn an_invalid_key_is_refused_by_every_call() {
    let (_folder, storages) = storages().await;
    for storage in storages {
        let (bad, good) = ("a//b", Key::new("ok").unwrap());
        let upload = storage.create_upload(&good).await.unwrap();
        let part = PartNumber::new(1).unwrap();
        let request = PresignRequest {
            method: PresignMethod::Get,
            expires_in: Duration::from_secs(60),
            content_type: None,
        };
        for (error, operation) in [
            (storage.put(bad, "").await.err(), Operation::Put),
            (storage.writer(bad).await.err(), Operation::Put),
            (storage.get(bad).await.err(), Operation::Get),
            (storage.get_ranges(bad, [..1]).await.err(), Operation::GetRanges),
            (storage.head(bad).await.err(), Operation::Head),
            (storage.exists(bad).await.err(), Operation::Head),
            (storage.delete(bad).await.err(), Operation::Delete),
            (storage.copy(bad, &good).await.err(), Operation::Copy),
            (storage.copy(&good, bad.to_owned()).await.err(), Operation::Copy),
            (storage.create_upload(bad.to_owned()).await.err(), Operation::CreateUpload),
            (storage.upload_part(bad, &upload, part, "").await.err(), Operation::UploadPart),
            (storage.list_parts(bad, &upload).await.err(), Operation::ListParts),
            (storage.complete_upload(bad, &upload, &[]).await.err(), Operation::CompleteUpload),
            (storage.abort_upload(bad, &upload).await.err(), Operation::AbortUpload),
            (storage.presign(bad, &request).await.err(), Operation::Presign),
        ] {
            let error = error.unwrap();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert_eq!(
                error.to_string(),
                format!(
                    "invalid argument: not a portable key: an empty segment is not allowed, byte 2 \
                     begins one (operation {operation}, provider {}, resource `a//b`)",
                    storage.name()
                )
            );
        }
    }
}

//! Mutants of unfinished uploads: STO-138 to STO-141 and STO-148.

use futures_util::StreamExt;
use omni_contracts::ErrorKind;
use omni_contracts::storage::{Key, Prefix};

use super::Mutant;
use super::calls::Upload;
use super::sabotage::{Store, fail};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new("STO-138", "aborts_nothing", "an aborted upload goes on")
        .abort_upload(|_, _| Box::pin(async { Ok(()) })),
    Mutant::new("STO-138", "aborts_too_much", "an abort deletes the object").abort_upload(
        |store, upload| {
            Box::pin(async move {
                store.inner.delete(&upload.key, &Default::default()).await?;
                upload.abort(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-138", "aborts_once", "an abort of an unknown upload is NotFound")
        .abort_upload(|store, upload| {
            Box::pin(async move {
                store.inner.list_parts(&upload.key, &upload.id).await?;
                upload.abort(&*store.inner).await
            })
        }),
    Mutant::new("STO-138", "aborted_is_invalid", "an aborted upload is told as InvalidArgument")
        .upload_part(|store, part| {
            Box::pin(async move {
                match part.to(&*store.inner).await {
                    Err(e) if e.kind() == ErrorKind::NotFound => fail(ErrorKind::InvalidArgument),
                    result => result,
                }
            })
        }),
    Mutant::new("STO-139", "hides_uploads", "list_uploads is always empty")
        .list_uploads(|_, _| Box::pin(async { Ok(Default::default()) })),
    Mutant::new("STO-139", "lists_all_uploads", "list_uploads ignores the prefix").list_uploads(
        |store, mut list| {
            Box::pin(async move {
                list.prefix = Prefix::ALL;
                list.uploads(&*store.inner).await
            })
        },
    ),
    Mutant::new(
        "STO-139",
        "lists_one_upload_per_key",
        "of several uploads of a key, one is listed",
    )
    .list_uploads(|store, list| {
        Box::pin(async move {
            let mut page = list.uploads(&*store.inner).await?;
            page.entries.dedup_by(|a, b| a.key == b.key);
            Ok(page)
        })
    }),
    Mutant::new("STO-139", "hides_uploads_of_objects", "uploads over an object are not listed")
        .list_uploads(|store, list| {
            Box::pin(async move {
                let mut page = list.uploads(&*store.inner).await?;
                let mut entries = Vec::new();
                for entry in page.entries {
                    if !store.has(&entry.key).await {
                        entries.push(entry);
                    }
                }
                page.entries = entries;
                Ok(page)
            })
        }),
    Mutant::new("STO-140", "receives_what_came", "what came of a part that failed is received")
        .upload_part(|store, mut part| {
            Box::pin(async move {
                let mut content = Vec::new();
                let error = loop {
                    match part.body.next().await {
                        Some(Ok(chunk)) => content.extend_from_slice(&chunk),
                        Some(Err(error)) => break Some(error),
                        None => break None,
                    }
                };
                part.body = content.into();
                let received = part.to(&*store.inner).await?;
                error.map_or(Ok(received), Err)
            })
        }),
    Mutant::new("STO-140", "takes_any_length", "a part of a wrong length is acknowledged")
        .upload_part(|store, mut part| {
            Box::pin(async move {
                let mut content = Vec::new();
                loop {
                    match part.body.next().await {
                        Some(Ok(chunk)) => content.extend_from_slice(&chunk),
                        Some(Err(e)) if e.kind() != ErrorKind::Corrupt => return Err(e),
                        Some(Err(_)) | None => break,
                    }
                }
                part.body = content.into();
                part.to(&*store.inner).await
            })
        }),
    Mutant::new("STO-141", "parts_of_any_key", "a part is received for another key's upload")
        .upload_part(|store, mut part| {
            Box::pin(async move {
                part.upload.key = key_of(store, &part.upload).await;
                part.to(&*store.inner).await
            })
        }),
    Mutant::new("STO-141", "completes_any_key", "another key's upload can be completed")
        .complete_upload(|store, mut complete| {
            Box::pin(async move {
                complete.upload.key = key_of(store, &complete.upload).await;
                complete.at(&*store.inner).await
            })
        }),
    Mutant::new("STO-141", "lists_parts_of_any_key", "another key's upload shows its parts")
        .list_parts(|store, mut upload| {
            Box::pin(async move {
                upload.key = key_of(store, &upload).await;
                upload.parts(&*store.inner).await
            })
        }),
    Mutant::new("STO-148", "ignores_checksums", "the checksum of a completion is not compared")
        .complete_upload(|store, mut complete| {
            Box::pin(async move {
                complete.options.checksum = None;
                complete.at(&*store.inner).await
            })
        }),
    Mutant::new(
        "STO-148",
        "compares_after_completing",
        "the checksum is compared when it is too late",
    )
    .complete_upload(|store, mut complete| {
        Box::pin(async move {
            let expected = complete.options.checksum.take();
            let meta = complete.at(&*store.inner).await?;
            meta.checksum.unwrap_or_default().expect(expected)?;
            Ok(meta)
        })
    }),
    Mutant::new("STO-148", "gives_up_at_once", "a wrong checksum aborts the upload")
        .complete_upload(|store, complete| {
            Box::pin(async move {
                let (key, id) = (complete.upload.key.clone(), complete.upload.id.clone());
                let result = complete.at(&*store.inner).await;
                if result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Corrupt) {
                    store.inner.abort_upload(&key, &id).await?;
                }
                result
            })
        }),
];

/// The key that an upload was begun for, whatever the caller says.
async fn key_of(store: &Store, upload: &Upload) -> Key {
    let page = store.inner.list_uploads(&Prefix::ALL, None).await.unwrap_or_default();
    let entry = page.entries.into_iter().find(|entry| entry.id == upload.id);
    entry.map_or_else(|| upload.key.clone(), |entry| entry.key)
}

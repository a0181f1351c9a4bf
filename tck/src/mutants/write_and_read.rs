//! Mutants of the section "Write and read": STO-001 to STO-008.

use bytes::Bytes;
use futures_util::StreamExt;
use omni_contracts::storage::{Crc32c, DeleteOptions, ListEntry, ListRequest, Prefix};
use omni_contracts::{Error, ErrorKind};

use super::Mutant;
use super::sabotage::Store;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new("STO-001", "acknowledges_without_storing", "a put stores nothing")
        .put(|store, put| Box::pin(put.to(store.shadow()))),
    Mutant::new("STO-001", "loses_every_seventh_put", "each seventh put stores nothing").put(
        |store, put| {
            Box::pin(async move {
                match store.count() % 7 {
                    6 => put.to(store.shadow()).await,
                    _ => put.to(&*store.inner).await,
                }
            })
        },
    ),
    Mutant::new("STO-001", "loses_streams", "a put of a stream stores nothing").put(
        |store, put| {
            Box::pin(async move {
                match put.is_streamed() {
                    true => put.to(store.shadow()).await,
                    false => put.to(&*store.inner).await,
                }
            })
        },
    ),
    Mutant::new("STO-001", "loses_large_puts", "a put above 64 KiB stores nothing").put(
        |store, put| {
            Box::pin(async move {
                let (put, content) = put.whole().await?;
                match content.len() > 64 << 10 {
                    true => put.to(store.shadow()).await,
                    false => put.to(&*store.inner).await,
                }
            })
        },
    ),
    Mutant::new("STO-001", "drops_the_last_byte", "get returns all but the last byte")
        .read(Some(|content| content.slice(..content.len().saturating_sub(1)))),
    Mutant::new("STO-001", "stores_text", "what is not UTF-8 is replaced")
        .written(Some(|content| String::from_utf8_lossy(&content).into_owned().into())),
    Mutant::new("STO-001", "stops_at_zero", "content ends at its first zero byte").written(Some(
        |content| {
            content.split(|byte| *byte == 0).next().map_or_else(Bytes::new, Bytes::copy_from_slice)
        },
    )),
    Mutant::new("STO-001", "trims_line_ends", "line ends at the end are cut off")
        .written(Some(|content| Bytes::copy_from_slice(content.trim_ascii_end()))),
    Mutant::new("STO-001", "keeps_one_mebibyte", "content is cut at 1 MiB")
        .written(Some(|content| content.slice(..content.len().min(1 << 20)))),
    Mutant::new("STO-002", "size_is_off_by_one", "head reports one byte more")
        .described(|meta| meta.size += 1),
    Mutant::new("STO-002", "head_forgets_attributes", "head reports no attributes")
        .described(|meta| meta.attributes = omni_contracts::storage::Attributes::none()),
    Mutant::new("STO-002", "get_has_its_own_time", "get reports the time of reading")
        .got(|meta| meta.modified = std::time::SystemTime::now()),
    Mutant::new("STO-002", "head_makes_checksums_up", "head reports another checksum")
        .described(|meta| meta.checksum = Some(Crc32c::of(b"another"))),
    Mutant::new("STO-003", "keeps_the_tail", "a shorter overwrite keeps the longer's end").put(
        |store, put| {
            Box::pin(async move {
                let old = store.content(&put.key).await;
                let (put, new) = put.whole().await?;
                let tail = old.get(new.len()..).unwrap_or_default();
                let mut put = put.with([&new[..], tail].concat());
                put.options.checksum = None;
                put.to(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-004", "empty_is_missing", "an empty object is not found").get(|store, get| {
        Box::pin(async move {
            let found = get.from(&*store.inner).await?;
            match found.meta.size {
                0 => Err(not_found()),
                _ => Ok(found),
            }
        })
    }),
    Mutant::new("STO-004", "empty_does_not_overwrite", "an empty put leaves the old object").put(
        |store, put| {
            Box::pin(async move {
                let (put, content) = put.whole().await?;
                match content.is_empty() && store.has(&put.key).await {
                    true => store.stored(&put.key).await,
                    false => put.to(&*store.inner).await,
                }
            })
        },
    ),
    Mutant::new("STO-004", "empty_is_not_listed", "listings leave empty objects out").page(
        |_, page| {
            page.entries.retain(|entry| entry.as_object().is_none_or(|object| object.size > 0))
        },
    ),
    Mutant::new("STO-005", "folder_is_an_object", "head of a folder succeeds").head(
        |store, head| {
            Box::pin(async move {
                let folder = first_below(store, head.key.as_str()).await;
                let found = head.clone().head(&*store.inner).await;
                match folder {
                    Some(entry) if found.is_err() => {
                        store.inner.head(&entry, &Default::default()).await
                    }
                    _ => found,
                }
            })
        },
    ),
    Mutant::new("STO-005", "folder_can_be_read", "get of a folder returns what is below").get(
        |store, get| {
            Box::pin(async move {
                match first_below(store, get.key.as_str()).await {
                    Some(entry) if !store.has(&get.key).await => {
                        store.inner.get(&entry, &get.options).await
                    }
                    _ => get.from(&*store.inner).await,
                }
            })
        },
    ),
    Mutant::new("STO-005", "missing_has_empty_ranges", "ranges of a missing object are empty")
        .get_ranges(|store, get| {
            Box::pin(async move {
                match store.has(&get.get.key).await {
                    true => get.from(&*store.inner).await,
                    false => Ok(vec![Bytes::new(); get.ranges.len()]),
                }
            })
        }),
    Mutant::new("STO-006", "stops_at_an_empty_chunk", "an empty chunk ends the stream").put(
        |store, mut put| {
            Box::pin(async move {
                if put.is_streamed() {
                    let length = put.body.length();
                    let mut content = Vec::new();
                    while let Some(chunk) = put.body.next().await.transpose()? {
                        if chunk.is_empty() {
                            break;
                        }
                        content.extend_from_slice(&chunk);
                    }
                    // Later chunks are read and thrown away, so that the stream is seen to its end.
                    while put.body.next().await.transpose()?.is_some() {}
                    debug_assert!(length.is_none_or(|length| content.len() as u64 <= length));
                    put = put.with(content);
                }
                put.to(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-006", "keeps_sixteen_chunks", "chunks after the sixteenth are lost").put(
        |store, mut put| {
            Box::pin(async move {
                if put.is_streamed() {
                    let mut chunks = Vec::new();
                    while let Some(chunk) = put.body.next().await.transpose()? {
                        chunks.push(chunk);
                    }
                    chunks.truncate(16);
                    put = put.with(chunks.concat());
                }
                put.to(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-007", "objects_are_files", "a put below an object is refused").put(
        |store, put| {
            Box::pin(async move {
                if let Some((parent, _)) = put.key.as_str().rsplit_once('/')
                    && store.inner.head(&parent.try_into()?, &Default::default()).await.is_ok()
                {
                    return Err(Error::new(ErrorKind::Conflict, "not a directory"));
                }
                put.to(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-007", "replaces_folders", "a put removes what is below its key").put(
        |store, put| {
            Box::pin(async move {
                while let Some(key) = first_below(store, put.key.as_str()).await {
                    store.inner.delete(&key, &DeleteOptions::default()).await?;
                }
                put.to(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-008", "size_of_the_range", "get reports the range's size as the object's")
        .get(|store, get| {
            Box::pin(async move {
                let mut found = get.from(&*store.inner).await?;
                found.meta.size = found.range.end - found.range.start;
                Ok(found)
            })
        }),
];

/// The first object below `folder` and `/`.
pub(super) async fn first_below(
    store: &Store,
    folder: &str,
) -> Option<omni_contracts::storage::Key> {
    let request = ListRequest::prefix(Prefix::new(format!("{folder}/")).ok()?);
    let page = store.inner.list(&request).await.ok()?;
    page.entries.first().and_then(ListEntry::as_object).map(|object| object.key.clone())
}

pub(super) fn not_found() -> Error {
    Error::new(ErrorKind::NotFound, "no object has this key")
}

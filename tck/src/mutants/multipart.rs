//! Mutants of the section "Multipart": STO-130 to STO-137. The rest live in `uploads`.

use std::cmp::Reverse;
use std::sync::Arc;

use omni_contracts::storage::{
    Attributes, Crc32c, Key, ListRequest, Part, Prefix, PutOptions, StorageProvider, UploadEntry,
    UploadId, WriteCondition, Written,
};
use omni_contracts::{ErrorKind, Result};

use super::Mutant;
use super::calls::{Complete, Upload, UploadPart};
use super::sabotage::{Store, fail};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new("STO-130", "parts_are_visible", "the first part is visible as the object")
        .upload_part(|store, part| {
            Box::pin(async move {
                let key = part.upload.key.clone();
                let (part, content) = whole(part).await?;
                let received = part.to(&*store.inner).await?;
                if !store.has(&key).await {
                    store.inner.put(&key, content.into(), &PutOptions::default()).await?;
                }
                Ok(received)
            })
        }),
    Mutant::new("STO-130", "uploads_begin_with_nothing", "beginning an upload creates the object")
        .create_upload(|store, put| {
            Box::pin(async move {
                let key = put.key.clone();
                let id = put.begin(&*store.inner).await?;
                if !store.has(&key).await {
                    store.inner.put(&key, "".into(), &PutOptions::default()).await?;
                }
                Ok(id)
            })
        }),
    Mutant::new("STO-130", "uploads_replace_at_once", "beginning an upload deletes the object")
        .create_upload(|store, put| {
            Box::pin(async move {
                let key = put.key.clone();
                let id = put.begin(&*store.inner).await?;
                store.inner.delete(&key, &Default::default()).await?;
                Ok(id)
            })
        }),
    Mutant::new("STO-131", "joins_by_arrival", "parts are joined in the order of arrival")
        .upload_part(|store, part| {
            Box::pin(remember(store, part, |_, count| format!("{count:09}")))
        })
        .complete_upload(|store, complete| Box::pin(join(store, complete))),
    Mutant::new("STO-131", "joins_by_text", "part 10 comes before part 2")
        .upload_part(|store, part| Box::pin(remember(store, part, |number, _| number.to_string())))
        .complete_upload(|store, complete| Box::pin(join(store, complete))),
    Mutant::new("STO-131", "wants_consecutive_numbers", "a gap in the numbers is refused")
        .complete_upload(|store, complete| {
            Box::pin(async move {
                let mut numbers = 1..;
                let gap = |part: &Part| numbers.next() != Some(part.number.get());
                match !complete.parts.is_empty() && complete.parts.iter().any(gap) {
                    true => fail(ErrorKind::InvalidArgument),
                    false => complete.at(&*store.inner).await,
                }
            })
        }),
    Mutant::new("STO-131", "joins_what_is_there", "parts that were not stated are joined too")
        .complete_upload(|store, mut complete| {
            Box::pin(async move {
                let (key, id) = (complete.upload.key.clone(), complete.upload.id.clone());
                if let Ok(all) = store.inner.list_parts(&key, &id).await
                    && complete.parts.iter().all(|part| all.contains(part))
                    && complete.parts.is_sorted_by(|a, b| a.number < b.number)
                    && !complete.parts.is_empty()
                {
                    complete.parts = all;
                }
                complete.at(&*store.inner).await
            })
        }),
    Mutant::new(
        "STO-132",
        "appends_what_is_sent_again",
        "a part sent again is added to the earlier",
    )
    .upload_part(|store, part| {
        Box::pin(async move {
            let name = part_name(&part.upload.id, &part.number.to_string())?;
            let (mut part, content) = whole(part).await?;
            let both = [&store.remembered(&name).await[..], &content].concat();
            part.body = both.clone().into();
            let received = part.to(&*store.inner).await?;
            store.mark(&name, both).await;
            Ok(received)
        })
    }),
    Mutant::new("STO-131", "joins_1000_parts", "parts after the thousandth are left out")
        .complete_upload(|store, mut complete| {
            Box::pin(async move {
                complete.parts.truncate(1000);
                complete.at(&*store.inner).await
            })
        }),
    Mutant::new("STO-132", "keeps_the_first_sent", "a part sent again is thrown away").upload_part(
        |store, part| {
            Box::pin(async move {
                let parts = store.inner.list_parts(&part.upload.key, &part.upload.id).await?;
                let (part, _) = whole(part).await?;
                match parts.into_iter().find(|earlier| earlier.number == part.number) {
                    Some(earlier) => Ok(earlier),
                    None => part.to(&*store.inner).await,
                }
            })
        },
    ),
    Mutant::new("STO-133", "lists_no_parts", "list_parts is always empty").list_parts(
        |store, upload| {
            Box::pin(async move { upload.parts(&*store.inner).await.map(|_| Vec::new()) })
        },
    ),
    Mutant::new("STO-133", "lists_the_newest_part_first", "list_parts is in another order")
        .list_parts(|store, upload| {
            Box::pin(async move {
                let mut parts = upload.parts(&*store.inner).await?;
                parts.sort_by_key(|part| Reverse(part.number));
                Ok(parts)
            })
        }),
    Mutant::new("STO-133", "lists_three_parts", "list_parts ends after three").list_parts(
        |store, upload| {
            Box::pin(async move {
                let mut parts = upload.parts(&*store.inner).await?;
                parts.truncate(3);
                Ok(parts)
            })
        },
    ),
    Mutant::new("STO-133", "lists_parts_without_size", "list_parts reports sizes of zero")
        .list_parts(|store, upload| {
            Box::pin(async move {
                let mut parts = upload.parts(&*store.inner).await?;
                parts.iter_mut().for_each(|part| part.size = 0);
                Ok(parts)
            })
        }),
    Mutant::new("STO-134", "completes_nothing", "no part makes an empty object").complete_upload(
        |store, complete| {
            Box::pin(async move {
                if complete.parts.is_empty() {
                    let Upload { key, id } = complete.upload;
                    store.inner.abort_upload(&key, &id).await?;
                    return store.inner.put(&key, "".into(), &PutOptions::default()).await;
                }
                complete.at(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-134", "sorts_what_is_stated", "parts out of order are put in order")
        .complete_upload(|store, mut complete| {
            Box::pin(async move {
                complete.parts.sort_by_key(|part| part.number);
                complete.at(&*store.inner).await
            })
        }),
    Mutant::new("STO-134", "states_a_part_once", "a part that is stated twice counts once")
        .complete_upload(|store, mut complete| {
            Box::pin(async move {
                complete.parts.dedup();
                complete.at(&*store.inner).await
            })
        }),
    Mutant::new(
        "STO-134",
        "skips_what_was_not_received",
        "a part that was not received is skipped",
    )
    .complete_upload(|store, mut complete| {
        Box::pin(async move {
            let Upload { key, id } = &complete.upload;
            if let Ok(received) = store.inner.list_parts(key, id).await {
                complete.parts.retain(|part| received.iter().any(|r| r.number == part.number));
            }
            complete.at(&*store.inner).await
        })
    }),
    Mutant::new("STO-134", "takes_what_was_replaced", "a part that was replaced is taken anyway")
        .complete_upload(|store, mut complete| {
            Box::pin(async move {
                let Upload { key, id } = &complete.upload;
                if let Ok(received) = store.inner.list_parts(key, id).await {
                    for part in &mut complete.parts {
                        if let Some(r) = received.iter().find(|r| r.number == part.number) {
                            *part = r.clone();
                        }
                    }
                }
                complete.at(&*store.inner).await
            })
        }),
    Mutant::new("STO-134", "adds_up_what_is_stated", "contents that were never sent are Corrupt")
        .complete_upload(|store, complete| {
            Box::pin(async move {
                let summed = complete.options.checksum.is_some();
                match complete.at(&*store.inner).await {
                    Err(error) if summed && error.kind() == ErrorKind::InvalidArgument => {
                        fail(ErrorKind::Corrupt)
                    }
                    result => result,
                }
            })
        }),
    Mutant::new("STO-134", "gives_up_at_once", "an upload that is completed wrongly is aborted")
        .complete_upload(|store, complete| {
            Box::pin(async move {
                let Upload { key, id } = &complete.upload;
                let (key, id) = (key.clone(), id.clone());
                let result = complete.at(&*store.inner).await;
                if result.as_ref().is_err_and(|e| e.kind() == ErrorKind::InvalidArgument) {
                    store.inner.abort_upload(&key, &id).await?;
                }
                result
            })
        }),
    Mutant::new("STO-135", "uploads_lose_attributes", "an upload stores no attributes")
        .create_upload(|store, mut put| {
            Box::pin(async move {
                put.options.attributes.validate()?;
                put.options.attributes = Attributes::none();
                put.begin(&*store.inner).await
            })
        }),
    Mutant::new("STO-135", "uploads_lose_metadata", "an upload stores no user metadata")
        .create_upload(|store, mut put| {
            Box::pin(async move {
                put.options.attributes.validate()?;
                Arc::make_mut(&mut put.options.attributes).metadata.clear();
                put.begin(&*store.inner).await
            })
        }),
    Mutant::new("STO-136", "completes_always", "the condition of a completion is ignored")
        .complete_upload(|store, mut complete| {
            Box::pin(async move {
                complete.options.condition = WriteCondition::Always;
                complete.at(&*store.inner).await
            })
        }),
    Mutant::new("STO-136", "complete_checks_then_completes", "a completion looks, then completes")
        .complete_upload(|store, mut complete| {
            Box::pin(async move {
                let condition = std::mem::take(&mut complete.options.condition);
                let current = store.meta(&complete.upload.key).await.ok();
                condition.check(current.as_ref().map(|meta| &meta.version))?;
                tokio::task::yield_now().await;
                complete.at(&*store.inner).await
            })
        }),
    Mutant::new("STO-136", "decides_when_it_begins", "IfAbsent is decided when an upload begins")
        .create_upload(|store, put| {
            Box::pin(async move {
                let free = !store.has(&put.key).await;
                let id = put.begin(&*store.inner).await?;
                if free {
                    store.mark(&part_name(&id, "free")?, "free").await;
                }
                Ok(id)
            })
        })
        .complete_upload(|store, mut complete| {
            Box::pin(async move {
                let was_free = store.marked(&part_name(&complete.upload.id, "free")?).await;
                if was_free && complete.options.condition == WriteCondition::IfAbsent {
                    complete.options.condition = WriteCondition::Always;
                }
                complete.at(&*store.inner).await
            })
        }),
    Mutant::new("STO-137", "completes_once", "a completion that is repeated is NotFound")
        .complete_upload(|store, complete| {
            Box::pin(async move {
                let name = part_name(&complete.upload.id, "done")?;
                if store.marked(&name).await {
                    return fail(ErrorKind::NotFound);
                }
                let meta = complete.at(&*store.inner).await?;
                store.mark(&name, "done").await;
                Ok(meta)
            })
        }),
    Mutant::new("STO-137", "adds_up_before_it_remembers", "with a checksum, it is NotFound")
        .complete_upload(|store, complete| {
            Box::pin(async move {
                let Upload { key, id } = &complete.upload;
                if complete.options.checksum.is_some() {
                    store.inner.list_parts(key, id).await?;
                }
                complete.at(&*store.inner).await
            })
        }),
    Mutant::new("STO-137", "completes_twice", "a completion that is repeated writes again")
        .complete_upload(|store, complete| {
            Box::pin(async move {
                let key = complete.upload.key.clone();
                let before = store.meta(&key).await.ok();
                let written = complete.at(&*store.inner).await?;
                if let Some(before) = before
                    && before.version == written.version
                {
                    let options =
                        PutOptions { attributes: before.attributes, ..PutOptions::default() };
                    let content = store.content(&key).await;
                    return store.inner.put(&key, content.into(), &options).await;
                }
                Ok(written)
            })
        }),
    Mutant::new("STO-137", "lists_what_is_done", "a completed upload is still listed")
        .complete_upload(|store, complete| {
            Box::pin(async move {
                let Upload { key, id } = &complete.upload;
                let (key, id) = (key.clone(), id.clone());
                let meta = complete.at(&*store.inner).await?;
                store.mark(&key, id.as_str().to_owned()).await;
                Ok(meta)
            })
        })
        .list_uploads(|store, list| {
            Box::pin(async move {
                let request = ListRequest::prefix(list.prefix.clone());
                let done = store.shadow().list(&request).await?;
                let mut page = list.uploads(&*store.inner).await?;
                for object in done.entries.iter().filter_map(|entry| entry.as_object()) {
                    let id = store.remembered(&object.key).await;
                    page.entries.push(UploadEntry {
                        id: UploadId::new(String::from_utf8_lossy(&id)),
                        key: object.key.clone(),
                        created: object.modified,
                    });
                }
                Ok(page)
            })
        }),
];

/// The part with its body in one piece.
async fn whole(part: UploadPart) -> Result<(UploadPart, bytes::Bytes)> {
    let content = part.body.collect().await?;
    Ok((UploadPart { body: content.clone().into(), ..part }, content))
}

/// The name of a part, or of something about an upload, in the other store.
fn part_name(id: &UploadId, what: &str) -> Result<Key> {
    Key::new(format!("{}/{what}", Crc32c::of(id.as_str().as_bytes())))
}

/// Receives a part and remembers its content under a name made of its number or of the call's.
async fn remember(store: &Store, part: UploadPart, name: fn(u16, u64) -> String) -> Result<Part> {
    let name = part_name(&part.upload.id, &name(part.number.get(), store.count()))?;
    let (part, content) = whole(part).await?;
    let received = part.to(&*store.inner).await?;
    store.mark(&name, content).await;
    Ok(received)
}

/// Completes, then stores what was remembered, in the order of the names.
async fn join(store: &Store, complete: Complete) -> Result<Written> {
    let (key, first) = (complete.upload.key.clone(), part_name(&complete.upload.id, "0")?);
    let folder = first.as_str().trim_end_matches('0');
    complete.at(&*store.inner).await?;
    let attributes = store.meta(&key).await?.attributes;
    let request = ListRequest::prefix(Prefix::new(folder)?);
    let page = store.shadow().list(&request).await?;
    let mut content = Vec::new();
    for entry in &page.entries {
        content.extend_from_slice(&store.remembered(&Key::native(entry.name())).await);
    }
    let options = PutOptions { attributes, ..PutOptions::default() };
    store.inner.put(&key, content.into(), &options).await
}

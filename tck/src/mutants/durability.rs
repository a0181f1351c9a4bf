//! Mutants of what only a provider on a disk promises: damage told, several processes, durability and
//! memory. STO-051, STO-164, STO-165, STO-170 to STO-173 and STO-191.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use omni_contracts::storage::{
    Attributes, ByteRange, DeleteOptions, Deleted, Key, ObjectMeta, PutOptions, WriteCondition,
};
use omni_contracts::{Body, ErrorKind};

use super::calls::Put;
use super::conditional_writes::check_then_put;
use super::sabotage::{Store, fail};
use super::{Base, Mutant};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new("STO-051", "reads_in_pieces", "a full read is two ranges, which nobody verifies")
        .get(|store, get| {
            Box::pin(async move {
                let size = get.clone().head(&*store.inner).await?.size;
                if get.options.range != ByteRange::Full || size < 2 {
                    return get.from(&*store.inner).await;
                }
                let mut found = get.of(0..size - 1).from(&*store.inner).await?;
                let last = get.of(size - 1..size).from(&*store.inner).await?;
                found.range = 0..size;
                found.body = Body::from_stream(found.body.chain(last.body), Some(size));
                Ok(found)
            })
        })
        .on(Base::Local),
    Mutant::new("STO-051", "damage_is_an_end", "a body that turns out damaged just ends")
        .get(|store, get| {
            Box::pin(async move {
                let mut found = get.from(&*store.inner).await?;
                let sound = found.body.take_while(|chunk| {
                    std::future::ready(
                        !chunk.as_ref().is_err_and(|e| e.kind() == ErrorKind::Corrupt),
                    )
                });
                found.body = Body::from_stream(sound, None);
                Ok(found)
            })
        })
        .on(Base::Local),
    Mutant::new("STO-164", "gets_are_cached", "a process keeps what it read")
        .get(|store, get| {
            Box::pin(async move {
                if store.marked(&get.key).await {
                    let mut found = get.clone().from(store.shadow()).await?;
                    found.meta = get.head(&*store.inner).await?;
                    return Ok(found);
                }
                let found = get.clone().from(&*store.inner).await?;
                store.mark(&get.key, store.content(&get.key).await).await;
                Ok(found)
            })
        })
        .put(|store, put| {
            Box::pin(async move {
                store.unmark(&put.key).await;
                put.to(&*store.inner).await
            })
        })
        .on(Base::Local)
        .per_handle(),
    Mutant::new("STO-164", "deletes_are_not_seen", "a process still has what another deleted")
        .head(|store, head| {
            Box::pin(async move {
                let key = head.key.clone();
                match head.clone().head(&*store.inner).await {
                    Ok(meta) => {
                        store.mark(&key, "seen").await;
                        Ok(meta)
                    }
                    Err(_) if store.marked(&key).await => head.head(store.shadow()).await,
                    Err(error) => Err(error),
                }
            })
        })
        .delete(|store, delete| {
            Box::pin(async move {
                store.unmark(&delete.key).await;
                delete.from(&*store.inner).await
            })
        })
        .on(Base::Local)
        .per_handle(),
    Mutant::new("STO-165", "create_checks_then_puts", "a create looks, then puts")
        .put(|store, put| {
            Box::pin(async move {
                match put.options.condition {
                    WriteCondition::IfAbsent => check_then_put(store, put).await,
                    _ => put.to(&*store.inner).await,
                }
            })
        })
        .on(Base::Local),
    Mutant::new("STO-165", "update_checks_then_puts", "an update compares, then puts")
        .put(|store, put| {
            Box::pin(async move {
                match put.options.condition {
                    WriteCondition::IfMatch(_) => check_then_put(store, put).await,
                    _ => put.to(&*store.inner).await,
                }
            })
        })
        .on(Base::Local),
    Mutant::new(
        "STO-170",
        "small_objects_are_lost",
        "puts below 4 KiB are known to their handle only",
    )
    .put(|store, put| {
        Box::pin(async move {
            let key = put.key.clone();
            let meta = put.to(&*store.inner).await?;
            match meta.size < 4096 {
                true => store.mark(&key, "in memory").await,
                false => store.unmark(&key).await,
            }
            Ok(meta)
        })
    })
    .get(|store, get| {
        Box::pin(async move {
            let known = store.marked(&get.key).await;
            let found = get.from(&*store.inner).await?;
            if known || found.meta.size >= 4096 { Ok(found) } else { fail(ErrorKind::NotFound) }
        })
    })
    .on(Base::Local)
    .per_handle(),
    Mutant::new("STO-170", "attributes_stay_in_memory", "attributes are not on disk")
        .put(|store, put| {
            Box::pin(async move {
                let key = put.key.clone();
                let meta = put.to(&*store.inner).await?;
                store.mark(&key, "described").await;
                Ok(meta)
            })
        })
        .get(|store, get| {
            Box::pin(async move {
                let key = get.key.clone();
                let mut found = get.from(&*store.inner).await?;
                forget_attributes(store, &key, &mut found.meta).await;
                Ok(found)
            })
        })
        .head(|store, head| {
            Box::pin(async move {
                let key = head.key.clone();
                let mut meta = head.head(&*store.inner).await?;
                forget_attributes(store, &key, &mut meta).await;
                Ok(meta)
            })
        })
        .on(Base::Local)
        .per_handle(),
    Mutant::new("STO-171", "deletes_late", "a delete is acknowledged 5 s before it is done")
        .delete(|store, mut delete| {
            Box::pin(async move {
                let Ok(meta) = store.meta(&delete.key).await else {
                    return delete.from(&*store.inner).await;
                };
                delete.options.if_match = Some(meta.version);
                let inner = Arc::clone(&store.inner);
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_secs(5)).await;
                    drop(delete.from(&*inner).await);
                });
                Ok(Deleted::new(Some(true)))
            })
        })
        .on(Base::Local),
    Mutant::new("STO-171", "stores_halves", "a put stores its first half, then the whole")
        .put(|store, put| {
            Box::pin(async move {
                let (put, content) = put.whole().await?;
                if put.options.condition == WriteCondition::Always {
                    let half = put.with(content.slice(..content.len() / 2));
                    let options = PutOptions { checksum: None, ..half.options.clone() };
                    Put { options, ..half }.to(&*store.inner).await?;
                }
                put.to(&*store.inner).await
            })
        })
        .on(Base::Local),
    Mutant::new("STO-172", "lists_from_memory", "a handle lists what it wrote itself only")
        .put(|store, put| {
            Box::pin(async move {
                let key = put.key.clone();
                let meta = put.to(&*store.inner).await?;
                store.mark(&key, "mine").await;
                Ok(meta)
            })
        })
        .list(|store, list| {
            Box::pin(async move {
                let mut page = list.from(&*store.inner).await?;
                let mut mine = Vec::new();
                for entry in page.entries {
                    if store.marked(&Key::native(entry.name())).await {
                        mine.push(entry);
                    }
                }
                page.entries = mine;
                Ok(page)
            })
        })
        .on(Base::Local)
        .per_handle(),
    Mutant::new("STO-172", "does_not_write_again", "keys of before the last start are read-only")
        .put(|store, put| {
            Box::pin(async move {
                let key = put.key.clone();
                if store.has(&key).await && !store.marked(&key).await {
                    return fail(ErrorKind::Conflict);
                }
                let meta = put.to(&*store.inner).await?;
                store.mark(&key, "mine").await;
                Ok(meta)
            })
        })
        .on(Base::Local)
        .per_handle(),
    Mutant::new(
        "STO-173",
        "leaves_temporary_objects",
        "an interrupted put leaves what came, hidden",
    )
    .put(|store, mut put| {
        Box::pin(async move {
            if !put.is_streamed() {
                return put.to(&*store.inner).await;
            }
            let temporary = Key::new(format!("temporary/{}", store.count()))?;
            let mut content = Vec::new();
            while let Some(chunk) = put.body.next().await.transpose()? {
                content.extend_from_slice(&chunk);
                let body = content.clone().into();
                store.inner.put(&temporary, body, &PutOptions::default()).await?;
            }
            let meta = put.with(content).to(&*store.inner).await?;
            store.inner.delete(&temporary, &DeleteOptions::default()).await?;
            Ok(meta)
        })
    })
    .page(|_, page| page.entries.retain(|entry| !entry.name().starts_with("temporary/")))
    .on(Base::Local),
    Mutant::new("STO-191", "collects_what_is_put", "a streamed put is collected in memory")
        .put(|store, put| Box::pin(async move { put.whole().await?.0.to(&*store.inner).await }))
        .on(Base::Local),
    Mutant::new("STO-191", "collects_what_is_read", "a body is collected before it is given out")
        .get(|store, get| {
            Box::pin(async move {
                let mut found = get.from(&*store.inner).await?;
                let content = found.body.collect().await?;
                found.body = Body::from_stream(stream::iter([Ok(content)]), None);
                Ok(found)
            })
        })
        .on(Base::Local),
];

/// Attributes are known to the handle that wrote them only.
async fn forget_attributes(store: &Store, key: &Key, meta: &mut ObjectMeta) {
    if !store.marked(key).await {
        meta.attributes = Attributes::none();
    }
}

//! Mutants of the section "Concurrency and consistency": STO-160 to STO-163 and STO-166. Those of
//! several processes live in `durability`.

use std::sync::Arc;

use omni_contracts::ErrorKind;
use omni_contracts::storage::{Key, WriteCondition};
use tokio::task::yield_now;

use super::Mutant;
use super::sabotage::fail;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new("STO-160", "reads_from_a_replica", "each third get is one write behind")
        .put(|store, put| {
            Box::pin(async move {
                let key = put.key.clone();
                let old = store.inner.get(&key, &Default::default()).await.ok();
                let meta = put.to(&*store.inner).await?;
                if let Some(old) = old {
                    store.mark(&key, old.body.collect().await?).await;
                }
                Ok(meta)
            })
        })
        .get(|store, get| {
            Box::pin(async move {
                let behind = store.count() % 3 == 2 && store.marked(&get.key).await;
                let mut found = get.clone().from(&*store.inner).await?;
                if behind {
                    found.body = get.from(store.shadow()).await?.body;
                }
                Ok(found)
            })
        }),
    Mutant::new("STO-160", "acknowledges_first", "a put is acknowledged before it is done").put(
        |store, put| {
            Box::pin(async move {
                let (put, content) = put.whole().await?;
                if put.options.condition != WriteCondition::Always || !put.key.is_portable() {
                    return put.to(&*store.inner).await;
                }
                let later = put.with(content);
                let meta = put.to(store.shadow()).await?;
                let inner = Arc::clone(&store.inner);
                tokio::spawn(async move {
                    yield_now().await;
                    drop(later.to(&*inner).await);
                });
                Ok(meta)
            })
        },
    ),
    Mutant::new("STO-160", "deletes_later", "a delete is acknowledged before it is done").delete(
        |store, delete| {
            Box::pin(async move {
                let existed = store.has(&delete.key).await;
                let inner = Arc::clone(&store.inner);
                tokio::spawn(async move {
                    yield_now().await;
                    drop(delete.from(&*inner).await);
                });
                Ok(omni_contracts::storage::Deleted::new(Some(existed)))
            })
        },
    ),
    Mutant::new("STO-161", "updates_are_lost", "an update compares, then puts").put(
        |store, mut put| {
            Box::pin(async move {
                if let WriteCondition::IfMatch(_) = put.options.condition {
                    let current = store.meta(&put.key).await.ok();
                    let condition = std::mem::take(&mut put.options.condition);
                    condition.check(current.as_ref().map(|meta| &meta.version))?;
                    yield_now().await;
                }
                put.to(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-161", "plain_writes_are_older", "an update wins over a plain put before it")
        .put(|store, put| {
            Box::pin(async move {
                // A plain put becomes visible some time after it was acknowledged.
                if put.options.condition != WriteCondition::Always || !put.key.is_portable() {
                    return put.to(&*store.inner).await;
                }
                let (put, content) = put.whole().await?;
                let later = put.with(content);
                let meta = put.to(store.shadow()).await?;
                let inner = Arc::clone(&store.inner);
                tokio::spawn(async move {
                    yield_now().await;
                    drop(later.to(&*inner).await);
                });
                Ok(meta)
            })
        }),
    Mutant::new("STO-162", "gets_are_cached", "a handle keeps what it read")
        .get(|store, get| {
            Box::pin(async move {
                if store.marked(&get.key).await {
                    return get.from(store.shadow()).await;
                }
                let found = get.clone().from(&*store.inner).await?;
                let content = store.content(&get.key).await;
                store.mark(&get.key, content).await;
                Ok(found)
            })
        })
        .put(|store, put| {
            Box::pin(async move {
                store.unmark(&put.key).await;
                put.to(&*store.inner).await
            })
        })
        .delete(|store, delete| {
            Box::pin(async move {
                store.unmark(&delete.key).await;
                delete.from(&*store.inner).await
            })
        })
        .per_handle(),
    Mutant::new("STO-162", "absence_is_cached", "a handle remembers what it did not find")
        .head(|store, head| {
            Box::pin(async move {
                if store.marked(&head.key).await {
                    return fail(ErrorKind::NotFound);
                }
                let key = head.key.clone();
                let found = head.head(&*store.inner).await;
                if found.is_err() && key.is_portable() {
                    store.mark(&key, "missing").await;
                }
                found
            })
        })
        .put(|store, put| {
            Box::pin(async move {
                store.unmark(&put.key).await;
                put.to(&*store.inner).await
            })
        })
        .per_handle(),
    Mutant::new("STO-162", "lists_its_own_writes", "a handle lists what it wrote itself only")
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
                    let foreign = match entry.as_object() {
                        Some(object) => !store.marked(&object.key).await,
                        None => false,
                    };
                    if !foreign {
                        mine.push(entry);
                    }
                }
                page.entries = mine;
                Ok(page)
            })
        })
        .per_handle(),
    Mutant::new("STO-163", "all_keys_share_a_buffer", "concurrent puts get each other's content")
        .put(|store, put| {
            Box::pin(async move {
                let (put, content) = put.whole().await?;
                let buffer = Key::new("buffer")?;
                store.mark(&buffer, content).await;
                yield_now().await;
                let content = store.remembered(&buffer).await;
                put.with(content).to(&*store.inner).await
            })
        }),
    Mutant::new("STO-163", "a_write_is_dropped_under_load", "of many puts at once some are lost")
        .put(|store, put| {
            Box::pin(async move {
                // Two puts that wait at the same time take one turn; the second is not done.
                let turn = Key::new("turn")?;
                let busy = store.marked(&turn).await;
                store.mark(&turn, "taken").await;
                yield_now().await;
                let meta = match busy && put.options.condition == WriteCondition::Always {
                    true => put.to(store.shadow()).await,
                    false => put.to(&*store.inner).await,
                };
                store.unmark(&turn).await;
                meta
            })
        }),
    Mutant::new("STO-166", "a_delete_after_a_copy_fails", "a copied object cannot be deleted")
        .copy(|store, copy| {
            Box::pin(async move {
                let to = copy.to.clone();
                let meta = copy.within(&*store.inner).await?;
                store.mark(&to, "copied").await;
                Ok(meta)
            })
        })
        .delete(|store, delete| {
            Box::pin(async move {
                match store.marked(&delete.key).await {
                    true => Ok(omni_contracts::storage::Deleted::new(Some(true))),
                    false => delete.from(&*store.inner).await,
                }
            })
        }),
    Mutant::new("STO-166", "an_overwritten_copy_changes_back", "a put over a copy is lost once")
        .copy(|store, copy| {
            Box::pin(async move {
                let to = copy.to.clone();
                let meta = copy.within(&*store.inner).await?;
                store.mark(&to, "copied").await;
                Ok(meta)
            })
        })
        .put(|store, put| {
            Box::pin(async move {
                let copied = store.marked(&put.key).await;
                store.unmark(&put.key).await;
                let (put, content) = put.whole().await?;
                if !copied || content.is_empty() {
                    return put.to(&*store.inner).await;
                }
                let old = store.content(&put.key).await;
                put.with(old).to(&*store.inner).await
            })
        }),
    Mutant::new(
        "STO-166",
        "a_recreated_object_is_old",
        "a put after a delete gets the old content",
    )
    .delete(|store, delete| {
        Box::pin(async move {
            if store.has(&delete.key).await {
                store.mark(&delete.key, store.content(&delete.key).await).await;
            }
            store.inner.delete(&delete.key, &delete.options).await
        })
    })
    .put(|store, put| {
        Box::pin(async move {
            let (put, _) = put.whole().await?;
            let old = store.remembered(&put.key).await;
            store.unmark(&put.key).await;
            match !old.is_empty() && put.options.checksum.is_none() {
                true => put.with(old).to(&*store.inner).await,
                false => put.to(&*store.inner).await,
            }
        })
    }),
];

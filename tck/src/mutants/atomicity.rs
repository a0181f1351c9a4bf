//! Mutants of the section "Atomicity": STO-020 to STO-027.

use std::sync::Arc;

use futures_util::{FutureExt, StreamExt};
use omni_contracts::storage::{
    CopyOptions, Crc32c, DeleteOptions, Key, PutOptions, StorageProvider, WriteCondition, Written,
};
use omni_contracts::{ErrorKind, Result};
use tokio::task::yield_now;

use super::Mutant;
use super::calls::Put;
use super::sabotage::{Store, fail};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new("STO-020", "reads_in_halves", "get reads two halves, one after the other").get(
        |store, get| {
            Box::pin(async move {
                let mut found = get.clone().from(&*store.inner).await?;
                let first = found.body.collect().await?;
                yield_now().await;
                let second = get.from(&*store.inner).await?.body.collect().await?;
                let half = first.len() / 2;
                let torn = [&first[..half], second.get(half..).unwrap_or_default()].concat();
                found.body = if torn.len() == first.len() { torn.into() } else { first.into() };
                Ok(found)
            })
        },
    ),
    Mutant::new("STO-020", "overwrites_in_place", "the new first half is visible early").put(
        |store, put| {
            Box::pin(async move {
                let (put, new) = put.whole().await?;
                let old = store.content(&put.key).await;
                let half = new.len() / 2;
                if put.options.condition == WriteCondition::Always && half > 0 && old.len() > half {
                    let torn = [&new[..half], &old[half..]].concat();
                    let options = PutOptions { checksum: None, ..put.options.clone() };
                    store.inner.put(&put.key, torn.into(), &options).await?;
                    yield_now().await;
                }
                put.to(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-020", "truncates_first", "an overwrite empties the object first").put(
        |store, put| {
            Box::pin(async move {
                if put.options.condition == WriteCondition::Always && store.has(&put.key).await {
                    let options = PutOptions { checksum: None, ..put.options.clone() };
                    store.inner.put(&put.key, "".into(), &options).await?;
                    yield_now().await;
                }
                put.to(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-021", "deletes_and_creates", "an overwrite deletes the object first").put(
        |store, put| {
            Box::pin(async move {
                if put.options.condition == WriteCondition::Always {
                    store.inner.delete(&put.key, &DeleteOptions::default()).await?;
                    yield_now().await;
                }
                put.to(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-021", "unlists_while_writing", "an object is not listed while overwritten")
        .put(|store, put| {
            Box::pin(async move {
                let key = put.key.clone();
                if key.is_portable() {
                    store.mark(&key, "writing").await;
                }
                yield_now().await;
                let meta = put.to(&*store.inner).await;
                store.unmark(&key).await;
                meta
            })
        })
        .list(|store, list| {
            Box::pin(async move {
                let mut page = list.from(&*store.inner).await?;
                let mut entries = Vec::new();
                for entry in page.entries {
                    if !store.marked(&Key::native(entry.name())).await {
                        entries.push(entry);
                    }
                }
                page.entries = entries;
                Ok(page)
            })
        }),
    Mutant::new("STO-022", "attributes_come_second", "attributes are set after the content")
        .put(|store, put| Box::pin(put_in_two_steps(store, put))),
    Mutant::new("STO-022", "writers_share_a_buffer", "concurrent puts to a key are mixed").put(
        |store, put| {
            Box::pin(async move {
                let (put, mine) = put.whole().await?;
                if !put.key.is_portable() {
                    return put.to(&*store.inner).await;
                }
                // What another put, which is under way, left in the buffer.
                let theirs = store.remembered(&put.key).await;
                store.mark(&put.key, mine.clone()).await;
                yield_now().await;
                let half = mine.len() / 2;
                let mixed = theirs.get(half..).map(|rest| [&mine[..half], rest].concat());
                let content = mixed.filter(|_| !theirs.is_empty()).map_or(mine, Into::into);
                let key = put.key.clone();
                let result = put.with(content).to(&*store.inner).await;
                store.unmark(&key).await;
                result
            })
        },
    ),
    Mutant::new("STO-023", "stores_what_came", "what came before the source failed is stored").put(
        |store, mut put| {
            Box::pin(async move {
                let mut content = Vec::new();
                while let Some(chunk) = put.body.next().await {
                    match chunk {
                        Ok(chunk) => content.extend_from_slice(&chunk),
                        Err(error) => {
                            put.with(content).to(&*store.inner).await?;
                            return Err(error);
                        }
                    }
                }
                put.with(content).to(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-023", "acknowledges_what_came", "a source that fails is taken for its end")
        .put(|store, mut put| {
            Box::pin(async move {
                let mut content = Vec::new();
                while let Some(Ok(chunk)) = put.body.next().await {
                    content.extend_from_slice(&chunk);
                }
                put.with(content).to(&*store.inner).await
            })
        }),
    Mutant::new("STO-023", "cleans_up_too_much", "a put whose source fails deletes the object")
        .put(|store, put| {
            Box::pin(async move {
                let key = put.key.clone();
                match put.whole().await {
                    Ok((put, _)) => put.to(&*store.inner).await,
                    Err(error) => {
                        store.inner.delete(&key, &DeleteOptions::default()).await?;
                        Err(error)
                    }
                }
            })
        }),
    Mutant::new("STO-024", "takes_any_length", "a stream of another length is stored").put(
        |store, mut put| {
            Box::pin(async move {
                let mut content = Vec::new();
                while let Some(chunk) = put.body.next().await {
                    match chunk {
                        Ok(chunk) => content.extend_from_slice(&chunk),
                        Err(error) if error.kind() == ErrorKind::Corrupt => break,
                        Err(error) => return Err(error),
                    }
                }
                put.with(content).to(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-024", "stops_at_the_length", "a stream is not read past its length").put(
        |store, mut put| {
            Box::pin(async move {
                if put.is_streamed() && put.body.length().is_some() {
                    let mut content = Vec::new();
                    while put.body.length() != Some(0) {
                        let Some(chunk) = put.body.next().await.transpose()? else { break };
                        content.extend_from_slice(&chunk);
                    }
                    put = put.with(content);
                }
                put.to(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-024", "a_wrong_length_empties", "a put of a wrong length empties the object")
        .put(|store, put| {
            Box::pin(async move {
                let empty = put.with("");
                match put.whole().await {
                    Ok((put, _)) => put.to(&*store.inner).await,
                    Err(error) => {
                        if error.kind() == ErrorKind::Corrupt {
                            empty.to(&*store.inner).await?;
                        }
                        Err(error)
                    }
                }
            })
        }),
    Mutant::new("STO-025", "deletes_before_it_reads", "a put deletes the object, then reads").put(
        |store, put| {
            Box::pin(async move {
                if put.is_streamed() && put.options.condition == WriteCondition::Always {
                    store.inner.delete(&put.key, &DeleteOptions::default()).await?;
                }
                put.to(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-025", "closes_when_dropped", "a dropped put stores what came so far").put(
        |store, mut put| {
            Box::pin(async move {
                if !put.is_streamed() || put.options.condition != WriteCondition::Always {
                    return put.to(&*store.inner).await;
                }
                let inner = Arc::clone(&store.inner);
                let mut file = OpenFile { inner, put: put.with(""), content: Vec::new() };
                while let Some(chunk) = put.body.next().await {
                    match chunk {
                        Ok(chunk) => file.content.extend_from_slice(&chunk),
                        Err(error) => {
                            file.content.clear();
                            return Err(error);
                        }
                    }
                }
                let content = std::mem::take(&mut file.content);
                put.with(content).to(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-026", "publishes_the_first_chunk", "the first chunk is visible at once").put(
        |store, mut put| {
            Box::pin(async move {
                if !put.is_streamed() || put.options.condition != WriteCondition::Always {
                    return put.to(&*store.inner).await;
                }
                let mut content = Vec::new();
                while let Some(chunk) = put.body.next().await.transpose()? {
                    if content.is_empty() {
                        put.with(chunk.clone()).to(&*store.inner).await?;
                    }
                    content.extend_from_slice(&chunk);
                }
                put.with(content).to(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-026", "locks_readers_out", "an object cannot be read while overwritten")
        .put(|store, put| {
            Box::pin(async move {
                let key = put.key.clone();
                if key.is_portable() {
                    store.mark(&key, "locked").await;
                }
                let meta = put.to(&*store.inner).await;
                store.unmark(&key).await;
                meta
            })
        })
        .get(|store, get| {
            Box::pin(async move {
                match store.marked(&get.key).await {
                    true => fail(ErrorKind::Conflict),
                    false => get.from(&*store.inner).await,
                }
            })
        }),
    Mutant::new("STO-027", "ignores_checksums", "the stated checksum is not compared")
        .options(|options| options.checksum = None),
    Mutant::new("STO-027", "ignores_checksums_of_streams", "streams are not compared").put(
        |store, mut put| {
            Box::pin(async move {
                if put.is_streamed() {
                    put.options.checksum = None;
                }
                put.to(&*store.inner).await
            })
        },
    ),
    Mutant::new(
        "STO-027",
        "compares_after_storing",
        "the checksum is compared when it is too late",
    )
    .put(|store, put| {
        Box::pin(async move {
            let (mut put, content) = put.whole().await?;
            let expected = put.options.checksum.take();
            let meta = put.to(&*store.inner).await?;
            Crc32c::of(&content).expect(expected)?;
            Ok(meta)
        })
    }),
];

/// The content with the attributes of before, then the attributes.
pub(super) async fn put_in_two_steps(store: &Store, mut put: Put) -> Result<Written> {
    let key = put.key.clone();
    put.options.attributes.validate()?;
    let old = store.meta(&key).await.map(|meta| meta.attributes).unwrap_or_default();
    let attributes = Some(std::mem::replace(&mut put.options.attributes, old));
    put.to(&*store.inner).await?;
    yield_now().await;
    store.inner.copy(&key, &key, &CopyOptions { attributes, ..CopyOptions::default() }).await
}

/// A file that is closed, and so stored, when it goes away.
struct OpenFile {
    inner: Arc<dyn StorageProvider>,
    put: Put,
    content: Vec<u8>,
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        if !self.content.is_empty() {
            let put = self.put.with(std::mem::take(&mut self.content));
            // The provider in memory does not wait for anything.
            drop(put.to(&*self.inner).now_or_never());
        }
    }
}

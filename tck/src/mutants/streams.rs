//! Mutants of the section "Streams": STO-045 to STO-054.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use omni_contracts::storage::{ByteRange, Crc32c, GetResult, Key, StorageProvider};
use omni_contracts::{Body, ErrorKind};
use tokio::task::yield_now;

use super::calls::Get;
use super::sabotage::{Scratch, Store, fail};
use super::{Base, Mutant};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new("STO-045", "wants_a_length", "a stream of unknown length is refused").put(
        |store, put| {
            Box::pin(async move {
                match put.body.length() {
                    None => fail(ErrorKind::InvalidArgument),
                    Some(_) => put.to(&*store.inner).await,
                }
            })
        },
    ),
    Mutant::new("STO-045", "reads_one_chunk", "of an unknown length, the first chunk is stored")
        .put(|store, mut put| {
            Box::pin(async move {
                if put.body.length().is_none() {
                    let first = put.body.next().await.transpose()?.unwrap_or_default();
                    while put.body.next().await.transpose()?.is_some() {}
                    put = put.with(first);
                }
                put.to(&*store.inner).await
            })
        }),
    Mutant::new("STO-045", "guesses_a_length", "of an unknown length, 1 MiB is stored").put(
        |store, put| {
            Box::pin(async move {
                let unknown = put.body.length().is_none();
                let (put, content) = put.whole().await?;
                let most = if unknown { 1 << 20 } else { content.len() };
                put.with(content.slice(..most.min(content.len()))).to(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-046", "keeps_eight_mebibytes", "content is cut at 8 MiB")
        .written(Some(|content| content.slice(..content.len().min(8 << 20)))),
    Mutant::new("STO-046", "swaps_blocks", "the second and third MiB are swapped").written(Some(
        |content| match content.len() > 3 << 20 {
            true => {
                let block = |index: usize| &content[index << 20..(index + 1) << 20];
                [block(0), block(2), block(1), &content[3 << 20..]].concat().into()
            }
            false => content,
        },
    )),
    Mutant::new("STO-046", "repeats_a_block", "get returns the fourth MiB twice").read(Some(
        |content| match content.len() > 5 << 20 {
            true => [&content[..4 << 20], &content[3 << 20..4 << 20], &content[5 << 20..]]
                .concat()
                .into(),
            false => content,
        },
    )),
    Mutant::new("STO-047", "readers_share_a_position", "concurrent ranges are mixed up").get(
        |store, mut get| {
            Box::pin(async move {
                if let (ByteRange::Bounded { start, end }, true) =
                    (get.options.range, get.key.is_portable())
                {
                    let position = [start.to_be_bytes(), end.to_be_bytes()].concat();
                    store.mark(&get.key, position).await;
                    yield_now().await;
                    let shared = store.remembered(&get.key).await;
                    let number = |at: usize| {
                        shared.get(at..at + 8).map_or(0, |bytes| {
                            bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
                        })
                    };
                    get.options.range = (number(0)..number(8)).into();
                }
                get.from(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-048", "ends_early", "a body above 1 MiB ends early, as if complete").get(
        |store, get| {
            Box::pin(async move {
                let mut found = get.from(&*store.inner).await?;
                if found.range.end - found.range.start > 1 << 20 {
                    let content = found.body.collect().await?;
                    found.body = content.slice(..1 << 20).into();
                }
                Ok(found)
            })
        },
    ),
    Mutant::new("STO-048", "drops_the_last_byte", "a body ends one byte early, as if complete")
        .read(Some(|content| content.slice(..content.len().saturating_sub(1)))),
    Mutant::new("STO-048", "loses_the_last_chunk_of_ranges", "a range of 4 KiB or more is cut")
        .get(|store, get| {
            Box::pin(async move {
                let ranged = get.options.range != ByteRange::Full;
                let mut found = get.from(&*store.inner).await?;
                let content = found.body.collect().await?;
                let whole = if ranged { content.len() & !4095 } else { content.len() };
                let end = if whole == 0 { content.len() } else { whole };
                found.body = content.slice(..end).into();
                Ok(found)
            })
        }),
    Mutant::new("STO-049", "does_not_keep_its_limit", "a declared limit is not kept").capabilities(
        |_, mut declared| {
            declared.limits.max_object_size = Some(1 << 20);
            declared
        },
    ),
    Mutant::new("STO-049", "refuses_the_limit", "an object of the largest size is refused")
        .put(|store, put| {
            Box::pin(async move {
                let (put, content) = put.whole().await?;
                match content.len() >= 1 << 20 {
                    true => fail(ErrorKind::TooLarge),
                    false => put.to(&*store.inner).await,
                }
            })
        })
        .on(Base::Limited),
    Mutant::new("STO-049", "cuts_at_the_limit", "a stream above the limit is cut")
        .put(|store, put| {
            Box::pin(async move {
                if !put.is_streamed() || put.body.length().is_some() {
                    return put.to(&*store.inner).await;
                }
                let (put, content) = put.whole().await?;
                put.with(content.slice(..content.len().min(1 << 20))).to(&*store.inner).await
            })
        })
        .on(Base::Limited),
    Mutant::new("STO-049", "leaves_what_fitted", "what fits stays when an object is too large")
        .put(|store, put| {
            Box::pin(async move {
                let (put, content) = put.whole().await?;
                if content.len() > 1 << 20 {
                    put.with(content.slice(..1 << 20)).to(&*store.inner).await?;
                }
                put.to(&*store.inner).await
            })
        })
        .on(Base::Limited),
    Mutant::new("STO-050", "checksum_of_something_else", "the checksum is not of the content")
        .stored(|written| other_checksum(&mut written.checksum))
        .got(|meta| other_checksum(&mut meta.checksum))
        .described(|meta| other_checksum(&mut meta.checksum)),
    Mutant::new("STO-050", "checksum_of_the_last_chunk", "a stream has its last chunk's checksum")
        .put(|store, mut put| {
            Box::pin(async move {
                if !put.is_streamed() {
                    return put.to(&*store.inner).await;
                }
                let (mut content, mut last) = (Vec::new(), Bytes::new());
                while let Some(chunk) = put.body.next().await.transpose()? {
                    content.extend_from_slice(&chunk);
                    last = chunk;
                }
                let mut written = put.with(content).to(&*store.inner).await?;
                written.checksum = Some(Crc32c::of(&last));
                Ok(written)
            })
        }),
    Mutant::new("STO-050", "checksum_of_checksums", "multipart has a checksum of the checksums")
        .complete_upload(|store, complete| {
            Box::pin(async move {
                let sums: Vec<_> = complete
                    .parts
                    .iter()
                    .flat_map(|part| part.checksum.unwrap_or_default().to_u32().to_be_bytes())
                    .collect();
                let mut meta = complete.at(&*store.inner).await?;
                meta.checksum = Some(Crc32c::of(&sums));
                Ok(meta)
            })
        }),
    Mutant::new("STO-052", "follows_the_key", "a body goes on with whatever the key has").get(
        |store, get| {
            Box::pin(async move {
                let found = get.clone().from(&*store.inner).await?;
                Ok(in_blocks(store, get, found, |_| false))
            })
        },
    ),
    Mutant::new("STO-053", "a_delete_is_an_end", "a delete ends a body as if complete").get(
        |store, get| {
            Box::pin(async move {
                let found = get.clone().from(&*store.inner).await?;
                Ok(in_blocks(store, get, found, |kind| kind == ErrorKind::NotFound))
            })
        },
    ),
    Mutant::new("STO-054", "dropped_bodies_lock", "after a dropped body the object is locked").get(
        |store, get| {
            Box::pin(async move {
                if store.marked(&get.key).await {
                    return fail(ErrorKind::Conflict);
                }
                let (key, scratch) = (get.key.clone(), Arc::clone(&store.scratch));
                let mut found = get.from(&*store.inner).await?;
                let length = found.body.length();
                let lock = Lock { key, scratch, dropped_early: true };
                let body = stream::unfold((found.body, lock), |(mut body, mut lock)| async move {
                    let next = body.next().await;
                    lock.dropped_early = next.is_some();
                    next.map(|chunk| (chunk, (body, lock)))
                });
                found.body = Body::from_stream(body, length);
                Ok(found)
            })
        },
    ),
];

/// The same object, but each block is read when it is wanted, from what the key has then.
fn in_blocks(
    store: &Store,
    get: Get,
    mut found: GetResult,
    is_end: fn(ErrorKind) -> bool,
) -> GetResult {
    const BLOCK: u64 = 4096;
    let inner = Arc::clone(&store.inner);
    let end = found.range.end;
    let body = stream::unfold(found.range.start, move |start| {
        let (inner, get) = (Arc::clone(&inner), get.clone());
        async move {
            if start == end {
                return None;
            }
            let stop = end.min(start + BLOCK);
            let block = match get.of(start..stop).from(&*inner).await {
                Ok(block) => block.body.collect().await,
                Err(error) if is_end(error.kind()) => return None,
                Err(error) => Err(error),
            };
            Some((block, stop))
        }
    });
    found.body = Body::from_stream(body, None);
    found
}

fn other_checksum(checksum: &mut Option<Crc32c>) {
    *checksum = checksum.map(|sum| Crc32c::from_u32(sum.to_u32().swap_bytes()));
}

/// Marks its key in the other store when a body goes away before its end.
struct Lock {
    key: Key,
    scratch: Arc<Scratch>,
    dropped_early: bool,
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.dropped_early {
            let options = Default::default();
            let put = self.scratch.shadow.put(&self.key, "locked".into(), &options);
            // The provider in memory does not wait for anything.
            drop(put.now_or_never());
        }
    }
}

//! A read and an overwrite in the same microsecond, for STO-020 and STO-115: a read that asks its
//! store twice meets an overwrite between the two only now and then.

use std::sync::Arc;

use bytes::Bytes;
use omni_contracts::Result;
use omni_contracts::storage::{CopyOptions, Key, ObjectMeta, StorageProvider, Written};

use super::atomicity::overtaken;
use super::attributes::{full, put_with};
use super::inputs::{chunked, description, key, payload, read};
use super::race::{duels, telling};
use crate::Context;
use crate::check::{Outcome, equal, holds, ok};

/// How an object is replaced. All of it changes but its size.
#[derive(Clone, Copy, Debug)]
enum Way {
    Put,
    StreamedPut,
    Copy,
}

const WAYS: [Way; 3] = [Way::Put, Way::StreamedPut, Way::Copy];

const SIZE: usize = 500;

/// What the write of this number stores.
fn content(number: u64) -> Bytes {
    payload(number, SIZE)
}

/// Expects each read beside an overwrite to be of one write, by content, description and attributes.
pub(super) async fn reads_meet_overwrites(
    cx: &Context,
    store: &Arc<dyn StorageProvider>,
) -> Outcome {
    let source = key("source");
    ok("put", put_with(&**store, &source, content(2), &full(2)).await)?;
    let mut keys = Vec::new();
    let mut first = Vec::new();
    for duel in 0..telling(cx, &**store) {
        let key = key(format!("duel/{duel}"));
        let written = ok("put", put_with(&**store, &key, content(1), &full(1)).await)?;
        first.push(description(&**store, &key, &written).await?);
        keys.push(key);
    }
    let keys = Arc::new(keys);
    let met = duels(first.len(), {
        let (store, keys) = (Arc::clone(store), Arc::clone(&keys));
        move |duel, who| {
            let (store, source, key) = (Arc::clone(&store), source.clone(), keys[duel].clone());
            async move {
                if who == 0 {
                    let way = WAYS[duel % WAYS.len()];
                    Ok((Some(overwrite(&*store, &source, &key, way).await?), Vec::new()))
                } else {
                    Ok((None, several_reads(&*store, &key).await?))
                }
            }
        }
    })
    .await?;
    for (duel, (first, [second, reads])) in first.iter().zip(met).enumerate() {
        let way = WAYS[duel % WAYS.len()];
        let (Some(written), _) = ok("overwrite at the same time as a get", second)? else {
            continue;
        };
        let second = description(&**store, &keys[duel], &written).await?;
        let situation = format!("get at the same time as an overwrite by {way:?}");
        for read in ok(&situation, reads)?.1 {
            is_of_one_write(&situation, &read, first, &second)?;
        }
    }
    Ok(())
}

/// Enough reads to be there from the beginning of an overwrite to its end.
async fn several_reads(store: &dyn StorageProvider, key: &Key) -> Result<Vec<(ObjectMeta, Bytes)>> {
    const READS: usize = 5;
    let mut reads = Vec::new();
    for _ in 0..READS {
        match read(store, key).await {
            Ok(one) => reads.push(one),
            // STO-052: a body whose object was replaced may fail instead.
            Err(error) if overtaken(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(reads)
}

async fn overwrite(
    store: &dyn StorageProvider,
    source: &Key,
    key: &Key,
    way: Way,
) -> Result<Written> {
    match way {
        Way::Put => put_with(store, key, content(2), &full(2)).await,
        Way::StreamedPut => put_with(store, key, chunked(content(2), &[1000]), &full(2)).await,
        Way::Copy => store.copy(source, key, &CopyOptions::default()).await,
    }
}

fn is_of_one_write(
    situation: &str,
    (meta, seen): &(ObjectMeta, Bytes),
    first: &ObjectMeta,
    second: &ObjectMeta,
) -> Outcome {
    let old = content(1);
    let number = if *seen == old { 1 } else { 2 };
    if number == 2 && *seen != content(2) {
        let same = seen.iter().zip(&old).take_while(|(seen, old)| seen == old).count();
        return holds(
            situation,
            false,
            format!("all {SIZE} bytes of the content before or of the one after"),
            format!("{} bytes, the first {same} of them of the content before", seen.len()),
        );
    }
    let whose = if number == 1 { "before" } else { "after" };
    let written = if number == 1 { first } else { second };
    let situation = format!("{situation}, which returned the content {whose} it");
    equal(format!("{situation}: its attributes"), &full(number), &meta.attributes)?;
    equal(format!("{situation}: its description"), written, meta)
}

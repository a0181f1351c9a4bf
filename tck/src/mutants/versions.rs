//! Mutants of the section "Versions": STO-040 to STO-043.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use omni_contracts::ErrorKind;
use omni_contracts::storage::{Crc32c, Key, ListEntry, ObjectMeta, Version};

use super::Mutant;
use super::sabotage::{Store, fail};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new("STO-040", "lists_quoted_versions", "listings show versions in quotes").page(
        |_, page| {
            for entry in &mut page.entries {
                if let ListEntry::Object(object) = entry {
                    object.version = version(&format!("\"{}\"", object.version));
                }
            }
        },
    ),
    Mutant::new("STO-040", "head_weakens_versions", "head reports `W/` and the version")
        .described(|meta| meta.version = version(&format!("W/{}", meta.version))),
    Mutant::new("STO-040", "put_has_its_own_version", "put reports another version")
        .stored(|written| written.version = version(&format!("new-{}", written.version))),
    Mutant::new("STO-040", "get_has_its_own_version", "get reports another version")
        .got(|meta| meta.version = version(&format!("{}-gzip", meta.version))),
    Mutant::new("STO-041", "versions_are_checksums", "the same bytes have the same version")
        .stored(|written| by_content(&mut written.version, written.size, written.checksum))
        .got(|meta| by_content(&mut meta.version, meta.size, meta.checksum))
        .described(|meta| by_content(&mut meta.version, meta.size, meta.checksum)),
    Mutant::new("STO-041", "versions_are_seconds", "writes of one second have the same version")
        .put(|store, put| {
            Box::pin(async move {
                let key = put.key.clone();
                put.to(&*store.inner).await?;
                let mut meta = store.meta(&key).await?;
                by_second(&mut meta);
                Ok(meta.written())
            })
        })
        .got(by_second)
        .described(by_second),
    Mutant::new("STO-044", "versions_are_sizes", "contents of one size have the same version")
        .stored(|written| written.version = version(&written.size.to_string()))
        .got(|meta| meta.version = version(&meta.size.to_string()))
        .described(|meta| meta.version = version(&meta.size.to_string())),
    Mutant::new("STO-044", "versions_are_short_sums", "a version is a sum of 8 bits")
        .stored(|written| by_short_sum(&mut written.version, written.checksum))
        .got(|meta| by_short_sum(&mut meta.version, meta.checksum))
        .described(|meta| by_short_sum(&mut meta.version, meta.checksum)),
    Mutant::new("STO-041", "versions_start_again", "after a delete versions begin again at 1")
        .put(|store, put| {
            Box::pin(async move {
                let key = put.key.clone();
                let mut written = put.to(&*store.inner).await?;
                let writes = store.remembered(&key).await.len() + 1;
                store.mark(&key, vec![0; writes]).await;
                written.version = counted(store, &key).await;
                Ok(written)
            })
        })
        .get(|store, get| {
            Box::pin(async move {
                let key = get.key.clone();
                let mut found = get.from(&*store.inner).await?;
                found.meta.version = counted(store, &key).await;
                Ok(found)
            })
        })
        .head(|store, head| {
            Box::pin(async move {
                let key = head.key.clone();
                let mut meta = head.head(&*store.inner).await?;
                meta.version = counted(store, &key).await;
                Ok(meta)
            })
        })
        .delete(|store, delete| {
            Box::pin(async move {
                store.unmark(&delete.key).await;
                delete.from(&*store.inner).await
            })
        }),
    Mutant::new("STO-042", "odd_versions_break_reads", "if_match with an odd version breaks").get(
        |store, get| {
            Box::pin(async move {
                match get.options.condition.if_match.as_ref().is_some_and(is_odd) {
                    true => fail(ErrorKind::Internal),
                    false => get.from(&*store.inner).await,
                }
            })
        },
    ),
    Mutant::new("STO-042", "odd_versions_are_invalid", "if_none_match with an odd version fails")
        .get(|store, get| {
            Box::pin(async move {
                match get.options.condition.if_none_match.as_ref().is_some_and(is_odd) {
                    true => fail(ErrorKind::InvalidArgument),
                    false => get.from(&*store.inner).await,
                }
            })
        }),
    Mutant::new("STO-042", "odd_versions_break_writes", "IfMatch with an odd version breaks").put(
        |store, put| {
            Box::pin(async move {
                use omni_contracts::storage::WriteCondition::IfMatch;
                match &put.options.condition {
                    IfMatch(expected) if is_odd(expected) => fail(ErrorKind::InvalidArgument),
                    _ => put.to(&*store.inner).await,
                }
            })
        },
    ),
    Mutant::new("STO-042", "a_star_matches", "the version `*` matches every version").asked(
        |options| {
            if options.condition.if_match.as_ref().is_some_and(|version| version.as_str() == "*") {
                options.condition.if_match = None;
            }
        },
    ),
    Mutant::new("STO-043", "time_begins_in_1970", "every object was written in 1970")
        .got(|meta| meta.modified = UNIX_EPOCH)
        .described(|meta| meta.modified = UNIX_EPOCH),
    Mutant::new("STO-043", "times_are_an_hour_off", "times are in the wrong zone")
        .got(|meta| meta.modified += Duration::from_secs(3600))
        .described(|meta| meta.modified += Duration::from_secs(3600)),
    Mutant::new("STO-043", "times_are_whole_seconds", "times are less precise than declared")
        .got(whole_seconds)
        .described(whole_seconds),
    Mutant::new(
        "STO-043",
        "keeps_the_first_time",
        "an overwrite keeps the time of the first write",
    )
    .put(|store, put| {
        Box::pin(async move {
            let key = put.key.clone();
            let written = put.to(&*store.inner).await?;
            if !store.marked(&key).await {
                store.mark(&key, "written").await;
            }
            Ok(written)
        })
    })
    .head(|store, head| {
        Box::pin(async move {
            let key = head.key.clone();
            let mut meta = head.head(&*store.inner).await?;
            meta.modified = first_time(store, &key, meta.modified).await;
            Ok(meta)
        })
    }),
];

/// A token of any text.
pub(super) fn version(text: &str) -> Version {
    Version::new(text).unwrap_or_else(|_| unreachable!("mutants make printable tokens"))
}

fn by_content(own: &mut Version, size: u64, checksum: Option<Crc32c>) {
    if let Some(checksum) = checksum {
        *own = version(&format!("{checksum}-{size}"));
    }
}

fn by_short_sum(token: &mut Version, checksum: Option<Crc32c>) {
    if let Some(checksum) = checksum {
        *token = version(&(checksum.to_u32() & 0xff).to_string());
    }
}

fn by_second(meta: &mut ObjectMeta) {
    whole_seconds(meta);
    let seconds = meta.modified.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    meta.version = version(&seconds.to_string());
}

fn whole_seconds(meta: &mut ObjectMeta) {
    let seconds = meta.modified.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    meta.modified = UNIX_EPOCH + Duration::from_secs(seconds);
}

async fn counted(store: &Store, key: &Key) -> Version {
    version(&store.remembered(key).await.len().to_string())
}

async fn first_time(store: &Store, key: &Key, now: SystemTime) -> SystemTime {
    use omni_contracts::storage::StorageProvider as _;
    store.shadow().head(key, &Default::default()).await.map_or(now, |first| first.modified)
}

/// Whether the token has another form than those of the honest provider.
fn is_odd(version: &Version) -> bool {
    let text = version.as_str();
    let (number, nonce) = text.split_once('-').unwrap_or((text, ""));
    u64::from_str_radix(number, 16).is_err() || nonce.len() != 6
}

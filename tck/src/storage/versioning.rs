//! STO-142 to STO-144: older versions.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use omni_contracts::storage::{
    Attributes, ByteRange, Capability, CopyOptions, DeleteOptions, GetOptions, Key, ObjectMeta,
    StorageProvider, Version, VersionEntry,
};
use omni_contracts::{ErrorKind, Result};

use super::attributes::{full, put_with};
use super::inputs::{
    KIB, brief, chunked, description, has_no_object, key, listed, payload, put, read, same_bytes,
};
use super::snapshot::all_versions;
use crate::check::{Outcome, check, equal, fails_with, holds, ok};
use crate::{Check, Context, Failure};

pub(crate) const CHECKS: &[Check] = &[
    check!(
        "STO-142",
        stored_versions_are_listed,
        "list every version once, also across pages that end within a key; deletes are not versions"
    ),
    check!(
        "STO-143",
        stored_versions_are_readable,
        "look a stated version up among all versions of that key, never fall back to the current one"
    ),
    check!(
        "STO-144",
        stored_versions_are_removed_one_by_one,
        "remove exactly the stated version, and refuse one that the key does not have"
    ),
];

/// One stored version as it was written.
#[derive(Clone)]
struct Stored {
    meta: ObjectMeta,
    content: Bytes,
    attributes: Attributes,
}

/// What should be stored: all versions by key, oldest first, and whether the last is current.
#[derive(Default)]
struct History(BTreeMap<Key, (Vec<Stored>, bool)>);

impl History {
    async fn write(
        &mut self,
        store: &dyn StorageProvider,
        at: &Key,
        seed: u64,
        size: usize,
    ) -> Outcome {
        let (content, attributes) = (payload(seed, size), full(seed));
        let written = if seed.is_multiple_of(2) {
            put_with(store, at, content.clone(), &attributes).await
        } else {
            put_with(store, at, chunked(content.clone(), &[7000]), &attributes).await
        };
        let written = ok(format!("put of {}", brief(at)), written)?;
        let meta = description(store, at, &written).await?;
        self.add(at, Stored { meta, content, attributes });
        Ok(())
    }

    fn add(&mut self, at: &Key, written: Stored) {
        let (versions, current) = self.0.entry(at.clone()).or_default();
        versions.push(written);
        *current = true;
    }

    async fn delete(&mut self, store: &dyn StorageProvider, at: &Key) -> Outcome {
        ok("delete", store.delete(at, &DeleteOptions::default()).await)?;
        if let Some((_, current)) = self.0.get_mut(at) {
            *current = false;
        }
        Ok(())
    }

    /// Several keys with several versions, deletes in between.
    async fn make(store: &dyn StorageProvider) -> std::result::Result<Self, Failure> {
        let mut history = Self::default();
        let mut seed = 0;
        for round in 0..5_usize {
            for (number, name) in
                ["a", "a/b", "a/b/c", "a-b", "ab", "%41", "\u{e4}"].iter().enumerate()
            {
                let at = key(name);
                if (round + number) % 3 == 2 {
                    history.delete(store, &at).await?;
                    if round % 2 == 0 {
                        history.delete(store, &at).await?;
                    }
                } else {
                    seed += 1;
                    let size = [0, 10, 64 * KIB + 1, 300][(round + number) % 4];
                    history.write(store, &at, seed, size).await?;
                }
            }
        }
        // Equal content is a version of its own, and so is a copy.
        for _ in 0..2 {
            history.write(store, &key("same"), 1000, 50).await?;
        }
        let copied = store.copy(&key("same"), &key("copied"), &CopyOptions::default()).await;
        let meta = description(store, &key("copied"), &ok("copy", copied)?).await?;
        let (content, attributes) = (payload(1000, 50), full(1000));
        history.add(&key("copied"), Stored { meta, content, attributes });
        Ok(history)
    }

    /// Version, size, and whether it is current, by key and newest first.
    fn expected(&self, prefix: &str) -> BTreeMap<Key, Vec<(Version, u64, bool)>> {
        let stored = self.0.iter().filter(|(_, (versions, _))| !versions.is_empty());
        stored
            .filter(|(key, _)| key.as_str().starts_with(prefix))
            .map(|(key, (versions, current))| {
                let last = versions.len() - 1;
                let entry = |(position, written): (usize, &Stored)| {
                    let is_current = *current && position == last;
                    (written.meta.version.clone(), written.meta.size, is_current)
                };
                (key.clone(), versions.iter().enumerate().rev().map(entry).collect())
            })
            .collect()
    }

    async fn is_listed(&self, store: &dyn StorageProvider, situation: &str) -> Outcome {
        for prefix in ["", "a", "a/", "a/b", "ab", "same", "none", "%"] {
            for limit in [None, Some(1), Some(2), Some(3), Some(7), Some(1_000_000)] {
                let situation =
                    format!("{situation}: list_versions below {prefix:?}, pages of {limit:?}");
                let entries = ok(situation.clone(), all_versions(store, prefix, limit).await)?;
                self.agree(&entries, prefix, store, &situation)?;
            }
        }
        Ok(())
    }

    fn agree(
        &self,
        entries: &[VersionEntry],
        prefix: &str,
        store: &dyn StorageProvider,
        situation: &str,
    ) -> Outcome {
        let mut seen: BTreeMap<Key, Vec<(Version, u64, bool)>> = BTreeMap::new();
        let mut order: Vec<&Key> = Vec::new();
        for entry in entries {
            let object = &entry.object;
            seen.entry(object.key.clone()).or_default().push((
                object.version.clone(),
                object.size,
                entry.current,
            ));
            if order.last() != Some(&&object.key) {
                order.push(&object.key);
            }
        }
        let expected = self.expected(prefix);
        for key in expected.keys().chain(seen.keys()).collect::<BTreeSet<_>>() {
            equal(
                format!("{situation}: versions of {}, newest first", brief(key)),
                &expected.get(key),
                &seen.get(key),
            )?;
        }
        equal(
            format!("{situation}: versions of one key stand together"),
            &seen.len(),
            &order.len(),
        )?;
        if store.capabilities().has(Capability::OrderedList) {
            holds(format!("{situation}: keys"), order.is_sorted(), "in byte order", &order)?;
        }
        Ok(())
    }

    /// Every version by every way to read it.
    async fn is_readable(&self, store: &dyn StorageProvider, situation: &str) -> Outcome {
        for (at, (versions, current)) in &self.0 {
            for written in versions {
                reads_as(store, at, written, situation).await?;
            }
            if let (Some(newest), true) = (versions.last(), current) {
                let (meta, content) = ok("plain get", read(store, at).await)?;
                equal(format!("{situation}: plain get of {}", brief(at)), &newest.meta, &meta)?;
                same_bytes(format!("{situation}: plain get"), &newest.content, &content)?;
            } else {
                has_no_object(store, at, situation).await?;
            }
        }
        Ok(())
    }
}

fn of_version(version: &Version) -> GetOptions {
    GetOptions { version: Some(version.clone()), ..GetOptions::default() }
}

async fn reads_as(
    store: &dyn StorageProvider,
    at: &Key,
    written: &Stored,
    situation: &str,
) -> Outcome {
    let meta = &written.meta;
    let situation = format!("{situation}: {} in version {}", brief(at), meta.version);
    let options = of_version(&meta.version);
    let about = ok(format!("{situation}: head"), store.head(at, &options).await)?;
    equal(format!("{situation}: head"), meta, &about)?;
    equal(format!("{situation}: attributes"), &written.attributes, &*about.attributes)?;
    let found = ok(format!("{situation}: get"), store.get(at, &options).await)?;
    equal(format!("{situation}: get"), meta, &found.meta)?;
    let content = ok(format!("{situation}: get"), found.body.collect().await)?;
    same_bytes(format!("{situation}: get"), &written.content, &content)?;
    let ranges = [ByteRange::suffix(3), (0..2).into()];
    let parts =
        ok(format!("{situation}: get_ranges"), store.get_ranges(at, &ranges, &options).await)?;
    let length = written.content.len();
    let expected = vec![
        written.content.slice(length.saturating_sub(3)..),
        written.content.slice(..2.min(length)),
    ];
    equal(format!("{situation}: get_ranges"), &expected, &parts)?;
    let options = GetOptions { range: ByteRange::suffix(5), ..options };
    let found = ok(format!("{situation}: get of a range"), store.get(at, &options).await)?;
    let tail = ok(format!("{situation}: get of a range"), found.body.collect().await)?;
    same_bytes(
        format!("{situation}: get of a range"),
        &written.content[length.saturating_sub(5)..],
        &tail,
    )
}

async fn is_unknown(
    store: &dyn StorageProvider,
    at: &Key,
    version: &Version,
    situation: &str,
) -> Outcome {
    let options = of_version(version);
    let situation = format!("{situation}: {} in version {version}", brief(at));
    let missing = ErrorKind::NotFound;
    fails_with(format!("{situation}: head"), missing, store.head(at, &options).await)?;
    fails_with(format!("{situation}: get"), missing, store.get(at, &options).await)?;
    let ranges = store.get_ranges(at, &[(..).into()], &options).await;
    fails_with(format!("{situation}: get_ranges"), missing, ranges)?;
    Ok(())
}

async fn stored_versions_are_listed(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let none = ok("list_versions of an empty store", all_versions(store, "", None).await)?;
    equal("list_versions of an empty store", &Vec::new(), &none)?;
    let mut history = History::make(store).await?;
    history.is_listed(store, "after writes and deletes").await?;
    history.is_listed(&*cx.open().await?, "by another handle").await?;
    for entry in ok("list_versions", all_versions(store, "", None).await)? {
        let object = entry.object;
        let about = store.head(&object.key, &of_version(&object.version)).await;
        let about = ok("head of a listed version", about)?;
        equal("time by list_versions and head", &about.modified, &object.modified)?;
    }
    for name in ["a", "same", "copied"] {
        history.delete(store, &key(name)).await?;
        history.is_listed(store, "after another delete").await?;
        history.write(store, &key(name), 2000, 20).await?;
        history.is_listed(store, "after another put").await?;
    }
    let live: Vec<_> =
        history.0.iter().filter(|(_, (_, current))| *current).map(|(key, _)| key).collect();
    let entries = ok("list", listed(store, "").await)?;
    let keys: Vec<_> = entries.iter().map(|entry| &entry.key).collect();
    equal(
        "list shows current versions only",
        &live.into_iter().collect::<BTreeSet<_>>(),
        &keys.into_iter().collect(),
    )
}

async fn stored_versions_are_readable(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let mut history = History::make(store).await?;
    history.is_readable(store, "after writes and deletes").await?;
    history.is_readable(&*cx.open().await?, "by another handle").await?;
    history.write(store, &key("big"), 3000, 5 << 20).await?;
    history.write(store, &key("big"), 3001, (5 << 20) + 1).await?;
    history.delete(store, &key("big")).await?;
    history.is_readable(store, "after a large object was deleted").await?;
    let made_up = ok("making a version", Version::new("nobody-made-this"))?;
    let zero = ok("making a version", Version::new("0"))?;
    let spaced = ok("making a version", Version::new("\"a b\"/../\u{e4}"))?;
    let all: Vec<Version> = history
        .0
        .values()
        .flat_map(|(versions, _)| versions.iter().map(|written| written.meta.version.clone()))
        .collect();
    for at in ["a", "big", "same", "never"].map(key) {
        let own: BTreeSet<_> = history
            .0
            .get(&at)
            .map(|(versions, _)| versions.iter().map(|w| w.meta.version.as_str()).collect())
            .unwrap_or_default();
        for version in all.iter().chain([&made_up, &zero, &spaced]) {
            // Versions of other keys are unknown to this one, unless it has the same token itself.
            if !own.contains(version.as_str()) {
                is_unknown(store, &at, version, "a version that the key does not have").await?;
            }
        }
    }
    Ok(())
}

async fn remove(store: &dyn StorageProvider, at: &Key, version: &Version) -> Result<()> {
    let options = DeleteOptions { version: Some(version.clone()), ..DeleteOptions::default() };
    store.delete(at, &options).await.map(drop)
}

async fn stored_versions_are_removed_one_by_one(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let mut history = History::make(store).await?;
    let made_up = ok("making a version", Version::new("nobody-made-this"))?;
    for at in ["a", "same", "never"] {
        let situation = format!("delete of an unknown version of {at:?}");
        let result = remove(store, &key(at), &made_up).await;
        fails_with(situation.clone(), ErrorKind::NotFound, result)?;
        history.is_listed(store, &situation).await?;
    }
    history.is_readable(store, "delete of unknown versions").await?;
    // Older versions first: the current one of each key is not touched.
    let keys: Vec<Key> = history.0.keys().cloned().collect();
    for at in &keys {
        for position in [1, 0] {
            let Some((versions, current)) = history.0.get_mut(at) else { continue };
            if position + usize::from(*current) >= versions.len() {
                continue;
            }
            let removed = versions.remove(position);
            let version = &removed.meta.version;
            let situation = format!("delete of version {version} of {}", brief(at));
            ok(situation.clone(), remove(store, at, version).await)?;
            is_unknown(store, at, version, &situation).await?;
            let again = remove(store, at, version).await;
            fails_with(format!("{situation}, again"), ErrorKind::NotFound, again)?;
            history.is_listed(store, &situation).await?;
            history.is_readable(store, &situation).await?;
        }
    }
    // Then all the rest, the current one of each key first.
    for at in &keys {
        let Some((mut versions, _)) = history.0.remove(at) else { continue };
        while let Some(removed) = versions.pop() {
            let version = &removed.meta.version;
            let situation = format!("delete of the newest version {version} of {}", brief(at));
            ok(situation.clone(), remove(store, at, version).await)?;
            is_unknown(store, at, version, &situation).await?;
            for kept in &versions {
                reads_as(store, at, kept, &situation).await?;
            }
            has_no_object(store, at, &format!("{situation}: no older one comes back")).await?;
        }
        has_no_object(store, at, "all versions deleted").await?;
        history.is_listed(store, &format!("all versions of {} deleted", brief(at))).await?;
    }
    ok("put after all versions were deleted", put(store, &key("a"), payload(1, 10)).await)?;
    let (_, content) = ok("get", read(store, &key("a")).await)?;
    same_bytes("put after all versions were deleted", &payload(1, 10), &content)
}

//! Deletes: STO-100 to STO-106.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use omni_contracts::ErrorKind;
use omni_contracts::storage::{
    DeleteOptions, Deleted, Key, PutOptions, StorageProvider, Version, delete_prefix,
};

use super::conditions::{Before, cases, other_versions};
use super::inputs::{
    brief, chunked, has_content, has_no_object, head, invalid_keys, key, payload, put, read,
};
use super::race::race;
use super::walk::{Entry, NAMES, expected, fill, request, same_entries, settled, walk};
use crate::check::{Outcome, check, equal, fails_with, holds, ok};
use crate::{Check, Context};

pub(crate) const CHECKS: &[Check] = &[
    check!(
        "STO-100",
        deleted_is_gone,
        "look for a read or a listing that does not ask the same place as the delete"
    ),
    check!(
        "STO-101",
        delete_of_nothing_succeeds,
        "look at what the back-end answers for a missing key, and where `existed` comes from"
    ),
    check!(
        "STO-102",
        delete_removes_one_key,
        "look for deletes by prefix, by folder or by pattern"
    ),
    check!(
        "STO-103",
        delete_needs_the_stated_version,
        "look at how versions are compared, and whether comparing and deleting are one atomic step"
    ),
    check!(
        "STO-104",
        delete_many_answers_for_each_key,
        "look at how batches are cut, and at the order in which results are put together"
    ),
    check!(
        "STO-105",
        one_failure_hides_no_other,
        "look for a batch that ends at its first failure, or reports only successes"
    ),
    check!(
        "STO-106",
        folders_are_deleted_exactly,
        "look at the listing below the folder: a prefix with `/` at its end, over several pages that shrink meanwhile"
    ),
];

async fn delete(store: &dyn StorageProvider, key: &Key) -> omni_contracts::Result<Deleted> {
    store.delete(key, &DeleteOptions::default()).await
}

async fn deleted_is_gone(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let other = cx.open().await?;
    let store = &*store;
    for (number, (size, form)) in cases(store).into_iter().enumerate() {
        let key = key(format!("gone/{number}"));
        let situation = format!("after delete of an object of {size} bytes, put as {form:?}");
        ok("put", put(store, &key, form.body(&payload(1, size))).await)?;
        // What was read before must not be kept for later.
        ok("get", read(store, &key).await)?;
        ok("head", head(&*other, &key).await)?;
        ok(&situation, delete(store, &key).await)?;
        has_no_object(store, &key, &situation).await?;
        has_no_object(&*other, &key, &format!("{situation}, by a second handle")).await?;
    }
    let again = key("again");
    for round in 0..15 {
        let situation = format!("after {round} overwrites and a delete, round {round}");
        for seed in 0..=round {
            ok("put", put(store, &again, payload(seed, 10 * seed as usize)).await)?;
        }
        let deleter = if round % 2 == 0 { store } else { &*other };
        ok(&situation, delete(deleter, &again).await)?;
        has_no_object(store, &again, &situation).await?;
        has_no_object(&*other, &again, &format!("{situation}, by a second handle")).await?;
    }
    let stays = key("again/stays");
    ok("put", put(store, &stays, "stays").await)?;
    let mut keys = fill(store, NAMES).await?;
    keys.insert(stays.as_str().to_owned());
    for name in NAMES {
        ok("delete", delete(store, &key(name)).await)?;
        keys.remove(*name);
        has_no_object(store, &key(name), "after delete").await?;
    }
    let all = walk(&*cx.open().await?, &request("")).await?;
    same_entries("list after deletes", &expected(&keys, &request("")), &all)
}

async fn delete_of_nothing_succeeds(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let store = &*store;
    ok("put below a key", put(store, &key("folder/x"), "x").await)?;
    for name in
        NAMES.iter().chain(&["never", "folder", "folder/x/y", "no/such/folder/x", "Folder/x"])
    {
        let key = key(name);
        for attempt in 1..=2 {
            let situation = format!("delete of {name:?}, which has no object, attempt {attempt}");
            let deleted = ok(&situation, delete(store, &key).await)?;
            holds(
                &situation,
                deleted.existed != Some(true),
                "existed: false, or not stated",
                deleted,
            )?;
        }
    }
    for (number, content) in
        [Bytes::new(), payload(1, 1), payload(1, 70_000)].into_iter().enumerate()
    {
        let key = key(format!("there/{number}"));
        for round in 0..3 {
            ok("put", put(store, &key, content.clone()).await)?;
            let situation =
                format!("delete of an object of {} bytes, round {round}", content.len());
            let deleted = ok(&situation, delete(store, &key).await)?;
            holds(
                &situation,
                deleted.existed != Some(false),
                "existed: true, or not stated",
                deleted,
            )?;
            let situation = format!("{situation}, a second time");
            let deleted = ok(&situation, delete(store, &key).await)?;
            holds(
                &situation,
                deleted.existed != Some(true),
                "existed: false, or not stated",
                deleted,
            )?;
        }
    }
    has_content(store, &key("folder/x"), b"x", "after deletes of missing keys").await?;
    one_of_several_deleted_it(cx).await
}

/// Of several deletes at once, at most one can say that the object was there.
async fn one_of_several_deleted_it(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    for round in 0..30 {
        let contested = key(format!("contested/{}", round % 4));
        ok("put", put(&*store, &contested, "x").await)?;
        let racers = (0..6).map(|_| {
            let (store, contested) = (Arc::clone(&store), contested.clone());
            async move { delete(&*store, &contested).await }
        });
        let mut existed = Vec::new();
        for result in race(racers.collect()).await? {
            existed.push(ok("six deletes of one object at once", result)?.existed);
        }
        let wins = existed.iter().filter(|existed| **existed == Some(true)).count();
        let all_stated = existed.iter().all(Option::is_some);
        holds(
            "six deletes of one object at once",
            wins <= 1 && (wins == 1 || !all_stated),
            "existed: true for one of them, where it is stated",
            &existed,
        )?;
        has_no_object(&*store, &contested, "after six deletes at once").await?;
    }
    Ok(())
}

async fn delete_removes_one_key(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let store = &*store;
    let names: BTreeSet<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    fill(store, NAMES).await?;
    for name in NAMES {
        let target = key(name);
        ok("delete", delete(store, &target).await)?;
        let mut left = names.clone();
        left.remove(*name);
        let situation = format!("list after delete of {name:?} alone");
        settled(store).await;
        same_entries(situation, &expected(&left, &request("")), &walk(store, &request("")).await?)?;
        ok("put again", put(store, &target, *name).await)?;
    }
    // A folder without an object of its own, a pattern, and the beginning of names.
    let missing = ["a/b/c/d", "t-/", "%", "*", "a_", "\u{1f600}/y", "z", "t/x/y/z", "e"];
    for name in missing.iter().filter(|name| !names.contains(**name)) {
        // Some of these are not portable: refused or not found, they must reach nothing.
        drop(delete(store, &Key::native(name)).await);
    }
    for (key, _) in invalid_keys() {
        drop(delete(store, &key).await);
    }
    settled(store).await;
    let seen: Vec<Entry> = walk(store, &request("")).await?;
    same_entries("list after deletes of missing keys", &expected(&names, &request("")), &seen)?;
    for name in NAMES {
        ok(format!("get of {name:?} after deletes of other keys"), read(store, &key(name)).await)?;
    }
    Ok(())
}

fn of_version(version: &Version) -> DeleteOptions {
    DeleteOptions { if_match: Some(version.clone()), ..DeleteOptions::default() }
}

async fn delete_needs_the_stated_version(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let store = &*store;
    let neighbour = ok("put of another key", put(store, &key("if/b"), "b").await)?;
    let guarded = key("if");
    let mut stale = vec![neighbour.version.clone()];
    for (size, form) in cases(store) {
        let old = ok("put", put(store, &guarded, "old").await)?;
        let new = ok("put", put(store, &guarded, form.body(&payload(1, size))).await)?;
        let before = Before::of(store, &guarded).await?;
        stale.push(old.version);
        for version in stale.iter().rev().take(3) {
            refuses(store, &guarded, version).await?;
            before.is_unchanged(store, "after a refused delete").await?;
        }
        let situation =
            format!("delete with if_match of the current version, {size} bytes as {form:?}");
        let deleted = store.delete(&guarded, &of_version(&new.version)).await;
        let deleted = ok(&situation, deleted)?;
        holds(&situation, deleted.existed != Some(false), "existed: true, or not stated", deleted)?;
        has_no_object(store, &guarded, &situation).await?;
        refuses(store, &guarded, &new.version).await?;
        stale.push(new.version);
    }
    let last = ok("put", put(store, &guarded, "the last").await)?;
    let before = Before::of(store, &guarded).await?;
    stale.extend(other_versions(&last.version));
    for version in stale.iter().filter(|version| **version != last.version) {
        refuses(store, &guarded, version).await?;
        refuses(store, &key("if/never"), version).await?;
    }
    before.is_unchanged(store, "after refused deletes").await?;
    before.is_listed(store, "after refused deletes").await?;
    // The same bytes written again are another version.
    let again = ok("put of the same bytes", put(store, &guarded, "the last").await)?;
    refuses(store, &guarded, &last.version).await?;
    ok("delete with if_match", store.delete(&guarded, &of_version(&again.version)).await)?;
    has_content(store, &key("if/b"), b"b", "after deletes with if_match of another key").await?;
    one_of_several_deletes(cx).await?;
    delete_or_update(cx).await
}

async fn refuses(store: &dyn StorageProvider, key: &Key, version: &Version) -> Outcome {
    let situation = format!("delete of {} with if_match of {version:?}", brief(key));
    let deleted = store.delete(key, &of_version(version)).await;
    fails_with(situation, ErrorKind::PreconditionFailed, deleted).map(drop)
}

/// Of several that delete one version at once, one succeeds.
async fn one_of_several_deletes(cx: &Context) -> Outcome {
    let stores = [cx.open().await?, cx.open().await?];
    for round in 0..60 {
        let contested = key(format!("contested/{round}"));
        let meta = ok("put", put(&*stores[0], &contested, "x").await)?;
        let racers = (0..8).map(|racer| {
            let (store, key) = (Arc::clone(&stores[racer % (1 + round % 2)]), contested.clone());
            let options = of_version(&meta.version);
            async move { store.delete(&key, &options).await }
        });
        let situation = "eight deletes at once, with if_match of the current version";
        let (won, lost): (Vec<_>, Vec<_>) =
            race(racers.collect()).await?.into_iter().partition(Result::is_ok);
        equal(format!("{situation}: successes"), &1, &won.len())?;
        for loser in lost {
            fails_with(situation, ErrorKind::PreconditionFailed, loser)?;
        }
        has_no_object(&*stores[0], &contested, situation).await?;
    }
    Ok(())
}

/// A delete of what was read never takes away what another wrote since.
async fn delete_or_update(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    for round in 0..80 {
        let contested = key(format!("updated/{}", round % 5));
        let meta = ok("put", put(&*store, &contested, "old").await)?;
        // The writer puts without condition: whoever comes first, the new object remains.
        let racers = (0..4).map(|racer| {
            let (store, key) = (Arc::clone(&store), contested.clone());
            let options = of_version(&meta.version);
            async move {
                if (racer + round) % 4 == 0 {
                    store
                        .put(&key, Bytes::from("new").into(), &PutOptions::default())
                        .await
                        .map(drop)
                } else {
                    store.delete(&key, &options).await.map(drop)
                }
            }
        });
        for (racer, result) in race(racers.collect()).await?.into_iter().enumerate() {
            if (racer + round) % 4 == 0 {
                ok("put at once with deletes", result)?;
            } else if result.is_err() {
                fails_with("delete at once with a put", ErrorKind::PreconditionFailed, result)?;
            }
        }
        let situation =
            "put of a new version at once with deletes that have if_match of the old one";
        has_content(&*store, &contested, b"new", situation).await?;
    }
    Ok(())
}

async fn delete_many_answers_for_each_key(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let store = &*store;
    let none = store.delete_many(&[]).await;
    holds("delete_many of no keys", none.is_empty(), "no results", &none)?;
    // Objects where batches of 100, 256, 500 and 1000 keys end, among keys that have none.
    let ends =
        [0, 1, 99, 100, 255, 256, 257, 499, 500, 501, 998, 999, 1000, 1001, 1999, 2000, 2001, 2499];
    for count in [1, 2, 3, 100, 101, 256, 257, 500, 999, 1000, 1001, 2001, 2500] {
        let there: BTreeSet<usize> = ends.into_iter().filter(|at| *at < count).collect();
        let survivor = format!("many/{count}");
        let names = there.iter().map(|at| format!("many/{count}/{at}")).chain([survivor.clone()]);
        fill(store, names).await?;
        let keys: Vec<Key> = (0..count).map(|at| key(format!("many/{count}/{at}"))).collect();
        let results = store.delete_many(&keys).await;
        let situation = format!("delete_many of {count} keys of which {} exist", there.len());
        equal(format!("{situation}: number of results"), &count, &results.len())?;
        for (at, result) in results.into_iter().enumerate() {
            let situation = format!("{situation}: result {at}");
            let deleted = ok(&situation, result)?;
            let wrong = Some(!there.contains(&at));
            holds(
                &situation,
                deleted.existed != wrong,
                "existed as it was, or not stated",
                deleted,
            )?;
        }
        settled(store).await;
        let left = walk(store, &request(&survivor)).await?;
        let expected = [Entry::Object(survivor.clone())];
        let below: Vec<Entry> = left
            .into_iter()
            .filter(|entry| {
                entry.name() == survivor || entry.name().starts_with(&format!("{survivor}/"))
            })
            .collect();
        same_entries(format!("{situation}: list"), &expected, &below)?;
        for at in &there {
            let gone = key(format!("many/{count}/{at}"));
            let head = head(store, &gone).await;
            fails_with(format!("{situation}: head of {gone}"), ErrorKind::NotFound, head)?;
        }
    }
    repeated_and_mixed(store).await
}

/// Keys twice, missing ones in between, in no order, and beside keys that begin alike.
async fn repeated_and_mixed(store: &dyn StorageProvider) -> Outcome {
    let all = fill(store, NAMES).await?;
    let (gone, kept): (Vec<&str>, Vec<&str>) =
        NAMES.iter().enumerate().fold((vec![], vec![]), |(mut gone, mut kept), (at, name)| {
            if at % 2 == 0 {
                gone.push(*name)
            } else {
                kept.push(*name)
            }
            (gone, kept)
        });
    let mut names: Vec<&str> = Vec::new();
    for name in gone.iter().rev() {
        names.extend([name, "missing", name, "a/missing"]);
    }
    let keys: Vec<Key> = names.iter().map(key).collect();
    let situation = "delete_many with every key twice and missing ones in between";
    let results = store.delete_many(&keys).await;
    equal(format!("{situation}: number of results"), &keys.len(), &results.len())?;
    let mut existed: Vec<(&str, Option<bool>)> = Vec::new();
    for (name, result) in names.iter().zip(results) {
        existed.push((*name, ok(format!("{situation}: {name:?}"), result)?.existed));
    }
    for name in &gone {
        let stated: Vec<_> =
            existed.iter().filter(|(of, _)| of == name).map(|(_, it)| *it).collect();
        let wins = stated.iter().filter(|it| **it == Some(true)).count();
        holds(
            format!("{situation}: {name:?}, which had one object"),
            wins <= 1 && (wins == 1 || stated.contains(&None)),
            "existed: true once, where it is stated",
            &stated,
        )?;
    }
    let wrong = existed.iter().find(|(name, it)| name.ends_with("missing") && *it == Some(true));
    holds(situation, wrong.is_none(), "existed: false for missing keys", wrong)?;
    settled(store).await;
    let seen: Vec<Entry> = walk(store, &request(""))
        .await?
        .into_iter()
        .filter(|entry| all.contains(entry.name()))
        .collect();
    let kept: BTreeSet<String> = kept.iter().map(|name| (*name).to_owned()).collect();
    same_entries(format!("{situation}: list"), &expected(&kept, &request("")), &seen)
}

async fn one_failure_hides_no_other(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let store = &*store;
    // What one delete of such a key comes to is what its place in a batch must say.
    let bad: Vec<Key> = invalid_keys().into_iter().map(|(key, _)| key).collect();
    let mut alone = Vec::new();
    for key in &bad {
        alone.push(delete(store, key).await.map_err(|error| error.kind()).map(drop));
    }
    for (round, places) in
        [&[0][..], &[5], &[9], &[0, 5, 9], &[0, 1, 2, 3], &[7, 8, 9]].iter().enumerate()
    {
        for (number, start) in (0..bad.len()).step_by(5).enumerate() {
            let folder = format!("failing/{round}/{number}");
            let good: Vec<String> = (0..10).map(|at| format!("{folder}/{at}")).collect();
            fill(store, good.iter().map(String::as_str).chain([format!("{folder}/kept").as_str()]))
                .await?;
            let mut keys = Vec::new();
            // The index of the bad key, or none.
            let mut which = Vec::new();
            for (at, name) in good.iter().enumerate() {
                if let Some(nth) = places.iter().position(|place| *place == at) {
                    let index = (start + nth) % bad.len();
                    keys.push(bad[index].clone());
                    which.push(Some(index));
                }
                keys.push(key(name));
                which.push(None);
            }
            let results = store.delete_many(&keys).await;
            let situation =
                format!("delete_many of ten objects with strange keys before {places:?}");
            equal(format!("{situation}: number of results"), &keys.len(), &results.len())?;
            for ((result, key), index) in results.into_iter().zip(&keys).zip(which) {
                let situation = format!("{situation}: {}", brief(key));
                match index {
                    None => {
                        let deleted = ok(&situation, result)?;
                        let fine = deleted.existed != Some(false);
                        holds(&situation, fine, "existed: true, or not stated", deleted)?;
                        has_no_object(store, key, &situation).await?;
                    }
                    Some(index) => {
                        let seen = result.map_err(|error| error.kind()).map(drop);
                        equal(format!("{situation}: as delete of it alone"), &alone[index], &seen)?;
                    }
                }
            }
            let kept = key(format!("{folder}/kept"));
            ok(format!("{situation}: another object"), head(store, &kept).await)?;
        }
    }
    Ok(())
}

async fn folders_are_deleted_exactly(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let store = &*store;
    let below = [
        "a/b",
        "a/b/c",
        "a/ b",
        "a/-",
        "a/a/a/a",
        "a/\u{1f600}",
        "a/%2F",
        "a/.x",
        "a/x.tmp",
        "a/\u{10ffff}",
    ];
    let beside = [
        "a",
        "a-b",
        "ab/c",
        "ab",
        "a!",
        "a.b",
        "a0",
        "A/b",
        "A",
        "a b/c",
        "a%2Fb",
        "a_/b",
        "ax/b",
        "%/b",
        "_/b",
        "*/b",
        "b/a/b",
        "aa/b",
        "\u{e1}/b",
        "a\u{301}/b",
        " a/b",
        "a /b",
    ];
    let kept: BTreeSet<String> = beside.iter().map(|name| (*name).to_owned()).collect();
    for folder in ["a", "a/"] {
        let all = fill(store, below.iter().chain(&beside)).await?;
        ok(
            "streamed put",
            put(store, &key("a/stream"), chunked(payload(1, 70_000), &[999])).await,
        )?;
        for refused in ["", "/"] {
            let situation = format!("delete_prefix of {refused:?}");
            let deleted = delete_prefix(store, refused).await;
            fails_with(situation, ErrorKind::InvalidArgument, deleted)?;
        }
        let mut present = all.clone();
        present.insert("a/stream".to_owned());
        settled(store).await;
        let seen = walk(store, &request("")).await?;
        same_entries(
            "list after a refused delete_prefix",
            &expected(&present, &request("")),
            &seen,
        )?;
        let situation = format!("delete_prefix of {folder:?}");
        ok(&situation, delete_prefix(store, folder).await)?;
        settled(store).await;
        let seen = walk(store, &request("")).await?;
        same_entries(format!("{situation}: list"), &expected(&kept, &request("")), &seen)?;
        for name in below {
            has_no_object(store, &key(name), &situation).await?;
        }
        for name in beside {
            ok(format!("{situation}: get of {name:?}"), read(store, &key(name)).await)?;
        }
    }
    // Names that are patterns elsewhere, and folders that do not exist.
    for folder in ["%", "_", "*", "nothing", "a/b", "ab/c", "A/b/"] {
        ok("delete_prefix", delete_prefix(store, folder).await)?;
        let gone = ["%/b", "_/b", "*/b"];
        let position = ["%", "_", "*"].iter().position(|name| *name == folder);
        let kept: BTreeSet<String> = match position {
            Some(last) => {
                kept.iter().filter(|n| !gone[..=last].contains(&n.as_str())).cloned().collect()
            }
            None => kept.iter().filter(|n| !gone.contains(&n.as_str())).cloned().collect(),
        };
        settled(store).await;
        let seen = walk(store, &request("")).await?;
        let situation = format!("list after delete_prefix of {folder:?}");
        same_entries(situation, &expected(&kept, &request("")), &seen)?;
    }
    more_than_a_page(store).await
}

/// Each page is deleted before the next one is listed.
async fn more_than_a_page(store: &dyn StorageProvider) -> Outcome {
    let count = store.capabilities().limits.max_page_size + 1;
    fill(store, (0..count).map(|n| format!("full/{}/{n}", n % 3)).chain(["full-".to_owned()]))
        .await?;
    let situation = format!("delete_prefix of a folder with {count} objects");
    let deleted = ok(&situation, delete_prefix(store, "full").await)?;
    holds(&situation, deleted == count as u64, format!("{count} deleted"), deleted)?;
    settled(store).await;
    let seen = walk(store, &request("full")).await?;
    same_entries(situation, &[Entry::Object("full-".to_owned())], &seen)
}

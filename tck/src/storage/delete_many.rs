//! Deletes of many objects: STO-104 to STO-106.

use std::collections::BTreeSet;

use omni_contracts::ErrorKind;
use omni_contracts::storage::{Key, StorageProvider, delete_prefix};

use super::delete::delete;
use super::inputs::{brief, chunked, has_no_object, head, invalid_keys, key, payload, put, read};
use super::walk::{Entry, NAMES, expected, fill, request, same_entries, settled, walk};
use crate::check::{Outcome, check, equal, fails_with, holds, ok};
use crate::{Check, Context};

pub(crate) const CHECKS: &[Check] = &[
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

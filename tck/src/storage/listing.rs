//! What a listing contains, and in which order: STO-080 to STO-086. How it is cut into pages is in
//! `paging`.

use std::collections::BTreeSet;

use omni_contracts::ErrorKind;
use omni_contracts::storage::{
    CopyOptions, DeleteOptions, ListRequest, ObjectEntry, PutOptions, StorageProvider,
};

use super::conditions::{Form, by};
use super::inputs::{brief, head, key, listed, nasty_keys, payload, put};
use super::walk::{
    DELIMITERS, NAMES, any_request, asked, beginning, expected, fill, lists_as_expected, pages,
    request, rolled_up, settled, walk,
};
use crate::check::{Outcome, check, equal, fails_with, holds, ok};
use crate::{Check, Context};

pub(crate) const CHECKS: &[Check] = &[
    check!(
        "STO-080",
        prefix_is_raw_text,
        "look for prefixes that are treated as folders, patterns or upper-case-blind text, and for the upper end of the scan"
    ),
    check!(
        "STO-081",
        nothing_lists_as_nothing,
        "look at listings of a store, a folder or a page without objects"
    ),
    check!(
        "STO-082",
        listing_follows_every_write,
        "look for a listing that is cached or updated later than the write is acknowledged"
    ),
    check!(
        "STO-083",
        delimiter_rolls_up,
        "look at where the delimiter is searched: after the prefix, its first occurrence, and included in the entry"
    ),
    check!(
        "STO-084",
        any_text_is_a_delimiter,
        "look for code that assumes that the delimiter is `/` or one character"
    ),
    check!(
        "STO-085",
        object_and_prefix_of_one_name,
        "look for code that takes a key for a folder, or leaves one of the two out"
    ),
    check!(
        "STO-086",
        entries_are_in_byte_order,
        "look for an order by UTF-16, by folder or by locale, and for prefixes that are listed apart from objects"
    ),
];

async fn prefix_is_raw_text(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let keys: Vec<String> = nasty_keys().iter().map(ToString::to_string).collect();
    let keys = fill(&*store, keys.iter().map(String::as_str).chain(NAMES.iter().copied())).await?;
    let mut prefixes: BTreeSet<String> = BTreeSet::new();
    let mut rng = cx.rng("prefixes");
    for key in &keys {
        prefixes.insert(key.clone());
        prefixes.insert(beginning(&mut rng, key));
        prefixes.insert(format!("{key}/"));
    }
    let strange = [
        "",
        "/",
        "//",
        "a//",
        "a/b/",
        ".",
        "..",
        "./",
        "../",
        "\\",
        "a\\",
        "a%2F",
        "a_",
        "a__",
        "%%%",
        "a*",
        "a/*",
        "a?",
        "[a",
        "\n",
        "\0",
        "B",
        "t/X",
        "E\u{301}",
        "\u{c9}",
        "a/b/c/d/e",
        " ",
    ];
    prefixes.extend(strange.map(str::to_owned));
    prefixes.insert("w".repeat(241));
    prefixes.insert("p".repeat(1024));
    prefixes.retain(|prefix| prefix.len() <= 1024);
    for prefix in &prefixes {
        lists_as_expected(&*store, &keys, &request(prefix)).await?;
    }
    Ok(())
}

async fn nothing_lists_as_nothing(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    lists_nothing(&*store, &["", "a", "a/", "/", "\u{10ffff}", "%"], "an empty store").await?;
    let second = cx.open().await?;
    lists_nothing(&*second, &["", "a"], "an empty store, opened again").await?;
    let keys = fill(&*store, NAMES).await?;
    let without = ["a/b/c/", "b", "aab", "t/y", "t//", "a/b/cc", "\u{10fffe}", "zz", "/", "A/b/"];
    lists_nothing(&*store, &without, "a store without such objects").await?;
    let all: Vec<_> = keys.iter().map(key).collect();
    for result in store.delete_many(&all).await {
        ok("delete_many of everything", result)?;
    }
    settled(&*store).await;
    lists_nothing(&*store, &["", "a", "a/", "t"], "a store where everything was deleted").await
}

async fn lists_nothing(store: &dyn StorageProvider, prefixes: &[&str], of: &str) -> Outcome {
    for prefix in prefixes {
        let plain = request(prefix);
        for request in [
            plain.clone(),
            rolled_up(prefix, "/"),
            rolled_up(prefix, "a"),
            ListRequest { limit: Some(1), ..rolled_up(prefix, "/") },
            ListRequest { limit: Some(usize::MAX), ..plain.clone() },
            ListRequest { start_after: Some(key("a")), ..plain },
        ] {
            let seen = walk(store, &request).await?;
            holds(format!("{} of {of}", asked(&request)), seen.is_empty(), "no entries", &seen)?;
        }
    }
    Ok(())
}

async fn listing_follows_every_write(cx: &Context) -> Outcome {
    let stores = [cx.open().await?, cx.open().await?];
    let store = &*stores[0];
    let keys = ["f/1", "f/2", "f/2/x", "f/\u{1f600}", "f"];
    // The last version that a listing must show for each key, if any.
    let mut current: Vec<Option<ObjectEntry>> = vec![None; keys.len()];
    for round in 0..cx.rounds(30) {
        let at = round % keys.len();
        let key = key(keys[at]);
        let did = match (round / keys.len() % 6, &current[at]) {
            (0 | 1 | 4, _) => {
                let form = Form::ALL[round % 3];
                let size = [0, 10, 70_000][round % 3];
                ok("put", store.put(&key, form.body(&payload(1, size)), &by_round(round)).await)?;
                "put"
            }
            (2, _) => {
                ok("delete", store.delete(&key, &DeleteOptions::default()).await)?;
                "delete"
            }
            (3, _) => {
                ok("put", put(store, &super::inputs::key("source"), "from").await)?;
                let options = CopyOptions::default();
                ok("copy", store.copy(&super::inputs::key("source"), &key, &options).await)?;
                "copy"
            }
            _ => {
                for result in store.delete_many(std::slice::from_ref(&key)).await {
                    ok("delete_many", result)?;
                }
                "delete_many"
            }
        };
        current[at] = match head(store, &key).await {
            Ok(meta) => Some(ObjectEntry {
                key: key.clone(),
                size: meta.size,
                version: meta.version,
                modified: meta.modified,
            }),
            Err(_) => None,
        };
        let expected: BTreeSet<_> = current.iter().flatten().map(comparable).collect();
        for (which, handle) in stores.iter().enumerate() {
            for prefix in ["f", key.as_str()] {
                let entries = ok("list", listed(&**handle, prefix).await)?;
                let seen: BTreeSet<_> = entries.iter().map(comparable).collect();
                let of_prefix: BTreeSet<_> =
                    expected.iter().filter(|entry| entry.0.starts_with(prefix)).cloned().collect();
                equal(
                    format!(
                        "list of {prefix:?} by handle {} after {did} of {}, step {round}",
                        which + 1,
                        brief(&key)
                    ),
                    &of_prefix,
                    &seen,
                )?;
            }
        }
    }
    Ok(())
}

fn by_round(round: usize) -> PutOptions {
    by(PutOptions::default(), round)
}

fn comparable(entry: &ObjectEntry) -> (String, u64, String) {
    (entry.key.as_str().to_owned(), entry.size, entry.version.as_str().to_owned())
}

async fn delimiter_rolls_up(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let keys = fill(&*store, NAMES).await?;
    let prefixes =
        ["", "a", "a/", "a/b", "a/b/", "t", "t/", "t/x", "t-", "\u{e9}", "z", "..a/", "n"];
    let all = prefixes
        .into_iter()
        .flat_map(|prefix| [None, Some(1), Some(2), Some(5)].map(|limit| (prefix, limit)));
    for (prefix, limit) in cx.some(all) {
        let request = ListRequest { limit, ..rolled_up(prefix, "/") };
        lists_as_expected(&*store, &keys, &request).await?;
    }
    // Many keys below few folders, so that one entry stands for more than a page.
    let many = fill(&*store, (0..120).map(|n| format!("many/{}/{n}", n % 3))).await?;
    for (prefix, limit) in [("many/", 1), ("many/", 3), ("many", 7), ("many/1/", 9), ("many/1", 50)]
    {
        let request = ListRequest { limit: Some(limit), ..rolled_up(prefix, "/") };
        lists_as_expected(&*store, &many, &request).await?;
    }
    // A folder is there exactly as long as something is in it.
    let last = key("a/b/d");
    ok("delete", store.delete(&key("a/b/c"), &DeleteOptions::default()).await)?;
    let mut keys: BTreeSet<String> = keys.into_iter().filter(|name| name != "a/b/c").collect();
    settled(&*store).await;
    lists_as_expected(&*store, &keys, &rolled_up("a/", "/")).await?;
    ok("delete", store.delete(&last, &DeleteOptions::default()).await)?;
    keys.remove("a/b/d");
    settled(&*store).await;
    lists_as_expected(&*store, &keys, &rolled_up("a/", "/")).await
}

async fn any_text_is_a_delimiter(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let keys = fill(&*store, NAMES).await?;
    let whole_keys = keys.iter().map(String::as_str);
    let all = DELIMITERS.iter().copied().chain(whole_keys).flat_map(|delimiter| {
        let prefixes = ["", "a", "a-"].into_iter();
        prefixes.flat_map(move |prefix| [None, Some(2)].map(|limit| (delimiter, prefix, limit)))
    });
    for (delimiter, prefix, limit) in cx.some(all) {
        let request = ListRequest { limit, ..rolled_up(prefix, delimiter) };
        lists_as_expected(&*store, &keys, &request).await?;
    }
    lists_as_expected(&*store, &keys, &rolled_up("", &"long".repeat(500))).await?;
    let token =
        pages(&*store, &ListRequest { limit: Some(3), ..request("") }).await?[0].next.clone();
    for plain in [
        request(""),
        request("a/"),
        ListRequest { limit: Some(1), ..request("nothing") },
        ListRequest { start_after: Some(key("a")), ..request("") },
        ListRequest { token, ..request("") },
    ] {
        let request = ListRequest { delimiter: Some(String::new()), ..plain };
        fails_with(asked(&request), ErrorKind::InvalidArgument, store.list(&request).await)?;
    }
    Ok(())
}

async fn object_and_prefix_of_one_name(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let names = [
        "a",
        "a/b",
        "a/b/c",
        "a/b/c/d",
        "a/bb",
        "aa",
        "a-",
        "b/c",
        "b",
        "\u{1f600}/x",
        "\u{1f600}",
    ];
    // In either order of creation.
    for (round, backwards) in [false, true].into_iter().enumerate() {
        let mut order: Vec<String> = names.iter().map(|name| format!("{round}{name}")).collect();
        if backwards {
            order.reverse();
        }
        for name in &order {
            ok("put", put(&*store, &key(name), "x").await)?;
        }
        settled(&*store).await;
        let keys: BTreeSet<String> = order.into_iter().collect();
        let below = ["", "a", "a/", "a/b", "a/b/", "a/b/c", "a/b/c/", "b", "b/", "\u{1f600}"];
        let all = below.into_iter().map(|below| format!("{round}{below}")).flat_map(|prefix| {
            let plain = [request(&prefix), rolled_up(&prefix, "/"), rolled_up(&prefix, "b")];
            let limits = [None, Some(1), Some(2), Some(3)].into_iter();
            limits.flat_map(move |limit| plain.clone().map(|plain| ListRequest { limit, ..plain }))
        });
        for request in cx.some(all) {
            lists_as_expected(&*store, &keys, &request).await?;
        }
        // The folder remains when its object goes, and the object when the folder goes.
        let mut keys = keys;
        for gone in [format!("{round}a"), format!("{round}a/b/c/d"), format!("{round}b/c")] {
            ok("delete", store.delete(&key(&gone), &DeleteOptions::default()).await)?;
            keys.remove(&gone);
            settled(&*store).await;
            for prefix in [format!("{round}"), format!("{round}a/"), format!("{round}a/b/")] {
                lists_as_expected(&*store, &keys, &rolled_up(&prefix, "/")).await?;
            }
        }
    }
    Ok(())
}

async fn entries_are_in_byte_order(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let nasty: Vec<String> = nasty_keys().iter().map(ToString::to_string).collect();
    let keys = fill(&*store, nasty.iter().map(String::as_str).chain(NAMES.iter().copied())).await?;
    let mut requests = Vec::new();
    for delimiter in [None, Some("/"), Some("a"), Some("-")] {
        for limit in (1..=10).chain([17, 100, usize::MAX]) {
            let delimiter = delimiter.map(str::to_owned);
            requests.push(ListRequest { delimiter, limit: Some(limit), ..request("") });
        }
    }
    let mut rng = cx.rng("requests");
    let names: Vec<&String> = keys.iter().collect();
    requests.extend((0..60).map(|_| any_request(&mut rng, &names)));
    for request in cx.some(requests) {
        let seen = walk(&*store, &request).await?;
        let wrong = seen.windows(2).find(|pair| pair[0].name() >= pair[1].name());
        holds(
            asked(&request),
            wrong.is_none(),
            "each name greater than the one before, by the bytes of UTF-8",
            wrong,
        )?;
        // Order without completeness would be cheap.
        equal(asked(&request), &expected(&keys, &request).len(), &seen.len())?;
    }
    Ok(())
}

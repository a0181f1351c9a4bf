//! How a listing is cut into pages, and where it begins: STO-087 to STO-092 and STO-094. Listings under
//! change are in `paging_under_change`.

use std::collections::BTreeSet;

use futures_util::StreamExt;
use omni_contracts::ErrorKind;
use omni_contracts::storage::{
    Capability, Key, ListRequest, PageToken, Prefix, StorageProvider, list_all,
};
use rand::RngExt;
use rand::distr::{Alphanumeric, SampleString};
use rand::rngs::StdRng;

use super::inputs::{key, nasty_keys};
use super::walk::{
    Entry, NAMES, any_request, asked, beginning, continued, entries, expected, fill,
    lists_as_expected, pages, request, rolled_up, same_entries, walk,
};
use crate::check::{Outcome, check, fails_with, holds, ok};
use crate::{Check, Context, Failure};

pub(crate) const CHECKS: &[Check] = &[
    check!(
        "STO-087",
        pages_hold_every_entry_once,
        "look at what a page token says: the entry after which to go on, and with a delimiter the whole folder"
    ),
    check!(
        "STO-088",
        pages_keep_to_the_limit,
        "look at whether prefixes count, and at limits of 0 and above the maximum"
    ),
    check!(
        "STO-089",
        more_than_one_native_page,
        "look at whether the native continuation is followed, at exactly one page, one entry more, and two pages"
    ),
    check!(
        "STO-090",
        start_after_is_exclusive,
        "look at how `start_after` is compared with entries, above all with prefixes and keys outside the prefix"
    ),
    check!(
        "STO-091",
        tokens_are_text,
        "look for state about a listing that is kept in the handle instead of in the token"
    ),
    check!(
        "STO-092",
        strange_tokens_are_refused,
        "look at how a token is recognised as one's own, for example by a checksum in it"
    ),
    check!(
        "STO-094",
        ten_thousand_keys,
        "look at pages above the declared maximum, and at gaps between pages far into a listing"
    ),
];

/// Page sizes at which boundaries fall on every entry.
fn page_sizes() -> impl Iterator<Item = usize> {
    (1..=10).chain([17, 64])
}

async fn pages_hold_every_entry_once(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let nasty: Vec<String> = nasty_keys().iter().map(ToString::to_string).collect();
    let keys = fill(&*store, nasty.iter().map(String::as_str).chain(NAMES.iter().copied())).await?;
    let max = store.capabilities().limits.max_page_size;
    let all = page_sizes().chain([max]).flat_map(|limit| {
        let plain = [request(""), rolled_up("", "/"), rolled_up("a", "b"), request("t")];
        plain.map(|plain| ListRequest { limit: Some(limit), ..plain })
    });
    for request in cx.some(all) {
        lists_as_expected(&*store, &keys, &request).await?;
    }
    let mut rng = cx.rng("requests");
    let names: Vec<&String> = keys.iter().collect();
    for _ in 0..cx.rounds(200) {
        let request = any_request(&mut rng, &names);
        lists_as_expected(&*store, &keys, &request).await?;
    }
    Ok(())
}

async fn pages_keep_to_the_limit(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let max = store.capabilities().limits.max_page_size;
    // A folder of one key for every second entry, so that prefixes fill a page too.
    let keys =
        (0..max + 3).map(|n| if n % 2 == 0 { format!("k{n:06}") } else { format!("k{n:06}/x") });
    let keys = fill(&*store, keys).await?;
    for plain in
        [request(""), rolled_up("", "/"), request("k0"), rolled_up("k", "0"), rolled_up("k", "/x")]
    {
        for limit in
            [None, Some(max - 1), Some(max), Some(max + 1), Some(2 * max), Some(usize::MAX)]
        {
            // The size of each page is checked on the way.
            let request = ListRequest { limit: limit.map(|limit| limit.max(1)), ..plain.clone() };
            lists_as_expected(&*store, &keys, &request).await?;
        }
        for limit in [1, 2, 3, 10] {
            let mut request = ListRequest { limit: Some(limit), ..plain.clone() };
            for _ in 0..3 {
                let page = ok(asked(&request), store.list(&request).await)?;
                let count = page.entries.len();
                holds(asked(&request), count <= limit, format!("at most {limit} entries"), count)?;
                let Some(next) = page.next else { break };
                request.token = Some(next);
            }
        }
    }
    let token =
        pages(&*store, &ListRequest { limit: Some(max), ..request("") }).await?[0].next.clone();
    for plain in [
        request(""),
        request("nothing"),
        rolled_up("", "/"),
        ListRequest { start_after: Some(key("k")), ..request("") },
        ListRequest { token, ..request("") },
    ] {
        let request = ListRequest { limit: Some(0), ..plain };
        fails_with(asked(&request), ErrorKind::InvalidArgument, store.list(&request).await)?;
    }
    Ok(())
}

async fn more_than_one_native_page(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let max = store.capabilities().limits.max_page_size;
    let mut keys = BTreeSet::new();
    // Exactly a page, and one more; then as many in one folder, so that two pages and more are there.
    let stages = [
        (0..max, "k"),
        (max..max + 1, "k"),
        (0..max - 1, "big/k"),
        (max - 1..max, "big/k"),
        (max..max + 1, "big/k"),
    ];
    for (numbers, prefix) in stages {
        let added = numbers.map(|n| match n % 3 {
            0 => format!("{prefix}{n:06}/x"),
            _ => format!("{prefix}{n:06}"),
        });
        keys.extend(fill(&*store, added).await?);
        for plain in [
            request(""),
            rolled_up("", "/"),
            request("k"),
            rolled_up("big/", "/"),
            rolled_up("", "k"),
            ListRequest { start_after: Some(key("big/k000001")), ..request("") },
        ] {
            lists_as_expected(&*store, &keys, &plain).await?;
        }
    }
    for limit in [max, max + 1, max / 2 + 1, usize::MAX] {
        for plain in [request(""), rolled_up("", "/"), rolled_up("big/", "/")] {
            let request = ListRequest { limit: Some(limit), ..plain };
            lists_as_expected(&*store, &keys, &request).await?;
        }
    }
    Ok(())
}

async fn start_after_is_exclusive(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let keys = fill(&*store, NAMES).await?;
    if !store.capabilities().has(Capability::OrderedList) {
        return starts_in_its_own_order(&*store).await;
    }
    let mut starts: BTreeSet<String> = keys.clone();
    let mut rng = cx.rng("start_after");
    for name in &keys {
        starts.extend([format!("{name}!"), format!("{name}/0"), beginning(&mut rng, name)]);
    }
    // Names of prefixes are not keys, and a listing can be resumed after them all the same.
    starts.extend(
        ["a/", "a/b/", "t-/", "\u{1f600}/", "b", "0", "zz", "\u{10ffff}\u{10ffff}x"]
            .map(str::to_owned),
    );
    for start in cx.some(&starts) {
        let start_after = Some(Key::native(start));
        for plain in [
            request(""),
            rolled_up("", "/"),
            request("a/"),
            rolled_up("a", "/"),
            rolled_up("t", "-"),
        ] {
            let request = ListRequest { start_after: start_after.clone(), ..plain };
            lists_as_expected(&*store, &keys, &request).await?;
        }
    }
    let names: Vec<&String> = keys.iter().collect();
    let starts: Vec<&String> = starts.iter().collect();
    for _ in 0..cx.rounds(300) {
        let start = starts[rng.random_range(0..starts.len())];
        let plain = any_request(&mut rng, &names);
        let request = ListRequest { start_after: Some(Key::native(start)), ..plain };
        lists_as_expected(&*store, &keys, &request).await?;
    }
    // Pages without tokens: each begins after the last name of the one before.
    for limit in cx.some(page_sizes()) {
        for plain in [request(""), rolled_up("", "/"), rolled_up("", "a"), request("t")] {
            let mut request = ListRequest { limit: Some(limit), ..plain };
            let mut seen: Vec<Entry> = Vec::new();
            for _ in 0..=keys.len() {
                let page = ok(asked(&request), store.list(&request).await)?;
                let Some(last) = page.entries.last() else { break };
                request.start_after = Some(Key::native(last.name()));
                seen.extend(page.entries.iter().map(Entry::from));
            }
            request.start_after = None;
            let situation =
                format!("{}, each page by start_after of the last name", asked(&request));
            same_entries(situation, &expected(&keys, &request), &seen)?;
        }
    }
    Ok(())
}

/// Without a declared order, what comes after a key is what the full listing shows after it.
async fn starts_in_its_own_order(store: &dyn StorageProvider) -> Outcome {
    let all = walk(store, &request("")).await?;
    for (at, entry) in all.iter().enumerate() {
        for limit in [None, Some(3)] {
            let start_after = Some(Key::native(entry.name()));
            let request = ListRequest { start_after, limit, ..request("") };
            same_entries(asked(&request), &all[at + 1..], &walk(store, &request).await?)?;
        }
    }
    Ok(())
}

async fn tokens_are_text(cx: &Context) -> Outcome {
    let first = cx.open().await?;
    fill(&*first, NAMES).await?;
    let mut noted = Vec::new();
    for limit in [1, 3, 8] {
        for plain in cx.some([request(""), rolled_up("", "/"), rolled_up("a", "b"), request("t")]) {
            let request = ListRequest { limit: Some(limit), ..plain };
            let walked = pages(&*first, &request).await?;
            for (number, page) in walked.iter().enumerate() {
                if let Some(token) = &page.next {
                    noted.push((continued(&request, token), entries(&walked[number + 1..])));
                }
            }
        }
    }
    holds("lists of pages of 1, 3 and 8 entries", !noted.is_empty(), "page tokens", "none")?;
    // Each goes on to the end, page by page.
    let noted = cx.some(noted);
    // The tokens in another order, by another handle, twice, and when the first handle is gone.
    let second = cx.open().await?;
    for (continuation, rest) in noted.iter().rev() {
        for (handle, by) in [
            (&second, "a second handle"),
            (&first, "the first handle"),
            (&second, "a second handle, again"),
        ] {
            resumes(&**handle, continuation, rest, by).await?;
        }
    }
    drop(first);
    drop(second);
    let third = cx.open().await?;
    for (continuation, rest) in noted.iter().step_by(7) {
        resumes(&*third, continuation, rest, "a handle that was opened later").await?;
    }
    Ok(())
}

async fn resumes(
    store: &dyn StorageProvider,
    continuation: &ListRequest,
    rest: &[Entry],
    by: &str,
) -> Outcome {
    let token = continuation.token.as_ref().map_or("", PageToken::as_str);
    let situation = format!("{}, continued with the token {token:?} by {by}", asked(continuation));
    let seen = pages(store, continuation).await.map_err(|failure| Failure {
        situation: format!("{situation}: {}", failure.situation),
        ..failure
    })?;
    same_entries(situation, rest, &entries(&seen))
}

async fn strange_tokens_are_refused(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    let store = &*store;
    let keys = fill(store, NAMES).await?;
    let mut strange: Vec<String> = [
        "",
        " ",
        "0",
        "1",
        "10",
        "-1",
        "x",
        "a",
        "a/b",
        "t/x",
        "null",
        "None",
        "{}",
        "[]",
        "\0",
        "\n",
        "/",
        "..",
        "../../etc/passwd",
        "%00",
        "%",
        "'; drop table objects; --",
        "\u{e4}",
        "\u{1f600}\u{10ffff}",
        "====",
        "AAAA",
        "YS9i",
        "after",
        "after-",
        "after-x",
        "after-00000000-a",
        "token",
        "eyJhIjoxfQ==",
        "18446744073709551616",
    ]
    .map(str::to_owned)
    .into();
    strange.extend(["long".repeat(20_000), "\u{fffd}".repeat(3000)]);
    let mut rng = cx.rng("tokens");
    strange.extend((1..60).map(|length| Alphanumeric.sample_string(&mut rng, length)));
    for text in &strange {
        for plain in
            [request(""), rolled_up("", "/"), ListRequest { limit: Some(2), ..request("a") }]
        {
            let request = continued(&plain, &PageToken::new(text.clone()));
            let situation = format!("{} with the token {:?}", asked(&request), brief(text));
            fails_with(situation, ErrorKind::InvalidArgument, store.list(&request).await)?;
        }
        strange_elsewhere(store, text).await?;
    }
    for plain in [request(""), rolled_up("", "/")] {
        let request = ListRequest { limit: Some(5), ..plain };
        let page = ok(asked(&request), store.list(&request).await)?;
        let Some(token) = page.next else { continue };
        for text in altered(&mut rng, token.as_str()) {
            let request = continued(&request, &PageToken::new(text.clone()));
            let situation =
                format!("{} with a token of which a piece was changed: {text:?}", asked(&request));
            // It cannot always be told; but it leads to nothing that is not there.
            match store.list(&request).await {
                Ok(page) => {
                    let all = expected(&keys, &ListRequest { token: None, ..request });
                    let strange = page.entries.iter().map(Entry::from).find(|e| !all.contains(e));
                    holds(situation, strange.is_none(), "no entry that is not there", &strange)?;
                }
                error => drop(fails_with(situation, ErrorKind::InvalidArgument, error)?),
            }
        }
        lists_as_expected(store, &keys, &request).await?;
    }
    Ok(())
}

/// The same for the other listings that have tokens.
async fn strange_elsewhere(store: &dyn StorageProvider, text: &str) -> Outcome {
    let token = PageToken::new(text);
    if store.capabilities().has(Capability::Versioning) {
        let listed = store.list_versions(&Prefix::ALL, Some(&token), None).await;
        let situation = format!("list_versions with the token {:?}", brief(text));
        fails_with(situation, ErrorKind::InvalidArgument, listed)?;
    }
    if store.capabilities().has(Capability::Multipart) {
        let listed = store.list_uploads(&Prefix::ALL, Some(&token)).await;
        let situation = format!("list_uploads with the token {:?}", brief(text));
        fails_with(situation, ErrorKind::InvalidArgument, listed)?;
    }
    Ok(())
}

/// A token with one piece changed, in several ways.
fn altered(rng: &mut StdRng, token: &str) -> Vec<String> {
    let characters: Vec<char> = token.chars().collect();
    let mut all = vec![
        format!("{token}x"),
        format!("x{token}"),
        format!("{token}{token}"),
        characters[1..].iter().collect(),
        characters[..characters.len() - 1].iter().collect(),
        characters.iter().rev().collect(),
    ];
    all.extend((0..20).map(|_| {
        let mut changed = characters.clone();
        let at = rng.random_range(0..changed.len());
        changed[at] = if changed[at] == 'q' { '7' } else { 'q' };
        changed.into_iter().collect()
    }));
    all.retain(|text| text != token);
    all
}

fn brief(text: &str) -> String {
    text.chars().take(40).collect()
}

async fn ten_thousand_keys(cx: &Context) -> Outcome {
    let store = cx.open().await?;
    // More than a page, always.
    let many = cx.rounds(10_000).max(store.capabilities().limits.max_page_size + 1);
    let keys = fill(&*store, (0..many).map(|n| format!("{}/{}/{n:05}", n % 7, n % 13))).await?;
    // Page by page: every page is at most as large as declared.
    let whole = [None, Some(usize::MAX), Some(999)];
    let whole = whole.map(|limit| ListRequest { limit, ..request("") });
    let parts = [request("3/"), rolled_up("", "/"), rolled_up("3/", "/"), rolled_up("", "5")];
    for request in cx.some(whole.into_iter().chain(parts)) {
        lists_as_expected(&*store, &keys, &request).await?;
    }
    // As a stream over all pages.
    let mut listing = Box::pin(list_all(&*store, request("")));
    let mut seen = BTreeSet::new();
    while let Some(entry) = listing.next().await {
        let entry = ok("list_all", entry)?;
        holds(
            format!("list_all, after {} entries", seen.len()),
            seen.insert(entry.name().to_owned()),
            "an entry that did not come before",
            entry.name(),
        )?;
    }
    let missing: Vec<&String> = keys.difference(&seen).take(8).collect();
    holds(
        format!("list_all of {many} keys"),
        missing.is_empty(),
        "every key",
        format_args!("missing {missing:?}"),
    )
}

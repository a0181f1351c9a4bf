//! STO-010 to STO-016: a key is data; two keys are two objects.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use omni_contracts::storage::{
    ByteRange, Capability, CopyOptions, DeleteOptions, GetOptions, Key, PutOptions,
    StorageProvider, WriteCondition,
};
use omni_contracts::{Body, ErrorKind, Result};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};

use super::inputs::{
    brief, chunked, has_content, has_no_object, head, invalid_keys, key, listed, nasty_keys, open,
    payload, put,
};
use crate::check::{Failure, check, equal, fails_with, holds, ok};
use crate::{Check, Context, Outcome};

pub(crate) const CHECKS: &[Check] = &[
    check!(
        "STO-010",
        keys_come_back_unchanged,
        "Look at how keys are encoded for the back-end and decoded from its listings."
    ),
    check!(
        "STO-011",
        keys_do_not_alias,
        "Make the encoding of keys injective: escape the escape character, fold nothing, cut nothing."
    ),
    check!(
        "STO-012",
        case_and_normalisation_are_kept,
        "Encode what a case-insensitive or normalising file system would fold."
    ),
    check!(
        "STO-013",
        characters_with_a_meaning_are_kept,
        "Encode a key exactly once where it becomes part of a URL, a path or a header."
    ),
    check!(
        "STO-014",
        keys_outside_the_profile_are_refused,
        "Ask `Key::is_portable` at the beginning of put, copy and create_upload."
    ),
    check!(
        "STO-015",
        the_largest_keys_are_accepted,
        "Look at what escaping adds to a key, and at limits on names and depth of the back-end."
    ),
    check!(
        "STO-016",
        foreign_keys_reach_nothing,
        "Never normalise, trim or resolve a key on its way to a path or a URL."
    ),
];

/// Puts that may run at once: they shorten the checks with many keys.
const AT_ONCE: usize = 8;

/// The content that a check puts under a key: it tells which key that was.
fn named(key: &Key) -> Bytes {
    format!("content of {key:?}, {} bytes", key.as_str().len()).into()
}

async fn put_all(store: &dyn StorageProvider, keys: &[Key]) -> Outcome {
    stream::iter(keys.to_vec())
        .map(|key| async move {
            ok(format!("put of {}", brief(&key)), put(store, &key, named(&key)).await).map(drop)
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

async fn read_all(store: &dyn StorageProvider, keys: &[Key], situation: &str) -> Outcome {
    stream::iter(keys.to_vec())
        .map(|key| async move { has_content(store, &key, &named(&key), situation).await.map(drop) })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

async fn list_is(store: &dyn StorageProvider, keys: &[Key], situation: &str) -> Outcome {
    let mut seen: Vec<Key> =
        ok("list", listed(store, "").await)?.into_iter().map(|entry| entry.key).collect();
    seen.sort();
    let mut expected = keys.to_vec();
    expected.sort();
    if seen == expected {
        return Ok(());
    }
    let (given, got): (BTreeSet<_>, BTreeSet<_>) =
        (expected.iter().collect(), seen.iter().collect());
    let lacking: Vec<_> = given.difference(&got).take(5).collect();
    let foreign: Vec<_> = got.difference(&given).take(5).collect();
    Err(Failure::new(
        format!("{situation}: keys by list"),
        format!("{} keys, each once, byte for byte", expected.len()),
        format!("{} keys; lacking {lacking:?}, not put {foreign:?}", seen.len()),
    ))
}

async fn keys_come_back_unchanged(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let mut keys = nasty_keys();
    keys.shuffle(&mut cx.rng("order of writing"));
    put_all(store, &keys).await?;
    list_is(store, &keys, "after puts of nasty keys").await?;
    read_all(store, &keys, "after puts of nasty keys").await?;
    let sizes = ok("list", listed(store, "").await)?;
    for entry in &sizes {
        equal(
            format!("size by list of {}", brief(&entry.key)),
            &(named(&entry.key).len() as u64),
            &entry.size,
        )?;
    }
    // The whole key as prefix takes another path than the empty prefix.
    for key in &keys {
        let below = ok(format!("list of {}", brief(key)), listed(store, key.as_str()).await)?;
        holds(
            format!("list with the prefix {}", brief(key)),
            below.iter().filter(|entry| entry.key == *key).count() == 1
                && below.iter().all(|entry| entry.key.as_str().starts_with(key.as_str())),
            "the key once, and only keys that begin with it",
            below.iter().map(|entry| &entry.key).collect::<Vec<_>>(),
        )?;
    }
    Ok(())
}

async fn keys_do_not_alias(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let mut rng = cx.rng("keys");
    let mut keys: BTreeSet<Key> = nasty_keys().into_iter().collect();
    let seeds: Vec<Key> = keys.iter().cloned().collect();
    // Neighbours of nasty keys, and neighbours of those: whatever a careless encoding folds.
    for _ in 0..cx.rounds(400) {
        let Some(base) = seeds.choose(&mut rng) else { break };
        let mut text = base.as_str().to_owned();
        for _ in 0..rng.random_range(1..=3) {
            text = altered(&text, &mut rng);
            if let Ok(key) = Key::new(&text) {
                keys.insert(key);
            }
        }
    }
    let mut keys: Vec<Key> = keys.into_iter().collect();
    keys.shuffle(&mut rng);
    keys.truncate(600);
    put_all(store, &keys).await?;
    read_all(store, &keys, "after puts of similar keys").await?;
    list_is(store, &keys, "after puts of similar keys").await?;
    let kept = keys.split_off(keys.len() / 2);
    let results: Vec<_> = stream::iter(keys.clone())
        .map(|key| async move { store.delete(&key, &DeleteOptions::default()).await })
        .buffered(AT_ONCE)
        .collect()
        .await;
    for (key, result) in keys.iter().zip(results) {
        ok(format!("delete of {}", brief(key)), result)?;
    }
    list_is(store, &kept, "after half of the keys were deleted").await?;
    read_all(store, &kept, "after half of the keys were deleted").await?;
    for key in &keys {
        fails_with(
            format!("head of {} after delete", brief(key)),
            ErrorKind::NotFound,
            head(store, key).await,
        )?;
    }
    Ok(())
}

/// One small change of a key, of the kinds that stores do not see.
fn altered(text: &str, rng: &mut StdRng) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = rng.random_range(0..chars.len().max(1)).min(chars.len().saturating_sub(1));
    let Some(old) = chars.get(at).copied() else { return "x".to_owned() };
    let with = |new: &str| {
        let mut all: String = chars[..at].iter().collect();
        all.push_str(new);
        all.extend(&chars[at + 1..]);
        all
    };
    match rng.random_range(0..18) {
        0 => with(&old.to_uppercase().to_string()),
        1 => with(&old.to_lowercase().to_string()),
        2 => with(&old.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect::<String>()),
        3 => with(&old.to_string().bytes().map(|byte| format!("%{byte:02x}")).collect::<String>()),
        4 => text.replace('/', "%2F"),
        5 => text.replace('/', ["_", "-", ":", "\u{2215}", "\u{ff0f}", "__", "+"][at % 7]),
        6 => format!("{text} "),
        7 => format!(" {text}"),
        8 => with(&format!("{old}{old}")),
        9 => with(""),
        10 => format!("{text}/{old}"),
        11 => format!("{text}{}", [".0", "~", ".tmp", "%", "_", "=", ".json", "#", "@"][at % 9]),
        12 => chars.iter().rev().collect(),
        13 => with(["e\u{301}", "\u{e9}", "\u{ff5e}", "\u{1f600}", "\u{fffd}", "?"][at % 6]),
        14 => text.replace(' ', "+"),
        15 => text.replace('%', "%25"),
        16 => with(&char::from_u32(u32::from(old) + 1).unwrap_or('a').to_string()),
        _ => with(&format!("{{{:x}}}", u32::from(old))),
    }
}

async fn case_and_normalisation_are_kept(cx: &Context) -> Outcome {
    let groups: &[&[&str]] = &[
        &["a", "A"],
        &["case/file", "CASE/file", "case/FILE", "Case/File", "CASE/FILE"],
        &["\u{e4}", "\u{c4}", "a\u{308}", "A\u{308}"],
        &["\u{df}", "ss", "SS", "\u{1e9e}", "sS"],
        &["i", "I", "\u{130}", "\u{131}", "i\u{307}"],
        &["\u{3c3}", "\u{3c2}", "\u{3a3}"],
        &["k", "K", "\u{212a}"],
        &["\u{e5}", "\u{c5}", "\u{212b}", "A\u{30a}", "a\u{30a}"],
        &["dir\u{e9}/x", "dire\u{301}/x", "DIR\u{c9}/x"],
        &["\u{fb01}", "fi", "FI"],
        &["\u{ac00}", "\u{1100}\u{1161}"],
        &["\u{1e69}", "s\u{323}\u{307}", "s\u{307}\u{323}"],
        &["\u{ff21}", "\u{ff41}"],
        &["\u{2126}", "\u{3a9}", "\u{3c9}"],
        &["\u{10400}", "\u{10428}"],
        &["\u{1f82}", "\u{3b1}\u{313}\u{300}\u{345}"],
        &["\u{f900}", "\u{8c48}"],
        &["\u{2460}", "1", "\u{b9}"],
        &["\u{e9}%", "e\u{301}%"],
    ];
    let store = &*cx.open().await?;
    different_objects(cx, store, groups).await
}

async fn characters_with_a_meaning_are_kept(cx: &Context) -> Outcome {
    let groups: &[&[&str]] = &[
        &["a b", "a%20b", "a+b", "a%2520b", "a%2Bb", "a_b"],
        &["a/b", "a%2Fb", "a%2fb", "a%252Fb", "a:b", "a\u{2215}b"],
        &["%", "%25", "%2525", "%%", "%2", "%zz"],
        &["x", "x ", " x", " x ", "x  ", "  x", "x\u{a0}", "\u{3000}x"],
        &["d/x", "d /x", " d/x", "d/ x", "d / x"],
        &["q", "q?", "q?a=b", "q%3F", "q#", "q#f", "q%23", "q;v=1", "q&a", "q&amp;a"],
        &["\u{e9}", "%C3%A9", "%c3%a9", "%E9", "&#233;", "u00e9"],
        &["'", "\"", "`", "%22", "%27", "&quot;"],
        &["$HOME", "$(HOME)", "${HOME}", "~", "!!", "%HOME%"],
        &["*", "?", "[a-z]", "a*", "{a,b}", "a", "b"],
        &["<a>", "&lt;a&gt;", "</a>", "<a", "]]>"],
        &["a|b", "a>b", "a<b", "a:b:c", "a\u{f03a}b"],
        &["@", "=", "a=b", "a,b", "a;b", "a@b"],
        &["%2e%2e/a", "%2E%2E/a", "..%2fa", "%2e/a", ".%2e/a"],
        &["a%00", "a%0A", "a%0", "%00"],
        &["\u{1f600}", "%F0%9F%98%80", "\u{fffd}", ":)"],
        &["-", "--", "-a", "--help"],
        &["a%2", "a%", "a%2F"],
        &["q", "\"q\"", "'q'", "`q`", "\"q", "q\"", "<q>", "(q)", "[q]", "{q}", "\u{feff}q"],
        // What is dropped where it stands in the middle.
        &[
            "kv",
            "k v",
            "k!v",
            "k\"v",
            "k#v",
            "k$v",
            "k%v",
            "k&v",
            "k'v",
            "k(v",
            "k)v",
            "k*v",
            "k+v",
            "k,v",
            "k-v",
            "k.v",
            "k:v",
            "k;v",
            "k<v",
            "k=v",
            "k>v",
            "k?v",
            "k@v",
            "k[v",
            "k]v",
            "k^v",
            "k_v",
            "k`v",
            "k{v",
            "k|v",
            "k}v",
            "k~v",
            "k\u{200b}v",
            "k\u{ad}v",
        ],
    ];
    let store = &*cx.open().await?;
    different_objects(cx, store, groups).await
}

/// Expects that the keys of each group are different objects: alone, together, and after a delete.
async fn different_objects(
    cx: &Context,
    store: &dyn StorageProvider,
    groups: &[&[&str]],
) -> Outcome {
    for (number, group) in cx.some(groups).into_iter().enumerate() {
        let keys: Vec<Key> = group.iter().map(|text| key(format!("{number}-/{text}"))).collect();
        let bare: Vec<Key> = group.iter().map(key).collect();
        for keys in [keys, bare] {
            for (at, key) in keys.iter().enumerate() {
                let situation = format!("{} is not put yet", brief(key));
                has_no_object(store, key, &situation).await?;
                let free = PutOptions {
                    condition: match store.capabilities().has(Capability::ConditionalCreate) {
                        true => WriteCondition::IfAbsent,
                        false => WriteCondition::Always,
                    },
                    ..PutOptions::default()
                };
                let body = if at % 2 == 0 { named(key).into() } else { chunked(named(key), &[5]) };
                ok(format!("first put of {}", brief(key)), store.put(key, body, &free).await)?;
                let situation = format!("after put of {}", brief(key));
                read_all(store, &keys[..=at], &situation).await?;
            }
            list_is(store, &keys, "keys that are alike").await?;
            for at in 0..keys.len() {
                let situation = format!("after delete of {}", brief(&keys[at]));
                ok(
                    format!("delete of {}", brief(&keys[at])),
                    store.delete(&keys[at], &DeleteOptions::default()).await,
                )?;
                has_no_object(store, &keys[at], &situation).await?;
                read_all(store, &keys[at + 1..], &situation).await?;
            }
            list_is(store, &[], "after delete of all").await?;
        }
    }
    Ok(())
}

async fn keys_outside_the_profile_are_refused(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let source = key("source");
    let bystanders = [source.clone(), key("a"), key("a/b"), key("b"), key("w")];
    put_all(store, &bystanders).await?;
    for (invalid, rule) in invalid_keys() {
        let name = brief(&invalid);
        for round in 0..3 {
            let (how, body): (&str, Body) = match round {
                0 => ("bytes", "x".into()),
                1 => ("no bytes", Body::empty()),
                _ => ("a stream", unread_body(&name, rule)),
            };
            fails_with(
                format!("put of {how} under {name} ({rule})"),
                ErrorKind::InvalidArgument,
                put(store, &invalid, body).await,
            )?;
        }
        fails_with(
            format!("copy to {name} ({rule})"),
            ErrorKind::InvalidArgument,
            store.copy(&source, &invalid, &CopyOptions::default()).await,
        )?;
        fails_with(
            format!("copy of a missing object to {name} ({rule})"),
            ErrorKind::InvalidArgument,
            store.copy(&key("missing"), &invalid, &CopyOptions::default()).await,
        )?;
        if store.capabilities().has(Capability::Multipart) {
            fails_with(
                format!("create_upload under {name} ({rule})"),
                ErrorKind::InvalidArgument,
                store.create_upload(&invalid, &PutOptions::default()).await,
            )?;
        }
    }
    list_is(store, &bystanders, "after refused keys").await?;
    read_all(store, &bystanders, "after refused keys").await
}

/// A body that nobody may read: the key has to be refused before any I/O.
fn unread_body(name: &str, rule: &str) -> Body {
    let message = format!("the body for the invalid key {name} ({rule}) was read");
    let read = async move { Err(omni_contracts::Error::new(ErrorKind::Internal, message)) };
    Body::from_stream(stream::once(read), Some(1))
}

async fn the_largest_keys_are_accepted(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let wide = |unit: &str, bytes: usize| unit.repeat(bytes / unit.len());
    let rows = |segment: String, rest: &str| format!("{}/{rest}", vec![segment; 4].join("/"));
    let segment = Key::MAX_SEGMENT_BYTES;
    let deepest = |unit: &str| vec![unit; Key::MAX_SEGMENTS].join("/");
    let texts = [
        wide("w", segment),
        wide("W", segment),
        wide("%", segment),
        wide(" ", segment),
        wide("?", segment),
        wide("_", segment),
        wide("\u{e4}", segment),
        wide("\u{65e5}", segment),
        wide("\u{1f600}", segment),
        format!("{}e\u{301}", wide("w", segment - 3)),
        format!(".{}", wide("w", segment - 1)),
        format!("{}/b", wide("w", segment)),
        format!("b/{}", wide("w", segment)),
        deepest("d"),
        deepest("D"),
        deepest("%"),
        deepest(" "),
        deepest("\u{e4}"),
        deepest("ab"),
        format!("{}{}", deepest("abc"), wide("z", 9)),
        rows(wide("k", segment), &wide("k", 60)),
        rows(wide("K", segment), &wide("K", 60)),
        rows(wide("%", segment), &wide("%", 60)),
        rows(wide("\u{1f600}", segment), &wide("\u{1f600}", 60)),
        rows(wide("k", segment), &format!("{}l", wide("k", 59))),
        rows(wide("k", segment), &wide("k", 59)),
        rows(wide("k", segment), "k"),
    ];
    let keys: Vec<Key> = texts.iter().map(key).collect();
    put_all(store, &keys).await?;
    read_all(store, &keys, "after puts of the largest keys").await?;
    list_is(store, &keys, "after puts of the largest keys").await?;
    for key in &keys {
        let name = brief(key);
        let below = ok(format!("list of {name}"), listed(store, key.as_str()).await)?;
        holds(
            format!("list with the prefix {name}"),
            below.iter().any(|entry| entry.key == *key),
            "the key is listed",
            below.len(),
        )?;
        let content = payload(3, 5000);
        ok(
            format!("streamed put over {name}"),
            put(store, key, chunked(content.clone(), &[999])).await,
        )?;
        has_content(store, key, &content, "after a streamed put over the largest keys").await?;
    }
    for pair in keys.windows(2) {
        let situation = format!("copy of {} to {}", brief(&pair[0]), brief(&pair[1]));
        ok(situation.as_str(), store.copy(&pair[0], &pair[1], &CopyOptions::default()).await)?;
    }
    for (at, key) in keys.iter().enumerate() {
        let name = brief(key);
        ok(format!("delete of {name}"), store.delete(key, &DeleteOptions::default()).await)?;
        has_no_object(store, key, "after delete of the largest keys").await?;
        list_is(store, &keys[at + 1..], "after delete of the largest keys").await?;
    }
    Ok(())
}

async fn foreign_keys_reach_nothing(cx: &Context) -> Outcome {
    let store = &*cx.open().await?;
    let stored = [
        "x",
        "a/b",
        "a/x",
        "a/b/c",
        "etc/passwd",
        "X y",
        "x.y",
        "\u{e9}",
        "w/x",
        "up/x",
        "0",
        "invalid",
    ];
    let keys: Vec<Key> = stored.iter().map(key).collect();
    put_all(store, &keys).await?;
    let long = format!("{}/x", vec!["k".repeat(240); 5].join("/"));
    let mut foreign: Vec<String> = invalid_keys().iter().map(|(key, _)| key.to_string()).collect();
    foreign.push(long);
    for text in stored {
        foreign.extend([
            format!("/{text}"),
            format!("//{text}"),
            format!("{text}/"),
            format!("{text}//"),
            format!("./{text}"),
            format!("././{text}"),
            format!("../{text}"),
            format!("../../{text}"),
            format!("w/../{text}"),
            format!("w/./../{text}"),
            format!("{text}/."),
            format!("{text}/.."),
            format!("{text}/../{text}"),
            format!("{text}/x/.."),
            format!("{text}."),
            format!("{text}.."),
            format!("{text}\0"),
            format!("{text}\0.txt"),
            format!("\0{text}"),
            format!("{text}\n"),
            format!("{text}\r\n"),
            format!("{text}\t"),
            format!("\t{text}"),
            format!("{text}\\"),
            format!("\\{text}"),
            format!("w\\..\\{text}"),
            format!("{text}\u{7f}"),
            text.replace('/', "//"),
            text.replace('/', "/./"),
            text.replace('/', "\\"),
            text.replace('/', "/../a/"),
        ]);
    }
    // What a trimming or folding provider would find as well, although the profile allows it.
    for text in stored {
        let alike = [
            format!("{text} "),
            format!(" {text}"),
            text.to_uppercase(),
            text.to_lowercase(),
            text.replace('/', "%2F"),
            text.replace('/', ":"),
            format!("%{:02X}{}", text.as_bytes()[0], text.get(1..).unwrap_or_default()),
        ];
        foreign.extend(alike);
    }
    let system = ["/etc/passwd", "../../../../../../../../etc/passwd", "/", "", "..", ".", "~/x"];
    foreign.extend(system.map(str::to_owned));
    foreign.retain(|text| !stored.contains(&text.as_str()));
    for text in cx.some(foreign) {
        let key = Key::native(&text);
        let name = brief(&key);
        reaches_nothing(&name, "get", open(store, &key, ..).await)?;
        reaches_nothing(&name, "get of a range", open(store, &key, 0..1).await)?;
        reaches_nothing(&name, "head", head(store, &key).await)?;
        let ranges = [ByteRange::from(0..1)];
        let options = GetOptions::default();
        reaches_nothing(&name, "get_ranges", store.get_ranges(&key, &ranges, &options).await)?;
    }
    read_all(store, &keys, "after reading foreign keys").await?;
    list_is(store, &keys, "after reading foreign keys").await
}

fn reaches_nothing<T: std::fmt::Debug>(name: &str, what: &str, result: Result<T>) -> Outcome {
    let expected = "an error of kind `not found` or `invalid argument`";
    let situation = || format!("{what} of {name}, which is not stored");
    match result {
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::InvalidArgument => Ok(()),
            _ => Err(Failure::new(situation(), expected, format!("error: {error}"))),
        },
        Ok(value) => Err(Failure::new(
            situation(),
            expected,
            format!("success: {}", crate::check::shortened(&value)),
        )),
    }
}

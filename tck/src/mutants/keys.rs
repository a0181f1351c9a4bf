//! Mutants of the section "Keys": STO-010 to STO-016.

use omni_contracts::storage::{Key, ListEntry, ListPage};
use omni_contracts::{Error, ErrorKind};

use super::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new("STO-010", "lists_lower_case", "listings show keys in lower case")
        .page(|_, page| show_keys(page, |key| key.to_lowercase())),
    Mutant::new("STO-010", "lists_composed", "listings show composed characters")
        .page(|_, page| show_keys(page, composed)),
    Mutant::new("STO-010", "lists_decoded", "listings show percent sequences decoded")
        .page(|_, page| show_keys(page, decoded)),
    Mutant::new("STO-010", "lists_trimmed", "listings show keys without outer spaces")
        .page(|_, page| show_keys(page, |key| key.trim().to_owned())),
    Mutant::new("STO-010", "refuses_astral_characters", "a key beyond the BMP is refused").put(
        |store, put| {
            Box::pin(async move {
                match put.key.as_str().chars().any(|c| c > '\u{ffff}') {
                    true => Err(Error::invalid("no such characters here")),
                    false => put.to(&*store.inner).await,
                }
            })
        },
    ),
    Mutant::new("STO-011", "truncates_long_keys", "keys are cut at 255 bytes").key(|key| {
        named(&key, |text| {
            let end = (0..=255.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
            text[..end.unwrap_or(0)].to_owned()
        })
    }),
    Mutant::new("STO-011", "flattens_folders", "`/` and `_` are the same")
        .key(|key| named(&key, |text| text.replace('/', "_"))),
    Mutant::new("STO-011", "drops_leading_dots", "a dot in front of a name is dropped")
        .key(|key| named(&key, |text| text.trim_start_matches('.').to_owned())),
    Mutant::new("STO-012", "folds_case", "keys that differ in case are the same")
        .key(|key| named(&key, |text| text.to_lowercase())),
    Mutant::new("STO-012", "folds_ascii_case", "keys that differ in ASCII case are the same")
        .key(|key| named(&key, |text| text.to_ascii_lowercase())),
    Mutant::new("STO-012", "normalises", "composed and decomposed characters are the same")
        .key(|key| named(&key, composed)),
    Mutant::new("STO-013", "decodes_percent", "percent sequences are decoded")
        .key(|key| named(&key, decoded)),
    Mutant::new("STO-013", "plus_is_space", "`+` is a space")
        .key(|key| named(&key, |text| text.replace('+', " "))),
    Mutant::new("STO-013", "trims_spaces", "spaces at the ends are dropped")
        .key(|key| named(&key, |text| text.trim().to_owned())),
    Mutant::new("STO-013", "trims_spaces_of_segments", "spaces before `/` are dropped")
        .key(|key| named(&key, |text| text.replace(" /", "/"))),
    Mutant::new("STO-013", "strips_quotes", "quotes are dropped")
        .key(|key| named(&key, |text| text.replace(['"', '\''], ""))),
    Mutant::new("STO-013", "cuts_the_fragment", "`#` and what follows is dropped")
        .key(|key| named(&key, |text| text.split('#').next().unwrap_or(text).to_owned())),
    Mutant::new("STO-013", "cuts_the_query", "`?` and what follows is dropped")
        .key(|key| named(&key, |text| text.split('?').next().unwrap_or(text).to_owned())),
    Mutant::new("STO-014", "collapses_slashes", "`a//b` is stored as `a/b`")
        .key(|key| repaired(key, |text| text.replace("//", "/"))),
    Mutant::new("STO-014", "strips_slashes", "slashes at the ends are dropped")
        .key(|key| repaired(key, |text| text.trim_matches('/').to_owned())),
    Mutant::new("STO-014", "resolves_dots", "`.` segments are dropped")
        .key(|key| repaired(key, |text| text.replace("/./", "/"))),
    Mutant::new("STO-014", "turns_backslashes", "`\\` is stored as `/`")
        .key(|key| repaired(key, |text| text.replace('\\', "/"))),
    Mutant::new("STO-014", "drops_control_characters", "control characters are dropped")
        .key(|key| repaired(key, |text| text.replace(char::is_control, ""))),
    Mutant::new("STO-014", "copies_to_any_key", "a copy may have any target").copy(
        |store, mut copy| {
            Box::pin(async move {
                copy.to = escaped(&copy.to);
                copy.within(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-014", "uploads_to_any_key", "an upload may have any key").create_upload(
        |store, mut put| {
            Box::pin(async move {
                put.key = escaped(&put.key);
                put.begin(&*store.inner).await
            })
        },
    ),
    Mutant::new(
        "STO-014",
        "reads_before_it_refuses",
        "the source is read before the key is refused",
    )
    .put(|store, put| Box::pin(async move { put.whole().await?.0.to(&*store.inner).await })),
    Mutant::new("STO-015", "shorter_keys", "keys above 1000 bytes are refused").put(
        |store, put| {
            Box::pin(async move {
                match put.key.as_str().len() > 1000 {
                    true => Err(Error::invalid("the key is too long")),
                    false => put.to(&*store.inner).await,
                }
            })
        },
    ),
    Mutant::new("STO-015", "shorter_segments", "segments above 200 bytes are refused").put(
        |store, put| {
            Box::pin(async move {
                match put.key.as_str().split('/').any(|segment| segment.len() > 200) {
                    true => Err(Error::invalid("the name is too long")),
                    false => put.to(&*store.inner).await,
                }
            })
        },
    ),
    Mutant::new("STO-015", "fewer_segments", "keys of more than 250 segments are refused").put(
        |store, put| {
            Box::pin(async move {
                match put.key.as_str().split('/').count() > 250 {
                    true => Err(Error::invalid("the path is too deep")),
                    false => put.to(&*store.inner).await,
                }
            })
        },
    ),
    Mutant::new("STO-016", "reads_resolve_parents", "get of `x/../a` reads `a`").get(
        |store, mut get| {
            Box::pin(async move {
                if let Some((_, rest)) = get.key.as_str().rsplit_once("../") {
                    get.key = Key::native(rest);
                }
                get.from(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-016", "reads_forgive_slashes", "head of `/a` or `a/` describes `a`").head(
        |store, mut head| {
            Box::pin(async move {
                head.key = Key::native(head.key.as_str().trim_matches('/'));
                head.head(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-016", "odd_reads_break", "reading an unusual key is an internal error").get(
        |store, get| {
            Box::pin(async move {
                match get.key.is_portable() {
                    true => get.from(&*store.inner).await,
                    false => Err(Error::new(ErrorKind::Internal, "the path cannot be opened")),
                }
            })
        },
    ),
];

/// Another name for a portable key; where that makes no portable key, the key itself.
fn named(key: &Key, change: fn(&str) -> String) -> Key {
    Key::new(change(key.as_str())).unwrap_or_else(|_| key.clone())
}

/// A portable key where the caller's is not: accepted instead of refused.
fn repaired(key: Key, change: fn(&str) -> String) -> Key {
    if key.is_portable() { key } else { named(&key, change) }
}

fn escaped(key: &Key) -> Key {
    repaired(key.clone(), |text| {
        text.bytes().take(100).map(|byte| format!("{byte:02x}")).collect::<String>() + "-"
    })
}

fn show_keys(page: &mut ListPage, change: fn(&str) -> String) {
    for entry in &mut page.entries {
        if let ListEntry::Object(object) = entry {
            object.key = Key::native(change(object.key.as_str()));
        }
    }
}

/// The commonest of what Unicode normalisation does.
fn composed(text: &str) -> String {
    [
        ("e\u{301}", "\u{e9}"),
        ("a\u{308}", "\u{e4}"),
        ("u\u{308}", "\u{fc}"),
        ("o\u{308}", "\u{f6}"),
        ("A\u{30a}", "\u{c5}"),
        ("n\u{303}", "\u{f1}"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (apart, together)| text.replace(apart, together))
}

/// What a careless URL library does: `%41` becomes `A`.
fn decoded(text: &str) -> String {
    let mut decoded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        decoded.push_str(before);
        let byte = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(byte) if byte.is_ascii() => {
                decoded.push(char::from(byte));
                rest = &after[2..];
            }
            _ => {
                decoded.push('%');
                rest = after;
            }
        }
    }
    decoded + rest
}

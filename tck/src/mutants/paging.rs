//! Mutants of the pages of a listing: STO-087 to STO-094.

use std::ops::Bound;

use omni_contracts::storage::{
    Crc32c, Key, ListEntry, ListPage, ListRequest, ObjectEntry, PageToken, Prefix,
};
use omni_contracts::{Error, ErrorKind, Result};

use super::Mutant;
use super::calls::List;
use super::sabotage::{Store, fail};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new("STO-087", "skips_at_the_boundary", "the last entry of a full page is lost").page(
        |_, page| {
            if page.next.is_some() {
                page.entries.pop();
            }
        },
    ),
    Mutant::new(
        "STO-087",
        "repeats_at_the_boundary",
        "the last entry of a page is the next's first",
    )
    .page(|request, page| {
        if let (Some(next), [.., before, _]) = (&mut page.next, &page.entries[..]) {
            *next = request.token_after(before.name());
        }
    }),
    Mutant::new(
        "STO-087",
        "loses_folders_at_the_boundary",
        "a common prefix that ends a page is lost",
    )
    .page(|_, page| {
        if page.next.is_some() && page.entries.last().is_some_and(|e| e.as_object().is_none()) {
            page.entries.pop();
        }
    }),
    Mutant::new(
        "STO-087",
        "page_two_has_no_delimiter",
        "the delimiter counts on the first page only",
    )
    .list(|store, mut list| {
        Box::pin(async move {
            if list.0.token.is_some() {
                list.0.delimiter = None;
            }
            list.from(&*store.inner).await
        })
    }),
    Mutant::new("STO-087", "page_two_has_no_prefix", "the prefix counts on the first page only")
        .list(|store, mut list| {
            Box::pin(async move {
                if list.0.token.is_some() {
                    list.0.prefix = Prefix::ALL;
                }
                list.from(&*store.inner).await
            })
        }),
    Mutant::new("STO-088", "ignores_the_limit", "a page has as many entries as there are").list(
        |store, mut list| {
            Box::pin(async move {
                list.0.validate()?;
                list.0.limit = None;
                list.from(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-088", "a_page_is_one_longer", "a page has one entry more than the limit")
        .list(|store, mut list| {
            Box::pin(async move {
                list.0.validate()?;
                list.0.limit = list.0.limit.map(|limit| limit.saturating_add(1));
                list.from(&*store.inner).await
            })
        }),
    Mutant::new("STO-088", "does_not_count_folders", "common prefixes are not counted").list(
        |store, mut list| {
            Box::pin(async move {
                let first = List(list.0.clone()).from(&*store.inner).await?;
                let folders = first.entries.iter().filter(|entry| entry.as_object().is_none());
                let folders = folders.count();
                list.0.limit = list.0.limit.map(|limit| limit.saturating_add(folders));
                list.from(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-088", "zero_is_no_limit", "a limit of zero means none").list(
        |store, mut list| {
            Box::pin(async move {
                list.0.limit = list.0.limit.filter(|limit| *limit > 0);
                list.from(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-088", "refuses_large_limits", "a limit above the maximum is refused").list(
        |store, list| {
            Box::pin(async move {
                match list.0.limit.is_some_and(|limit| limit > 1000) {
                    true => fail(ErrorKind::InvalidArgument),
                    false => list.from(&*store.inner).await,
                }
            })
        },
    ),
    Mutant::new("STO-089", "lists_one_page", "a full page is taken for the last").page(
        |_, page| {
            if page.entries.len() >= 1000 {
                page.next = None;
            }
        },
    ),
    Mutant::new("STO-089", "lists_two_pages", "the second page is taken for the last").page(
        |request, page| {
            if request.token.is_some() && page.entries.len() >= 1000 {
                page.next = None;
            }
        },
    ),
    Mutant::new("STO-090", "starts_at", "the stated key is listed too").list(|store, list| {
        Box::pin(async move {
            let start = list.0.start_after.clone().filter(|_| list.0.token.is_none());
            let (prefix, limit) = (list.0.prefix.clone(), list.0.limit);
            let rolled = start.as_ref().is_some_and(|key| list.0.rolled_up(key.as_str()).is_some());
            let mut page = list.from(&*store.inner).await?;
            if let Some(key) = start
                && key.as_str().starts_with(prefix.as_str())
                && limit.is_none_or(|limit| page.entries.len() < limit)
                && !rolled
                && let Ok(meta) = store.meta(&key).await
            {
                let (size, version, modified) = (meta.size, meta.version, meta.modified);
                let entry = ObjectEntry { key, size, version, modified };
                page.entries.insert(0, ListEntry::Object(entry));
            }
            Ok(page)
        })
    }),
    Mutant::new("STO-090", "starts_after_objects_only", "an unknown key to start after is ignored")
        .list(|store, mut list| {
            Box::pin(async move {
                if let Some(key) = &list.0.start_after
                    && !store.has(key).await
                {
                    list.0.start_after = None;
                }
                list.from(&*store.inner).await
            })
        }),
    Mutant::new("STO-090", "starts_at_the_prefix", "beside a prefix, start_after is ignored").list(
        |store, mut list| {
            Box::pin(async move {
                if list.0.prefix != Prefix::ALL {
                    list.0.start_after = None;
                }
                list.from(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-090", "starts_at_the_folder", "beside a delimiter, start_after is ignored")
        .list(|store, mut list| {
            Box::pin(async move {
                if list.0.delimiter.is_some() {
                    list.0.start_after = None;
                }
                list.from(&*store.inner).await
            })
        }),
    Mutant::new("STO-091", "tokens_work_once", "a token is refused the second time").list(
        |store, list| {
            Box::pin(async move {
                if let Some(token) = &list.0.token {
                    let name = name_of(token)?;
                    if store.marked(&name).await {
                        return fail(ErrorKind::InvalidArgument);
                    }
                    store.mark(&name, "used").await;
                }
                list.from(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-091", "tokens_belong_to_a_handle", "another handle's token is refused")
        .list(|store, list| {
            Box::pin(async move {
                if let Some(token) = &list.0.token
                    && !store.marked(&name_of(token)?).await
                {
                    return fail(ErrorKind::InvalidArgument);
                }
                let page = list.from(&*store.inner).await?;
                if let Some(next) = &page.next {
                    store.mark(&name_of(next)?, "made here").await;
                }
                Ok(page)
            })
        })
        .per_handle(),
    Mutant::new("STO-092", "foreign_tokens_start_over", "a foreign token lists from the beginning")
        .list(|store, mut list| {
            Box::pin(async move {
                if list.0.scan_start().is_err() {
                    list.0.token = None;
                }
                list.from(&*store.inner).await
            })
        }),
    Mutant::new("STO-092", "foreign_tokens_end", "a foreign token gives an empty page").list(
        |store, list| {
            Box::pin(async move {
                match list.0.scan_start().is_err() {
                    true => Ok(ListPage::default()),
                    false => list.from(&*store.inner).await,
                }
            })
        },
    ),
    Mutant::new("STO-092", "foreign_tokens_break", "a foreign token is an internal error").list(
        |store, list| {
            Box::pin(async move {
                match list.0.scan_start().is_err() {
                    true => fail(ErrorKind::Internal),
                    false => list.from(&*store.inner).await,
                }
            })
        },
    ),
    Mutant::new("STO-093", "tokens_are_offsets", "a token is a number of entries to skip")
        .list(|store, list| Box::pin(by_offset(store, list))),
    Mutant::new("STO-093", "tokens_need_their_key", "a listing ends when its boundary is deleted")
        .list(|store, list| {
            Box::pin(async move {
                if list.0.token.is_some()
                    && let Some(Bound::Excluded(boundary)) = list.0.scan_start()?
                    && !store.has(&Key::native(boundary)).await
                {
                    return Ok(ListPage::default());
                }
                list.from(&*store.inner).await
            })
        }),
    Mutant::new("STO-094", "ends_at_five_thousand", "a listing ends after 5000 entries").list(
        |store, list| {
            Box::pin(async move {
                let position = list.0.token.clone();
                let mut page = list.from(&*store.inner).await?;
                let key = Key::new("listed")?;
                let before =
                    if position.is_some() { store.remembered(&key).await.len() } else { 0 };
                let listed = before + page.entries.len();
                store.mark(&key, vec![0; listed]).await;
                if listed >= 5000 {
                    page.next = None;
                }
                Ok(page)
            })
        },
    ),
    Mutant::new("STO-094", "lists_everything_at_once", "one page has every entry").list(
        |store, list| {
            Box::pin(async move {
                let mut page = List(list.0.clone()).from(&*store.inner).await?;
                while let Some(token) = page.next.take() {
                    let request = ListRequest { token: Some(token), ..list.0.clone() };
                    let more = List(request).from(&*store.inner).await?;
                    page.entries.extend(more.entries);
                    page.next = more.next;
                }
                Ok(page)
            })
        },
    ),
];

/// A name for a token in the other store.
fn name_of(token: &PageToken) -> Result<Key> {
    Key::new(Crc32c::of(token.as_str().as_bytes()).to_string())
}

async fn by_offset(store: &Store, list: List) -> Result<ListPage> {
    list.0.validate()?;
    let invalid = || Error::invalid("not a token of this provider");
    let skip: usize = match &list.0.token {
        None => 0,
        Some(token) => token.open(&[])?.parse().map_err(|_| invalid())?,
    };
    let limit = list.0.limit.unwrap_or(1000).min(1000);
    let mut all = Vec::new();
    let mut request = ListRequest { token: None, limit: None, ..list.0 };
    loop {
        let page = List(request.clone()).from(&*store.inner).await?;
        all.extend(page.entries);
        match page.next {
            Some(token) => request.token = Some(token),
            None => break,
        }
    }
    let more = all.len() > skip + limit;
    let next = more.then(|| PageToken::sealed(&[], &(skip + limit).to_string()));
    Ok(ListPage { entries: all.into_iter().skip(skip).take(limit).collect(), next })
}

//! Mutants of the section "Listing": STO-080 to STO-096. Those of pages and tokens live in `paging`.

use std::time::Duration;

use omni_contracts::storage::{
    Key, ListEntry, ListPage, ListRequest, ObjectEntry, Prefix, PutOptions,
};
use omni_contracts::{ErrorKind, Result};

use super::Mutant;
use super::calls::List;
use super::sabotage::{Store, fail};
use super::versions::version;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new("STO-080", "prefixes_are_folders", "a prefix ends at a `/`").page(
        |request, page| {
            let prefix = request.prefix.as_str();
            page.entries.retain(|entry| match entry.name().strip_prefix(prefix) {
                Some(rest) => {
                    prefix.is_empty()
                        || prefix.ends_with('/')
                        || rest.is_empty()
                        || rest.starts_with('/')
                }
                None => true,
            });
        },
    ),
    Mutant::new("STO-080", "prefixes_fold_case", "a prefix matches in any case").list(
        |store, list| {
            Box::pin(matching(store, list, |key, prefix| {
                key.to_lowercase().starts_with(&prefix.to_lowercase())
            }))
        },
    ),
    Mutant::new("STO-080", "prefixes_are_patterns", "`_` in a prefix matches any character").list(
        |store, list| {
            Box::pin(matching(store, list, |key, prefix| {
                let mut chars = key.chars();
                prefix
                    .chars()
                    .all(|wanted| chars.next().is_some_and(|c| wanted == '_' || wanted == c))
            }))
        },
    ),
    Mutant::new("STO-080", "a_prefix_is_not_itself", "the object named as the prefix is left out")
        .page(|request, page| {
            page.entries.retain(|entry| entry.name() != request.prefix.as_str());
        }),
    Mutant::new("STO-081", "nothing_is_not_found", "an empty listing is NotFound").list(
        |store, list| {
            Box::pin(async move {
                let page = list.from(&*store.inner).await?;
                match page.entries.is_empty() && page.next.is_none() {
                    true => fail(ErrorKind::NotFound),
                    false => Ok(page),
                }
            })
        },
    ),
    Mutant::new("STO-082", "lists_the_second_time", "a new object is missing from one listing")
        .put(|store, put| {
            Box::pin(async move {
                let key = put.key.clone();
                let is_new = !store.has(&key).await;
                let meta = put.to(&*store.inner).await?;
                if is_new {
                    store.mark(&key, "new").await;
                }
                Ok(meta)
            })
        })
        .list(|store, list| {
            Box::pin(async move {
                let mut page = list.from(&*store.inner).await?;
                let mut seen = Vec::new();
                for entry in page.entries {
                    let key = Key::native(entry.name());
                    if !store.marked(&key).await {
                        seen.push(entry);
                    }
                    store.unmark(&key).await;
                }
                page.entries = seen;
                Ok(page)
            })
        }),
    Mutant::new("STO-082", "lists_the_deleted_once_more", "a deleted object is in one listing")
        .delete(|store, delete| {
            Box::pin(async move {
                if store.has(&delete.key).await {
                    store.mark(&delete.key, "deleted").await;
                }
                delete.from(&*store.inner).await
            })
        })
        .list(|store, list| {
            Box::pin(async move {
                let deleted = List(list.0.clone()).from(store.shadow()).await?;
                let mut page = list.from(&*store.inner).await?;
                for entry in deleted.entries {
                    store.unmark(&Key::native(entry.name())).await;
                    page.entries.push(entry);
                }
                page.entries.sort_by(|a, b| a.name().cmp(b.name()));
                page.entries.dedup_by(|a, b| a.name() == b.name());
                Ok(page)
            })
        }),
    Mutant::new("STO-082", "lists_overwritten_as_before", "an overwrite does not reach listings")
        .put(|store, put| {
            Box::pin(async move {
                if !store.marked(&put.key).await && put.key.is_portable() {
                    let (put, content) = put.whole().await?;
                    let key = put.key.clone();
                    let meta = put.to(&*store.inner).await?;
                    store.mark(&key, content).await;
                    return Ok(meta);
                }
                put.to(&*store.inner).await
            })
        })
        .list(|store, list| {
            Box::pin(async move {
                let mut page = list.from(&*store.inner).await?;
                for entry in &mut page.entries {
                    if let ListEntry::Object(object) = entry
                        && store.marked(&object.key).await
                    {
                        object.size = store.remembered(&object.key).await.len() as u64;
                    }
                }
                Ok(page)
            })
        }),
    Mutant::new("STO-083", "prefixes_lose_their_end", "common prefixes end before the delimiter")
        .page(|request, page| {
            let delimiter = request.delimiter.clone().unwrap_or_default();
            for entry in &mut page.entries {
                if let ListEntry::Prefix(prefix) = entry {
                    let text = prefix.as_str().strip_suffix(&*delimiter).unwrap_or_default();
                    *prefix = Prefix::new(text).unwrap_or_default();
                }
            }
        }),
    Mutant::new(
        "STO-083",
        "rolls_up_from_the_start",
        "keys are rolled up at their first delimiter",
    )
    .page(|request, page| {
        let Some(delimiter) = request.delimiter.as_deref() else { return };
        for entry in &mut page.entries {
            let first = entry.name().split_inclusive(delimiter).next().unwrap_or_default();
            if let Ok(first) = Prefix::new(first)
                && first.as_str().ends_with(delimiter)
            {
                *entry = ListEntry::Prefix(first);
            }
        }
        page.entries.dedup();
    }),
    Mutant::new("STO-083", "lists_folders_only", "with a delimiter, objects are left out").page(
        |request, page| {
            if request.delimiter.is_some() {
                page.entries.retain(|entry| entry.as_object().is_none());
            }
        },
    ),
    Mutant::new("STO-083", "rolls_up_every_key", "a common prefix is listed for each of its keys")
        .list(|store, mut list| {
            Box::pin(async move {
                let request = list.0.clone();
                list.0.delimiter = None;
                let mut page = list.from(&*store.inner).await?;
                for entry in &mut page.entries {
                    if let Some(folder) = request.rolled_up(entry.name()) {
                        *entry = ListEntry::Prefix(Prefix::new(folder)?);
                    }
                }
                Ok(page)
            })
        }),
    Mutant::new("STO-084", "knows_only_slashes", "another delimiter than `/` is ignored").list(
        |store, mut list| {
            Box::pin(async move {
                if list.0.delimiter.as_deref().is_some_and(|text| !text.is_empty() && text != "/") {
                    list.0.delimiter = None;
                }
                list.from(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-084", "delimiters_are_one_character", "only a delimiter's first counts").list(
        |store, mut list| {
            Box::pin(async move {
                if let Some(text) = &mut list.0.delimiter {
                    *text = text.chars().take(1).collect();
                }
                list.from(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-084", "takes_an_empty_delimiter", "an empty delimiter means none").list(
        |store, mut list| {
            Box::pin(async move {
                if list.0.delimiter.as_deref() == Some("") {
                    list.0.delimiter = None;
                }
                list.from(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-085", "folders_hide_objects", "a common prefix hides the object of its name")
        .page(|request, page| {
            let folders = folders(request, page);
            page.entries.retain(|entry| {
                entry.as_object().is_none() || !folders.contains(&entry.name().to_owned())
            });
        }),
    Mutant::new("STO-085", "objects_hide_folders", "an object hides the common prefix of its name")
        .page(|request, page| {
            let delimiter = request.delimiter.clone().unwrap_or_default();
            let objects: Vec<_> = page
                .entries
                .iter()
                .filter_map(ListEntry::as_object)
                .map(|object| format!("{}{delimiter}", object.key))
                .collect();
            page.entries.retain(|entry| {
                entry.as_object().is_some() || !objects.contains(&entry.name().to_owned())
            });
        }),
    Mutant::new("STO-086", "orders_by_utf_16", "entries are in the order of UTF-16").page(
        |_, page| page.entries.sort_by_key(|entry| entry.name().encode_utf16().collect::<Vec<_>>()),
    ),
    Mutant::new("STO-086", "lists_folders_first", "common prefixes come before objects")
        .page(|_, page| page.entries.sort_by_key(|entry| entry.as_object().is_some())),
    Mutant::new("STO-086", "orders_without_case", "entries are in the order of a dictionary")
        .page(|_, page| page.entries.sort_by_key(|entry| entry.name().to_lowercase())),
    Mutant::new("STO-086", "orders_by_segments", "`a/b` comes before `a-`").page(|_, page| {
        page.entries
            .sort_by_key(|entry| entry.name().split('/').map(str::to_owned).collect::<Vec<_>>());
    }),
    Mutant::new("STO-095", "sizes_are_in_blocks", "listings round sizes up to 512 bytes").page(
        |_, page| each_object(page, |object| object.size = object.size.next_multiple_of(512)),
    ),
    Mutant::new("STO-095", "lists_whole_seconds", "listings cut times to seconds").page(
        |_, page| {
            each_object(page, |object| {
                let since =
                    object.modified.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                object.modified -= Duration::from_nanos(since.subsec_nanos().into());
            });
        },
    ),
    Mutant::new("STO-095", "lists_the_first_version", "listings show `1` as every version")
        .page(|_, page| each_object(page, |object| object.version = version("1"))),
    Mutant::new("STO-095", "lists_stale_sizes_of_copies", "a copy is listed with a size of zero")
        .copy(|store, copy| {
            Box::pin(async move {
                let to = copy.to.clone();
                let meta = copy.within(&*store.inner).await?;
                store.mark(&to, "copied").await;
                Ok(meta)
            })
        })
        .list(|store, list| {
            Box::pin(async move {
                let mut page = list.from(&*store.inner).await?;
                for entry in &mut page.entries {
                    if let ListEntry::Object(object) = entry
                        && store.marked(&object.key).await
                    {
                        object.size = 0;
                    }
                }
                Ok(page)
            })
        }),
    Mutant::new("STO-096", "hides_dot_names", "names that begin with a dot are not listed").page(
        |_, page| {
            page.entries.retain(|entry| !entry.name().split('/').any(|name| name.starts_with('.')));
        },
    ),
    Mutant::new("STO-096", "hides_temporary_names", "names that end in `.tmp` are not listed")
        .page(|_, page| page.entries.retain(|entry| !entry.name().ends_with(".tmp"))),
    Mutant::new("STO-096", "shows_its_temporary_names", "a put is listed under another name").put(
        |store, put| {
            Box::pin(async move {
                if !put.key.is_portable() {
                    return put.to(&*store.inner).await;
                }
                let temporary = Key::new(format!("put-{}.tmp", store.count()))?;
                store.inner.put(&temporary, "".into(), &PutOptions::default()).await?;
                let result = put.to(&*store.inner).await;
                store.inner.delete(&temporary, &Default::default()).await?;
                result
            })
        },
    ),
    Mutant::new("STO-096", "shows_uploads", "an unfinished upload is listed").create_upload(
        |store, put| {
            Box::pin(async move {
                let marker = Key::new(format!(".uploads/{}", store.count()))?;
                let id = put.begin(&*store.inner).await?;
                store
                    .inner
                    .put(&marker, id.as_str().to_owned().into(), &Default::default())
                    .await?;
                Ok(id)
            })
        },
    ),
];

/// All objects whose keys match the prefix in another way, on one page.
async fn matching(store: &Store, list: List, matches: fn(&str, &str) -> bool) -> Result<ListPage> {
    let List(request) = list;
    if request.token.is_some() || request.start_after.is_some() || request.delimiter.is_some() {
        return List(request).from(&*store.inner).await;
    }
    let all = ListRequest { limit: request.limit, ..ListRequest::default() };
    let mut page = List(all).from(&*store.inner).await?;
    page.entries.retain(|entry| matches(entry.name(), request.prefix.as_str()));
    page.next = None;
    Ok(page)
}

fn folders(request: &ListRequest, page: &ListPage) -> Vec<String> {
    let delimiter = request.delimiter.as_deref().unwrap_or_default();
    let prefixes = page.entries.iter().filter(|entry| entry.as_object().is_none());
    prefixes
        .map(|entry| entry.name().strip_suffix(delimiter).unwrap_or_default().to_owned())
        .collect()
}

fn each_object(page: &mut ListPage, change: fn(&mut ObjectEntry)) {
    for entry in &mut page.entries {
        if let ListEntry::Object(object) = entry {
            change(object);
        }
    }
}

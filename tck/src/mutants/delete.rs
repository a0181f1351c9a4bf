//! Mutants of the section "Delete": STO-100 to STO-106.

use futures_util::TryStreamExt;
use omni_contracts::storage::{
    DeleteOptions, Deleted, Key, ListEntry, ListRequest, Prefix, list_all,
};
use omni_contracts::{Error, ErrorKind, Result};

use super::Mutant;
use super::sabotage::{Store, fail};
use super::write_and_read::{first_below, not_found};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new("STO-100", "deletes_nothing", "a delete is acknowledged and not done").delete(
        |store, delete| {
            Box::pin(async move { Ok(Deleted::new(Some(store.has(&delete.key).await))) })
        },
    ),
    Mutant::new(
        "STO-100",
        "deletes_but_every_97th",
        "every 97th delete is acknowledged and not done",
    )
    .delete(|store, delete| {
        Box::pin(async move {
            match store.count() % 97 {
                96 => Ok(Deleted::new(None)),
                _ => delete.from(&*store.inner).await,
            }
        })
    }),
    Mutant::new("STO-100", "deletes_from_listings_only", "a deleted object can still be read")
        .delete(|store, delete| {
            Box::pin(async move {
                if store.has(&delete.key).await {
                    store.mark(&delete.key, store.content(&delete.key).await).await;
                }
                delete.from(&*store.inner).await
            })
        })
        .get(|store, get| {
            Box::pin(async move {
                match store.has(&get.key).await {
                    true => get.from(&*store.inner).await,
                    false => get.from(store.shadow()).await,
                }
            })
        }),
    Mutant::new("STO-100", "deletes_once", "an object that was created again cannot be deleted")
        .delete(|store, delete| {
            Box::pin(async move {
                if store.marked(&delete.key).await {
                    return Ok(Deleted::new(Some(true)));
                }
                if store.has(&delete.key).await {
                    store.mark(&delete.key, "deleted").await;
                }
                delete.from(&*store.inner).await
            })
        }),
    Mutant::new("STO-101", "missing_is_not_found", "deleting a missing object is NotFound").delete(
        |store, delete| {
            Box::pin(async move {
                match store.has(&delete.key).await {
                    true => delete.from(&*store.inner).await,
                    false => Err(not_found()),
                }
            })
        },
    ),
    Mutant::new("STO-101", "everything_existed", "a delete always says that there was an object")
        .delete(|store, delete| {
            Box::pin(async move {
                delete.from(&*store.inner).await?;
                Ok(Deleted::new(Some(true)))
            })
        }),
    Mutant::new("STO-101", "nothing_existed", "a delete always says that there was no object")
        .delete(|store, delete| {
            Box::pin(async move {
                delete.from(&*store.inner).await?;
                Ok(Deleted::new(Some(false)))
            })
        }),
    Mutant::new("STO-102", "deletes_the_folder", "what is below the key is deleted too").delete(
        |store, delete| {
            Box::pin(async move {
                while let Some(key) = first_below(store, delete.key.as_str()).await {
                    store.inner.delete(&key, &DeleteOptions::default()).await?;
                }
                delete.from(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-102", "deletes_by_prefix", "every key that begins with the key is deleted")
        .delete(|store, delete| {
            Box::pin(async move {
                for key in keys_below(store, delete.key.as_str()).await? {
                    if key != delete.key {
                        store.inner.delete(&key, &DeleteOptions::default()).await?;
                    }
                }
                delete.from(&*store.inner).await
            })
        }),
    Mutant::new("STO-103", "if_match_is_dropped", "if_match is ignored").delete(
        |store, mut delete| {
            Box::pin(async move {
                delete.options.if_match = None;
                delete.from(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-103", "missing_matches", "if_match on a missing object succeeds").delete(
        |store, mut delete| {
            Box::pin(async move {
                if !store.has(&delete.key).await {
                    delete.options.if_match = None;
                }
                delete.from(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-103", "missing_is_not_found", "if_match on a missing object is NotFound")
        .delete(|store, delete| {
            Box::pin(async move {
                match delete.options.if_match.is_some() && !store.has(&delete.key).await {
                    true => fail(ErrorKind::NotFound),
                    false => delete.from(&*store.inner).await,
                }
            })
        }),
    Mutant::new("STO-103", "delete_checks_then_deletes", "a delete compares, then deletes").delete(
        |store, mut delete| {
            Box::pin(async move {
                if let Some(expected) = delete.options.if_match.take() {
                    let current = store.meta(&delete.key).await.ok();
                    omni_contracts::storage::WriteCondition::IfMatch(expected)
                        .check(current.as_ref().map(|meta| &meta.version))?;
                    tokio::task::yield_now().await;
                }
                delete.from(&*store.inner).await
            })
        },
    ),
    Mutant::new(
        "STO-104",
        "answers_in_another_order",
        "results are sorted by whether there was one",
    )
    .delete_many(|store, keys| {
        Box::pin(async move {
            let mut results = store.inner.delete_many(&keys).await;
            results.sort_by_key(|result| match result {
                Ok(deleted) => deleted.existed != Some(true),
                Err(_) => true,
            });
            results
        })
    }),
    Mutant::new("STO-104", "answers_for_a_key_once", "a repeated key has one result").delete_many(
        |store, mut keys| {
            Box::pin(async move {
                let mut seen = std::collections::HashSet::new();
                keys.retain(|key| seen.insert(key.clone()));
                store.inner.delete_many(&keys).await
            })
        },
    ),
    Mutant::new("STO-104", "answers_for_existing_keys", "a missing key has no result").delete_many(
        |store, keys| {
            Box::pin(async move {
                let mut results = store.inner.delete_many(&keys).await;
                results.retain(|result| {
                    !result.as_ref().is_ok_and(|deleted| deleted.existed == Some(false))
                });
                results
            })
        },
    ),
    Mutant::new("STO-104", "deletes_a_thousand", "keys after the thousandth are left").delete_many(
        |store, keys| {
            Box::pin(async move {
                let (done, left) = keys.split_at(keys.len().min(1000));
                let mut results = store.inner.delete_many(done).await;
                results.extend(left.iter().map(|_| Ok(Deleted::new(None))));
                results
            })
        },
    ),
    Mutant::new("STO-105", "stops_at_the_first_failure", "what follows a failure is not deleted")
        .delete_many(|store, keys| {
            Box::pin(async move {
                let mut results: Vec<Result<Deleted>> = Vec::new();
                for key in &keys {
                    let result = match results.last() {
                        Some(Err(_)) => fail(ErrorKind::Internal),
                        _ if !key.is_portable() => Err(Error::invalid("not a key")),
                        _ => store.inner.delete(key, &DeleteOptions::default()).await,
                    };
                    results.push(result);
                }
                results
            })
        }),
    Mutant::new("STO-106", "folders_are_text", "a listing of `a/` also has `a-b` and `ab/c`").list(
        |store, mut list| {
            Box::pin(async move {
                list.0.prefix = Prefix::new(list.0.prefix.as_str().trim_end_matches('/'))?;
                list.from(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-106", "folders_are_objects", "a batch deletes the object of the folder too")
        .delete_many(|store, mut keys| {
            Box::pin(async move {
                let count = keys.len();
                for at in 0..count {
                    if let Some((folder, _)) = keys[at].as_str().rsplit_once('/') {
                        keys.push(Key::native(folder));
                    }
                }
                let mut results = store.inner.delete_many(&keys).await;
                results.truncate(count);
                results
            })
        }),
];

/// Every key that begins with `prefix`.
async fn keys_below(store: &Store, prefix: &str) -> Result<Vec<Key>> {
    let request = ListRequest::prefix(Prefix::new(prefix)?);
    let entries: Vec<ListEntry> = list_all(&*store.inner, request).try_collect().await?;
    Ok(entries.iter().filter_map(ListEntry::as_object).map(|object| object.key.clone()).collect())
}

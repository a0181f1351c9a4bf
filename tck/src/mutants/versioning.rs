//! Mutants of the section "Versioning": STO-142 to STO-144.

use omni_contracts::storage::{DeleteOptions, PutOptions};
use omni_contracts::{ErrorKind, Result};

use super::calls::{Delete, Get};
use super::sabotage::{Store, fail};
use super::{Base, Mutant};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new("STO-142", "lists_the_oldest_first", "versions are listed oldest first")
        .list_versions(|store, list| {
            Box::pin(async move {
                let mut page = list.versions(&*store.inner).await?;
                page.entries.reverse();
                page.entries.sort_by(|a, b| a.object.key.cmp(&b.object.key));
                Ok(page)
            })
        })
        .on(Base::Versioned),
    Mutant::new("STO-142", "all_are_current", "every version is said to be current")
        .list_versions(|store, list| {
            Box::pin(async move {
                let mut page = list.versions(&*store.inner).await?;
                page.entries.iter_mut().for_each(|entry| entry.current = true);
                Ok(page)
            })
        })
        .on(Base::Versioned),
    Mutant::new("STO-142", "the_newest_is_current", "the newest of a deleted object is current")
        .list_versions(|store, list| {
            Box::pin(async move {
                let mut page = list.versions(&*store.inner).await?;
                let mut last = None;
                for entry in &mut page.entries {
                    entry.current = last.as_ref() != Some(&entry.object.key);
                    last = Some(entry.object.key.clone());
                }
                Ok(page)
            })
        })
        .on(Base::Versioned),
    Mutant::new("STO-142", "lists_current_objects", "versions of deleted objects are not listed")
        .list_versions(|store, list| {
            Box::pin(async move {
                let mut page = list.versions(&*store.inner).await?;
                let mut entries = Vec::new();
                for entry in page.entries {
                    if store.has(&entry.object.key).await {
                        entries.push(entry);
                    }
                }
                page.entries = entries;
                Ok(page)
            })
        })
        .on(Base::Versioned),
    Mutant::new("STO-142", "skips_at_the_boundary", "the last version of a full page is lost")
        .list_versions(|store, list| {
            Box::pin(async move {
                let mut page = list.versions(&*store.inner).await?;
                if page.next.is_some() {
                    page.entries.pop();
                }
                Ok(page)
            })
        })
        .on(Base::Versioned),
    Mutant::new("STO-143", "reads_the_current", "a get of a version returns the current one")
        .get(|store, mut get| {
            Box::pin(async move {
                if store.has(&get.key).await {
                    get.options.version = None;
                }
                get.from(&*store.inner).await
            })
        })
        .on(Base::Versioned),
    Mutant::new(
        "STO-143",
        "describes_the_current",
        "a head of a version describes the current one",
    )
    .head(|store, mut head| {
        Box::pin(async move {
            if is_stored(store, &head).await && store.has(&head.key).await {
                head.options.version = None;
            }
            head.head(&*store.inner).await
        })
    })
    .on(Base::Versioned),
    Mutant::new("STO-143", "unknown_is_the_current", "an unknown version is the current one")
        .get(|store, mut get| {
            Box::pin(async move {
                if !is_stored(store, &get).await {
                    get.options.version = None;
                }
                get.from(&*store.inner).await
            })
        })
        .on(Base::Versioned),
    Mutant::new("STO-143", "deletes_take_the_history", "a deleted object's versions are gone")
        .get(|store, get| {
            Box::pin(async move {
                match store.has(&get.key).await {
                    true => get.from(&*store.inner).await,
                    false => fail(ErrorKind::NotFound),
                }
            })
        })
        .on(Base::Versioned),
    Mutant::new(
        "STO-143",
        "unknown_is_a_failed_precondition",
        "an unknown version has another kind",
    )
    .get(|store, get| {
        Box::pin(async move {
            match get.options.version.is_some() && !is_stored(store, &get).await {
                true => fail(ErrorKind::PreconditionFailed),
                false => get.from(&*store.inner).await,
            }
        })
    })
    .on(Base::Versioned),
    Mutant::new("STO-144", "keeps_the_version", "a delete of a version is not done")
        .delete(|store, delete| {
            Box::pin(async move {
                match delete.options.version.is_some() {
                    true => {
                        let get = read_of(&delete);
                        get.head(&*store.inner).await?;
                        Ok(omni_contracts::storage::Deleted::new(Some(true)))
                    }
                    false => delete.from(&*store.inner).await,
                }
            })
        })
        .on(Base::Versioned),
    Mutant::new("STO-144", "deletes_the_current", "a delete of a version deletes the current one")
        .delete(|store, mut delete| {
            Box::pin(async move {
                if is_stored(store, &read_of(&delete)).await {
                    delete.options.version = None;
                }
                delete.from(&*store.inner).await
            })
        })
        .on(Base::Versioned),
    Mutant::new(
        "STO-144",
        "brings_an_older_one_back",
        "without its current version, a key gets another",
    )
    .delete(|store, delete| {
        Box::pin(async move {
            let (key, pinned) = (delete.key.clone(), delete.options.version.is_some());
            let had = store.has(&key).await;
            let older = store.content(&key).await;
            let deleted = delete.from(&*store.inner).await?;
            if pinned && had && !store.has(&key).await {
                store.inner.put(&key, older.into(), &PutOptions::default()).await?;
            }
            Ok(deleted)
        })
    })
    .on(Base::Versioned),
    Mutant::new("STO-144", "deletes_two_versions", "the current one goes with an older one")
        .delete(|store, delete| {
            Box::pin(async move {
                let key = delete.key.clone();
                let pinned = delete.options.version.is_some();
                let deleted = delete.from(&*store.inner).await?;
                if pinned {
                    store.inner.delete(&key, &DeleteOptions::default()).await?;
                }
                Ok(deleted)
            })
        })
        .on(Base::Versioned),
    Mutant::new("STO-144", "unknown_is_a_success", "a delete of an unknown version succeeds")
        .delete(|store, delete| {
            Box::pin(async move {
                match delete.from(&*store.inner).await {
                    Err(error) if error.kind() == ErrorKind::NotFound => {
                        Ok(omni_contracts::storage::Deleted::new(Some(false)))
                    }
                    result => result,
                }
            })
        })
        .on(Base::Versioned),
];

/// Whether the version that is asked for, if any, is stored.
async fn is_stored(store: &Store, get: &Get) -> bool {
    let found: Result<_> = get.clone().head(&*store.inner).await;
    found.is_ok()
}

/// The read of what is deleted.
fn read_of(delete: &Delete) -> Get {
    let mut get = Get { key: delete.key.clone(), options: Default::default() };
    get.options.version = delete.options.version.clone();
    get
}

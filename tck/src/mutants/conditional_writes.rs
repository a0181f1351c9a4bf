//! Mutants of the section "Conditional writes": STO-060 to STO-068.

use std::sync::Arc;

use omni_contracts::storage::WriteCondition::{Always, IfAbsent, IfMatch};
use omni_contracts::storage::{CopyOptions, PutOptions, Written};
use omni_contracts::{Error, ErrorKind, Result};
use tokio::task::yield_now;

use super::Mutant;
use super::calls::Put;
use super::sabotage::{Store, fail};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new("STO-060", "creates_nothing", "a create is acknowledged and not stored").put(
        |store, put| {
            Box::pin(async move {
                match put.options.condition {
                    IfAbsent => put.to(store.shadow()).await,
                    _ => put.to(&*store.inner).await,
                }
            })
        },
    ),
    Mutant::new("STO-060", "deleted_keys_stay_taken", "a deleted key cannot be created again")
        .delete(|store, delete| {
            Box::pin(async move {
                if store.has(&delete.key).await {
                    store.mark(&delete.key, "deleted").await;
                }
                delete.from(&*store.inner).await
            })
        })
        .put(|store, put| {
            Box::pin(async move {
                match put.options.condition == IfAbsent && store.marked(&put.key).await {
                    true => fail(ErrorKind::AlreadyExists),
                    false => put.to(&*store.inner).await,
                }
            })
        }),
    Mutant::new("STO-061", "if_absent_is_dropped", "IfAbsent is ignored").options(drop_if_absent),
    Mutant::new("STO-061", "empty_is_absent", "an empty object can be created again").put(
        |store, mut put| {
            Box::pin(async move {
                if store.meta(&put.key).await.is_ok_and(|meta| meta.size == 0) {
                    drop_if_absent(&mut put.options);
                }
                put.to(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-061", "taken_is_a_failed_precondition", "a taken key is PreconditionFailed")
        .error(|error| match error.kind() {
            ErrorKind::AlreadyExists => {
                Error::new(ErrorKind::PreconditionFailed, error.message().to_owned())
            }
            _ => error,
        }),
    Mutant::new("STO-061", "a_refused_create_sets_attributes", "a refused create is half done")
        .put(|store, put| {
            Box::pin(async move {
                let key = put.key.clone();
                let attributes = Some(Arc::clone(&put.options.attributes));
                let result = put.to(&*store.inner).await;
                if result.as_ref().is_err_and(|error| error.kind() == ErrorKind::AlreadyExists) {
                    let options = CopyOptions { attributes, ..CopyOptions::default() };
                    store.inner.copy(&key, &key, &options).await?;
                }
                result
            })
        }),
    Mutant::new("STO-062", "create_checks_then_puts", "a create looks, then puts").put(
        |store, put| {
            Box::pin(async move {
                match put.options.condition {
                    IfAbsent => check_then_put(store, put).await,
                    _ => put.to(&*store.inner).await,
                }
            })
        },
    ),
    Mutant::new("STO-062", "losers_are_told_they_won", "a create of another's content succeeds")
        .put(|store, put| {
            Box::pin(async move {
                let (key, creates) = (put.key.clone(), put.options.condition == IfAbsent);
                let was_free = !store.has(&key).await;
                yield_now().await;
                match put.to(&*store.inner).await {
                    Err(error)
                        if creates && was_free && error.kind() == ErrorKind::AlreadyExists =>
                    {
                        store.stored(&key).await
                    }
                    result => result,
                }
            })
        }),
    Mutant::new("STO-062", "losers_see_a_conflict", "who loses a race is told of a conflict").put(
        |store, put| {
            Box::pin(async move {
                let was_free = !store.has(&put.key).await;
                yield_now().await;
                match put.to(&*store.inner).await {
                    Err(error) if was_free && error.kind() == ErrorKind::AlreadyExists => {
                        fail(ErrorKind::Conflict)
                    }
                    result => result,
                }
            })
        },
    ),
    Mutant::new("STO-063", "if_match_is_dropped", "IfMatch is ignored where there is an object")
        .put(|store, mut put| {
            Box::pin(async move {
                if store.has(&put.key).await {
                    drop_if_match(&mut put.options);
                }
                put.to(&*store.inner).await
            })
        }),
    Mutant::new("STO-063", "a_mismatch_is_a_conflict", "another version is a conflict").error(
        |error| match error.kind() {
            ErrorKind::PreconditionFailed => {
                Error::new(ErrorKind::Conflict, error.message().to_owned())
            }
            _ => error,
        },
    ),
    Mutant::new("STO-063", "a_mismatch_deletes", "a refused update deletes the object").put(
        |store, put| {
            Box::pin(async move {
                let key = put.key.clone();
                let result = put.to(&*store.inner).await;
                if result.as_ref().is_err_and(|e| e.kind() == ErrorKind::PreconditionFailed) {
                    store.inner.delete(&key, &Default::default()).await?;
                }
                result
            })
        },
    ),
    Mutant::new("STO-064", "if_match_creates", "IfMatch on a missing object stores it").put(
        |store, mut put| {
            Box::pin(async move {
                if !store.has(&put.key).await {
                    drop_if_match(&mut put.options);
                }
                put.to(&*store.inner).await
            })
        },
    ),
    Mutant::new(
        "STO-064",
        "if_match_of_nothing_is_not_found",
        "IfMatch on a missing object is told as NotFound",
    )
    .put(|store, put| {
        Box::pin(async move {
            match matches!(put.options.condition, IfMatch(_)) && !store.has(&put.key).await {
                true => fail(ErrorKind::NotFound),
                false => put.to(&*store.inner).await,
            }
        })
    }),
    Mutant::new("STO-065", "does_not_know_its_own_create", "the write id is ignored")
        .options(|options| options.write_id = None),
    Mutant::new("STO-065", "any_write_id_will_do", "a create with any write id succeeds").put(
        |store, put| {
            Box::pin(async move {
                let (key, named) = (put.key.clone(), put.options.write_id.is_some());
                match put.to(&*store.inner).await {
                    Err(error) if named && error.kind() == ErrorKind::AlreadyExists => {
                        store.stored(&key).await
                    }
                    result => result,
                }
            })
        },
    ),
    Mutant::new("STO-065", "knows_its_own_by_content", "a create of the same bytes succeeds").put(
        |store, put| {
            Box::pin(async move {
                let (put, content) = put.whole().await?;
                let key = put.key.clone();
                match put.to(&*store.inner).await {
                    Err(error)
                        if error.kind() == ErrorKind::AlreadyExists
                            && store.content(&key).await == content =>
                    {
                        store.stored(&key).await
                    }
                    result => result,
                }
            })
        },
    ),
    Mutant::new("STO-065", "repeats_write_again", "a repeated create makes a new version").put(
        |store, put| {
            Box::pin(async move {
                let before = store.meta(&put.key).await.ok();
                let (put, content) = put.whole().await?;
                let mut again = put.with(content);
                let written = put.to(&*store.inner).await?;
                if before.is_some_and(|before| before.version == written.version) {
                    again.options.condition = Always;
                    return again.to(&*store.inner).await;
                }
                Ok(written)
            })
        },
    ),
    Mutant::new("STO-066", "update_checks_then_puts", "an update compares, then puts").put(
        |store, put| {
            Box::pin(async move {
                match put.options.condition {
                    IfMatch(_) => check_then_put(store, put).await,
                    _ => put.to(&*store.inner).await,
                }
            })
        },
    ),
    Mutant::new("STO-067", "does_not_know_its_own_update", "the write id of updates is ignored")
        .options(|options| {
            if let IfMatch(_) = options.condition {
                options.write_id = None;
            }
        }),
    Mutant::new("STO-067", "any_update_with_a_name", "an update with any write id succeeds").put(
        |store, put| {
            Box::pin(async move {
                let (key, named) = (put.key.clone(), put.options.write_id.is_some());
                match put.to(&*store.inner).await {
                    Err(error) if named && error.kind() == ErrorKind::PreconditionFailed => {
                        store.stored(&key).await
                    }
                    result => result,
                }
            })
        },
    ),
    Mutant::new("STO-068", "streams_create_always", "IfAbsent is ignored on streams").put(
        |store, mut put| {
            Box::pin(async move {
                if put.is_streamed() {
                    drop_if_absent(&mut put.options);
                }
                put.to(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-068", "streams_update_always", "IfMatch is ignored on streams").put(
        |store, mut put| {
            Box::pin(async move {
                if put.is_streamed() {
                    drop_if_match(&mut put.options);
                }
                put.to(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-068", "decides_before_it_reads", "a condition is decided before the body")
        .put(|store, put| {
            Box::pin(async move {
                let free = !store.has(&put.key).await;
                let (mut put, _) = put.whole().await?;
                if free {
                    drop_if_absent(&mut put.options);
                }
                put.to(&*store.inner).await
            })
        }),
];

fn drop_if_absent(options: &mut PutOptions) {
    if options.condition == IfAbsent {
        options.condition = Always;
    }
}

fn drop_if_match(options: &mut PutOptions) {
    if let IfMatch(_) = options.condition {
        options.condition = Always;
    }
}

/// Decides by what there is now, and writes whatever there is then.
pub(super) async fn check_then_put(store: &Store, mut put: Put) -> Result<Written> {
    let current = store.meta(&put.key).await.ok();
    put.options.condition.check(current.as_ref().map(|meta| &meta.version))?;
    yield_now().await;
    put.options.condition = Always;
    put.to(&*store.inner).await
}

//! Mutants of the sections "Outcome and repetition": STO-150 to STO-152.

use omni_contracts::storage::{DeleteOptions, Key, PutOptions, WriteCondition};
use omni_contracts::{Effect, Error, ErrorKind};

use super::Mutant;
use super::sabotage::fail;
use super::write_and_read::not_found;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new("STO-150", "the_same_put_is_refused", "a put of what is stored is a conflict").put(
        |store, put| {
            Box::pin(async move {
                let (put, content) = put.whole().await?;
                let same = put.options.condition == WriteCondition::Always
                    && store.has(&put.key).await
                    && store.content(&put.key).await == content;
                if same { fail(ErrorKind::Conflict) } else { put.to(&*store.inner).await }
            })
        },
    ),
    Mutant::new("STO-150", "the_same_put_is_appended", "a put of what is stored is added to it")
        .put(|store, put| {
            Box::pin(async move {
                let (put, content) = put.whole().await?;
                let stored = store.content(&put.key).await;
                if stored == content && put.options.checksum.is_none() {
                    return put.with([stored, content].concat()).to(&*store.inner).await;
                }
                put.to(&*store.inner).await
            })
        }),
    Mutant::new("STO-150", "a_second_delete_fails", "deleting twice is NotFound").delete(
        |store, delete| {
            Box::pin(async move {
                if delete.options.if_match.is_none() && store.marked(&delete.key).await {
                    return Err(not_found());
                }
                store.mark(&delete.key, "deleted").await;
                delete.from(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-150", "a_second_copy_fails", "a copy that was made already is AlreadyExists")
        .copy(|store, copy| {
            Box::pin(async move {
                let same = copy.from != copy.to
                    && copy.options.condition == WriteCondition::Always
                    && store.has(&copy.to).await
                    && store.content(&copy.from).await == store.content(&copy.to).await;
                if same {
                    return fail(ErrorKind::AlreadyExists);
                }
                copy.within(&*store.inner).await
            })
        }),
    Mutant::new("STO-150", "a_second_abort_fails", "aborting twice is NotFound").abort_upload(
        |store, upload| {
            Box::pin(async move {
                store.inner.list_parts(&upload.key, &upload.id).await?;
                upload.abort(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-151", "says_that_it_was_done", "a refused write is said to have had effect")
        .error(|error| error.with_effect(Effect::Yes)),
    Mutant::new("STO-151", "does_what_it_refuses", "a refused create is done all the same").put(
        |store, put| {
            Box::pin(async move {
                let (put, content) = put.whole().await?;
                let key = put.key.clone();
                let options =
                    PutOptions { condition: WriteCondition::Always, ..put.options.clone() };
                let result = put.to(&*store.inner).await;
                if result.as_ref().is_err_and(|e| e.kind() == ErrorKind::AlreadyExists) {
                    store.inner.put(&key, content.into(), &options).await?;
                }
                result
            })
        },
    ),
    Mutant::new(
        "STO-151",
        "does_what_it_says_is_corrupt",
        "a wrong checksum is stored all the same",
    )
    .put(|store, put| {
        Box::pin(async move {
            let (put, content) = put.whole().await?;
            let key = put.key.clone();
            let options = PutOptions { checksum: None, ..put.options.clone() };
            let result = put.to(&*store.inner).await;
            if result.as_ref().is_err_and(|e| e.kind() == ErrorKind::Corrupt) {
                store.inner.put(&key, content.into(), &options).await?;
            }
            result
        })
    }),
    Mutant::new("STO-151", "a_refused_update_deletes", "a refused update deletes the object").put(
        |store, put| {
            Box::pin(async move {
                let key = put.key.clone();
                let result = put.to(&*store.inner).await;
                if result.as_ref().is_err_and(|e| e.kind() == ErrorKind::PreconditionFailed) {
                    store.inner.delete(&key, &DeleteOptions::default()).await?;
                }
                result
            })
        },
    ),
    Mutant::new("STO-152", "each_ninetieth_put_fails", "now and then a put is Unavailable").put(
        |store, put| {
            Box::pin(async move {
                match store.count() % 90 {
                    89 => fail(ErrorKind::Unavailable),
                    _ => put.to(&*store.inner).await,
                }
            })
        },
    ),
    Mutant::new("STO-152", "each_ninetieth_get_fails", "now and then a get is Throttled").get(
        |store, get| {
            Box::pin(async move {
                match store.count() % 90 {
                    89 => fail(ErrorKind::Throttled),
                    _ => get.from(&*store.inner).await,
                }
            })
        },
    ),
    Mutant::new("STO-152", "concurrent_puts_collide", "of puts at once, to any keys, one breaks")
        .put(|store, put| {
            Box::pin(async move {
                let turn = Key::new("turn")?;
                if store.marked(&turn).await {
                    return fail(ErrorKind::Internal);
                }
                store.mark(&turn, "taken").await;
                tokio::task::yield_now().await;
                let result = put.to(&*store.inner).await;
                store.unmark(&turn).await;
                result
            })
        }),
    Mutant::new("STO-152", "each_fortieth_listing_fails", "now and then a listing breaks").list(
        |store, list| {
            Box::pin(async move {
                match store.count() % 40 {
                    39 => Err(Error::new(ErrorKind::Internal, "an odd answer")),
                    _ => list.from(&*store.inner).await,
                }
            })
        },
    ),
];

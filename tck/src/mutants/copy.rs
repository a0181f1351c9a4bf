//! Mutants of the section "Copy": STO-120 to STO-126.

use omni_contracts::storage::{Attributes, CopyOptions, DeleteOptions, WriteCondition};
use omni_contracts::{Error, ErrorKind};
use tokio::task::yield_now;

use super::Mutant;
use super::sabotage::fail;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new("STO-120", "copies_lose_attributes", "a copy has no attributes").copy(
        |store, mut copy| {
            Box::pin(async move {
                if copy.from != copy.to {
                    copy.options.attributes.get_or_insert_with(Attributes::none);
                }
                copy.within(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-120", "copies_keep_the_target", "a copy does not replace an object").copy(
        |store, copy| {
            Box::pin(async move {
                if copy.from != copy.to && store.has(&copy.from).await && store.has(&copy.to).await
                {
                    return store.stored(&copy.to).await;
                }
                copy.within(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-120", "copies_one_mebibyte", "a copy is cut at 1 MiB").copy(|store, copy| {
        Box::pin(async move {
            let to = copy.to.clone();
            let written = copy.within(&*store.inner).await?;
            if written.size <= 1 << 20 {
                return Ok(written);
            }
            let content = store.content(&to).await.slice(..1 << 20);
            let options = omni_contracts::storage::PutOptions {
                attributes: store.meta(&to).await?.attributes,
                ..Default::default()
            };
            store.inner.put(&to, content.into(), &options).await
        })
    }),
    Mutant::new("STO-120", "copies_keep_old_attributes", "a copy keeps the target's attributes")
        .copy(|store, mut copy| {
            Box::pin(async move {
                if copy.options.attributes.is_none() && copy.from != copy.to {
                    copy.options.attributes =
                        store.meta(&copy.to).await.ok().map(|meta| meta.attributes);
                }
                copy.within(&*store.inner).await
            })
        }),
    Mutant::new("STO-121", "copies_are_links", "a read of a copy reads its source")
        .copy(|store, copy| {
            Box::pin(async move {
                let (from, to) = (copy.from.clone(), copy.to.clone());
                let meta = copy.within(&*store.inner).await?;
                if from != to {
                    store.mark(&to, from.as_str().to_owned()).await;
                }
                Ok(meta)
            })
        })
        .get(|store, mut get| {
            Box::pin(async move {
                if store.marked(&get.key).await {
                    let source = store.remembered(&get.key).await;
                    get.key = String::from_utf8_lossy(&source).as_ref().try_into()?;
                }
                get.from(&*store.inner).await
            })
        }),
    Mutant::new("STO-121", "copies_go_with_their_source", "deleting a source deletes its copy")
        .copy(|store, copy| {
            Box::pin(async move {
                let (from, to) = (copy.from.clone(), copy.to.clone());
                let meta = copy.within(&*store.inner).await?;
                if from != to && from.is_portable() {
                    store.mark(&from, to.as_str().to_owned()).await;
                }
                Ok(meta)
            })
        })
        .delete(|store, delete| {
            Box::pin(async move {
                if store.marked(&delete.key).await {
                    let copy = store.remembered(&delete.key).await;
                    let copy = String::from_utf8_lossy(&copy).as_ref().try_into()?;
                    store.inner.delete(&copy, &DeleteOptions::default()).await?;
                }
                delete.from(&*store.inner).await
            })
        }),
    Mutant::new("STO-122", "a_failed_copy_clears", "a copy of nothing deletes the target").copy(
        |store, copy| {
            Box::pin(async move {
                let to = copy.to.clone();
                let result = copy.within(&*store.inner).await;
                if result.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
                    store.inner.delete(&to, &DeleteOptions::default()).await?;
                }
                result
            })
        },
    ),
    Mutant::new("STO-122", "nothing_is_empty", "a copy of nothing is an empty object").copy(
        |store, copy| {
            Box::pin(async move {
                match store.has(&copy.from).await {
                    true => copy.within(&*store.inner).await,
                    false => store.inner.put(&copy.to, "".into(), &Default::default()).await,
                }
            })
        },
    ),
    Mutant::new(
        "STO-122",
        "nothing_is_a_failed_precondition",
        "a copy of nothing has another kind",
    )
    .copy(|store, copy| {
        Box::pin(async move {
            match store.has(&copy.from).await || copy.from == copy.to {
                true => copy.within(&*store.inner).await,
                false => fail(ErrorKind::PreconditionFailed),
            }
        })
    }),
    Mutant::new("STO-123", "new_attributes_are_ignored", "a copy keeps the source's attributes")
        .copy(|store, mut copy| {
            Box::pin(async move {
                if copy.from != copy.to {
                    copy.options.attributes = None;
                }
                copy.within(&*store.inner).await
            })
        }),
    Mutant::new("STO-123", "new_attributes_are_merged", "new metadata is added to the source's")
        .copy(|store, mut copy| {
            Box::pin(async move {
                if let (Some(new), Ok(old)) =
                    (&mut copy.options.attributes, store.meta(&copy.from).await)
                {
                    let metadata = &mut std::sync::Arc::make_mut(new).metadata;
                    for (name, value) in &old.attributes.metadata {
                        metadata.entry(name.clone()).or_insert_with(|| value.clone());
                    }
                }
                copy.within(&*store.inner).await
            })
        }),
    Mutant::new("STO-123", "no_attributes_means_the_old", "empty new attributes are ignored").copy(
        |store, mut copy| {
            Box::pin(async move {
                if copy.from != copy.to {
                    copy.options.attributes.take_if(|attributes| attributes.is_empty());
                }
                copy.within(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-124", "a_copy_onto_itself_succeeds", "a copy onto itself does nothing").copy(
        |store, copy| {
            Box::pin(async move {
                match copy.from == copy.to && copy.options.attributes.is_none() {
                    true => store.stored(&copy.to).await,
                    false => copy.within(&*store.inner).await,
                }
            })
        },
    ),
    Mutant::new(
        "STO-124",
        "a_copy_onto_itself_is_refused",
        "a copy onto itself is refused with new attributes too",
    )
    .copy(|store, copy| {
        Box::pin(async move {
            match copy.from == copy.to {
                true => fail(ErrorKind::InvalidArgument),
                false => copy.within(&*store.inner).await,
            }
        })
    }),
    Mutant::new("STO-124", "a_copy_onto_itself_empties", "the content is lost with new attributes")
        .copy(|store, copy| {
            Box::pin(async move {
                let (same, to) = (copy.from == copy.to, copy.to.clone());
                let written = copy.within(&*store.inner).await?;
                if same {
                    let options = omni_contracts::storage::PutOptions {
                        attributes: store.meta(&to).await?.attributes,
                        ..Default::default()
                    };
                    return store.inner.put(&to, "".into(), &options).await;
                }
                Ok(written)
            })
        }),
    Mutant::new("STO-125", "copies_always", "the condition of a copy is ignored").copy(
        |store, mut copy| {
            Box::pin(async move {
                copy.options.condition = WriteCondition::Always;
                copy.within(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-125", "copies_always_over_a_version", "IfMatch of a copy is ignored").copy(
        |store, mut copy| {
            Box::pin(async move {
                if let WriteCondition::IfMatch(_) = copy.options.condition {
                    copy.options.condition = WriteCondition::Always;
                }
                copy.within(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-125", "copy_checks_then_copies", "a copy looks at its target, then copies")
        .copy(|store, mut copy| {
            Box::pin(async move {
                let condition = std::mem::take(&mut copy.options.condition);
                if store.has(&copy.from).await {
                    let current = store.meta(&copy.to).await.ok();
                    condition.check(current.as_ref().map(|meta| &meta.version))?;
                    yield_now().await;
                }
                copy.within(&*store.inner).await
            })
        }),
    Mutant::new("STO-125", "taken_is_a_failed_precondition", "a taken target has another kind")
        .copy(|store, copy| {
            Box::pin(async move {
                copy.within(&*store.inner).await.map_err(|error| match error.kind() {
                    ErrorKind::AlreadyExists => {
                        Error::new(ErrorKind::PreconditionFailed, error.message().to_owned())
                    }
                    _ => error,
                })
            })
        }),
    Mutant::new("STO-126", "copies_any_version", "the source version is ignored").copy(
        |store, mut copy| {
            Box::pin(async move {
                copy.options.source_version = None;
                copy.within(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-126", "compares_after_copying", "the source version is compared too late")
        .copy(|store, copy| {
            Box::pin(async move {
                let (from, to) = (copy.from.clone(), copy.to.clone());
                let options = CopyOptions { source_version: None, ..copy.options.clone() };
                let result = copy.within(&*store.inner).await;
                if result.as_ref().is_err_and(|e| e.kind() == ErrorKind::PreconditionFailed) {
                    store.inner.copy(&from, &to, &options).await?;
                }
                result
            })
        }),
    Mutant::new(
        "STO-126",
        "another_version_is_not_found",
        "another source version has another kind",
    )
    .copy(|store, copy| {
        Box::pin(async move {
            let pinned = copy.options.source_version.is_some();
            copy.within(&*store.inner).await.map_err(|error| match error.kind() {
                ErrorKind::PreconditionFailed if pinned => {
                    Error::new(ErrorKind::NotFound, error.message().to_owned())
                }
                _ => error,
            })
        })
    }),
];

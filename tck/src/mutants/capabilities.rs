//! Mutants of the sections "Capabilities" and "Operations": STO-180 to STO-192.

use std::time::Duration;

use omni_contracts::ErrorKind;
use omni_contracts::storage::Capability::{
    ConditionalCopy, ConditionalCreate, ConditionalDelete, ConditionalMultipart, ConditionalRead,
    ConditionalUpdate, Multipart,
};
use omni_contracts::storage::{
    Attributes, DeleteOptions, GetOptions, Key, PutOptions, ReadCondition, WriteCondition,
};

use super::Mutant;
use super::sabotage::fail;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new("STO-180", "creates_undeclared", "IfAbsent works without being declared")
        .capabilities(|_, declared| declared.without(&[ConditionalCreate])),
    Mutant::new("STO-180", "drops_undeclared_creates", "an undeclared IfAbsent is ignored")
        .capabilities(|_, declared| declared.without(&[ConditionalCreate]))
        .options(|options| {
            if options.condition == WriteCondition::IfAbsent {
                options.condition = WriteCondition::Always;
            }
        }),
    Mutant::new("STO-180", "drops_undeclared_updates", "an undeclared IfMatch is ignored")
        .capabilities(|_, declared| declared.without(&[ConditionalUpdate]))
        .options(|options| {
            if let WriteCondition::IfMatch(_) = options.condition {
                options.condition = WriteCondition::Always;
            }
        }),
    Mutant::new("STO-180", "drops_undeclared_reads", "undeclared read conditions are ignored")
        .capabilities(|_, declared| declared.without(&[ConditionalRead]))
        .asked(|options| options.condition = ReadCondition::default()),
    Mutant::new("STO-180", "drops_undeclared_deletes", "an undeclared if_match is ignored")
        .capabilities(|_, declared| declared.without(&[ConditionalDelete]))
        .delete(|store, mut delete| {
            Box::pin(async move {
                delete.options.if_match = None;
                delete.from(&*store.inner).await
            })
        }),
    Mutant::new("STO-180", "drops_undeclared_copies", "an undeclared condition of copy is ignored")
        .capabilities(|_, declared| declared.without(&[ConditionalCopy]))
        .copy(|store, mut copy| {
            Box::pin(async move {
                copy.options.condition = WriteCondition::Always;
                copy.within(&*store.inner).await
            })
        }),
    Mutant::new(
        "STO-180",
        "drops_undeclared_completions",
        "an undeclared condition of a completion is ignored",
    )
    .capabilities(|_, declared| declared.without(&[ConditionalMultipart]))
    .complete_upload(|store, mut complete| {
        Box::pin(async move {
            complete.options.condition = WriteCondition::Always;
            complete.at(&*store.inner).await
        })
    }),
    Mutant::new("STO-180", "uploads_undeclared", "uploads work without being declared")
        .capabilities(|_, declared| declared.without(&[Multipart])),
    Mutant::new(
        "STO-180",
        "drops_undeclared_versions",
        "a get of an undeclared version is the current",
    )
    .asked(|options| options.version = None),
    Mutant::new(
        "STO-180",
        "deletes_undeclared_versions",
        "a delete of an undeclared version deletes the current",
    )
    .delete(|store, mut delete| {
        Box::pin(async move {
            delete.options.version = None;
            delete.from(&*store.inner).await
        })
    }),
    Mutant::new("STO-180", "reads_before_it_refuses", "the source is read before Unsupported")
        .capabilities(|_, declared| declared.without(&[ConditionalCreate]))
        .put(|store, put| {
            Box::pin(async move {
                let (put, _) = put.whole().await?;
                match put.options.condition {
                    WriteCondition::IfAbsent => fail(ErrorKind::Unsupported),
                    _ => put.to(&*store.inner).await,
                }
            })
        }),
    Mutant::new("STO-181", "instances_differ", "each second handle declares something else")
        .capabilities(|store, declared| match store.count() % 2 {
            1 => declared.without(&[ConditionalCopy]),
            _ => declared,
        }),
    Mutant::new("STO-181", "limits_differ", "each second handle declares another page size")
        .capabilities(|store, mut declared| {
            declared.limits.max_page_size -= store.count() as usize % 100;
            declared
        }),
    Mutant::new("STO-181", "delays_differ", "a later handle declares a delay of listings")
        .capabilities(|store, mut declared| {
            declared.list_delay = Duration::from_millis(store.count() % 2);
            declared
        }),
    Mutant::new("STO-182", "missing_comes_first", "a wrong range of a missing object is NotFound")
        .get(|store, get| {
            Box::pin(async move {
                match store.has(&get.key).await {
                    true => get.from(&*store.inner).await,
                    false => fail(ErrorKind::NotFound),
                }
            })
        }),
    Mutant::new("STO-182", "the_condition_comes_first", "a taken key hides wrong attributes").put(
        |store, put| {
            Box::pin(async move {
                match put.options.condition == WriteCondition::IfAbsent
                    && store.has(&put.key).await
                    && put.options.attributes.validate().is_err()
                {
                    true => fail(ErrorKind::AlreadyExists),
                    false => put.to(&*store.inner).await,
                }
            })
        },
    ),
    Mutant::new("STO-182", "the_source_comes_first", "a missing source hides a wrong copy").copy(
        |store, copy| {
            Box::pin(async move {
                match store.has(&copy.from).await {
                    true => copy.within(&*store.inner).await,
                    false => fail(ErrorKind::NotFound),
                }
            })
        },
    ),
    Mutant::new("STO-182", "wrong_attributes_delete", "a put with wrong attributes deletes").put(
        |store, put| {
            Box::pin(async move {
                if put.options.attributes.validate().is_err() {
                    store.inner.delete(&put.key, &DeleteOptions::default()).await?;
                }
                put.to(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-190", "check_fails", "check is Unavailable")
        .check(|_, ()| Box::pin(async { fail(ErrorKind::Unavailable) })),
    Mutant::new("STO-190", "check_fails_when_empty", "check of an empty store is NotFound").check(
        |store, ()| {
            Box::pin(async move {
                match store.inner.list(&Default::default()).await?.entries.is_empty() {
                    true => fail(ErrorKind::NotFound),
                    false => Ok(()),
                }
            })
        },
    ),
    Mutant::new("STO-190", "check_leaves_an_object", "check writes an object").check(
        |store, ()| {
            Box::pin(async move {
                let key = Key::new(".omni-check")?;
                store.inner.put(&key, "".into(), &PutOptions::default()).await.map(drop)
            })
        },
    ),
    Mutant::new("STO-190", "check_leaves_an_upload", "check begins an upload").check(
        |store, ()| {
            Box::pin(async move {
                let key = Key::new("check")?;
                store.inner.create_upload(&key, &PutOptions::default()).await.map(drop)
            })
        },
    ),
    Mutant::new(
        "STO-190",
        "check_removes_an_object",
        "check writes and deletes an object of a name",
    )
    .check(|store, ()| {
        Box::pin(async move {
            let page = store.inner.list(&Default::default()).await?;
            if let Some(entry) = page.entries.first() {
                let key = Key::native(entry.name());
                let found = store.inner.get(&key, &GetOptions::default()).await?;
                let content = found.body.collect().await?;
                store.inner.put(&key, content.into(), &PutOptions::default()).await?;
            }
            Ok(())
        })
    }),
    Mutant::new("STO-192", "leaves_a_tombstone", "a delete leaves an object that says so").delete(
        |store, delete| {
            Box::pin(async move {
                let name = format!(".deleted/{}", store.count());
                let existed = store.has(&delete.key).await;
                if existed && !delete.key.as_str().starts_with(".deleted/") {
                    store.inner.put(&Key::new(name)?, "".into(), &PutOptions::default()).await?;
                }
                delete.from(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-192", "leaves_an_upload", "an abort leaves another upload").abort_upload(
        |store, upload| {
            Box::pin(async move {
                let key = upload.key.clone();
                upload.abort(&*store.inner).await?;
                store.inner.create_upload(&key, &PutOptions::default()).await.map(drop)
            })
        },
    ),
    Mutant::new("STO-192", "keeps_the_last", "the last object of a batch stays").delete_many(
        |store, keys| {
            Box::pin(async move {
                let kept = keys.last().filter(|_| keys.len() > 1).cloned();
                let options =
                    PutOptions { attributes: Attributes::none(), ..PutOptions::default() };
                let results = store.inner.delete_many(&keys).await;
                if let Some(key) = kept {
                    drop(store.inner.put(&key, "".into(), &options).await);
                }
                results
            })
        },
    ),
];

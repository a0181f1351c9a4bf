//! Mutants of the section "Conditional reads": STO-070 to STO-074.

use std::time::Duration;

use omni_contracts::storage::{GetOptions, ReadCondition};
use omni_contracts::{Error, ErrorKind};

use super::Mutant;
use super::sabotage::fail;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new("STO-070", "if_match_is_dropped", "if_match is ignored")
        .asked(|options| options.condition.if_match = None),
    Mutant::new("STO-070", "if_match_is_turned_round", "if_match lets other versions pass").asked(
        |options| {
            std::mem::swap(&mut options.condition.if_match, &mut options.condition.if_none_match)
        },
    ),
    Mutant::new("STO-070", "a_mismatch_is_not_modified", "another version is told as NotModified")
        .error(|error| instead(error, ErrorKind::PreconditionFailed, ErrorKind::NotModified)),
    Mutant::new("STO-071", "if_none_match_is_dropped", "if_none_match is ignored")
        .asked(|options| options.condition.if_none_match = None),
    Mutant::new(
        "STO-071",
        "unchanged_is_a_failed_precondition",
        "the current version is told as PreconditionFailed",
    )
    .error(|error| instead(error, ErrorKind::NotModified, ErrorKind::PreconditionFailed)),
    Mutant::new("STO-071", "unchanged_is_empty", "the current version is returned without bytes")
        .get(|store, get| {
            Box::pin(async move {
                let all = GetOptions { range: get.options.range, ..GetOptions::default() };
                let key = get.key.clone();
                match get.from(&*store.inner).await {
                    Err(error) if error.kind() == ErrorKind::NotModified => {
                        let mut found = store.inner.get(&key, &all).await?;
                        found.range = 0..0;
                        found.body = omni_contracts::Body::empty();
                        Ok(found)
                    }
                    result => result,
                }
            })
        }),
    Mutant::new("STO-072", "if_modified_since_is_dropped", "if_modified_since is ignored")
        .asked(|options| options.condition.if_modified_since = None),
    Mutant::new("STO-072", "if_unmodified_since_is_dropped", "if_unmodified_since is ignored")
        .asked(|options| options.condition.if_unmodified_since = None),
    Mutant::new("STO-072", "compares_finer_than_seconds", "times within a second are told apart")
        .get(|store, mut get| {
            Box::pin(async move {
                if let Ok(meta) = store.meta(&get.key).await
                    && get.options.condition.if_modified_since.is_some_and(|t| t < meta.modified)
                {
                    get.options.condition.if_modified_since = None;
                }
                get.from(&*store.inner).await
            })
        }),
    Mutant::new("STO-072", "the_same_second_is_newer", "an object of the stated second is newer")
        .asked(|options| {
            if let Some(time) = &mut options.condition.if_modified_since {
                *time -= Duration::from_secs(1);
            }
        }),
    Mutant::new("STO-073", "none_match_comes_first", "if_none_match is decided before if_match")
        .get(|store, get| {
            Box::pin(async move {
                let condition = &get.options.condition;
                let first = ReadCondition {
                    if_none_match: condition.if_none_match.clone(),
                    ..ReadCondition::default()
                };
                if let Ok(meta) = store.meta(&get.key).await {
                    first.check(&meta)?;
                }
                get.from(&*store.inner).await
            })
        }),
    Mutant::new(
        "STO-073",
        "times_count_beside_versions",
        "times are decided although versions are stated",
    )
    .get(|store, get| {
        Box::pin(async move {
            let times = ReadCondition {
                if_match: None,
                if_none_match: None,
                ..get.options.condition.clone()
            };
            let found = get.from(&*store.inner).await?;
            times.check(&found.meta)?;
            Ok(found)
        })
    }),
    Mutant::new(
        "STO-073",
        "only_the_first_counts",
        "beside if_match no other condition is decided",
    )
    .asked(|options| {
        if options.condition.if_match.is_some() {
            options.condition.if_none_match = None;
            options.condition.if_modified_since = None;
        }
    }),
    Mutant::new("STO-074", "head_is_unconditional", "head ignores conditions").head(
        |store, mut head| {
            Box::pin(async move {
                head.options.condition = ReadCondition::default();
                head.head(&*store.inner).await
            })
        },
    ),
    Mutant::new("STO-074", "ranges_are_unconditional", "get_ranges ignores conditions").get_ranges(
        |store, mut get| {
            Box::pin(async move {
                get.get.options.condition = ReadCondition::default();
                get.from(&*store.inner).await
            })
        },
    ),
    Mutant::new(
        "STO-074",
        "missing_fails_the_condition",
        "a condition on a missing object is PreconditionFailed",
    )
    .get(|store, get| {
        Box::pin(async move {
            match !get.options.condition.is_empty() && !store.has(&get.key).await {
                true => fail(ErrorKind::PreconditionFailed),
                false => get.from(&*store.inner).await,
            }
        })
    }),
];

/// Tells `kind` as `other`.
fn instead(error: Error, kind: ErrorKind, other: ErrorKind) -> Error {
    if error.kind() == kind { Error::new(other, error.message().to_owned()) } else { error }
}

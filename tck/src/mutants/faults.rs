//! Providers, and layers, that tell something else about faults than what happened; for the suite of
//! `docs/spec/faults.md`.

use bytes::Bytes;
use futures_util::{StreamExt, future, stream};
use omni_contracts::storage::{GetResult, Key, PresignMethod, PresignRequest, Version, Written};
use omni_contracts::{Body, Effect, Error, ErrorKind, Result};
use tokio::time::{Duration, sleep};

use super::Mutant;
use super::calls::Get;
use super::sabotage::{Store, fail};
use crate::faults::Fault::{
    CutAnswer, LoseAnswer, Reset, SpoilAnswer, SpoilRequest, StallAnswer, Throttle,
};
use crate::faults::Operation::{
    Create, CreateUpload, Delete, Get as GetWhole, Head, Overwrite, Put,
};
use crate::faults::{Fault, FaultOptions, LAYERS, Observation, Operation, observe_with};
use crate::{Failure, Subject};

/// What tells something else about faults than what happened, in one way.
#[derive(Clone, Copy)]
pub struct FaultMutant {
    /// The clause that it breaks, and whose rule must find it out.
    pub clause: &'static str,
    /// The name, as an identifier.
    pub name: &'static str,
    /// What it does wrong.
    pub wrong: &'static str,
    provider: Mutant,
    /// The layers around it.
    layers: &'static str,
    /// During what it is looked at, and what goes wrong then.
    operations: &'static [Operation],
    faults: &'static [Fault],
}

impl std::fmt::Debug for FaultMutant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}::{}", self.clause, self.name)
    }
}

impl FaultMutant {
    /// A provider that is wrong.
    const fn of(
        provider: Mutant,
        operations: &'static [Operation],
        faults: &'static [Fault],
    ) -> Self {
        let Mutant { clause, name, wrong, .. } = provider;
        Self { clause, name, wrong, provider, layers: LAYERS, operations, faults }
    }

    const fn with_layers(self, layers: &'static str) -> Self {
        Self { layers, ..self }
    }

    /// Lets things go wrong for the mutant on the back-end of an honest subject, and notes what came
    /// of it.
    ///
    /// # Errors
    ///
    /// As [`observe`](crate::faults::observe).
    pub async fn observe(&self, subject: &dyn Subject) -> Result<Vec<Observation>, Failure> {
        let options = FaultOptions {
            operations: self.operations.to_vec(),
            faults: self.faults.to_vec(),
            pairs: 0,
            ..FaultOptions::all(1)
        };
        let provider = self.provider;
        let twisted = move |inner| super::subject::around(inner, &provider);
        observe_with(subject, &options, &twisted, self.layers).await
    }
}

/// Every mutant of the fault suite.
pub fn fault_mutants() -> impl Iterator<Item = &'static FaultMutant> {
    MUTANTS.iter()
}

/// Layers that repeat nothing.
const NO_RETRY: &str = r#"off = ["breaker", "retry"]"#;

const fn wrong(clause: &'static str, name: &'static str, wrong: &'static str) -> Mutant {
    Mutant::new(clause, name, wrong)
}

const MUTANTS: &[FaultMutant] = &[
    FaultMutant::of(
        wrong("FLT-001", "waits_for_better_times", "a put that failed is told of much later").put(
            |store, put| {
                Box::pin(async move {
                    let result = put.to(&*store.inner).await;
                    if result.is_err() {
                        sleep(Duration::from_secs(9)).await;
                    }
                    result
                })
            },
        ),
        &[Put],
        &[Reset],
    ),
    FaultMutant::of(
        wrong("FLT-002", "half_is_whole", "a content that breaks off has ended").get(
            |store, get| {
                Box::pin(async move { Ok(ending_at(read_once(store, get).await?, |_| true)) })
            },
        ),
        &[GetWhole],
        &[CutAnswer],
    ),
    FaultMutant::of(
        wrong("FLT-002", "hopes", "a put that nobody answered has succeeded").put(|store, put| {
            Box::pin(async move {
                let size = put.body.length().unwrap_or(0);
                match put.to(&*store.inner).await {
                    Err(_) => {
                        let version = Version::new("hope")?;
                        Ok(Written { size, version, checksum: None })
                    }
                    written => written,
                }
            })
        }),
        &[Put],
        &[Reset, LoseAnswer],
    ),
    FaultMutant::of(
        wrong("FLT-003", "denies", "what is in doubt had no effect")
            .error(|error| error.with_effect(Effect::No)),
        &[Put, Delete],
        &[LoseAnswer],
    ),
    FaultMutant::of(
        wrong("FLT-003", "boasts", "what is in doubt had effect")
            .error(|error| error.with_effect(Effect::Yes)),
        &[Put, Delete],
        &[Reset],
    ),
    FaultMutant::of(
        wrong("FLT-004", "writes_in_two_steps", "half of a content is put, then all of it").put(
            |store, put| {
                Box::pin(async move {
                    let (put, content) = put.whole().await?;
                    let half = content.slice(..content.len() / 2);
                    put.with(half).to(&*store.inner).await?;
                    put.with(content).to(&*store.inner).await
                })
            },
        ),
        &[Overwrite],
        &[Reset],
    ),
    FaultMutant::of(
        wrong("FLT-005", "meets_itself", "a create whose answer was lost finds its own object")
            .error(|error| match error.effect() {
                Effect::Unknown => Error::new(ErrorKind::AlreadyExists, "there is one"),
                _ => error,
            }),
        &[Create],
        &[LoseAnswer],
    ),
    FaultMutant::of(
        wrong("FLT-006", "sees_nothing", "what cannot be reached is not there").error(|error| {
            match error.kind() {
                ErrorKind::Unavailable => Error::new(ErrorKind::NotFound, "there is none"),
                _ => error,
            }
        }),
        &[Head],
        &[Reset],
    ),
    FaultMutant::of(wrong("FLT-007", "gives_up", "nothing is repeated"), &[Head], &[Reset])
        .with_layers(NO_RETRY),
    FaultMutant::of(
        wrong("FLT-008", "forgets_the_wait", "what asks for time is told without it").error(
            |error| {
                let message = error.message().to_owned();
                let retryable = error.is_retryable();
                let (kind, effect) = (error.kind(), error.effect());
                Error::new(kind, message).with_effect(effect).with_retryable(retryable)
            },
        ),
        &[Head],
        &[Throttle],
    ),
    FaultMutant::of(
        wrong("FLT-009", "begins_again", "an upload whose beginning is in doubt begins again")
            .create_upload(|store, put| {
                Box::pin(async move {
                    let again = put.with(Body::empty());
                    match put.begin(&*store.inner).await {
                        Err(error) if error.effect() == Effect::Unknown => {
                            again.begin(&*store.inner).await
                        }
                        begun => begun,
                    }
                })
            }),
        &[CreateUpload],
        &[LoseAnswer, StallAnswer],
    ),
    FaultMutant::of(
        wrong("FLT-010", "never_recovers", "after a put that failed, nothing is read any more")
            .put(|store, put| {
                Box::pin(async move {
                    let result = put.to(&*store.inner).await;
                    if result.is_err() {
                        store.mark(&Key::new("broken")?, "").await;
                    }
                    result
                })
            })
            .get(|store, get| {
                Box::pin(async move {
                    match store.marked(&Key::new("broken")?).await {
                        true => fail(ErrorKind::Unavailable),
                        false => get.from(&*store.inner).await,
                    }
                })
            }),
        &[Put],
        &[Reset],
    ),
    FaultMutant::of(
        wrong("FLT-011", "takes_what_comes", "a content with a wrong checksum has ended").get(
            |store, get| {
                Box::pin(async move {
                    let found = get.from(&*store.inner).await?;
                    Ok(ending_at(found, |error| error.kind() == ErrorKind::Corrupt))
                })
            },
        ),
        &[GetWhole],
        &[SpoilAnswer],
    ),
    FaultMutant::of(
        wrong("FLT-011", "sums_what_it_is_told", "a put that is refused as changed succeeded").put(
            |store, put| {
                Box::pin(async move {
                    let key = put.key.clone();
                    let size = put.body.length().unwrap_or(0);
                    match put.to(&*store.inner).await {
                        Err(error) if error.kind() == ErrorKind::Corrupt => {
                            let version = match store.meta(&key).await {
                                Ok(meta) => meta.version,
                                Err(_) => Version::new("none")?,
                            };
                            Ok(Written { size, version, checksum: None })
                        }
                        written => written,
                    }
                })
            },
        ),
        &[Put, Overwrite],
        &[SpoilRequest],
    ),
    FaultMutant::of(
        wrong("FLT-012", "reads_once", "a content that breaks off is not read on")
            .get(|store, get| Box::pin(read_once(store, get))),
        &[GetWhole],
        &[CutAnswer],
    ),
];

/// Reads a whole object by one request, whatever becomes of it.
async fn read_once(store: &Store, get: Get) -> Result<GetResult> {
    let meta = store.meta(&get.key).await?;
    let request = PresignRequest {
        method: PresignMethod::Get,
        expires_in: Duration::from_secs(60),
        content_type: None,
    };
    let signed = store.inner.presign(&get.key, &request).await?;
    let failed = |error: reqwest::Error| Error::new(ErrorKind::Unavailable, error.to_string());
    let mut asked = reqwest::Client::new().get(signed.url);
    for (name, value) in signed.headers {
        asked = asked.header(name, value);
    }
    let answer = asked.send().await.map_err(failed)?;
    let pieces = stream::try_unfold(answer, move |mut answer| async move {
        let piece = answer.chunk().await.map_err(failed)?;
        Ok(piece.map(|piece| (piece, answer)))
    });
    let body = Body::from_stream(pieces, None);
    Ok(GetResult { range: 0..meta.size, meta, body })
}

/// The same content, which has ended where an error of this kind comes.
fn ending_at(found: GetResult, is_end: fn(&Error) -> bool) -> GetResult {
    let pieces = found.body.take_while(move |piece: &Result<Bytes>| {
        let ended = piece.as_ref().is_err_and(is_end);
        future::ready(!ended)
    });
    GetResult { body: Body::from_stream(pieces, None), ..found }
}

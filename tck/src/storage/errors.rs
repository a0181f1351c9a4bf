//! ERR-001 to ERR-005: what every error says, by the table of calls that must fail.

use std::error::Error as _;

use omni_contracts::{Effect, Error, ErrorKind};

use super::inputs::{brief, key};
use super::scene::{MARKER, Scene, WrongCall};
use crate::check::{Failure, Outcome, check, equal, fails_with, holds};
use crate::{Check, Context};

pub(crate) const CHECKS: &[Check] = &[
    check!(
        "ERR-001",
        errors_name_operation_and_provider,
        "end every method with `map_err(|error| error.at(operation, name, resource))`"
    ),
    check!(
        "ERR-002",
        errors_name_the_key,
        "pass the key as resource to `Error::at`, also where the error comes from a shared function"
    ),
    check!(
        "ERR-003",
        final_errors_have_no_effect,
        "keep effect and retryable of these kinds as `Error::new` sets them"
    ),
    check!(
        "ERR-004",
        messages_are_for_people,
        "write messages of your own; keep what the back-end said in the source"
    ),
    check!(
        "ERR-005",
        conditions_have_their_kind,
        "map the back-end's answer to the kind that the tables of `StorageProvider` state"
    ),
];

/// Makes every call that must fail, and hands each error on.
async fn provoked(
    cx: &Context,
    mut look: impl FnMut(&Scene, &WrongCall, &Error) -> Outcome + Send,
) -> Outcome {
    let scene = Scene::set(cx).await?;
    let calls = scene.unsupported().into_iter().chain(scene.invalid()).chain(scene.refused());
    for mut call in calls {
        match call.run().await {
            Err(error) => look(&scene, &call, &error)?,
            Ok(value) => {
                return Err(Failure::new(
                    call.situation.clone(),
                    format!("an error of kind `{}`", call.kind),
                    format!("success: {value:.400}"),
                ));
            }
        }
    }
    Ok(())
}

async fn errors_name_operation_and_provider(cx: &Context) -> Outcome {
    provoked(cx, |scene, call, error| {
        let situation = &call.situation;
        equal(
            format!("{situation}: the operation of the error"),
            &Some(call.operation),
            &error.operation(),
        )?;
        equal(
            format!("{situation}: the provider of the error"),
            &Some(scene.store.name()),
            &error.provider(),
        )
    })
    .await
}

async fn errors_name_the_key(cx: &Context) -> Outcome {
    provoked(cx, |_, call, error| {
        let named = call.keys.iter().any(|key| error.resource() == Some(key.as_str()));
        // An empty key has no name to give.
        let nameless = call.keys.iter().all(|key| key.as_str().is_empty());
        let keys: Vec<_> = call.keys.iter().map(brief).collect();
        holds(
            format!("{}: the resource of the error", call.situation),
            named || nameless,
            keys.join(" or "),
            error.resource(),
        )
    })
    .await?;
    // The keys of many objects at once, in special forms.
    let store = cx.open().await?;
    let long = vec!["k".repeat(100); 10].join("/");
    for name in ["a/b", " x ", "%41", "\u{e4}/\u{1f600}", "it's \"quoted\" `here`", &long] {
        let key = key(name);
        let result = store.head(&key, &Default::default()).await;
        let error = fails_with(format!("head of missing {name:?}"), ErrorKind::NotFound, result)?;
        equal(
            format!("head of missing {name:?}: the resource of the error"),
            &Some(name),
            &error.resource(),
        )?;
    }
    Ok(())
}

/// The kinds of which ERR-003 speaks.
const FINAL: &[ErrorKind] = &[
    ErrorKind::InvalidArgument,
    ErrorKind::Unsupported,
    ErrorKind::NotFound,
    ErrorKind::AlreadyExists,
    ErrorKind::PreconditionFailed,
    ErrorKind::NotModified,
    ErrorKind::OutOfRange,
];

async fn final_errors_have_no_effect(cx: &Context) -> Outcome {
    provoked(cx, |_, call, error| {
        if !FINAL.contains(&error.kind()) {
            return Ok(());
        }
        let situation = format!("{}, error of kind `{}`", call.situation, error.kind());
        equal(format!("{situation}: effect"), &Effect::No, &error.effect())?;
        equal(format!("{situation}: a retry helps"), &false, &error.is_retryable())?;
        equal(format!("{situation}: time to wait"), &None, &error.retry_after())
    })
    .await
}

async fn messages_are_for_people(cx: &Context) -> Outcome {
    provoked(cx, |_, call, error| {
        let situation = &call.situation;
        let message = error.message();
        holds(format!("{situation}: the message"), !message.trim().is_empty(), "a text", message)?;
        let mut texts = vec![message.to_owned(), error.to_string()];
        let mut source = error.source();
        while let Some(cause) = source {
            texts.push(cause.to_string());
            source = cause.source();
        }
        for text in &texts[..2] {
            holds(
                format!("{situation}: the message"),
                !text
                    .chars()
                    .any(|c| matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')),
                "one line",
                text,
            )?;
        }
        for text in &texts {
            holds(
                format!("{situation}: message and sources"),
                !text.contains(MARKER),
                "nothing of content or metadata",
                text,
            )?;
        }
        Ok(())
    })
    .await
}

async fn conditions_have_their_kind(cx: &Context) -> Outcome {
    provoked(cx, |_, call, error| {
        if error.kind() == call.kind {
            return Ok(());
        }
        Err(Failure::new(
            call.situation.clone(),
            format!("an error of kind `{}`", call.kind),
            format!("error: {error}"),
        ))
    })
    .await
}

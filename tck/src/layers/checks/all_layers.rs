//! What holds for all layers: LAY-001 to LAY-007.

use std::error::Error as _;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use futures_util::future::join_all;
use omni_contracts::storage::{
    Attributes, CopyOptions, GetOptions, ListRequest, PutOptions, StorageProvider, WriteCondition,
};
use omni_contracts::{Body, Effect, ErrorKind};
use tokio::time::{sleep, timeout};

use super::{at, ms, only, s};
use crate::check::{equal, fails_with, holds, ok};
use crate::layers::scene::{DONE, DOWN, Fault, HANGS, LOST, Scene, Step, key};
use crate::layers::{LayerCheck, LayersSubject, check};
use crate::{Failure, Outcome};

pub(super) const CHECKS: &[LayerCheck] = &[
    check!("LAY-001", answers_pass_as_they_are),
    check!("LAY-002", attempts_are_the_same_request),
    check!("LAY-003", the_order_is_told_and_kept),
    check!("LAY-004", what_is_off_does_nothing),
    check!("LAY-005", dropped_calls_leave_nothing),
    check!("LAY-006", contents_never_begin_anew),
    check!("LAY-007", calls_do_not_wait_for_each_other),
];

/// All that an error says.
fn said(error: &omni_contracts::Error) -> String {
    format!(
        "{error}; retryable {}, effect {:?}, wait {:?}, cause {:?}",
        error.is_retryable(),
        error.effect(),
        error.retry_after(),
        error.source().map(ToString::to_string),
    )
}

async fn answers_pass_as_they_are(subject: &dyn LayersSubject) -> Outcome {
    for kind in ErrorKind::ALL {
        for effect in [Effect::No, Effect::Unknown, Effect::Yes] {
            for settings in ["retry = { attempts = 1 }", "concurrency = 1", "off = [\"retry\"]"] {
                let fault = Fault::new(*kind).with_effect(effect).with_wait(s(1));
                let scene = Scene::new(subject, settings, &[Step::fails(fault)])?;
                let result = scene.store.delete(&key("a"), &Default::default()).await;
                let error = fails_with(format!("delete with {settings}"), *kind, result)?;
                let expected = fault.error(omni_contracts::Operation::Delete, "a");
                // An error of an earlier attempt in doubt is LAY-034.
                equal(format!("the error, {settings}"), &said(&expected), &said(&error))?;
            }
        }
    }
    let scene = Scene::new(subject, "", &[DONE])?;
    let (name, options) = (key("a"), PutOptions::default());
    let put = ok("put", scene.store.put(&name, Body::from("content"), &options).await)?;
    let head = ok("head", scene.store.head(&name, &GetOptions::default()).await)?;
    let beside = ok("head", scene.inner.head(&name, &GetOptions::default()).await)?;
    equal("head through the layers", &beside, &head)?;
    equal("the version", &put.version, &head.version)?;
    let got = ok("get", scene.store.get(&name, &GetOptions::default()).await)?;
    equal(
        "get through the layers",
        &Bytes::from("content"),
        &ok("content", got.body.collect().await)?,
    )
}

async fn attempts_are_the_same_request(subject: &dyn LayersSubject) -> Outcome {
    let script = [Step::fails(DOWN), Step::fails(LOST), DONE];
    let settings = only(&["retry"], "retry = { attempts = 3 }");
    let scene = Scene::new(subject, &settings, &script)?;
    let content_type = Some("text/x-layers".to_owned());
    let attributes = Attributes { content_type, ..Attributes::default() };
    let options = PutOptions { attributes: attributes.into(), ..PutOptions::default() };
    ok("put", scene.store.put(&key("a/b"), Body::from("content"), &options).await)?;
    let seen: Vec<_> = scene
        .attempts()
        .into_iter()
        .map(|one| format!("{} {} {}", one.operation, one.resource, one.payload))
        .collect();
    equal("the attempts of a put", &vec!["put a/b content".to_owned(); 3], &seen)?;
    let head = ok("head", scene.inner.head(&key("a/b"), &GetOptions::default()).await)?;
    equal("the type", &Some("text/x-layers"), &head.attributes.content_type.as_deref())?;

    let scene = Scene::new(subject, &settings, &script)?;
    scene.stored("a", "content").await?;
    ok("copy", scene.store.copy(&key("a"), &key("b"), &CopyOptions::default()).await)?;
    let seen: Vec<_> = scene
        .attempts()
        .into_iter()
        .map(|one| format!("{} {} {}", one.operation, one.resource, one.payload))
        .collect();
    equal("the attempts of a copy", &vec!["copy b a".to_owned(); 3], &seen)
}

async fn the_order_is_told_and_kept(subject: &dyn LayersSubject) -> Outcome {
    let everything = "concurrency = 9\nrate = { per_second = 9 }\nhedge_after = \"9s\"";
    let defaults = ["deadline", "breaker", "retry", "attempt-timeout"];
    for (settings, expected) in [
        (String::new(), defaults.to_vec()),
        (only(&[], ""), Vec::new()),
        (only(&["retry"], ""), vec!["retry"]),
        (
            everything.to_owned(),
            vec![
                "deadline",
                "breaker",
                "retry",
                "hedge",
                "rate-limit",
                "concurrency-limit",
                "attempt-timeout",
            ],
        ),
        (
            only(&["breaker", "attempt-timeout"], "concurrency = 9"),
            vec!["breaker", "concurrency-limit", "attempt-timeout"],
        ),
    ] {
        let scene = Scene::new(subject, &settings, &[DONE])?;
        equal(format!("layers() with {settings:?}"), &expected, &scene.store.layers())?;
    }

    // The breaker is outside of the retries: it counts calls.
    let settings = only(&["breaker", "retry"], "breaker = { calls = 2 }\nretry = { attempts = 4 }");
    let scene = Scene::new(subject, &settings, &[Step::fails(DOWN)])?;
    let _ = scene.store.check().await;
    let _ = scene.store.check().await;
    equal("attempts of two calls before the breaker opens", &8, &scene.attempts().len())?;
    let _ = scene.store.check().await;
    equal("attempts after that", &8, &scene.attempts().len())?;

    // Limits are inside of the retries: a call that waits has no place.
    let settings = only(
        &["retry"],
        "concurrency = 1\nretry = { attempts = 2, first_wait = \"0s\", longest_wait = \"0s\" }",
    );
    let waits = Step::fails(DOWN.with_wait(s(60)));
    let scene = Scene::new(subject, &settings, &[waits, DONE])?;
    let (first, second) = (scene.store.check(), async {
        sleep(s(1)).await;
        scene.store.check().await.map(|()| scene.now())
    });
    let (first, second) = tokio::join!(first, second);
    ok("the call that was asked to wait", first)?;
    at("another call meanwhile, with one place", s(1), ok("the other call", second)?)
}

async fn what_is_off_does_nothing(subject: &dyn LayersSubject) -> Outcome {
    let scene = Scene::new(subject, &only(&[], ""), &[Step::fails(DOWN)])?;
    for _ in 0..200 {
        fails_with(
            "a call with every layer off",
            ErrorKind::Unavailable,
            scene.store.check().await,
        )?;
    }
    equal("attempts of 200 calls", &200, &scene.attempts().len())?;
    equal("time for 200 calls", &s(0), &scene.now())?;
    let late = DONE.after(s(9 * 86_400));
    let scene = Scene::new(subject, &only(&[], ""), &[late])?;
    ok("an answer after nine days", scene.store.check().await)
}

async fn dropped_calls_leave_nothing(subject: &dyn LayersSubject) -> Outcome {
    let hedged = "hedge_after = \"100ms\"\nconcurrency = 5\nrate = { per_second = 100 }";
    for settings in ["", hedged] {
        let scene = Scene::new(subject, settings, &[HANGS])?;
        let call = timeout(s(1), scene.store.head(&key("a"), &GetOptions::default())).await;
        holds("a call that hangs", call.is_err(), "no answer", &call)?;
        let attempts = scene.attempts();
        holds("attempts when the call was dropped", !attempts.is_empty(), "some", &attempts)?;
        for attempt in &attempts {
            let ended = attempt.ended.ok_or_else(|| {
                Failure::new("an attempt of a dropped call", "dropped with it", "it goes on")
            })?;
            at("the end of an attempt of a call dropped after 1s", s(1), ended)?;
        }
        sleep(s(3600)).await;
        equal("attempts an hour later", &attempts.len(), &scene.attempts().len())?;
    }
    // Dropped while it waits for the next attempt.
    let scene = Scene::new(subject, "", &[Step::fails(DOWN.with_wait(s(10)))])?;
    let call = timeout(s(1), scene.store.check()).await;
    holds("a call that waits", call.is_err(), "no answer", &call)?;
    sleep(s(3600)).await;
    equal("attempts of a call dropped while it waited", &1, &scene.attempts().len())?;
    // Nothing begins before the call is awaited.
    let scene = Scene::new(subject, "", &[DONE])?;
    drop(scene.store.check());
    equal("attempts of a call that nobody awaited", &0, &scene.attempts().len())
}

async fn contents_never_begin_anew(subject: &dyn LayersSubject) -> Outcome {
    for kind in [ErrorKind::Unavailable, ErrorKind::Corrupt, ErrorKind::Timeout] {
        let fault = Fault::new(kind);
        let scene = Scene::new(subject, "", &[Step::breaks(4, fault), DONE])?;
        scene.stored("a", "0123456789").await?;
        let got = ok("get", scene.store.get(&key("a"), &GetOptions::default()).await)?;
        let content = got.body.collect().await;
        fails_with("a content that breaks after 4 of 10 bytes", kind, content)?;
        equal("attempts of the get", &1, &scene.attempts().len())?;
    }
    Ok(())
}

async fn calls_do_not_wait_for_each_other(subject: &dyn LayersSubject) -> Outcome {
    let scene = Scene::new(subject, "", &[DONE.after(s(1))])?;
    let names: Vec<_> = (0..100).map(|number| key(&format!("k{number}"))).collect();
    let options = PutOptions { condition: WriteCondition::Always, ..PutOptions::default() };
    let puts = names.iter().map(|name| scene.store.put(name, Body::from("content"), &options));
    for put in join_all(puts).await {
        ok("one of 100 puts", put)?;
    }
    at("the end of 100 puts of a second each", s(1), scene.now())?;
    // A future that nobody polls holds nobody up either.
    let mut idle = pin!(scene.store.list(&LIST));
    poll_fn(|cx| {
        let _ = idle.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await;
    let before = scene.now();
    ok("a call beside one that is not polled", scene.store.check().await)?;
    at("its end", before + ms(1000), scene.now())
}

static LIST: std::sync::LazyLock<ListRequest> = std::sync::LazyLock::new(ListRequest::default);

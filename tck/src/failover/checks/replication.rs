//! Replication: FAI-010 to FAI-016.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use omni_contracts::storage::{
    Attributes, CompleteOptions, CopyOptions, Key, PartNumber, PutOptions,
};
use omni_contracts::{Body, ErrorKind, Operation};
use omni_failover::{FailoverSettings, Replication, Standing};

use super::super::scene::{Moment, Mood, Scene, eventually};
use crate::Outcome;
use crate::check::{equal, fails_with, holds, ok};
use crate::failover::FailoverSubject;

fn key(text: &str) -> Key {
    Key::native(text)
}

pub(super) async fn acknowledged_is_everywhere(subject: &dyn FailoverSubject) -> Outcome {
    let scene = Scene::new(subject, 3);
    let program = ok("opening", scene.open().await)?;
    let attributes =
        Attributes { content_type: Some("text/plain".to_owned()), ..Attributes::default() };
    let options = PutOptions { attributes: Arc::new(attributes), ..PutOptions::default() };
    let same = |situation: &'static str| {
        let scene = &scene;
        async move {
            let first = scene.members[0].contents().await;
            for other in &scene.members[1..] {
                equal(situation, &first, &other.contents().await)?;
            }
            Ok(first)
        }
    };
    let put = program.store.put(&key("a"), Body::from("one"), &options).await;
    ok("put", put)?;
    equal("after a put", &1, &same("after a put").await?.len())?;
    let chunks = ["t", "wo"].map(|chunk| Ok(bytes::Bytes::from_static(chunk.as_bytes())));
    let stream = Body::from_stream(futures_util::stream::iter(chunks), None);
    ok("put a stream", program.store.put(&key("b"), stream, &options).await)?;
    equal("after a stream", &2, &same("after a stream").await?.len())?;
    ok("overwrite", program.put("a", "three").await)?;
    same("after an overwrite").await?;
    let copied = program.store.copy(&key("b"), &key("c"), &CopyOptions::default()).await;
    ok("copy", copied)?;
    equal("after a copy", &3, &same("after a copy").await?.len())?;
    let upload = ok("create", program.store.create_upload(&key("d"), &options).await)?;
    let number = ok("number", PartNumber::new(1))?;
    let part = program.store.upload_part(&key("d"), &upload, number, Body::from("part")).await;
    let parts = [ok("part", part)?];
    let options = CompleteOptions::default();
    let completed = program.store.complete_upload(&key("d"), &upload, &parts, &options).await;
    ok("complete", completed)?;
    equal("after an upload", &4, &same("after an upload").await?.len())?;
    ok("delete", program.delete("a").await)?;
    for deleted in program.store.delete_many(&[key("b"), key("c")]).await {
        ok("delete many", deleted)?;
    }
    equal("after deletes", &1, &same("after deletes").await?.len())
}

pub(super) async fn who_lacks_a_write_is_out(subject: &dyn FailoverSubject) -> Outcome {
    for mood in [Mood::Gone, Mood::Full, Mood::Loses, Mood::Hangs] {
        let scene = Scene::new(subject, 3);
        let program = ok("opening", scene.open().await)?;
        scene.members[2].actor.is(mood);
        let situation = format!("a put while a standby is {mood:?}");
        ok(&*situation, program.put("a", "one").await)?;
        equal(&*situation, &Some(Standing::Out), &program.standing(2))?;
        equal(&*situation, &Some(Standing::InSync), &program.standing(1))?;
        holds(&*situation, scene.members[1].has("a").await.is_some(), "the other has it", ())?;
    }
    Ok(())
}

pub(super) async fn too_few_take_nothing(subject: &dyn FailoverSubject) -> Outcome {
    let scene = Scene::new(subject, 2);
    let mut settings = scene.settings();
    settings.required = Some(2);
    let program = ok("opening", scene.open_with(settings).await)?;
    ok("a put with both", program.put("a", "one").await)?;
    for mood in [Mood::Gone, Mood::Full] {
        scene.members[1].actor.is(mood);
        let put = program.put("a", "two").await;
        fails_with(format!("a put while one of two is {mood:?}"), ErrorKind::Unavailable, put)?;
    }
    scene.members[1].actor.is(Mood::There);
    scene.members[0].actor.is(Mood::Gone);
    let put = program.put("a", "three").await;
    fails_with("a put while the primary is gone", ErrorKind::Unavailable, put)?;
    // A mirror is read where it is.
    ok("a get while the primary is gone", program.get("a").await)?;
    scene.members[0].actor.is(Mood::There);
    ok("a put when both are back", program.put("a", "four").await)?;
    equal("at the standby", &scene.members[0].has("a").await, &scene.members[1].has("a").await)
}

pub(super) async fn programs_write_in_one_order(subject: &dyn FailoverSubject) -> Outcome {
    let scene = Scene::new(subject, 2);
    let first = ok("opening", scene.open().await)?;
    let second = ok("opening again", scene.open().await)?;
    // The standby receives the first program's write late: after that of the second.
    for operation in [Operation::Put, Operation::Delete] {
        ok("a put", first.put("a", "old").await)?;
        let gate = first.way[1].hold(operation, Moment::Before);
        let late = async {
            match operation {
                Operation::Put => first.put("a", "early").await.map(drop),
                _ => first.delete("a").await,
            }
        };
        let overtaking = async {
            gate.arrived().await;
            let put = second.put("a", "later").await;
            gate.open();
            put
        };
        let (late, overtaking) = futures_util::future::join(late, overtaking).await;
        ok("the write that is held", late)?;
        ok("the write that overtakes it", overtaking)?;
        let situation = format!("a {operation} that reaches the standby late");
        equal(&*situation, &scene.members[0].has("a").await, &scene.members[1].has("a").await)?;
    }
    // And whatever comes of many at once.
    let write = |program: usize, number: usize| {
        let program = if program == 0 { &first } else { &second };
        async move {
            let key = format!("k{}", number % 3);
            match number % 4 {
                3 => program.delete(&key).await,
                _ => program.put(&key, &format!("{number}")).await.map(drop),
            }
        }
    };
    let writes = (0..120).map(|number| write(number % 2, number));
    for outcome in join_all(writes).await {
        ok("one of many writes", outcome)?;
    }
    let primary = scene.members[0].contents().await;
    equal("after many writes of two programs", &primary, &scene.members[1].contents().await)
}

pub(super) async fn what_was_given_up_is_settled(subject: &dyn FailoverSubject) -> Outcome {
    let scene = Scene::new(subject, 2);
    let program = ok("opening", scene.open().await)?;
    ok("a put", program.put("a", "one").await)?;
    // Dropped when the primary has it, and the standby has not.
    let gate = program.way[1].hold(Operation::Put, Moment::Before);
    let put = program.put("a", "two");
    let dropped = async {
        gate.arrived().await;
    };
    futures_util::future::select(std::pin::pin!(put), std::pin::pin!(dropped)).await;
    gate.open();
    let agreed = || async { scene.members[0].has("a").await == scene.members[1].has("a").await };
    eventually("a put that was dropped half-way", "members agree", agreed).await?;
    // In doubt, on a primary that is there.
    scene.members[0].actor.once(Operation::Put, Mood::Loses);
    let lost = program.put("b", "three").await;
    holds("a put whose answer is lost", lost.is_err(), "an error", &lost)?;
    let agreed = || async { scene.members[0].has("b").await == scene.members[1].has("b").await };
    eventually("a put whose answer was lost", "members agree", agreed).await?;
    // In doubt, on a primary that nobody may take over from, and that comes back.
    let scene = Scene::new(subject, 2);
    let settings = FailoverSettings { required: Some(2), ..scene.settings() };
    let program = ok("opening", scene.open_with(settings).await)?;
    scene.members[0].actor.is(Mood::Loses);
    let lost = program.put("c", "four").await;
    holds("a put on a primary that goes", lost.is_err(), "an error", &lost)?;
    tokio::time::sleep(Duration::from_secs(30)).await;
    scene.members[0].actor.is(Mood::There);
    let agreed = || async { scene.members[0].has("c").await == scene.members[1].has("c").await };
    eventually("a put on a primary that went and came back", "members agree", agreed).await
}

pub(super) async fn what_is_noted_arrives(subject: &dyn FailoverSubject) -> Outcome {
    let scene = Scene::new(subject, 2);
    let mut settings = scene.settings();
    settings.replication = Replication::Async;
    let program = ok("opening", scene.open_with(settings.clone()).await)?;
    // Nothing can be sent, and the program ends.
    program.way[1].is(Mood::Hangs);
    for number in 0..5 {
        ok("a put", program.put(&format!("k{number}"), "one").await)?;
    }
    ok("a delete", program.delete("k0").await)?;
    drop(program);
    let next = ok("opening again", scene.open_with(settings).await)?;
    let agreed = || async {
        scene.members[0].contents().await == scene.members[1].contents().await
            && scene.members[1].contents().await.len() == 4
    };
    eventually("after another program was started", "the standby has all", agreed).await?;
    drop(next);
    Ok(())
}

pub(super) async fn nobody_far_behind_may_take_over(subject: &dyn FailoverSubject) -> Outcome {
    let scene = Scene::new(subject, 2);
    let mut settings = scene.settings();
    settings.replication = Replication::Async;
    settings.targets.rpo = Some(Duration::from_secs(30));
    let program = ok("opening", scene.open_with(settings).await)?;
    ok("a put", program.put("a", "zero").await)?;
    let sent = || async { scene.members[1].has("a").await.is_some() };
    eventually("a put", "the standby has it", sent).await?;
    program.way[1].is(Mood::Stuck);
    let begun = tokio::time::Instant::now();
    for number in 0..20 {
        ok("a put while nothing is sent", program.put("a", &format!("{number}")).await)?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let behind = begun.elapsed() > Duration::from_secs(45);
        if behind && program.standing(1) == Some(Standing::Following) {
            let expected = "the standby may not take over any more";
            return holds("writes for longer than the RPO", false, expected, begun.elapsed());
        }
    }
    Ok(())
}

//! Switch: FAI-020 to FAI-029.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::TryStreamExt;
use futures_util::future::join_all;
use omni_contracts::storage::{
    Capability, CopyOptions, DeleteOptions, GetOptions, Key, ListRequest, PutOptions,
    ReadCondition, WriteCondition, WriteId, list_all,
};
use omni_contracts::{Body, Effect, ErrorKind, Operation};
use omni_failover::{Replication, Standing};

use super::super::scene::{Moment, Mood, NAMES, Scene, eventually};
use crate::check::{equal, fails_with, holds, ok};
use crate::failover::FailoverSubject;
use crate::{Failure, Outcome};

fn key(text: &str) -> Key {
    Key::native(text)
}

pub(super) async fn calls_go_on(subject: &dyn FailoverSubject) -> Outcome {
    for (number, mood) in [Mood::Gone, Mood::Loses].into_iter().enumerate() {
        for operation in ["put", "create", "get", "head", "delete", "list", "copy", "ranges"] {
            let scene = Scene::new(subject, 3);
            let program = ok("opening", scene.open().await)?;
            ok("a put", program.put("a", "one").await)?;
            // It was looked at just before, and was there.
            scene.members[0].actor.once(Operation::Head, Mood::Gone);
            let alone = program.store.head(&key("a"), &GetOptions::default()).await;
            fails_with("a head that alone fails", ErrorKind::Unavailable, alone)?;
            scene.members[0].actor.is(mood);
            let situation = format!("{operation} when the primary is {mood:?}");
            let options = GetOptions::default();
            let store = &program.store;
            match operation {
                "put" => drop(ok(&*situation, program.put("a", "two").await)?),
                "create" => {
                    let put = program.put_if("b", "two", WriteCondition::IfAbsent).await;
                    drop(ok(&*situation, put)?);
                }
                "get" => equal(&*situation, &"one".into(), &ok("get", program.get("a").await)?)?,
                "head" => drop(ok(&*situation, store.head(&key("a"), &options).await)?),
                "delete" => ok(&*situation, program.delete("a").await)?,
                "list" => {
                    let page = ok(&*situation, store.list(&ListRequest::default()).await)?;
                    equal(&*situation, &1, &page.entries.len())?;
                }
                "copy" => {
                    let copied = store.copy(&key("a"), &key("c"), &CopyOptions::default()).await;
                    drop(ok(&*situation, copied)?);
                }
                _ => {
                    let ranges = store.get_ranges(&key("a"), &[(0..1).into()], &options).await;
                    equal(&*situation, &1, &ok(&*situation, ranges)?.len())?;
                }
            }
            equal(&*situation, &NAMES[1].to_owned(), &program.primary())?;
            // The next one, too.
            if number == 0 {
                scene.members[1].actor.is(mood);
                ok(format!("{situation}, and then the next"), program.put("z", "z").await)?;
                equal(&*situation, &NAMES[2].to_owned(), &program.primary())?;
            }
        }
    }
    Ok(())
}

pub(super) async fn who_answers_stays_primary(subject: &dyn FailoverSubject) -> Outcome {
    let scene = Scene::new(subject, 2);
    let program = ok("opening", scene.open().await)?;
    ok("a put", program.put("a", "one").await)?;
    for _ in 0..20 {
        scene.members[0].actor.once(Operation::Get, Mood::Gone);
        let get = program.get("a").await;
        fails_with("a get that alone fails", ErrorKind::Unavailable, get)?;
        scene.members[0].actor.once(Operation::Put, Mood::Gone);
        let put = program.put("a", "two").await;
        fails_with("a put that alone fails", ErrorKind::Unavailable, put)?;
        scene.members[0].actor.is(Mood::Full);
        let put = program.put("a", "two").await;
        fails_with("a put without space", ErrorKind::CapacityExceeded, put)?;
        scene.members[0].actor.is(Mood::There);
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    equal("after calls that failed alone", &NAMES[0].to_owned(), &program.primary())
}

pub(super) async fn hanging_calls_are_carried(subject: &dyn FailoverSubject) -> Outcome {
    let scene = Scene::new(subject, 2);
    let program = ok("opening", scene.open().await)?;
    ok("a put", program.put("a", "one").await)?;
    scene.members[0].actor.is(Mood::Hangs);
    let begun = tokio::time::Instant::now();
    let reads = (0..8).map(|_| async { program.get("a").await.map(drop) });
    let put = async { program.put("b", "two").await.map(drop) };
    let (reads, put) = futures_util::future::join(join_all(reads), put).await;
    for read in reads {
        ok("a get that hangs", read)?;
    }
    ok("a put that hangs", put)?;
    // Two misses, each after its wait and with its limit.
    let soon = begun.elapsed() <= Duration::from_secs(8);
    holds("calls that hang", soon, "carried within 8 s", begun.elapsed())?;
    equal("after calls that hang", &NAMES[1].to_owned(), &program.primary())
}

pub(super) async fn who_is_out_does_not_lead(subject: &dyn FailoverSubject) -> Outcome {
    let scene = Scene::new(subject, 2);
    let program = ok("opening", scene.open().await)?;
    ok("a put", program.put("a", "one").await)?;
    scene.members[1].actor.is(Mood::Gone);
    ok("a put without the standby", program.put("a", "two").await)?;
    equal("the standby", &Some(Standing::Out), &program.standing(1))?;
    // It is back, and has not caught up: the primary goes.
    scene.members[1].actor.is(Mood::There);
    scene.members[0].actor.is(Mood::Gone);
    for _ in 0..30 {
        let get = program.get("a").await;
        if let Ok(seen) = &get {
            holds(
                "a get while only an old member is there",
                *seen == "two",
                "no old object",
                seen,
            )?;
        }
        equal("the primary", &NAMES[0].to_owned(), &program.primary())?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

pub(super) async fn nothing_acknowledged_is_missing(subject: &dyn FailoverSubject) -> Outcome {
    for seed in 0..40_u64 {
        let scene = Scene::new(subject, 2);
        let program = ok("opening", scene.open().await)?;
        let moods = [Mood::Gone, Mood::Hangs, Mood::Loses];
        let mood = moods[(seed % 3) as usize];
        let scene_ref = &scene;
        let kill = async {
            for _ in 0..seed {
                tokio::task::yield_now().await;
            }
            scene_ref.members[0].actor.is(mood);
        };
        let write = |client: u64| {
            let program = &program;
            async move {
                let mut last = None;
                for number in 0..10 {
                    let content = format!("{client}-{number}");
                    if program.put(&format!("k{client}"), &content).await.is_ok() {
                        last = Some(content);
                    }
                }
                last
            }
        };
        let writes = join_all((0..4).map(write));
        let (acknowledged, ()) = futures_util::future::join(writes, kill).await;
        for (client, last) in acknowledged.into_iter().enumerate() {
            let situation = format!("kill {seed}, {mood:?}: what client {client} was told last");
            let seen = scene.members[1].has(&format!("k{client}")).await;
            equal(situation, &last.map(bytes::Bytes::from), &seen)?;
        }
    }
    Ok(())
}

pub(super) async fn foreign_versions_do_not_hold(subject: &dyn FailoverSubject) -> Outcome {
    let scene = Scene::new(subject, 2);
    let program = ok("opening", scene.open().await)?;
    let old = ok("a put", program.put("a", "one").await)?.version;
    ok("a put", program.put("b", "one").await)?;
    scene.members[0].actor.is(Mood::Gone);
    ok("a get", program.get("a").await)?;
    // The member numbers its versions as the other one did.
    let now = ok("a head", program.store.head(&key("a"), &GetOptions::default()).await)?.version;
    holds("the version after a switch", now != old, "another one", &now)?;
    let refused = ErrorKind::PreconditionFailed;
    let put = program.put_if("a", "two", WriteCondition::IfMatch(old.clone())).await;
    fails_with("a put over an old version", refused, put)?;
    let options = DeleteOptions { if_match: Some(old.clone()), ..DeleteOptions::default() };
    fails_with("a delete of it", refused, program.store.delete(&key("a"), &options).await)?;
    let options = CopyOptions { source_version: Some(old.clone()), ..CopyOptions::default() };
    let copied = program.store.copy(&key("a"), &key("c"), &options).await;
    fails_with("a copy of it", refused, copied)?;
    let only = ReadCondition { if_match: Some(old.clone()), ..ReadCondition::default() };
    let options = GetOptions { condition: only, ..GetOptions::default() };
    let get = program.store.get(&key("a"), &options).await;
    fails_with("a get of it", refused, get.map(drop))?;
    let missing = program.store.get(&key("none"), &options).await;
    fails_with("a get of it, where nothing is", ErrorKind::NotFound, missing.map(drop))?;
    let newer = ReadCondition { if_none_match: Some(old), ..ReadCondition::default() };
    let options = GetOptions { condition: newer, ..GetOptions::default() };
    ok("a get of another than it", program.store.get(&key("a"), &options).await)?;
    let put = program.put_if("a", "two", WriteCondition::IfMatch(now)).await;
    ok("a put over the new version", put).map(drop)
}

pub(super) async fn own_objects_are_ones_own(subject: &dyn FailoverSubject) -> Outcome {
    // Lost when the primary has it; when the standby has it, too; and before anybody has it.
    for (number, lose) in ["primary", "both", "nobody"].into_iter().enumerate() {
        for with_id in [true, false] {
            let scene = Scene::new(subject, 2);
            let program = ok("opening", scene.open().await)?;
            let id = WriteId::new(format!("w{number}")).ok().filter(|_| with_id);
            let options = PutOptions {
                condition: WriteCondition::IfAbsent,
                write_id: id.clone(),
                ..PutOptions::default()
            };
            match lose {
                "primary" => scene.members[0].actor.is(Mood::Loses),
                "nobody" => scene.members[0].actor.is(Mood::Gone),
                _ => {
                    // Replicated, and the primary goes before that is confirmed.
                    let gate = program.way[1].hold(Operation::Put, Moment::After);
                    let actor = &scene.members[0].actor;
                    let kill = async {
                        gate.arrived().await;
                        actor.is(Mood::Gone);
                        gate.open();
                    };
                    let key = key("a");
                    let put = program.store.put(&key, Body::from("mine"), &options);
                    let (put, ()) = futures_util::future::join(put, kill).await;
                    judge(lose, put.map(drop))?;
                    continue;
                }
            }
            let put = program.store.put(&key("a"), Body::from("mine"), &options).await;
            judge(lose, put.map(drop))?;
            let seen = scene.members[1].has("a").await;
            equal(format!("what is stored, lost at {lose}"), &Some("mine".into()), &seen)?;
        }
    }
    an_update_meets_a_switch(subject).await
}

/// An update is on its way to the standby when that becomes primary.
async fn an_update_meets_a_switch(subject: &dyn FailoverSubject) -> Outcome {
    for moment in [Moment::Before, Moment::After] {
        let scene = Scene::new(subject, 2);
        let program = ok("opening", scene.open().await)?;
        let version = ok("a put", program.put("a", "one").await)?.version;
        let options = PutOptions {
            condition: WriteCondition::IfMatch(version),
            write_id: WriteId::new("w").ok(),
            ..PutOptions::default()
        };
        let place = key("a");
        let put = || program.store.put(&place, Body::from("two"), &options);
        let gate = program.way[1].hold(Operation::Put, moment);
        let switch = async {
            gate.arrived().await;
            scene.members[0].actor.is(Mood::Gone);
            let seen = program.get("a").await;
            gate.open();
            seen
        };
        let (first, seen) = futures_util::future::join(put(), switch).await;
        ok("a get, which switches", seen)?;
        let situation = format!("an update that is held {moment:?} the standby has it");
        judge(&situation, first.map(drop))?;
        // As whoever repeats what is in doubt.
        let again = put().await.map(drop);
        judge(&format!("{situation}, repeated"), again)?;
        let seen = ok("a get", program.get("a").await)?;
        equal(situation, &"two".to_owned(), &String::from_utf8_lossy(&seen).into_owned())?;
    }
    Ok(())
}

/// Success, or in doubt.
fn judge(lose: &str, put: omni_contracts::Result<()>) -> Outcome {
    let situation = format!("a conditional put, lost at {lose}");
    match put {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::Unavailable => {
            equal(situation, &Effect::Unknown, &error.effect())
        }
        Err(error) => {
            Err(Failure::new(situation, "success, or in doubt", format!("error: {error}")))
        }
    }
}

pub(super) async fn listings_are_whole(subject: &dyn FailoverSubject) -> Outcome {
    for delimiter in [None, Some("/".to_owned())] {
        let mut expected: Vec<_> = (0..12)
            .map(|number| match delimiter {
                None => format!("f{:02}/x{number}", number / 2),
                Some(_) => format!("f{:02}/", number / 2),
            })
            .collect();
        expected.sort_unstable();
        expected.dedup();
        for switched_after in 0..expected.len() {
            let scene = Scene::new(subject, 2);
            let program = ok("opening", scene.open().await)?;
            for number in 0..12 {
                ok("a put", program.put(&format!("f{:02}/x{number}", number / 2), "one").await)?;
            }
            let mut names = Vec::new();
            let mut request = ListRequest {
                delimiter: delimiter.clone(),
                limit: Some(1),
                ..ListRequest::default()
            };
            loop {
                if names.len() == switched_after {
                    scene.members[0].actor.is(Mood::Gone);
                }
                let page = ok("a page", program.store.list(&request).await)?;
                names.extend(page.entries.iter().map(|entry| entry.name().to_owned()));
                let Some(next) = page.next else { break };
                request.token = Some(next);
            }
            let situation = format!("a listing, switched after {switched_after}, {delimiter:?}");
            equal(situation, &expected, &names)?;
        }
    }
    let mut scene = Scene::new(subject, 2);
    scene.declared = |all| all.without(&[Capability::OrderedList]);
    let program = ok("opening", scene.open().await)?;
    for key in ["a", "b"] {
        ok("a put", program.put(key, "one").await)?;
    }
    let mut request = ListRequest { limit: Some(1), ..ListRequest::default() };
    request.token = ok("a page", program.store.list(&request).await)?.next;
    scene.members[0].actor.is(Mood::Gone);
    let page = program.store.list(&request).await;
    fails_with("a listing without order, switched", ErrorKind::Conflict, page)?;
    request.token = None;
    ok("the same begun anew", program.store.list(&request).await).map(drop)
}

pub(super) async fn streams_are_read_once(subject: &dyn FailoverSubject) -> Outcome {
    for mood in [Mood::Gone, Mood::Loses] {
        let scene = Scene::new(subject, 2);
        let program = ok("opening", scene.open().await)?;
        scene.members[0].actor.is(mood);
        let chunks =
            ["half ", "and half"].map(|chunk| Ok(bytes::Bytes::from_static(chunk.as_bytes())));
        let stream = Body::from_stream(futures_util::stream::iter(chunks), None);
        let put = program.store.put(&key("a"), stream, &PutOptions::default()).await;
        let seen = scene.members[1].has("a").await;
        let situation = format!("a stream, when the primary is {mood:?}");
        match put {
            Ok(_) => equal(situation, &Some("half and half".into()), &seen)?,
            Err(error) => {
                equal(&*situation, &ErrorKind::Unavailable, &error.kind())?;
                equal(situation, &None, &seen)?;
            }
        }
    }
    Ok(())
}

pub(super) async fn reads_go_on_where_only_reads_may(subject: &dyn FailoverSubject) -> Outcome {
    let scene = Scene::new(subject, 2);
    let mut settings = scene.settings();
    settings.replication = Replication::Read;
    let program = ok("opening", scene.open_with(settings).await)?;
    ok("a put", program.put("a", "one").await)?;
    let sent = || async { scene.members[1].has("a").await.is_some() };
    eventually("a put", "the standby has it", sent).await?;
    for mood in [Mood::Gone, Mood::Loses] {
        scene.members[0].actor.is(mood);
        let situation = format!("the primary is {mood:?}");
        equal(&*situation, &"one".into(), &ok(&*situation, program.get("a").await)?)?;
        let entries: Vec<_> =
            ok(&*situation, list_all(&*program.store, ListRequest::default()).try_collect().await)?;
        let names: BTreeSet<_> = entries.iter().map(|entry| entry.name().to_owned()).collect();
        equal(&*situation, &["a".to_owned()].into(), &names)?;
        fails_with(&*situation, ErrorKind::Unavailable, program.put("b", "two").await)?;
        tokio::time::sleep(Duration::from_secs(20)).await;
        equal(&*situation, &NAMES[0].to_owned(), &program.primary())?;
    }
    Ok(())
}

//! Return: FAI-040 to FAI-047.

use std::sync::Arc;
use std::time::Duration;

use omni_contracts::storage::{DeleteOptions, GetOptions, Key, StorageProvider};
use omni_contracts::{ErrorKind, Operation};
use omni_failover::{Observer, Standing};

use super::super::scene::{Moment, Mood, Scene, eventually};
use crate::Outcome;
use crate::check::{equal, fails_with, holds, ok};
use crate::failover::FailoverSubject;

pub(super) async fn a_member_returns_with_everything(subject: &dyn FailoverSubject) -> Outcome {
    // The standby was away, or the primary.
    for away in [1, 0] {
        let scene = Scene::new(subject, 2);
        let program = ok("opening", scene.open().await)?;
        for number in 0..20 {
            ok("a put", program.put(&format!("k{number}"), "one").await)?;
        }
        scene.members[away].actor.is(Mood::Gone);
        for number in 0..10 {
            ok("a put meanwhile", program.put(&format!("k{number}"), "two").await)?;
            ok("a new one", program.put(&format!("new{number}"), "two").await)?;
        }
        ok("a delete meanwhile", program.delete("k15").await)?;
        // What no program noted: something else has happened to the member.
        ok("damage", scene.members[away].put("k16", "not ours").await)?;
        ok("damage", scene.members[away].put("foreign", "not ours").await)?;
        scene.members[away].actor.is(Mood::There);
        // Whenever it is in sync, it has everything.
        let returned = || async { program.standing(away) == Some(Standing::InSync) };
        let situation = format!("member {away} was away");
        eventually(&situation, "it returns", returned).await?;
        let other = scene.members[1 - away].contents().await;
        equal(situation, &other, &scene.members[away].contents().await)?;
    }
    Ok(())
}

pub(super) async fn a_member_returns_after_its_time(subject: &dyn FailoverSubject) -> Outcome {
    let scene = Scene::new(subject, 2);
    let program = ok("opening", scene.open().await)?;
    ok("a put", program.put("a", "one").await)?;
    scene.members[1].actor.is(Mood::Gone);
    ok("a put meanwhile", program.put("a", "two").await)?;
    // There for eight seconds, gone for four, ten times.
    for _ in 0..10 {
        scene.members[1].actor.is(Mood::There);
        tokio::time::sleep(Duration::from_secs(8)).await;
        let situation = "a member that comes and goes";
        equal(situation, &Some(Standing::Out), &program.standing(1))?;
        scene.members[1].actor.is(Mood::Gone);
        tokio::time::sleep(Duration::from_secs(4)).await;
    }
    scene.members[1].actor.is(Mood::There);
    program.until("a member that stays", 1, Standing::InSync).await
}

pub(super) async fn conflicts_are_kept_and_listed(subject: &dyn FailoverSubject) -> Outcome {
    let scene = Scene::new(subject, 2);
    let program = ok("opening", scene.open().await)?;
    for key in ["noted", "untouched", "same"] {
        ok("a put", program.put(key, "one").await)?;
    }
    scene.members[0].actor.is(Mood::Gone);
    ok("a put meanwhile", program.put("noted", "two").await)?;
    ok("a put meanwhile", program.put("same", "two").await)?;
    // Written to the old primary by somebody who was not told.
    ok("a stray", scene.members[0].put("noted", "lost otherwise").await)?;
    ok("a stray", scene.members[0].put("untouched", "lost otherwise, too").await)?;
    ok("a stray", scene.members[0].put("only here", "and this").await)?;
    ok("a stray", scene.members[0].put("same", "two").await)?;
    scene.members[0].actor.is(Mood::There);
    program.until("the old primary is back", 0, Standing::InSync).await?;
    let conflicts = ok("conflicts", program.failover.conflicts().await)?;
    let mut keys: Vec<_> = conflicts.iter().map(|conflict| conflict.key.clone()).collect();
    keys.sort_unstable();
    let situation = "after the return of a member with strays";
    equal(situation, &vec!["noted".into(), "only here".into(), "untouched".to_owned()], &keys)?;
    for conflict in &conflicts {
        let place = Key::native(&conflict.content);
        let got = scene.witness.store.get(&place, &GetOptions::default()).await;
        let content = ok("what is kept", got)?.body.collect().await;
        let expected = match &*conflict.key {
            "noted" => "lost otherwise",
            "untouched" => "lost otherwise, too",
            _ => "and this",
        };
        equal("what is kept", &expected.into(), &ok("what is kept", content)?)?;
    }
    let primary = scene.members[1].contents().await;
    equal(situation, &primary, &scene.members[0].contents().await)?;
    // Who is none of the programs sees the same, and can forget it.
    let witness = Arc::new(scene.witness.store.clone());
    let observer = ok("observing", Observer::new("main", &scene.settings(), witness))?;
    equal("what is observed", &conflicts, &ok("observing", observer.conflicts().await)?)?;
    let status = ok("observing", observer.status().await)?;
    equal("what is observed", &Some(program.failover.status()), &status)?;
    for conflict in &conflicts {
        ok("forgetting", observer.forget(conflict).await)?;
    }
    let left = ok("conflicts", program.failover.conflicts().await)?;
    equal("what was forgotten", &Vec::new(), &left)?;
    for conflict in &conflicts {
        let place = Key::native(&conflict.content);
        let got = scene.witness.store.get(&place, &GetOptions::default()).await;
        fails_with("the content of what was forgotten", ErrorKind::NotFound, got.map(drop))?;
    }
    Ok(())
}

pub(super) async fn old_objects_are_no_conflicts(subject: &dyn FailoverSubject) -> Outcome {
    for away in [0, 1] {
        let scene = Scene::new(subject, 2);
        let program = ok("opening", scene.open().await)?;
        for number in 0..10 {
            ok("a put", program.put(&format!("k{number}"), "one").await)?;
        }
        scene.members[away].actor.is(Mood::Gone);
        for number in 0..5 {
            ok("a put meanwhile", program.put(&format!("k{number}"), "two").await)?;
            ok("another", program.put(&format!("k{number}"), "three").await)?;
        }
        ok("a delete meanwhile", program.delete("k7").await)?;
        ok("a new one", program.put("new", "two").await)?;
        scene.members[away].actor.is(Mood::There);
        program.until("the member is back", away, Standing::InSync).await?;
        let conflicts = ok("conflicts", program.failover.conflicts().await)?;
        holds(format!("member {away} was away"), conflicts.is_empty(), "none", &conflicts)?;
    }
    Ok(())
}

pub(super) async fn deletes_are_made_up_for(subject: &dyn FailoverSubject) -> Outcome {
    for away in [0, 1] {
        let scene = Scene::new(subject, 2);
        let program = ok("opening", scene.open().await)?;
        for key in ["a", "b", "c"] {
            ok("a put", program.put(key, "one").await)?;
        }
        scene.members[away].actor.is(Mood::Gone);
        ok("a delete meanwhile", program.delete("a").await)?;
        for deleted in program.store.delete_many(&[Key::native("b")]).await {
            ok("a delete meanwhile", deleted)?;
        }
        scene.members[away].actor.is(Mood::There);
        program.until("the member is back", away, Standing::InSync).await?;
        let keys: Vec<_> = scene.members[away].contents().await.into_keys().collect();
        equal(format!("member {away} was away"), &vec!["c".to_owned()], &keys)?;
    }
    Ok(())
}

pub(super) async fn a_return_is_completed_by_the_next(subject: &dyn FailoverSubject) -> Outcome {
    // Ended at each of its writes: to the member, and to the witness.
    for (place, operation) in [
        ("member", Operation::Put),
        ("member", Operation::Delete),
        ("witness", Operation::Put),
        ("witness", Operation::Delete),
    ] {
        for moment in [Moment::Before, Moment::After] {
            let scene = Scene::new(subject, 2);
            let program = ok("opening", scene.open().await)?;
            for key in ["a", "b", "c"] {
                ok("a put", program.put(key, "one").await)?;
            }
            scene.members[1].actor.is(Mood::Gone);
            ok("a put meanwhile", program.put("a", "two").await)?;
            ok("a delete meanwhile", program.delete("b").await)?;
            ok("a stray", scene.members[1].put("c", "a stray").await)?;
            let way = match place {
                "member" => &program.way[1],
                _ => &program.way_to_witness,
            };
            let gate = way.hold(operation, moment);
            scene.members[1].actor.is(Mood::There);
            let situation = format!("a return that ends {moment:?} a {operation} to the {place}");
            let arrived = tokio::time::timeout(Duration::from_secs(300), gate.arrived()).await;
            holds(&*situation, arrived.is_ok(), "the return comes to it", ())?;
            drop(program);
            let next = ok("opening again", scene.open().await)?;
            ok("a put after that", next.put("a", "three").await)?;
            next.until(&situation, 1, Standing::InSync).await?;
            let primary = scene.members[0].contents().await;
            equal(&*situation, &primary, &scene.members[1].contents().await)?;
            let conflicts = ok("conflicts", next.failover.conflicts().await)?;
            let keys: Vec<_> = conflicts.iter().map(|conflict| &*conflict.key).collect();
            equal(situation, &vec!["c"], &keys)?;
        }
    }
    Ok(())
}

pub(super) async fn writes_during_a_return_arrive(subject: &dyn FailoverSubject) -> Outcome {
    // At every step of the return, a program that has not seen it writes.
    for step in 0..60 {
        let scene = Scene::new(subject, 2);
        let returning = ok("opening", scene.open().await)?;
        let writer = ok("opening again", scene.open().await)?;
        ok("a put", writer.put("a", "one").await)?;
        scene.members[1].actor.is(Mood::Gone);
        ok("a put meanwhile", writer.put("a", "two").await)?;
        scene.members[1].actor.is(Mood::There);
        let returned = || async { returning.standing(1) == Some(Standing::InSync) };
        let writes = async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            for number in 0..40 {
                for _ in 0..step {
                    tokio::task::yield_now().await;
                }
                let put = writer.put(&format!("k{number}"), "once").await;
                ok("a put of a new key during the return", put)?;
                ok("an overwrite during the return", writer.put("a", &format!("{number}")).await)?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Ok(())
        };
        let back = eventually("a member returns", "it is in sync", returned);
        let (written, back) = futures_util::future::join(writes, back).await;
        written?;
        back?;
        let situation = format!("writes during a return, {step} steps apart");
        let primary = scene.members[0].contents().await;
        equal(situation, &primary, &scene.members[1].contents().await)?;
    }
    Ok(())
}

pub(super) async fn a_member_returns_under_load(subject: &dyn FailoverSubject) -> Outcome {
    // As it went, or with nothing.
    for wiped in [false, true] {
        let scene = Scene::new(subject, 2);
        let program = ok("opening", scene.open().await)?;
        let key = |number: usize| format!("k{}", number % 48);
        for number in 0..48 {
            ok("a put", program.put(&key(number), "before").await)?;
        }
        scene.members[1].actor.is(Mood::Gone);
        ok("a put meanwhile", program.put("k0", "meanwhile").await)?;
        if wiped {
            for number in 0..48 {
                let key = Key::native(key(number));
                let gone = scene.members[1].store.delete(&key, &DeleteOptions::default()).await;
                ok("wiping a member", gone)?;
            }
        }
        // Slower than what is written.
        scene.members[1].actor.is(Mood::Slow);
        let writes = async {
            for number in 0.. {
                let content = format!("{number}");
                ok("a put during the return", program.put(&key(number), &content).await)?;
                tokio::time::sleep(Duration::from_micros(250)).await;
            }
            Ok(())
        };
        let situation = format!("a load that never pauses, and a member that was wiped: {wiped}");
        let back = program.until(&situation, 1, Standing::InSync);
        let back = tokio::time::timeout(Duration::from_secs(120), back);
        tokio::select! {
            wrong = writes => wrong?,
            back = back => holds(&*situation, back.is_ok(), "it returns in two minutes", ())?,
        }
        let conflicts = ok("conflicts", program.failover.conflicts().await)?;
        holds(situation, conflicts.is_empty(), "no conflicts", &conflicts)?;
    }
    Ok(())
}

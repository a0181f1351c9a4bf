//! One primary: FAI-030 to FAI-034.

use std::time::Duration;

use futures_util::future::join;
use omni_contracts::storage::WriteCondition;
use omni_contracts::{Effect, ErrorKind, Operation};
use omni_failover::Standing;

use super::super::scene::{Moment, Mood, NAMES, Scene, eventually};
use crate::Outcome;
use crate::check::{equal, fails_with, holds, ok};
use crate::failover::FailoverSubject;

pub(super) async fn programs_follow_one_primary(subject: &dyn FailoverSubject) -> Outcome {
    let scene = Scene::new(subject, 3);
    let one = ok("opening", scene.open().await)?;
    let other = ok("opening again", scene.open().await)?;
    ok("a put", one.put("a", "zero").await)?;
    scene.members[0].actor.is(Mood::Gone);
    // Each would choose another: the first cannot reach the second member, and decides first, but is
    // held where it writes that down.
    one.way[1].is(Mood::Gone);
    let gate = one.way_to_witness.hold(Operation::Put, Moment::Before);
    let decides = one.get("a");
    let overtakes = async {
        gate.arrived().await;
        let get = other.get("a").await;
        one.way[1].is(Mood::There);
        gate.open();
        get
    };
    let (decided, overtaken) = join(decides, overtakes).await;
    ok("a get of the one who decides late", decided)?;
    ok("a get of the one who decides meanwhile", overtaken)?;
    equal("the primary of the one who was late", &other.primary(), &one.primary())?;
    let same = || async {
        drop(join(one.get("a"), other.get("a")).await);
        one.primary() == other.primary() && one.primary() != NAMES[0]
    };
    eventually("two programs that switch at once", "one primary", same).await?;
    // And it stays so.
    tokio::time::sleep(Duration::from_secs(5)).await;
    equal("a while later", &one.primary(), &other.primary())?;
    let epochs = [one.failover.status().epoch, other.failover.status().epoch];
    equal("the epochs", &epochs[0], &epochs[1])
}

/// A program that sees a switch, and one that does not: the old primary answers it still.
pub(super) async fn nothing_is_acknowledged_by_the_old_primary_alone(
    subject: &dyn FailoverSubject,
) -> Outcome {
    for held in [None, Some(Operation::Put)] {
        let scene = Scene::new(subject, 2);
        let late = ok("opening", scene.open().await)?;
        let other = ok("opening again", scene.open().await)?;
        ok("a put", late.put("a", "zero").await)?;
        other.way[0].is(Mood::Gone);
        let situation = format!("a put of a program that has not seen the switch, held: {held:?}");
        let put = match held {
            None => {
                ok("the switch", other.put("b", "one").await)?;
                late.put("a", "late").await
            }
            Some(operation) => {
                // It has begun when the other one switches and writes.
                let gate = late.way[0].hold(operation, Moment::Before);
                let switch = async {
                    gate.arrived().await;
                    let put = other.put("a", "switched").await;
                    gate.open();
                    put
                };
                let (put, switched) = join(late.put("a", "late"), switch).await;
                ok("the put after the switch", switched)?;
                put
            }
        };
        equal("the primary", &NAMES[1].to_owned(), &other.primary())?;
        let seen = scene.members[1].has("a").await;
        match put {
            Ok(_) => {
                let arrived = seen == Some("late".into());
                holds(situation, arrived, "the new primary has what is acknowledged", &seen)?;
            }
            Err(error) => equal(situation, &ErrorKind::Unavailable, &error.kind())?,
        }
    }
    Ok(())
}

pub(super) async fn late_conditions_replace_nothing(subject: &dyn FailoverSubject) -> Outcome {
    for held in [Operation::Head, Operation::Put] {
        let scene = Scene::new(subject, 2);
        let late = ok("opening", scene.open().await)?;
        let other = ok("opening again", scene.open().await)?;
        let old = ok("a put", late.put("a", "zero").await)?.version;
        other.way[0].is(Mood::Gone);
        // The late one looks at the standby, or writes to the old primary, after the other has
        // written by the new record.
        let member = usize::from(held == Operation::Head);
        let gate = late.way[member].hold(held, Moment::Before);
        let switch = async {
            gate.arrived().await;
            let put = other.put("a", "switched").await;
            gate.open();
            put
        };
        let put = late.put_if("a", "late", WriteCondition::IfMatch(old));
        let (put, switched) = join(put, switch).await;
        ok("the put after the switch", switched)?;
        let situation = format!("a conditional put that is held at {held}");
        holds(&*situation, put.is_err(), "an error", &put)?;
        // Whatever it left is made up for.
        tokio::time::sleep(Duration::from_secs(60)).await;
        equal(situation, &Some("switched".into()), &scene.members[1].has("a").await)?;
    }
    Ok(())
}

pub(super) async fn nothing_is_written_without_the_witness(
    subject: &dyn FailoverSubject,
) -> Outcome {
    let scene = Scene::new(subject, 2);
    let program = ok("opening", scene.open().await)?;
    ok("a put", program.put("a", "one").await)?;
    scene.witness.actor.is(Mood::Gone);
    let situation = "a put while the witness is gone";
    let error = fails_with(situation, ErrorKind::Unavailable, program.put("a", "two").await)?;
    equal(situation, &Effect::No, &error.effect())?;
    let error = fails_with(situation, ErrorKind::Unavailable, program.delete("a").await)?;
    equal(situation, &Effect::No, &error.effect())?;
    for member in &scene.members {
        equal(situation, &Some("one".into()), &member.has("a").await)?;
    }
    ok("a get while the witness is gone", program.get("a").await)?;
    scene.witness.actor.is(Mood::There);
    ok("a put when it is back", program.put("a", "two").await).map(drop)
}

pub(super) async fn who_returns_does_not_lead(subject: &dyn FailoverSubject) -> Outcome {
    let scene = Scene::new(subject, 2);
    let program = ok("opening", scene.open().await)?;
    ok("a put", program.put("a", "one").await)?;
    scene.members[0].actor.is(Mood::Gone);
    ok("a put without the primary", program.put("a", "two").await)?;
    let epoch = program.failover.status().epoch;
    scene.members[0].actor.is(Mood::There);
    program.until("the old primary is back", 0, Standing::InSync).await?;
    for _ in 0..20 {
        ok("a put", program.put("a", "three").await)?;
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    equal("after it returned", &NAMES[1].to_owned(), &program.primary())?;
    // It joined, and was in sync.
    equal("the epoch", &(epoch + 2), &program.failover.status().epoch)
}

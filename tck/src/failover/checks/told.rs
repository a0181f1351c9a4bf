//! What a failover tells of itself: FAI-050.

use std::time::Duration;

use omni_contracts::Operation;
use omni_failover::{FailoverSettings, Replication, Standing, TargetsSettings};

use super::super::scene::{Moment, Mood, Scene};
use crate::Outcome;
use crate::check::{equal, holds, ok};
use crate::failover::FailoverSubject;

pub(super) async fn gauges_are_the_status(subject: &dyn FailoverSubject) -> Outcome {
    let scene = Scene::new(subject, 2);
    let program = ok("opening", scene.open().await)?;
    let told = |name: &str, member| scene.told(&program, &format!("omni.failover.{name}"), member);
    let standings = || (told("standing", Some(0)), told("standing", Some(1)));
    equal("the members at first", &(Some(3.0), Some(2.0)), &standings())?;
    ok("a put", program.put("a", "one").await)?;
    equal("how far a standby may be behind with sync", &None, &told("rpo", None))?;
    scene.members[0].actor.is(Mood::Gone);
    ok("a put, which switches", program.put("a", "two").await)?;
    equal("the members after a switch", &(Some(0.0), Some(3.0)), &standings())?;
    equal("switches", &Some(1.0), &told("switches", None))?;
    equal("keys that wait", &Some(1.0), &told("waiting", Some(0)))?;
    tokio::time::sleep(Duration::from_secs(7)).await;
    let behind = told("behind", Some(0)).unwrap_or_default();
    holds("how long they wait", (6.5..=8.0).contains(&behind), "seven seconds", behind)?;
    ok("a stray", scene.members[0].put("a", "lost otherwise").await)?;
    scene.members[0].actor.is(Mood::There);
    program.until("the old primary is back", 0, Standing::InSync).await?;
    equal("the members after the return", &(Some(2.0), Some(3.0)), &standings())?;
    equal(
        "what waits then",
        &(Some(0.0), Some(0.0)),
        &(told("waiting", Some(0)), told("behind", Some(0))),
    )?;
    equal("conflicts", &Some(1.0), &told("conflicts", None))?;
    let epoch = program.failover.status().epoch as f64;
    equal("the epoch", &Some(epoch), &told("epoch", None))?;
    holds("the epoch", epoch >= 4.0, "a change for the switch, the joining and the return", epoch)?;
    let gauges = program.failover.gauges();
    drop(program);
    holds("what is told after the end", gauges().is_empty(), "nothing", gauges().len())?;
    a_limit_is_told(subject).await
}

async fn a_limit_is_told(subject: &dyn FailoverSubject) -> Outcome {
    let scene = Scene::new(subject, 2);
    let targets = TargetsSettings { rpo: Some(Duration::from_secs(45)), ..Default::default() };
    let replication = Replication::Async;
    let settings = FailoverSettings { replication, targets, ..scene.settings() };
    let program = ok("opening", scene.open_with(settings).await)?;
    let told = |name: &str, member| scene.told(&program, &format!("omni.failover.{name}"), member);
    equal("how far a standby may be behind", &Some(45.0), &told("rpo", None))?;
    let gate = program.way[1].hold(Operation::Put, Moment::Before);
    ok("a put", program.put("a", "one").await)?;
    gate.arrived().await;
    equal("keys that wait", &Some(1.0), &told("waiting", Some(1)))?;
    equal("where who follows stands", &Some(2.0), &told("standing", Some(1)))?;
    gate.open();
    Ok(())
}

//! How much is received, and how long that waits.

use std::time::Duration;

use futures_util::FutureExt;
use omni_contracts::ErrorKind;
use tokio::time::Instant;

use super::scene::{Scene, shown, sorted};
use crate::check::{Outcome, check, equal, fails_with, holds, ok};
use crate::{Check, Context, Failure};

pub(super) const CHECKS: &[Check] = &[
    check!("MSG-021", at_most_max_are_received, "how requests are put together"),
    check!("MSG-022", waiting_is_exact, "how receive waits, and what wakes it"),
    check!("MSG-023", a_dropped_receive_loses_nothing, "what is leased before it is returned"),
];

async fn at_most_max_are_received(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let of = &scene.subscription;
    let bodies: Vec<_> = (0..40).map(|n| format!("{n:02}")).collect();
    for body in &bodies {
        scene.publish(body.clone()).await?;
    }
    let none = scene.provider.receive(of, 0, Duration::ZERO).await;
    fails_with("receive of at most 0", ErrorKind::InvalidArgument, none)?;
    let mut all = Vec::new();
    for max in [1, 2, 7, 10, 11, 100] {
        let some = scene.receive(of, max, scene.late()).await?;
        let situation = format!("receive of at most {max}");
        holds(situation, some.len() <= max, format!("at most {max}"), some.len())?;
        for delivery in &some {
            scene.ack(delivery).await?;
        }
        all.extend(some);
    }
    let rest = bodies.len().checked_sub(all.len());
    let rest = rest.ok_or_else(|| {
        Failure::new("receive, all calls together", "40 messages", all.len().to_string())
    })?;
    all.extend(scene.take(rest).await?);
    equal("all messages", &bodies, &sorted(&all))
}

async fn waiting_is_exact(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    for wait in [Duration::ZERO, Duration::from_millis(700), Duration::from_secs(3)] {
        let begun = Instant::now();
        scene.nothing_for("there is no message", wait).await?;
        let waited = begun.elapsed();
        let in_time = waited >= wait && waited <= wait + scene.late();
        holds(format!("receive that waits {wait:?}"), in_time, "none after that time", waited)?;
    }
    // It is woken by what comes: published, given back, or free again by its lease.
    let long = scene.lease * 20;
    let come = Duration::from_secs(1);
    let begun = Instant::now();
    let publish = async {
        scene.sleep(come).await;
        scene.publish("new").await
    };
    let (received, published) = tokio::join!(scene.receive(&scene.subscription, 10, long), publish);
    published?;
    let received = received?;
    let waited = begun.elapsed();
    let situation = format!("receive while a message is published after {come:?}");
    let in_time = waited >= come && waited <= come + scene.late();
    holds(&*situation, received.len() == 1, "the message", shown(&received))?;
    holds(situation, in_time, "at once", waited)?;
    let Some(delivery) = received.first() else { return Ok(()) };
    let begun = Instant::now();
    let give_back = async {
        scene.sleep(come).await;
        scene.nack(delivery, Duration::ZERO).await
    };
    let (received, given) = tokio::join!(scene.receive(&scene.subscription, 1, long), give_back);
    given?;
    let waited = begun.elapsed();
    let in_time = received?.len() == 1 && waited <= come + scene.late();
    holds("receive while a message is given back after 1 s", in_time, "at once", waited)?;
    let begun = Instant::now();
    let received = scene.receive(&scene.subscription, 1, long).await?;
    let waited = begun.elapsed();
    let in_time = received.len() == 1 && waited <= scene.lease + scene.late();
    holds("receive while a lease ends", in_time, "when it has ended", waited)
}

async fn a_dropped_receive_loses_nothing(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let bodies: Vec<_> = (0..12).map(|n| format!("{n:02}")).collect();
    let mut got = Vec::new();
    for (round, body) in bodies.iter().enumerate() {
        let of = scene.subscription.clone();
        let mut receive = Box::pin(scene.provider.receive(&of, 10, scene.lease));
        let mut early = None;
        if round % 2 == 0 {
            early = (&mut receive).now_or_never();
        }
        scene.publish(body.clone()).await?;
        for _ in 0..round % 3 {
            if early.is_none() {
                early = (&mut receive).now_or_never();
            }
            tokio::task::yield_now().await;
        }
        drop(receive);
        if let Some(received) = early {
            got.extend(ok("receive", received)?);
        }
    }
    for delivery in &got {
        scene.ack(delivery).await?;
    }
    let rest = bodies.len().saturating_sub(got.len());
    // What dropped calls had leased comes when that has ended.
    let time = scene.lease + scene.late();
    got.extend(scene.take_within(&scene.subscription, rest, time).await?);
    equal("all messages", &bodies, &sorted(&got))
}

//! Messages that are given up: when, and what becomes of them.

use std::time::{Duration, SystemTime};

use omni_contracts::messaging::{DeadReason, Delivery, Message, Subscription};
use omni_contracts::{ErrorKind, Result};

use super::scene::{Scene, only, sorted, texts};
use crate::check::{Failure, Outcome, check, equal, fails_with, holds, ok};
use crate::{Check, Context};

pub(super) const CHECKS: &[Check] = &[
    check!("MSG-050", attempts_are_exact, "who counts attempts, and when they are compared"),
    check!("MSG-051", every_failure_counts, "whether leases that end are counted"),
    check!("MSG-052", dead_letters_tell_why, "what is added when a message is given up"),
    check!("MSG-053", rejected_is_dead_at_once, "what reject does"),
    check!("MSG-054", poison_stops_nobody, "the order in which messages are delivered again"),
    check!("MSG-055", redriven_once, "how dead letters are moved"),
    check!("MSG-056", dead_letters_are_kept, "the settings of where dead letters are"),
];

/// The dead letter that there is.
async fn dead(scene: &Scene<'_>) -> std::result::Result<Delivery, Failure> {
    scene.one_of(&scene.subscription.dead_letters()).await
}

async fn attempts_are_exact(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    for most in 1..=5 {
        let settings = scene.settings().max_deliveries(most);
        let of = scene.create(&format!("topic-{most}/main"), &settings).await?;
        scene.publish_to(&of, "poison").await?;
        let scene =
            Scene { subscription: of.clone(), provider: cx.open_messaging().await?, ..scene };
        for attempt in 1..=most {
            let delivery = scene.take_one().await?;
            equal(format!("the attempt of at most {most}"), &attempt, &delivery.attempt)?;
            scene.nothing_of(&of.dead_letters(), "it is leased", Duration::ZERO).await?;
            scene.nack(&delivery, Duration::ZERO).await?;
        }
        scene.nothing_for("it was given up", scene.lease + scene.late()).await?;
        let letter = dead(&scene).await?;
        equal("the dead letter", &&b"poison"[..], &&letter.body[..])?;
        let more = "there is one dead letter, which is leased";
        scene.nothing_of(&of.dead_letters(), more, scene.lease / 2).await?;
    }
    Ok(())
}

async fn every_failure_counts(cx: &Context) -> Outcome {
    let scene = Scene::with(cx, |settings| settings.max_deliveries(3)).await?;
    // By nack or by the end of the lease, in every order.
    for ways in 0..8u32 {
        let body = format!("message {ways}");
        scene.publish(body.clone()).await?;
        for attempt in 0..3 {
            let time = scene.lease + scene.late();
            let taken = scene.take_within(&scene.subscription, 1, time).await?;
            equal("what is delivered", &vec![body.clone()], &texts(&taken))?;
            equal("the attempt", &(attempt + 1), &taken[0].attempt)?;
            if ways >> attempt & 1 == 1 {
                scene.nack(&taken[0], Duration::ZERO).await?;
            }
        }
        scene.nothing_for("three attempts failed", scene.lease + scene.late()).await?;
        let letter = dead(&scene).await?;
        equal("the dead letter", &vec![body], &texts(std::slice::from_ref(&letter)))?;
        let told = letter.dead.as_ref().map(|dead| (dead.attempts, dead.reason.clone()));
        equal("what it tells", &Some((3, DeadReason::Attempts)), &told)?;
        ack_dead(&scene, &letter).await?;
    }
    Ok(())
}

async fn ack_dead(scene: &Scene<'_>, letter: &Delivery) -> Outcome {
    let of = scene.subscription.dead_letters();
    let acked = scene.provider.ack(&of, std::slice::from_ref(&letter.receipt)).await;
    ok("ack of a dead letter", only("ack", acked)?)
}

async fn dead_letters_tell_why(cx: &Context) -> Outcome {
    let scene = Scene::with(cx, |settings| settings.max_deliveries(2)).await?;
    let body: Vec<u8> = (0..=255).collect();
    let message = Message::new(body).header("a", "ä").header("empty", "").key("");
    for rejected in [false, true] {
        let id = scene.publish(message.clone()).await?;
        let first = scene.take_one().await?;
        scene.nack(&first, Duration::ZERO).await?;
        let second = scene.take_one().await?;
        match rejected {
            true => scene.reject(&second, "not an order: ä").await?,
            false => scene.nack(&second, Duration::ZERO).await?,
        }
        let letter = dead(&scene).await?;
        equal("the id", &id, &letter.id)?;
        equal("the body", &message.body, &letter.body)?;
        equal("the headers", &message.headers, &letter.headers)?;
        equal("the key", &message.key, &letter.key)?;
        equal("attempts of the dead letter itself", &1, &letter.attempt)?;
        let Some(told) = &letter.dead else {
            return Err(Failure::new("a dead letter", "why it is one", "nothing"));
        };
        equal("its origin", &scene.subscription, &told.origin)?;
        equal("its attempts", &2, &told.attempts)?;
        let reason = match rejected {
            true => DeadReason::Rejected("not an order: ä".to_owned()),
            false => DeadReason::Attempts,
        };
        equal("its reason", &reason, &told.reason)?;
        let known = told.at >= letter.published && told.at > SystemTime::UNIX_EPOCH;
        holds("when it was given up", known, "not before it was published", told.at)?;
        ack_dead(&scene, &letter).await?;
    }
    Ok(())
}

async fn rejected_is_dead_at_once(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    // Without a largest number of deliveries, too.
    scene.publish("bad").await?;
    let delivery = scene.take_one().await?;
    scene.reject(&delivery, "because").await?;
    let letter = dead(&scene).await?;
    equal("the dead letter", &vec!["bad".to_owned()], &texts(std::slice::from_ref(&letter)))?;
    let reason = letter.dead.as_ref().map(|dead| dead.reason.clone());
    equal("its reason", &Some(DeadReason::Rejected("because".to_owned())), &reason)?;
    scene.nothing_for("it was rejected", scene.lease + scene.late()).await?;
    // Rejected again, as after an answer that was lost.
    scene.reject(&delivery, "because").await?;
    let left = scene.receive(&scene.subscription.dead_letters(), 10, scene.late()).await?;
    equal("dead letters, one of which comes again", &1, &left.len())
}

async fn poison_stops_nobody(cx: &Context) -> Outcome {
    let scene = Scene::with(cx, |settings| settings.max_deliveries(4)).await?;
    let number = cx.rounds(60usize).max(8);
    for n in 0..number {
        let body = if n % 4 == 0 { "poison".to_owned() } else { format!("{n:02}") };
        scene.publish(body).await?;
    }
    let poison = number.div_ceil(4);
    let (mut done, mut calls) = (Vec::new(), 0);
    while done.len() < number - poison {
        let some = scene.receive(&scene.subscription, 5, scene.late()).await?;
        calls += 1;
        let enough = calls <= number * 4 && !some.is_empty();
        holds("good messages among bad ones", enough, "all are delivered", done.len())?;
        for delivery in some {
            match &delivery.body[..] == b"poison" {
                true => scene.nack(&delivery, Duration::ZERO).await?,
                false => {
                    done.extend(texts(std::slice::from_ref(&delivery)));
                    scene.ack(&delivery).await?;
                }
            }
        }
    }
    // And the bad ones end.
    loop {
        let some = scene.receive(&scene.subscription, 10, scene.late()).await?;
        if some.is_empty() {
            break;
        }
        for delivery in some {
            equal("what is left", &&b"poison"[..], &&delivery.body[..])?;
            scene.nack(&delivery, Duration::ZERO).await?;
        }
    }
    scene.take_of(&scene.subscription.dead_letters(), poison).await.map(drop)
}

async fn redriven_once(cx: &Context) -> Outcome {
    let scene = Scene::with(cx, |settings| settings.max_deliveries(2)).await?;
    let of = scene.subscription.clone();
    let none = ok("redrive of nothing", scene.provider.redrive(&of).await)?;
    equal("the number of what was redriven", &0, &none)?;
    let bodies: Vec<_> = (0..12).map(|n| format!("{n:02}")).collect();
    let mut ids = Vec::new();
    for body in &bodies {
        ids.push(scene.publish(Message::new(body.clone()).header("n", body.clone())).await?);
    }
    for delivery in scene.take(12).await? {
        scene.reject(&delivery, "not yet").await?;
    }
    let moved = ok("redrive", scene.provider.redrive(&of).await)?;
    equal("the number of what was redriven", &12, &moved)?;
    let letters = of.dead_letters();
    scene.nothing_of(&letters, "all were redriven", scene.late()).await?;
    let again = scene.take(12).await?;
    equal("what was redriven", &bodies, &sorted(&again))?;
    ids.sort();
    let mut seen: Vec<_> = again.iter().map(|delivery| delivery.id.clone()).collect();
    seen.sort();
    equal("the ids of what was redriven", &ids, &seen)?;
    for delivery in &again {
        equal("attempts of what was redriven", &1, &delivery.attempt)?;
        holds("what was redriven", delivery.dead.is_none(), "no dead letter", &delivery.dead)?;
    }
    scene.nothing_for("each was redriven once", scene.lease / 2).await?;
    // It fails as often as any other, and what somebody has leased stays.
    for delivery in &again {
        scene.nack(delivery, Duration::ZERO).await?;
    }
    for delivery in scene.take(12).await? {
        scene.nack(&delivery, Duration::ZERO).await?;
    }
    let held = scene.take_of(&letters, 5).await?;
    let moved = ok("redrive", scene.provider.redrive(&of).await)?;
    equal("the number of what was redriven, of which 5 are leased", &7, &moved)?;
    for letter in &held {
        ack_dead(&scene, letter).await?;
    }
    let mut all = sorted(&scene.take(7).await?);
    all.extend(texts(&held));
    all.sort();
    equal("what was redriven, and what was leased", &bodies, &all)?;
    let refused = scene.provider.redrive(&letters).await;
    fails_with("redrive of dead letters", ErrorKind::InvalidArgument, refused).map(drop)
}

async fn dead_letters_are_kept(cx: &Context) -> Outcome {
    let scene = Scene::with(cx, |settings| settings.max_deliveries(1)).await?;
    let letters: Subscription = scene.subscription.dead_letters();
    scene.publish("a").await?;
    scene.nack(&scene.take_one().await?, Duration::ZERO).await?;
    for attempt in 1..=8 {
        let time = scene.lease + scene.late();
        let taken = scene.take_within(&letters, 1, time).await?;
        equal("the attempt of a dead letter", &attempt, &taken[0].attempt)?;
        let origin = taken[0].dead.as_ref().map(|dead| dead.origin.clone());
        equal("its origin", &Some(scene.subscription.clone()), &origin)?;
        let receipts = [taken[0].receipt.clone()];
        let rejected = scene.provider.reject(&letters, &receipts, "no").await;
        let situation = "reject of a dead letter";
        fails_with(situation, ErrorKind::InvalidArgument, only("reject", rejected)?)?;
        scene.nothing_of(&letters, "it is leased", scene.lease / 4).await?;
        if attempt % 2 == 0 {
            let nacked = scene.provider.nack(&letters, &receipts, Duration::ZERO).await;
            ok("nack of a dead letter", only("nack", nacked)?)?;
        }
    }
    let last = scene.take_within(&letters, 1, scene.lease + scene.late()).await?;
    ack_dead(&scene, &last[0]).await?;
    scene.nothing_of(&letters, "it was acknowledged", scene.lease + scene.late()).await?;
    let result: Result<_> = scene.provider.redrive(&scene.subscription).await;
    equal("redrive of nothing", &0, &ok("redrive", result)?)
}

//! Messages that are to be delivered later, or in time.

use std::time::Duration;

use omni_contracts::messaging::{DeadReason, Message};
use tokio::time::Instant;

use super::scene::{Scene, shown, texts};
use crate::check::{Outcome, check, equal, holds};
use crate::{Check, Context};

pub(super) const CHECKS: &[Check] = &[
    check!("MSG-070", delays_are_exact, "from when a delay counts, and what wakes a receiver"),
    check!("MSG-072", expired_is_not_delivered, "when the time to live is looked at"),
];

async fn delays_are_exact(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let step = scene.late().max(Duration::from_secs(1)) * 2;
    // Published in another order than they come.
    let places = [5, 1, 4, 2, 6, 3];
    let begun = Instant::now();
    for place in places {
        scene.publish(Message::new(place.to_string()).delay(step * place)).await?;
    }
    let took = begun.elapsed();
    holds("publish of delayed messages", took < step / 2, "it does not wait", took)?;
    for place in 1..=6u32 {
        let (from, of) = (step * place, &scene.subscription);
        let received = scene.receive(of, 10, step + scene.late()).await?;
        let waited = begun.elapsed();
        equal("what comes next", &vec![place.to_string()], &texts(&received))?;
        let in_time = waited >= from && waited <= from + took + scene.late();
        holds(format!("a delay of {from:?}"), in_time, "delivered then", waited)?;
        for delivery in &received {
            equal("the attempt", &1, &delivery.attempt)?;
            scene.ack(delivery).await?;
        }
    }
    // One with a delay does not keep one without from being delivered.
    scene.publish(Message::new("later").delay(step)).await?;
    scene.publish("now").await?;
    equal("what is not delayed", &vec!["now".to_owned()], &texts(&scene.take(1).await?))?;
    let longest = scene.declared().limits.max_delay;
    scene.publish(Message::new("in a long time").delay(longest)).await?;
    let later = scene.receive(&scene.subscription, 10, step + scene.late()).await?;
    equal("what was delayed", &vec!["later".to_owned()], &texts(&later))
}

async fn expired_is_not_delivered(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let ttl = scene.lease * 2;
    let letters = scene.subscription.dead_letters();
    scene.publish(Message::new("in time").ttl(ttl)).await?;
    let delivery = scene.take_one().await?;
    scene.ack(&delivery).await?;
    let id = scene.publish(Message::new("too late").ttl(ttl)).await?;
    scene.publish("for ever").await?;
    scene.sleep(ttl - scene.late().min(ttl / 4)).await;
    scene.nothing_of(&letters, "it is not too late yet", Duration::ZERO).await?;
    scene.sleep(scene.late().min(ttl / 4) + scene.late()).await;
    let received = scene.receive(&scene.subscription, 10, scene.late()).await?;
    equal("what is delivered then", &vec!["for ever".to_owned()], &texts(&received))?;
    scene.ack(&received[0]).await?;
    let letter = scene.one_of(&letters).await?;
    equal("the dead letter", &id, &letter.id)?;
    let told = letter.dead.map(|dead| (dead.reason, dead.attempts));
    equal("what it tells", &Some((DeadReason::Expired, 0)), &told)?;
    // One that is leased when it expires is not delivered again; settled before, it is done.
    for settled in [true, false] {
        scene.publish(Message::new("leased").ttl(scene.lease / 2)).await?;
        let leased = scene.take_one().await?;
        scene.sleep(scene.lease * 3 / 4).await;
        if settled {
            scene.ack(&leased).await?;
        }
        let rest = scene.lease / 4 + scene.late();
        scene.nothing_for("it has expired", rest).await?;
        let dead = scene.receive(&letters, 10, Duration::ZERO).await?;
        let expected = if settled { 0 } else { 1 };
        let dead: Vec<_> = dead.into_iter().filter(|one| &one.body[..] == b"leased").collect();
        holds("dead letters", dead.len() == expected, format!("{expected}"), shown(&dead))?;
    }
    Ok(())
}

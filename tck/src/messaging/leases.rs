//! How long a message is its receiver's, and what comes after.

use std::time::Duration;

use omni_contracts::ErrorKind;
use omni_contracts::messaging::{Delivery, Message};
use tokio::time::Instant;

use super::scene::{Scene, one, only, shown, sorted};
use crate::check::{Failure, Outcome, check, equal, fails_with, holds, ok};
use crate::{Check, Context};

pub(super) const CHECKS: &[Check] = &[
    check!("MSG-030", leases_end_in_time, "when a lease begins and ends"),
    check!("MSG-031", leased_messages_are_nobody_elses, "whether receiving takes a lease at once"),
    check!("MSG-032", redelivery_does_not_give_up, "limits of the product on deliveries"),
    check!("MSG-033", it_is_the_same_message, "what is kept between deliveries"),
    check!("MSG-034", dropping_settles_nothing, "what happens when a delivery is dropped"),
    check!("MSG-035", given_back_is_delivered_at_once, "how nack ends the lease"),
    check!("MSG-036", given_back_with_delay_waits, "how nack sets the next delivery"),
    check!("MSG-037", extended_leases_end_in_time, "from when an extension counts"),
    check!("MSG-038", what_was_not_done_comes_back, "what a crash leaves leased"),
];

/// The message comes again `from` after `begun`, when its lease may have begun: not before, and at the
/// latest.
async fn comes_after(
    scene: &Scene<'_>,
    begun: Instant,
    from: Duration,
    why: &str,
) -> Result<Delivery, Failure> {
    let received = scene.receive(&scene.subscription, 1, from + scene.late() * 2).await?;
    let waited = begun.elapsed();
    let in_time = received.len() == 1 && waited >= from && waited <= from + scene.late();
    let expected = format!("one delivery after {from:?}, at most {:?} later", scene.late());
    holds(why, in_time, expected, format!("{} after {waited:?}", shown(&received)))?;
    one(&scene.subscription, received)
}

async fn leases_end_in_time(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    scene.publish("a").await?;
    for _ in 0..3 {
        let begun = Instant::now();
        let delivery = scene.take_one().await?;
        equal("the lease that is told", &scene.lease, &delivery.lease)?;
        let again =
            comes_after(&scene, begun, scene.lease, "a message that is not settled").await?;
        scene.nack(&again, Duration::ZERO).await?;
    }
    Ok(())
}

async fn leased_messages_are_nobody_elses(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let other = Scene { provider: cx.open_messaging().await?, ..Scene::new(cx).await? };
    for n in 0..6 {
        scene.publish(format!("{n}")).await?;
    }
    let mut all = scene.take(3).await?;
    all.extend(other.take(3).await?);
    let expected: Vec<_> = (0..6).map(|n| n.to_string()).collect();
    equal("what two receivers have", &expected, &sorted(&all))?;
    scene.nothing_for("all are leased", scene.lease / 3).await?;
    other.nothing_for("all are leased", scene.lease / 3).await
}

async fn redelivery_does_not_give_up(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    scene.publish("a").await?;
    let times = cx.rounds(120u32).max(15);
    for attempt in 1..=times {
        let delivery = scene.take_one().await?;
        equal("the attempt", &attempt, &delivery.attempt)?;
        if attempt % 40 == 39 {
            scene.sleep(scene.lease + scene.late()).await;
        } else {
            scene.nack(&delivery, Duration::ZERO).await?;
        }
    }
    let dead = scene.subscription.dead_letters();
    scene.nothing_of(&dead, "it is delivered until it is settled", scene.late()).await?;
    scene.ack(&scene.take_one().await?).await
}

async fn it_is_the_same_message(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let body: Vec<u8> = (0..=255).collect();
    let message = Message::new(body).header("a", "ä").header("empty", "").key("customer 3");
    let id = scene.publish(message.clone()).await?;
    let mut published = None;
    for attempt in 1..=5 {
        let one = scene.take_within(&scene.subscription, 1, scene.lease + scene.late()).await?;
        let Some(delivery) = one.first() else { continue };
        equal("the attempt", &attempt, &delivery.attempt)?;
        equal("the id", &id, &delivery.id)?;
        equal("the body", &message.body, &delivery.body)?;
        equal("the headers", &message.headers, &delivery.headers)?;
        equal("the key", &message.key, &delivery.key)?;
        holds(
            "a message that nobody gave up",
            delivery.dead.is_none(),
            "no reason",
            &delivery.dead,
        )?;
        let first = *published.get_or_insert(delivery.published);
        equal("the time of publication", &first, &delivery.published)?;
        if attempt % 2 == 0 {
            scene.nack(delivery, Duration::ZERO).await?;
        }
    }
    Ok(())
}

async fn dropping_settles_nothing(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    scene.publish("a").await?;
    let begun = Instant::now();
    drop(scene.take_one().await?);
    let leased = scene.lease * 9 / 10;
    scene.nothing_for("its delivery was dropped, which is no nack", leased).await?;
    comes_after(&scene, begun, scene.lease, "a delivery that was dropped").await.map(drop)
}

async fn given_back_is_delivered_at_once(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    scene.publish("a").await?;
    let mut delivery = scene.take_one().await?;
    for attempt in 2..=5 {
        let begun = Instant::now();
        scene.nack(&delivery, Duration::ZERO).await?;
        delivery = scene.take_one().await?;
        let waited = begun.elapsed();
        let in_time = waited <= scene.late().min(scene.lease / 2);
        holds("a delivery that was given back", in_time, "again at once", waited)?;
        equal("the attempt", &attempt, &delivery.attempt)?;
    }
    Ok(())
}

async fn given_back_with_delay_waits(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    scene.publish("a").await?;
    // Shorter and longer than the lease, which has nothing to do with it.
    let mut delivery = scene.take_one().await?;
    for delay in [scene.lease / 4, scene.lease * 3, Duration::from_secs(1)] {
        let begun = Instant::now();
        scene.nack(&delivery, delay).await?;
        let situation = format!("given back with a delay of {delay:?}");
        delivery = comes_after(&scene, begun, delay, &situation).await?;
    }
    Ok(())
}

async fn extended_leases_end_in_time(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let of = &scene.subscription;
    let limits = &scene.declared().limits;
    scene.publish("a").await?;
    for lease in [scene.lease * 3, limits.min_lease, scene.lease] {
        let delivery = scene.take_one().await?;
        scene.sleep(scene.lease / 2).await;
        let begun = Instant::now();
        let extended =
            scene.provider.extend(of, std::slice::from_ref(&delivery.receipt), lease).await;
        ok("extend", only("extend", extended)?)?;
        let situation = format!("a lease that was extended by {lease:?}, half-way");
        let next = comes_after(&scene, begun, lease, &situation).await?;
        let late = scene.provider.extend(of, std::slice::from_ref(&delivery.receipt), lease).await;
        fails_with("extend after the lease", ErrorKind::LeaseLost, only("extend", late)?)?;
        // Extended and settled, as any other.
        let again = scene.provider.extend(of, std::slice::from_ref(&next.receipt), lease).await;
        ok("extend of the next delivery", only("extend", again)?)?;
        scene.ack(&next).await?;
        let gone = scene.provider.extend(of, std::slice::from_ref(&next.receipt), lease).await;
        fails_with("extend of what is settled", ErrorKind::LeaseLost, only("extend", gone)?)?;
        scene.publish("a").await?;
    }
    Ok(())
}

async fn what_was_not_done_comes_back(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let bodies: Vec<_> = (0..20).map(|n| format!("{n:02}")).collect();
    for body in &bodies {
        scene.publish(body.clone()).await?;
    }
    let deliveries = scene.take(bodies.len()).await?;
    for delivery in deliveries.iter().filter(|delivery| delivery.body.ends_with(b"3")) {
        scene.ack(delivery).await?;
    }
    drop(deliveries);
    let again = Scene { provider: cx.open_messaging().await?, ..scene };
    let expected: Vec<_> = bodies.into_iter().filter(|body| !body.ends_with('3')).collect();
    let time = again.lease + again.late();
    let back = again.take_within(&again.subscription, expected.len(), time).await?;
    equal("what comes back", &expected, &sorted(&back))?;
    again.nothing_for("the others were acknowledged", again.lease / 2).await
}

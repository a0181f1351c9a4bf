//! Who gets which messages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use omni_contracts::messaging::Message;
use rand::RngExt;
use tokio::sync::Mutex;

use super::scene::{Scene, only, sorted, texts};
use crate::check::{Failure, Outcome, check, equal, holds, ok};
use crate::{Check, Context};

pub(super) const CHECKS: &[Check] = &[
    check!("MSG-060", subscriptions_start_when_made, "where a new subscription begins"),
    check!("MSG-061", every_subscription_gets_all, "how a message gets to the subscriptions"),
    check!("MSG-062", subscriptions_are_independent, "what subscriptions share"),
    check!("MSG-063", receivers_share, "how receiving at the same time is kept apart"),
    check!("MSG-064", topics_do_not_leak, "how messages get to the subscriptions"),
    check!("MSG-065", nothing_is_lost_under_load, "what happens between two requests"),
];

async fn subscriptions_start_when_made(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let bodies: Vec<_> = (0..10).map(|n| format!("{n:02}")).collect();
    let topic = super::scene::topic("news")?;
    ok("create a topic", scene.provider.create_topic(&topic).await)?;
    for body in &bodies {
        // Nobody is there, which is no error.
        let published = scene.provider.publish(&topic, &[Message::new(body.clone())]).await;
        ok("publish to a topic without subscriptions", only("publish", published)?)?;
    }
    let of = scene.create("news/main", &scene.settings()).await?;
    scene.nothing_of(&of, "all were published before it was made", scene.late()).await?;
    for body in &bodies {
        scene.publish_to(&of, format!("later {body}")).await?;
    }
    let expected: Vec<_> = bodies.iter().map(|body| format!("later {body}")).collect();
    equal("what was published after", &expected, &sorted(&scene.take_of(&of, 10).await?))
}

async fn every_subscription_gets_all(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let mut all = vec![scene.subscription.clone()];
    for name in ["second", "third"] {
        all.push(scene.create(&format!("orders/{name}"), &scene.settings()).await?);
    }
    let bodies: Vec<_> = (0..30).map(|n| format!("{n:02}")).collect();
    let messages: Vec<_> = bodies.iter().map(|body| Message::new(body.clone())).collect();
    scene.publish_all(&scene.subscription, &messages[..10]).await?;
    for message in &messages[10..] {
        scene.publish(message.clone()).await?;
    }
    for of in all {
        equal(format!("what {of} got"), &bodies, &sorted(&scene.take_of(&of, 30).await?))?;
        scene.nothing_of(&of, "it has everything", scene.late()).await?;
    }
    Ok(())
}

async fn subscriptions_are_independent(cx: &Context) -> Outcome {
    let scene = Scene::with(cx, |settings| settings.max_deliveries(1)).await?;
    let settings = scene.settings().max_deliveries(1);
    let other = scene.create("orders/other", &settings).await?;
    for body in ["a", "b", "c", "d"] {
        scene.publish(body).await?;
    }
    let mut ours = scene.take(4).await?;
    ours.sort_by(|one, other| one.body.cmp(&other.body));
    scene.ack(&ours[0]).await?;
    scene.nack(&ours[1], Duration::ZERO).await?;
    scene.reject(&ours[2], "no").await?;
    ok("purge", scene.provider.purge(&scene.subscription).await)?;
    scene.nothing_of(&other.dead_letters(), "nobody received from it", scene.late()).await?;
    let theirs = scene.take_of(&other, 4).await?;
    equal("what the other has", &sorted(&ours), &sorted(&theirs))?;
    for delivery in &theirs {
        equal("attempts in the other", &1, &delivery.attempt)?;
    }
    let deleted = scene.provider.delete_subscription(&scene.subscription).await;
    ok("delete a subscription", deleted)?;
    let receipts: Vec<_> = theirs.iter().map(|one| one.receipt.clone()).collect();
    for result in scene.provider.ack(&other, &receipts).await {
        ok("ack in the other", result)?;
    }
    Ok(())
}

async fn receivers_share(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let bodies: Vec<_> = (0..cx.rounds(200usize).max(40)).map(|n| format!("{n:03}")).collect();
    let messages: Vec<_> = bodies.iter().map(|body| Message::new(body.clone())).collect();
    scene.publish_all(&scene.subscription, &messages).await?;
    let receivers = (0..8).map(async |number| {
        let provider = cx.open_messaging().await?;
        let mut all = Vec::new();
        loop {
            let received = provider.receive(&scene.subscription, 1 + number % 4, scene.late());
            let received = ok("receive", received.await)?;
            if received.is_empty() {
                return Ok::<_, Failure>(all);
            }
            all.extend(received);
            tokio::task::yield_now().await;
        }
    });
    let all = try_join_all(receivers).await?.concat();
    equal("what eight receivers have together", &bodies, &sorted(&all))
}

async fn topics_do_not_leak(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let mut all = vec![scene.subscription.clone()];
    for name in ["order", "orders2", "Orders"] {
        all.push(scene.create(&format!("{name}/main"), &scene.settings()).await?);
    }
    for of in &all {
        scene.publish_to(of, format!("for {of}")).await?;
    }
    for of in &all {
        let received = scene.receive(of, 10, scene.late()).await?;
        equal(format!("what {of} got"), &vec![format!("for {of}")], &texts(&received))?;
    }
    Ok(())
}

async fn nothing_is_lost_under_load(cx: &Context) -> Outcome {
    const PUBLISHERS: usize = 6;
    let scene = Scene::new(cx).await?;
    let each = cx.rounds(60usize).max(10);
    let accepted = Mutex::new(BTreeMap::new());
    let acknowledged = Mutex::new(BTreeSet::new());
    let publishing = Arc::new(AtomicUsize::new(PUBLISHERS));
    let publish = async |publisher: usize| {
        let provider = cx.open_messaging().await?;
        let mut rng = cx.rng(&format!("publisher {publisher}"));
        let mut n = 0;
        while n < each {
            let batch: Vec<_> = (0..rng.random_range(1..5))
                .map(|more| Message::new(format!("{publisher}-{}", n + more)))
                .collect();
            n += batch.len();
            let results = provider.publish(scene.subscription.topic(), &batch).await;
            for (message, result) in batch.iter().zip(results) {
                accepted.lock().await.insert(ok("publish", result)?, message.body.clone());
            }
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..40))).await;
        }
        publishing.fetch_sub(1, Ordering::Relaxed);
        Ok::<_, Failure>(())
    };
    let consume = async |consumer: usize| {
        let provider = cx.open_messaging().await?;
        let mut rng = cx.rng(&format!("consumer {consumer}"));
        let of = &scene.subscription;
        // What was forgotten comes when its lease has ended.
        let patience = scene.lease + scene.late();
        loop {
            let most = rng.random_range(1..8);
            let received = ok("receive", provider.receive(of, most, patience).await)?;
            if received.is_empty() && publishing.load(Ordering::Relaxed) == 0 {
                return Ok::<_, Failure>(());
            }
            for delivery in received {
                let receipts = [delivery.receipt.clone()];
                match rng.random_range(0..6) {
                    0 => {
                        let nacked = provider.nack(of, &receipts, Duration::ZERO).await;
                        ok("nack", only("nack", nacked)?)?;
                    }
                    1 if delivery.attempt < 3 => {}
                    _ => {
                        ok("ack", only("ack", provider.ack(of, &receipts).await)?)?;
                        let new = acknowledged.lock().await.insert((delivery.id, delivery.body));
                        holds("an acknowledgement", new, "of a message that had none", "again")?;
                    }
                }
            }
        }
    };
    let publishers = join_all((0..PUBLISHERS).map(publish));
    let consumers = join_all((0..5).map(consume));
    let (published, consumed) = tokio::join!(publishers, consumers);
    for outcome in published.into_iter().chain(consumed) {
        outcome?;
    }
    let accepted: BTreeSet<_> = accepted.into_inner().into_iter().collect();
    let acknowledged = acknowledged.into_inner();
    let lost: Vec<_> = accepted.difference(&acknowledged).collect();
    holds("messages that were accepted", lost.is_empty(), "all are acknowledged", &lost)?;
    let invented: Vec<_> = acknowledged.difference(&accepted).collect();
    holds("messages that were delivered", invented.is_empty(), "all were accepted", &invented)
}

//! Messages of one key, one after the other.

use std::collections::BTreeMap;
use std::time::Duration;

use omni_contracts::messaging::{Delivery, Message};
use rand::RngExt;

use super::scene::{Scene, sorted, texts};
use crate::check::{Outcome, check, equal, holds};
use crate::{Check, Context};

pub(super) const CHECKS: &[Check] = &[
    check!("MSG-040", keys_are_in_order, "how the order of a batch is kept"),
    check!("MSG-041", one_of_a_key_at_a_time, "what keeps the next message of a key back"),
    check!("MSG-042", keys_do_not_block_each_other, "what a message that is leased keeps back"),
];

fn keyed(key: &str, body: impl Into<String>) -> Message {
    Message::new(body.into()).key(key)
}

async fn keys_are_in_order(cx: &Context) -> Outcome {
    let scene = Scene::with(cx, |settings| settings.ordered()).await?;
    let mut rng = cx.rng("order");
    let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut batch, mut number) = (Vec::new(), 0);
    for n in 0..cx.rounds(200u32).max(30) {
        let key = format!("key {}", rng.random_range(0..4));
        let body = format!("{n:04}");
        batch.push(keyed(&key, &*body));
        expected.entry(key).or_default().push(body);
        number += 1;
        // In one call, in several.
        if batch.len() >= rng.random_range(1..12) {
            scene.publish_all(&scene.subscription, &batch).await?;
            batch.clear();
        }
    }
    scene.publish_all(&scene.subscription, &batch).await?;
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    while number > 0 {
        let some = scene.receive(&scene.subscription, 10, scene.late()).await?;
        holds("receive while messages are left", !some.is_empty(), "some", number)?;
        for delivery in some {
            let key = delivery.key.clone().unwrap_or_default();
            seen.entry(key).or_default().extend(texts(std::slice::from_ref(&delivery)));
            scene.ack(&delivery).await?;
            number -= 1;
        }
    }
    equal("what was delivered of each key", &expected, &seen)
}

async fn one_of_a_key_at_a_time(cx: &Context) -> Outcome {
    let scene = Scene::with(cx, |settings| settings.ordered()).await?;
    let messages = ["1", "2", "3"].map(|body| keyed("a", body));
    scene.publish_all(&scene.subscription, &messages).await?;
    let next = |expected: &'static str, some: &[Delivery]| {
        equal("what is delivered of a key", &vec![expected.to_owned()], &texts(some))
    };
    let half = scene.lease / 2;
    let first = scene.receive(&scene.subscription, 10, scene.late()).await?;
    next("1", &first)?;
    scene.nothing_for("the first one is leased", half).await?;
    scene.nack(&first[0], scene.lease).await?;
    scene.nothing_for("the first one was given back with a delay", half).await?;
    let first = scene.receive(&scene.subscription, 10, scene.lease + scene.late()).await?;
    next("1", &first)?;
    // It is forgotten: again it is the first.
    let first = scene.receive(&scene.subscription, 10, scene.lease + scene.late()).await?;
    next("1", &first)?;
    scene.ack(&first[0]).await?;
    let second = scene.receive(&scene.subscription, 10, scene.late()).await?;
    next("2", &second)?;
    scene.reject(&second[0], "no").await?;
    let third = scene.receive(&scene.subscription, 10, scene.late()).await?;
    next("3", &third)?;
    scene.publish(keyed("a", "4")).await?;
    scene.nothing_for("the third one is leased", half).await?;
    scene.nack(&third[0], Duration::ZERO).await?;
    let third = scene.receive(&scene.subscription, 10, scene.late()).await?;
    next("3", &third)?;
    scene.ack(&third[0]).await?;
    next("4", &scene.receive(&scene.subscription, 10, scene.late()).await?)
}

async fn keys_do_not_block_each_other(cx: &Context) -> Outcome {
    let scene = Scene::with(cx, |settings| settings.ordered()).await?;
    let messages = [
        keyed("a", "a1"),
        keyed("a", "a2"),
        keyed("b", "b1"),
        keyed("", "empty1"),
        Message::new("none1"),
        keyed("b", "b2"),
        keyed("", "empty2"),
        Message::new("none2"),
    ];
    scene.publish_all(&scene.subscription, &messages).await?;
    // One of each key, and all without one.
    let received = scene.take(5).await?;
    let expected = ["a1", "b1", "empty1", "none1", "none2"].map(str::to_owned);
    equal("what is delivered at first", &expected.to_vec(), &sorted(&received))?;
    scene.nothing_for("each key has a message that is leased", scene.lease / 3).await?;
    for delivery in received.iter().filter(|delivery| delivery.key.as_deref() == Some("b")) {
        scene.ack(delivery).await?;
    }
    let received = scene.take(1).await?;
    equal("what is delivered then", &vec!["b2".to_owned()], &texts(&received))?;
    scene.nothing_for("the other keys are where they were", scene.lease / 3).await
}

//! What is published is what is delivered, once it is accepted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use omni_contracts::ErrorKind;
use omni_contracts::messaging::{Capability, Message};
use rand::RngExt;

use super::scene::{Scene, only, sorted, texts};
use crate::check::{Outcome, check, equal, fails_with, holds, ok};
use crate::{Check, Context};

pub(super) const CHECKS: &[Check] = &[
    check!("MSG-010", bodies_are_kept, "how bodies are encoded"),
    check!("MSG-011", empty_bodies_are_messages, "whether an empty body is special"),
    check!("MSG-012", limits_are_exact, "what the declared limits count"),
    check!("MSG-013", headers_are_kept, "how names and values of headers are encoded"),
    check!("MSG-014", invalid_messages_are_refused, "validation before the first request"),
    check!("MSG-015", keys_are_kept, "how no key differs from an empty one"),
    check!("MSG-016", ids_are_stable, "where the id comes from"),
    check!("MSG-017", dedup_ids_deliver_once, "the scope and the window of dedup ids"),
    check!("MSG-019", dropped_publishes_do_not_double, "what repeats a publish by itself"),
    check!("MSG-020", each_message_has_its_result, "how batches are split and put together"),
];

async fn bodies_are_kept(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let every_byte: Vec<u8> = (0..=255).collect();
    let mut bodies: Vec<Bytes> = vec![
        Bytes::from(every_byte),
        Bytes::from_static(b"\0"),
        Bytes::from_static(b"\xff\xfe not utf-8"),
        Bytes::from_static("<a>&amp;\u{1} ä \u{10348}</a>".as_bytes()),
        Bytes::from_static(b" \r\n\t "),
        Bytes::from_static(b"{\"a\": 1}"),
    ];
    let mut rng = cx.rng("bodies");
    for _ in 0..cx.rounds(20) {
        let mut body = vec![0; rng.random_range(1..20_000)];
        rng.fill(&mut body[..]);
        bodies.push(body.into());
    }
    for body in bodies {
        scene.publish(Message::new(body.clone())).await?;
        let delivery = scene.take_one().await?;
        equal(format!("a body of {} bytes", body.len()), &body, &delivery.body)?;
        scene.ack(&delivery).await?;
    }
    Ok(())
}

async fn empty_bodies_are_messages(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    scene.publish(Message::default()).await?;
    let delivery = scene.take_one().await?;
    equal("the body", &Bytes::new(), &delivery.body)?;
    equal("the headers", &BTreeMap::new(), &delivery.headers)?;
    scene.ack(&delivery).await
}

async fn limits_are_exact(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let limits = scene.declared().limits.clone();
    let headers = |number: usize, bytes: usize| {
        let each = bytes / number;
        let rest = bytes - each * number;
        (0..number).fold(Message::new("x"), |message, n| {
            let name = format!("h{n:05}");
            let length = (each + if n == 0 { rest } else { 0 }).saturating_sub(name.len());
            message.header(name, "v".repeat(length))
        })
    };
    let of_size = |size: usize| Message::new(vec![7; size]);
    // As few headers as hold all the bytes, so that their number is not the limit.
    let few = limits.max_headers.min(4);
    let many = limits.max_headers;
    let cases = [
        (of_size(limits.max_body_size), of_size(limits.max_body_size + 1), "bytes of a body"),
        (headers(many, many * 8), headers(many + 1, (many + 1) * 8), "headers"),
        (
            headers(few, limits.max_headers_size),
            headers(few, limits.max_headers_size + 1),
            "bytes of headers",
        ),
    ];
    for (largest, above, what) in cases {
        scene.publish(largest.clone()).await?;
        let delivery = scene.take_one().await?;
        let same = delivery.body == largest.body && delivery.headers == largest.headers;
        holds(format!("the most {what}"), same, "what was published", "something else")?;
        scene.ack(&delivery).await?;
        let results = scene.provider.publish(scene.subscription.topic(), &[above]).await;
        let situation = format!("one more than the most {what}");
        fails_with(situation, ErrorKind::TooLarge, only("publish", results)?)?;
    }
    scene.nothing_for("nothing more was accepted", scene.late()).await
}

async fn headers_are_kept(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let long = "n".repeat(Message::MAX_HEADER_NAME);
    let messages = [
        Message::new("a").header("content-type", "application/json").header("Content-Type", "x"),
        Message::new("b").header("empty", "").header(" ", " ").header("\u{1}", "\u{0}\r\n"),
        Message::new("c").header("ключ", "значение").header("🗝", "🚪").header("a=b&c", "\"'\\<>"),
        Message::new("d").header(long, "v").header("omn", "i-").header("x-omni-", "1"),
        (0..32)
            .fold(Message::new("e"), |message, n| message.header(format!("h{n}"), n.to_string())),
    ];
    for message in messages {
        scene.publish(message.clone()).await?;
        let delivery = scene.take_one().await?;
        equal("the headers", &message.headers, &delivery.headers)?;
        scene.ack(&delivery).await?;
    }
    Ok(())
}

async fn invalid_messages_are_refused(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let mut invalid = vec![
        Message::new("x").header("", "v"),
        Message::new("x").header("n".repeat(Message::MAX_HEADER_NAME + 1), "v"),
        Message::new("x").header("omni-id", "v"),
        Message::new("x").header("OMNI-anything", "v"),
        Message::new("x").key("k".repeat(Message::MAX_KEY + 1)),
    ];
    if scene.declared().has(Capability::Dedup) {
        invalid.push(Message::new("x").dedup_id(""));
        invalid.push(Message::new("x").dedup_id("d".repeat(Message::MAX_KEY + 1)));
    }
    if scene.declared().has(Capability::Ttl) {
        invalid.push(Message::new("x").ttl(Duration::ZERO));
    }
    for message in invalid {
        let situation = format!("publish of {message:?}");
        let results = scene.provider.publish(scene.subscription.topic(), &[message]).await;
        fails_with(situation, ErrorKind::InvalidArgument, only("publish", results)?)?;
    }
    scene.nothing_for("every message was refused", scene.late()).await
}

async fn keys_are_kept(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let long = "k".repeat(Message::MAX_KEY);
    let keys = [None, Some(""), Some("a"), Some("ä/🗝 \u{1}\""), Some(&*long)];
    for key in keys {
        let message = Message::new("x");
        let message = match key {
            Some(key) => message.key(key),
            None => message,
        };
        scene.publish(message).await?;
        let delivery = scene.take_one().await?;
        equal("the key", &key, &delivery.key.as_deref())?;
        scene.ack(&delivery).await?;
    }
    Ok(())
}

async fn ids_are_stable(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let second = match scene.fans_out() {
        true => Some(scene.create("orders/second", &scene.settings()).await?),
        false => None,
    };
    let number = cx.rounds(200usize);
    let mut published = BTreeMap::new();
    for round in 0..number {
        // The same bytes again and again: ids are not made of them.
        let id = scene.publish(format!("{}", round % 3)).await?;
        let before = published.insert(id.clone(), format!("{}", round % 3));
        holds("ids of messages", before.is_none(), "an id that was not there before", &id)?;
    }
    for attempt in 0..2 {
        let mut seen = BTreeMap::new();
        let deliveries = scene.take(number).await?;
        for delivery in &deliveries {
            seen.insert(delivery.id.clone(), texts(std::slice::from_ref(delivery)).concat());
        }
        equal(format!("ids and bodies, delivery {}", attempt + 1), &published, &seen)?;
        for delivery in deliveries {
            scene.nack(&delivery, Duration::ZERO).await?;
        }
    }
    if let Some(second) = second {
        let deliveries = scene.take_of(&second, number).await?;
        let seen: BTreeSet<_> = deliveries.into_iter().map(|delivery| delivery.id).collect();
        let ids: BTreeSet<_> = published.into_keys().collect();
        equal("ids in another subscription", &ids, &seen)?;
    }
    Ok(())
}

async fn dedup_ids_deliver_once(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let window = scene.declared().limits.dedup_window;
    let first = scene.publish(Message::new("first").dedup_id("order-7")).await?;
    let same = [
        Message::new("again").dedup_id("order-7"),
        Message::new("other").dedup_id("order-8"),
        Message::new("again").dedup_id("order-7"),
        Message::new("none"),
    ];
    let ids = scene.publish_all(&scene.subscription.clone(), &same).await?;
    equal("the id of what is published again", &[&first, &first], &[&ids[0], &ids[2]])?;
    let received = scene.take(3).await?;
    equal("what is delivered", &vec!["first", "none", "other"], &as_str(&sorted(&received)))?;
    for delivery in &received {
        scene.ack(delivery).await?;
    }
    // Settled or not, it is known.
    scene.publish(Message::new("late").dedup_id("order-7")).await?;
    scene.nothing_for("it was published before", scene.late()).await?;
    let elsewhere = scene.create("invoices/main", &scene.settings()).await?;
    scene.publish_to(&elsewhere, Message::new("elsewhere").dedup_id("order-7")).await?;
    scene.one_of(&elsewhere).await?;
    if cx.subject().clock() == crate::Clock::Virtual || window <= Duration::from_secs(10) {
        scene.sleep(window + scene.late()).await;
        let id = scene.publish(Message::new("after").dedup_id("order-7")).await?;
        let delivery = scene.take_one().await?;
        equal("the id after the window", &id, &delivery.id)?;
        equal("what is delivered after the window", &Bytes::from("after"), &delivery.body)?;
    }
    Ok(())
}

fn as_str(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

async fn dropped_publishes_do_not_double(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let rounds = cx.rounds(50);
    let mut answered = BTreeSet::new();
    for round in 0..rounds {
        let message = [Message::new(format!("{round:03}"))];
        let topic = scene.subscription.topic().clone();
        let mut publish = Box::pin(scene.provider.publish(&topic, &message));
        // Polled a few times, then dropped.
        for _ in 0..round % 4 {
            if let Some(results) = (&mut publish).now_or_never() {
                ok("publish", only("publish", results)?)?;
                answered.insert(format!("{round:03}"));
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    let mut seen = BTreeSet::new();
    loop {
        let deliveries = scene.receive(&scene.subscription, 10, scene.late()).await?;
        if deliveries.is_empty() {
            break;
        }
        for delivery in deliveries {
            let body = texts(std::slice::from_ref(&delivery)).concat();
            let number: Option<u32> = body.parse().ok().filter(|number| *number < rounds);
            holds("what is delivered", number.is_some(), "a message that was published", &body)?;
            holds("what is delivered", seen.insert(body.clone()), "each message once", &body)?;
            scene.ack(&delivery).await?;
        }
    }
    let lost: Vec<_> = answered.difference(&seen).collect();
    holds("messages that were accepted", lost.is_empty(), "all are delivered", &lost)
}

async fn each_message_has_its_result(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let none = scene.provider.publish(scene.subscription.topic(), &[]).await;
    equal("results of no message", &0, &none.len())?;
    let too_large = scene.declared().limits.max_body_size + 1;
    let messages: Vec<_> = (0..cx.rounds(60usize).max(12))
        .map(|n| match n % 5 {
            1 => Message::new(vec![0; too_large]),
            3 => Message::new("refused").header("omni-x", ""),
            _ => Message::new(format!("{n:03}")),
        })
        .collect();
    let results = scene.provider.publish(scene.subscription.topic(), &messages).await;
    equal("the number of results", &messages.len(), &results.len())?;
    let mut accepted = BTreeMap::new();
    for (number, (message, result)) in messages.iter().zip(results).enumerate() {
        let situation = format!("result {number} of the batch");
        match number % 5 {
            1 => drop(fails_with(situation, ErrorKind::TooLarge, result)?),
            3 => drop(fails_with(situation, ErrorKind::InvalidArgument, result)?),
            _ => drop(accepted.insert(ok(situation, result)?, message.body.clone())),
        }
    }
    let delivered = scene.take(accepted.len()).await?;
    let seen: BTreeMap<_, _> = delivered.into_iter().map(|one| (one.id, one.body)).collect();
    equal("ids and bodies of what is delivered", &accepted, &seen)?;
    scene.nothing_for("only what was accepted is delivered", scene.late()).await
}

//! Names, topics and subscriptions: made, found, removed.

use std::collections::BTreeSet;
use std::time::Duration;

use omni_contracts::messaging::{
    Capability, Message, Subscription, SubscriptionName, SubscriptionSettings,
};
use omni_contracts::{ErrorKind, Result};

use super::scene::{Scene, only, sorted, subscription, texts, topic};
use crate::check::{Outcome, check, equal, fails_with, ok};
use crate::{Check, Context};

pub(super) const CHECKS: &[Check] = &[
    check!("MSG-001", names_do_not_alias, "how names become names of the product"),
    check!("MSG-002", names_of_every_length_are_usable, "how names become names of the product"),
    check!("MSG-003", creating_again_changes_nothing, "what happens when it exists already"),
    check!("MSG-004", deleting_removes_everything, "what of a topic or subscription is kept"),
    check!("MSG-005", what_is_missing_is_told, "whether anything is created on demand"),
    check!("MSG-006", everything_is_listed, "pages of listings, and their order"),
    check!("MSG-007", settings_are_told, "where the settings are kept"),
    check!("MSG-008", accepted_messages_survive, "when a publish is acknowledged"),
];

async fn names_do_not_alias(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let names = ["a.b", "a-b", "a_b", "ab", "A.b", "a.B", "a..b", "a.b.c", "a"];
    let mut all = Vec::new();
    for name in names {
        // Topics and subscriptions alike, also where both are put together.
        for text in [format!("{name}/main"), format!("orders/{name}")] {
            all.push(text);
        }
    }
    let fan_out = scene.fans_out();
    for text in ["a/b.c", "a.b/c", "a-b/c", "a/b-c", "a_b/c", "a/b_c"] {
        all.push(text.to_owned());
    }
    let mut made: Vec<Subscription> = Vec::new();
    for text in all {
        let one = subscription(&text)?;
        let taken = made.iter().any(|known| known.topic() == one.topic())
            || one.topic() == scene.subscription.topic();
        if taken && !fan_out {
            continue;
        }
        scene.create(&text, &scene.settings()).await?;
        made.push(one);
    }
    let topics: BTreeSet<_> = made.iter().map(|one| one.topic().clone()).collect();
    for topic in &topics {
        let result = scene.provider.publish(topic, &[Message::new(topic.to_string())]).await;
        ok("publish", only("publish", result)?)?;
    }
    for one in &made {
        let received = scene.receive(one, 10, scene.late()).await?;
        equal(
            format!("what {one} got, after each topic got its name"),
            &vec![one.topic().to_string()],
            &texts(&received),
        )?;
    }
    Ok(())
}

async fn names_of_every_length_are_usable(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    let names = ["x", "7", "-", ".", "_", letters, &"z".repeat(80), &".".repeat(80)];
    for name in names {
        let one = scene.create(&format!("{name}/{name}"), &scene.settings()).await?;
        scene.publish_to(&one, name.to_owned()).await?;
        let delivery = scene.one_of(&one).await?;
        equal(format!("what {one} got"), &name.as_bytes(), &&delivery.body[..])?;
    }
    Ok(())
}

async fn creating_again_changes_nothing(cx: &Context) -> Outcome {
    let scene = Scene::with(cx, |settings| settings.max_deliveries(7)).await?;
    let settings = scene.settings().max_deliveries(7);
    scene.publish("kept").await?;
    scene.create("orders/main", &settings).await?;
    let others = [
        scene.settings(),
        scene.settings().max_deliveries(8),
        SubscriptionSettings::default().lease(scene.lease * 2).max_deliveries(7),
    ];
    for other in others {
        let again = scene.provider.create_subscription(&scene.subscription, &other).await;
        let situation = format!("creating it with {other:?}, it has {settings:?}");
        fails_with(situation, ErrorKind::AlreadyExists, again)?;
        let told = ok("describe", scene.provider.describe(&scene.subscription).await)?;
        equal("the settings after a refused creation", &settings, &told)?;
    }
    let delivery = scene.take_one().await?;
    equal("what was published before", &&b"kept"[..], &&delivery.body[..])
}

async fn deleting_removes_everything(cx: &Context) -> Outcome {
    let scene = Scene::with(cx, |settings| settings.max_deliveries(1)).await?;
    let settings = scene.settings().max_deliveries(1);
    for whole_topic in [false, true] {
        scene.publish("dead").await?;
        scene.nack(&scene.take_one().await?, Duration::ZERO).await?;
        scene.publish("leased").await?;
        scene.take_one().await?;
        scene.publish("ready").await?;
        let (of, topic) = (&scene.subscription, scene.subscription.topic());
        for _ in 0..2 {
            match whole_topic {
                true => ok("delete the topic", scene.provider.delete_topic(topic).await)?,
                false => {
                    let deleted = scene.provider.delete_subscription(of).await;
                    ok("delete the subscription", deleted)?;
                }
            }
        }
        let received = scene.provider.receive(of, 1, Duration::ZERO).await;
        fails_with("receive from what was deleted", ErrorKind::NotFound, received)?;
        if whole_topic {
            let publish = scene.provider.publish(topic, &[Message::new("x")]).await;
            let published = only("publish", publish)?;
            fails_with("publish to a topic that was deleted", ErrorKind::NotFound, published)?;
        }
        scene.create("orders/main", &settings).await?;
        let why = "it was deleted and made anew";
        scene.nothing_for(why, scene.lease + scene.late()).await?;
        scene.nothing_of(&of.dead_letters(), why, scene.late()).await?;
    }
    Ok(())
}

async fn what_is_missing_is_told(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let provider = &scene.provider;
    let (topic, other) = (topic("nowhere")?, subscription("orders/nobody")?);
    let unknown = subscription("nowhere/main")?;
    let publish = provider.publish(&topic, &[Message::new("a"), Message::new("b")]).await;
    equal("results of two messages", &2, &publish.len())?;
    for result in publish {
        fails_with("publish to a missing topic", ErrorKind::NotFound, result)?;
    }
    let listed = provider.list_subscriptions(&topic).await;
    fails_with("subscriptions of a missing topic", ErrorKind::NotFound, listed)?;
    let created = provider.create_subscription(&unknown, &scene.settings()).await;
    fails_with("a subscription of a missing topic", ErrorKind::NotFound, created)?;
    scene.publish("there").await?;
    let receipt = [scene.take_one().await?.receipt];
    for missing in [other, unknown] {
        let told = |call: &str, result: Result<()>| {
            fails_with(format!("{call} of {missing}"), ErrorKind::NotFound, result).map(drop)
        };
        told("receive", provider.receive(&missing, 1, Duration::ZERO).await.map(drop))?;
        told("describe", provider.describe(&missing).await.map(drop))?;
        told("purge", provider.purge(&missing).await)?;
        told("redrive", provider.redrive(&missing).await.map(drop))?;
        told("ack", only("ack", provider.ack(&missing, &receipt).await)?)?;
        let nacked = provider.nack(&missing, &receipt, Duration::ZERO).await;
        told("nack", only("nack", nacked)?)?;
        told("reject", only("reject", provider.reject(&missing, &receipt, "").await)?)?;
    }
    let topics = ok("list the topics", provider.list_topics().await)?;
    equal("topics", &vec![scene.subscription.topic().clone()], &topics)
}

async fn everything_is_listed(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let number = cx.rounds(120usize).max(3);
    let mut names: Vec<_> = (0..number).map(|n| format!("t{}-{n}", n % 7)).collect();
    for name in &names {
        ok("create a topic", scene.provider.create_topic(&topic(name)?).await)?;
    }
    names.extend(["Z".to_owned(), "orders".to_owned()]);
    ok("create a topic", scene.provider.create_topic(&topic("Z")?).await)?;
    names.sort();
    let topics = ok("list the topics", scene.provider.list_topics().await)?;
    let topics: Vec<_> = topics.iter().map(ToString::to_string).collect();
    equal("the topics", &names, &topics)?;
    let of = scene.subscription.topic();
    let mut expected = vec!["main"];
    if scene.fans_out() {
        for name in ["b", "B", "a-1"] {
            scene.create(&format!("orders/{name}"), &scene.settings()).await?;
            expected.push(name);
        }
    }
    expected.sort_unstable();
    let listed = ok("list the subscriptions", scene.provider.list_subscriptions(of).await)?;
    let listed: Vec<_> = listed.iter().map(SubscriptionName::as_str).collect();
    equal("the subscriptions", &expected, &listed)
}

async fn settings_are_told(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let limits = scene.declared().limits.clone();
    let mut all = vec![
        scene.settings(),
        scene.settings().lease(limits.min_lease),
        scene.settings().lease(limits.max_lease).max_deliveries(1),
        scene.settings().max_deliveries(limits.max_deliveries),
    ];
    if scene.declared().has(Capability::Ordering) {
        all.push(scene.settings().ordered());
    }
    for (number, settings) in all.into_iter().enumerate() {
        let one = scene.create(&format!("topic-{number}/main"), &settings).await?;
        let told = ok("describe", scene.provider.describe(&one).await)?;
        equal(format!("the settings of {one}"), &settings, &told)?;
    }
    Ok(())
}

async fn accepted_messages_survive(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let bodies: Vec<_> = (0..20).map(|n| format!("message {n:02}")).collect();
    for body in &bodies {
        scene.publish(body.clone()).await?;
    }
    drop(scene);
    let again = Scene::new(cx).await?;
    let received = again.take(bodies.len()).await?;
    equal("what a new instance delivers", &bodies, &sorted(&received))
}

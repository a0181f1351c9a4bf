//! What is declared is true, and wrong calls are told before they do anything. Purge, depth, check.

use std::time::Duration;

use omni_contracts::messaging::{Capability, Limits, Message, SubscriptionSettings};
use omni_contracts::{Effect, ErrorKind, Result};

use super::scene::{Scene, only, subscription, texts};
use crate::check::{Outcome, check, equal, fails_with, holds, ok};
use crate::{Check, Context};

pub(super) const CHECKS: &[Check] = &[
    check!("MSG-080", purged_is_gone, "what purge leaves"),
    check!("MSG-081", depth_counts, "what is counted, and when"),
    check!("MSG-089", checking_changes_nothing, "what check asks for"),
    check!("MSG-090", undeclared_calls_are_unsupported, "validation before the first request"),
    check!("MSG-091", limits_are_portable, "the limits that are declared"),
    check!("MSG-092", wrong_calls_are_refused, "validation before the first request"),
];

async fn purged_is_gone(cx: &Context) -> Outcome {
    let scene = Scene::with(cx, |settings| settings.max_deliveries(1)).await?;
    let letters = scene.subscription.dead_letters();
    scene.publish("dead").await?;
    scene.nack(&scene.take_one().await?, Duration::ZERO).await?;
    scene.publish("leased").await?;
    let leased = scene.take_one().await?;
    scene.publish("ready").await?;
    ok("purge", scene.provider.purge(&scene.subscription).await)?;
    scene.ack(&leased).await?;
    scene.nothing_for("it was purged", scene.lease + scene.late()).await?;
    let letter = scene.one_of(&letters).await?;
    equal("the dead letter", &vec!["dead".to_owned()], &texts(&[letter]))?;
    scene.publish("after").await?;
    let after = scene.take_one().await?;
    scene.ack(&after).await?;
    ok("purge of dead letters", scene.provider.purge(&letters).await)?;
    scene.nothing_of(&letters, "it was purged", scene.lease + scene.late()).await
}

async fn depth_counts(cx: &Context) -> Outcome {
    let scene = Scene::with(cx, |settings| settings.max_deliveries(1)).await?;
    let of = scene.subscription.clone();
    let count = async |of| {
        let depth = ok("depth", scene.provider.depth(of).await)?;
        Ok::<_, crate::Failure>([depth.ready, depth.delayed, depth.leased])
    };
    equal("depth of nothing", &[0, 0, 0], &count(&of).await?)?;
    for n in 0..7 {
        scene.publish(format!("{n}")).await?;
    }
    let delayed = scene.declared().has(Capability::Delay);
    if delayed {
        scene.publish(Message::new("later").delay(scene.lease * 10)).await?;
    }
    let later = u64::from(delayed);
    equal("ready, delayed, leased", &[7, later, 0], &count(&of).await?)?;
    let leased = scene.take(3).await?;
    equal("ready, delayed, leased", &[4, later, 3], &count(&of).await?)?;
    scene.ack(&leased[0]).await?;
    scene.reject(&leased[1], "no").await?;
    equal("ready, delayed, leased", &[4, later, 1], &count(&of).await?)?;
    let letters = of.dead_letters();
    equal("of dead letters", &[1, 0, 0], &count(&letters).await?)?;
    let depth = ok("depth", scene.provider.depth(&of).await)?;
    if let Some(before) = depth.oldest {
        scene.sleep(Duration::from_secs(3)).await;
        let depth = ok("depth", scene.provider.depth(&of).await)?;
        let grown = depth.oldest.is_some_and(|after| {
            after >= before + Duration::from_secs(2)
                && after <= before + Duration::from_secs(5) + scene.late()
        });
        let situation = format!("the age of the oldest, 3 s after {before:?}");
        holds(situation, grown, "3 s more", depth.oldest)?;
    }
    Ok(())
}

async fn checking_changes_nothing(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let before = ok("list the topics", scene.provider.list_topics().await)?;
    scene.publish("a").await?;
    for _ in 0..5 {
        ok("check", scene.provider.check().await)?;
    }
    let after = ok("list the topics", scene.provider.list_topics().await)?;
    equal("topics after check", &before, &after)?;
    let delivery = scene.take_one().await?;
    equal("attempts after check", &1, &delivery.attempt)
}

async fn undeclared_calls_are_unsupported(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let (provider, of) = (&scene.provider, &scene.subscription);
    let receipt = {
        scene.publish("leased").await?;
        [scene.take_one().await?.receipt]
    };
    let publish = async |message: Message| {
        only("publish", provider.publish(of.topic(), &[message]).await).map(|one| one.map(drop))
    };
    let second = subscription("orders/second")?;
    for capability in Capability::ALL {
        if scene.declared().has(*capability) {
            continue;
        }
        let result: Result<()> = match capability {
            Capability::Dedup => publish(Message::new("x").dedup_id("d")).await?,
            Capability::Delay => publish(Message::new("x").delay(Duration::from_secs(1))).await?,
            Capability::Ttl => publish(Message::new("x").ttl(Duration::from_secs(100))).await?,
            Capability::Depth => provider.depth(of).await.map(drop),
            Capability::Extend => only("extend", provider.extend(of, &receipt, scene.lease).await)?,
            Capability::FanOut => provider.create_subscription(&second, &scene.settings()).await,
            Capability::Ordering => {
                ok(
                    "a topic",
                    provider.create_topic(super::scene::subscription("t/s")?.topic()).await,
                )?;
                let settings = scene.settings().ordered();
                provider.create_subscription(&subscription("t/s")?, &settings).await
            }
            // No call needs it.
            _ => continue,
        };
        let situation = format!("a call that needs {capability}, which is not declared");
        let error = fails_with(situation, ErrorKind::Unsupported, result)?;
        equal("the effect of what is not supported", &Effect::No, &error.effect())?;
    }
    scene.nothing_for("what is not supported has no effect", scene.lease / 2).await?;
    let listed = ok("list", provider.list_subscriptions(of.topic()).await)?;
    equal("subscriptions", &1, &listed.len())
}

async fn limits_are_portable(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let (ours, least) = (&scene.declared().limits, Limits::PORTABLE);
    let wide = ours.max_body_size >= least.max_body_size
        && ours.max_headers >= least.max_headers
        && ours.max_headers_size >= least.max_headers_size
        && ours.min_lease <= least.min_lease
        && ours.max_lease >= least.max_lease
        && ours.max_deliveries >= least.max_deliveries
        && ours.max_delay >= least.max_delay;
    holds("the declared limits", wide, format!("at least {least:?}"), ours)?;
    let dedup = !scene.declared().has(Capability::Dedup) || ours.dedup_window >= least.dedup_window;
    holds("the window of dedup ids", dedup, format!("{:?}", least.dedup_window), ours.dedup_window)
}

async fn wrong_calls_are_refused(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let (provider, of) = (&scene.provider, &scene.subscription);
    let limits = &scene.declared().limits;
    let (less, more) = (Duration::from_nanos(1), Duration::from_secs(1));
    let settings = [
        scene.settings().lease(limits.min_lease - less),
        scene.settings().lease(limits.max_lease + more),
        scene.settings().max_deliveries(0),
        scene.settings().max_deliveries(limits.max_deliveries + 1),
    ];
    let other = subscription("invoices/main")?;
    ok("create a topic", provider.create_topic(other.topic()).await)?;
    for settings in settings {
        let created = provider.create_subscription(&other, &settings).await;
        fails_with(
            format!("a subscription with {settings:?}"),
            ErrorKind::InvalidArgument,
            created,
        )?;
    }
    let letters = of.dead_letters();
    let created = provider.create_subscription(&letters, &SubscriptionSettings::default()).await;
    fails_with("creating dead letters", ErrorKind::InvalidArgument, created)?;
    let deleted = provider.delete_subscription(&letters).await;
    fails_with("deleting dead letters", ErrorKind::InvalidArgument, deleted)?;
    let listed = ok("list", provider.list_subscriptions(other.topic()).await)?;
    equal("subscriptions after refused creations", &0, &listed.len())?;
    scene.publish("a").await?;
    let delivery = scene.take_one().await?;
    let receipt = [delivery.receipt.clone()];
    let refused = |situation: &str, results: Vec<Result<()>>| {
        fails_with(situation, ErrorKind::InvalidArgument, only(situation, results)?).map(drop)
    };
    let too_long = limits.max_delay + more;
    refused("nack with a delay above the limit", provider.nack(of, &receipt, too_long).await)?;
    let reason = "r".repeat(257);
    refused("reject with a long reason", provider.reject(of, &receipt, &reason).await)?;
    if scene.declared().has(Capability::Extend) {
        let (short, long) = (limits.min_lease - less, limits.max_lease + more);
        refused("extend by too little", provider.extend(of, &receipt, short).await)?;
        refused("extend by too much", provider.extend(of, &receipt, long).await)?;
    }
    if scene.declared().has(Capability::Delay) {
        let message = [Message::new("x").delay(too_long)];
        let result = only("publish", provider.publish(of.topic(), &message).await)?;
        fails_with("publish with a delay above the limit", ErrorKind::InvalidArgument, result)?;
    }
    scene.nothing_for("nothing of it had effect", scene.lease / 2).await?;
    scene.ack(&delivery).await
}

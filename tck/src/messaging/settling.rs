//! What `ack`, `nack` and `reject` do, and to which messages.

use std::time::Duration;

use omni_contracts::messaging::{Capability, Receipt};
use omni_contracts::{ErrorKind, Result};

use super::scene::{Scene, only, sorted, subscription, texts};
use crate::check::{Outcome, check, equal, fails_with, ok};
use crate::{Check, Context};

pub(super) const CHECKS: &[Check] = &[
    check!("MSG-024", acknowledged_is_done, "what an acknowledgement removes"),
    check!("MSG-025", neighbours_are_not_touched, "which messages a receipt stands for"),
    check!("MSG-026", each_receipt_has_its_result, "how batches are split and put together"),
    check!("MSG-027", acknowledging_again_succeeds, "what is said of a message that is gone"),
    check!("MSG-028", receipts_are_proofs, "how receipts are read"),
    check!("MSG-029", late_settling_decides_nothing, "whether the lease is compared when settling"),
];

async fn acknowledged_is_done(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    for n in 0..10 {
        scene.publish(format!("{n}")).await?;
    }
    for delivery in scene.take(10).await? {
        scene.ack(&delivery).await?;
    }
    scene.nothing_for("all were acknowledged", scene.lease * 3 + scene.late()).await?;
    let again = Scene { provider: cx.open_messaging().await?, ..scene };
    again.nothing_for("all were acknowledged, on a new instance", again.late()).await
}

async fn neighbours_are_not_touched(cx: &Context) -> Outcome {
    let scene = Scene::with(cx, |settings| settings.max_deliveries(3)).await?;
    let bodies = ["a", "b", "c", "d", "e"];
    for body in bodies {
        scene.publish(body).await?;
    }
    let mut deliveries = scene.take(5).await?;
    deliveries.sort_by(|one, other| one.body.cmp(&other.body));
    scene.ack(&deliveries[1]).await?;
    scene.nack(&deliveries[2], Duration::ZERO).await?;
    let back = scene.receive(&scene.subscription, 10, scene.late()).await?;
    equal("what was given back", &vec!["c".to_owned()], &texts(&back))?;
    scene.reject(&deliveries[3], "wrong").await?;
    scene.nothing_for("the others are leased", scene.lease / 2).await?;
    // Their leases end now, and that of the one a little later.
    let time = scene.lease + scene.late();
    let rest = scene.take_within(&scene.subscription, 3, time).await?;
    equal("what was not settled", &["a", "c", "e"].map(str::to_owned).to_vec(), &sorted(&rest))?;
    let dead = scene.one_of(&scene.subscription.dead_letters()).await?;
    equal("what was rejected", &&b"d"[..], &&dead.body[..])
}

async fn each_receipt_has_its_result(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let (provider, of) = (&scene.provider, &scene.subscription);
    equal("results of no receipt", &0, &provider.ack(of, &[]).await.len())?;
    for n in 0..25 {
        scene.publish(format!("{n:02}")).await?;
    }
    let deliveries = scene.take(25).await?;
    let wrong = Receipt::new("this is no receipt");
    let mut receipts: Vec<_> = deliveries.iter().map(|one| one.receipt.clone()).collect();
    let kept = receipts.split_off(22);
    receipts.insert(3, wrong.clone());
    receipts.insert(14, wrong);
    let expect = |call: &str, results: Vec<Result<()>>| {
        equal(format!("the number of results of {call}"), &24, &results.len())?;
        for (number, result) in results.into_iter().enumerate() {
            let situation = format!("result {number} of {call}");
            match number {
                3 | 14 => drop(fails_with(situation, ErrorKind::InvalidArgument, result)?),
                _ => ok(situation, result)?,
            }
        }
        Ok(())
    };
    if scene.declared().has(Capability::Extend) {
        expect("extend", provider.extend(of, &receipts, scene.lease).await)?;
    }
    expect("ack", provider.ack(of, &receipts).await)?;
    let results = provider.nack(of, &kept, Duration::ZERO).await;
    equal("results of nack", &3, &results.len())?;
    for result in results {
        ok("nack", result)?;
    }
    let mut expected = texts(&deliveries[22..]);
    expected.sort();
    equal("what was given back", &expected, &sorted(&scene.take(3).await?))
}

async fn acknowledging_again_succeeds(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    scene.publish("a").await?;
    scene.publish("b").await?;
    let deliveries = scene.take(2).await?;
    for _ in 0..3 {
        scene.ack(&deliveries[0]).await?;
    }
    let receipts = [deliveries[0].receipt.clone(), deliveries[0].receipt.clone()];
    for result in scene.provider.ack(&scene.subscription, &receipts).await {
        ok("ack of one delivery twice in a call", result)?;
    }
    let left = scene.take_within(&scene.subscription, 1, scene.lease + scene.late()).await?;
    equal("the other message", &texts(&deliveries[1..]), &texts(&left))?;
    scene.nothing_for("one is acknowledged, one leased", scene.lease / 2).await
}

async fn receipts_are_proofs(cx: &Context) -> Outcome {
    let scene = Scene::new(cx).await?;
    let (provider, of) = (&scene.provider, &scene.subscription);
    scene.create("invoices/main", &scene.settings()).await?;
    let other = subscription("invoices/main")?;
    scene.publish("ours").await?;
    scene.publish_to(&other, "theirs").await?;
    let ours = scene.take_one().await?;
    for text in ["", "x", "0", "1.2.3.4", "ä🗝", "../..", &"9".repeat(300), "-1.-1.-1"] {
        let receipts = [Receipt::new(text)];
        let situation = format!("settling by the text {text:?}");
        let mut results = provider.ack(of, &receipts).await;
        results.extend(provider.nack(of, &receipts, Duration::ZERO).await);
        results.extend(provider.reject(of, &receipts, "no").await);
        equal(&*situation, &3, &results.len())?;
        for result in results {
            fails_with(&*situation, ErrorKind::InvalidArgument, result)?;
        }
    }
    // A receipt of another subscription, whatever is said of it.
    let foreign = [ours.receipt.clone()];
    drop(provider.ack(&other, &foreign).await);
    drop(provider.nack(&other, &foreign, Duration::ZERO).await);
    drop(provider.reject(&other, &foreign, "no").await);
    let theirs = scene.one_of(&other).await?;
    equal("attempts of a message that nobody had", &1, &theirs.attempt)?;
    drop(provider.ack(&other, &foreign).await);
    drop(provider.nack(of, std::slice::from_ref(&theirs.receipt), Duration::ZERO).await);
    scene.nothing_of(&other, "it is leased", scene.lease / 2).await?;
    let acked = provider.ack(&other, &[theirs.receipt]).await;
    ok("ack by its own receipt", only("ack", acked)?)?;
    scene.ack(&ours).await
}

async fn late_settling_decides_nothing(cx: &Context) -> Outcome {
    let scene = Scene::with(cx, |settings| settings.max_deliveries(5)).await?;
    scene.publish("a").await?;
    let first = scene.take_one().await?;
    scene.sleep(scene.lease + scene.late()).await;
    // Nobody has it now.
    scene.has_lost_its_lease(&first.receipt).await?;
    let second = scene.take_one().await?;
    equal("attempts after a lease that ended", &2, &second.attempt)?;
    // Now somebody has.
    scene.has_lost_its_lease(&first.receipt).await?;
    scene.nothing_for("the second one has it", scene.lease / 2).await?;
    scene.nack(&second, Duration::ZERO).await?;
    // It was given back, and is nobody's.
    scene.has_lost_its_lease(&second.receipt).await?;
    let third = scene.take_one().await?;
    equal("attempts after a delivery that was given back", &3, &third.attempt)?;
    scene.has_lost_its_lease(&second.receipt).await?;
    scene.ack(&third).await?;
    let dead = &scene.subscription.dead_letters();
    scene.nothing_of(dead, "who was late has rejected nothing", scene.late()).await?;
    scene.nothing_for("it is acknowledged", scene.lease + scene.late()).await
}

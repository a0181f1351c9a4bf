//! The checks of the messaging contract, one per clause of `docs/spec/messaging.md`.

mod administration;
mod capabilities;
mod dead_letters;
mod leases;
mod messages;
mod order;
mod receiving;
mod scene;
mod settling;
mod sharing;
mod time;

use std::time::Duration;

use omni_contracts::messaging::{Message, MessagingProvider, SubscriptionSettings};

use crate::check::{equal, ok};
use crate::{Check, Outcome};

/// Every check of the messaging contract.
pub fn checks() -> impl Iterator<Item = &'static Check> {
    [
        administration::CHECKS,
        messages::CHECKS,
        receiving::CHECKS,
        settling::CHECKS,
        leases::CHECKS,
        order::CHECKS,
        dead_letters::CHECKS,
        sharing::CHECKS,
        time::CHECKS,
        capabilities::CHECKS,
    ]
    .into_iter()
    .flatten()
}

/// The least that messaging does.
pub(crate) async fn delivers_two_messages(provider: &dyn MessagingProvider) -> Outcome {
    let subscription = scene::subscription("tck-probe/main")?;
    ok("create a topic", provider.create_topic(subscription.topic()).await)?;
    let lease = provider.capabilities().limits.max_lease.min(Duration::from_secs(60));
    let settings = SubscriptionSettings::default().lease(lease);
    let created = provider.create_subscription(&subscription, &settings).await;
    ok("create a subscription", created)?;
    let messages = ["one", "another"].map(Message::new);
    for result in provider.publish(subscription.topic(), &messages).await {
        ok("publish", result)?;
    }
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let received = provider.receive(&subscription, 2, Duration::from_secs(10)).await;
        let received = ok("receive", received)?;
        if received.is_empty() {
            break;
        }
        seen.extend(scene::texts(&received));
    }
    seen.sort();
    equal("two messages", &vec!["another".to_owned(), "one".to_owned()], &seen)
}

//! A topic with a subscription, and what the checks do with them again and again.

use std::sync::Arc;
use std::time::Duration;

use omni_contracts::messaging::{
    Capabilities, Capability, Delivery, Limits, Message, MessageId, MessagingProvider, Receipt,
    Subscription, SubscriptionSettings, TopicName,
};
use omni_contracts::{ErrorKind, Result};
use tokio::time::Instant;

use crate::check::{Failure, Outcome, equal, fails_with, holds, ok};
use crate::{Clock, Context};

/// A topic with one subscription.
pub(super) struct Scene<'a> {
    pub(super) cx: &'a Context,
    pub(super) provider: Arc<dyn MessagingProvider>,
    pub(super) subscription: Subscription,
    /// How long a lease lasts.
    pub(super) lease: Duration,
}

/// The subscription `topic/main`.
pub(super) fn subscription(text: &str) -> std::result::Result<Subscription, Failure> {
    ok("the name of a subscription", text.parse())
}

pub(super) fn topic(text: &str) -> std::result::Result<TopicName, Failure> {
    ok("the name of a topic", TopicName::new(text))
}

/// How long checks let leases last.
pub(super) fn lease(cx: &Context, limits: &Limits) -> Duration {
    match cx.subject().clock() {
        Clock::Virtual => Duration::from_secs(30),
        Clock::Real => limits.min_lease.max(Duration::from_secs(2)),
    }
}

impl<'a> Scene<'a> {
    /// With a subscription `orders/main`, whose messages are delivered until they are settled.
    pub(super) async fn new(cx: &'a Context) -> std::result::Result<Self, Failure> {
        Self::with(cx, |settings| settings).await
    }

    /// With settings of its own; its lease is set before.
    pub(super) async fn with(
        cx: &'a Context,
        settings: impl FnOnce(SubscriptionSettings) -> SubscriptionSettings,
    ) -> std::result::Result<Self, Failure> {
        let provider = cx.open_messaging().await?;
        let lease = lease(cx, &provider.capabilities().limits);
        let settings = settings(SubscriptionSettings::default().lease(lease));
        let subscription = subscription("orders/main")?;
        let scene = Self { cx, provider, subscription, lease: settings.lease };
        scene.create("orders/main", &settings).await?;
        Ok(scene)
    }

    /// Makes a subscription, and its topic.
    pub(super) async fn create(
        &self,
        text: &str,
        settings: &SubscriptionSettings,
    ) -> std::result::Result<Subscription, Failure> {
        let subscription = subscription(text)?;
        ok("create a topic", self.provider.create_topic(subscription.topic()).await)?;
        let created = self.provider.create_subscription(&subscription, settings).await;
        ok("create a subscription", created)?;
        Ok(subscription)
    }

    /// The settings of the checks for another subscription.
    pub(super) fn settings(&self) -> SubscriptionSettings {
        SubscriptionSettings::default().lease(self.lease)
    }

    pub(super) fn declared(&self) -> &Capabilities {
        self.provider.capabilities()
    }

    /// Whether a topic may have more than one subscription.
    pub(super) fn fans_out(&self) -> bool {
        self.declared().has(Capability::FanOut)
    }

    /// How late something may be noticed, with the time that a call takes.
    pub(super) fn late(&self) -> Duration {
        let slack = match self.cx.subject().clock() {
            Clock::Virtual => Duration::ZERO,
            Clock::Real => Duration::from_secs(2),
        };
        self.declared().time_precision + slack
    }

    /// Publishes one message; its id.
    pub(super) async fn publish(
        &self,
        message: impl Into<Message>,
    ) -> std::result::Result<MessageId, Failure> {
        self.publish_to(&self.subscription, message).await
    }

    /// Publishes one message to the topic of `subscription`; its id.
    pub(super) async fn publish_to(
        &self,
        subscription: &Subscription,
        message: impl Into<Message>,
    ) -> std::result::Result<MessageId, Failure> {
        let mut ids = self.publish_all(subscription, &[message.into()]).await?;
        ids.pop().ok_or_else(|| Failure::new("publish of one message", "one result", "none"))
    }

    /// Publishes messages, all of which must be accepted.
    pub(super) async fn publish_all(
        &self,
        subscription: &Subscription,
        messages: &[Message],
    ) -> std::result::Result<Vec<MessageId>, Failure> {
        let results = self.provider.publish(subscription.topic(), messages).await;
        equal("the number of results of publish", &messages.len(), &results.len())?;
        results.into_iter().map(|result| ok("publish", result)).collect()
    }

    /// Receives what there is at once, at most `max`.
    pub(super) async fn receive(
        &self,
        subscription: &Subscription,
        max: usize,
        wait: Duration,
    ) -> std::result::Result<Vec<Delivery>, Failure> {
        let received = self.provider.receive(subscription, max, wait).await;
        ok(format!("receive from {subscription}"), received)
    }

    /// Receives until there are `number` messages, of a subscription that has them.
    pub(super) async fn take_of(
        &self,
        subscription: &Subscription,
        number: usize,
    ) -> std::result::Result<Vec<Delivery>, Failure> {
        self.take_within(subscription, number, self.late()).await
    }

    /// Receives until there are `number` messages, which must be there in this time.
    pub(super) async fn take_within(
        &self,
        subscription: &Subscription,
        number: usize,
        time: Duration,
    ) -> std::result::Result<Vec<Delivery>, Failure> {
        let end = Instant::now() + time;
        let mut taken = Vec::new();
        while taken.len() < number {
            let left = end.saturating_duration_since(Instant::now());
            let more = self.receive(subscription, number - taken.len(), left).await?;
            if more.is_empty() && end <= Instant::now() {
                return Err(Failure::new(
                    format!("receiving from {subscription} for {time:?}"),
                    format!("{number} messages"),
                    format!("{}: {}", taken.len(), shown(&taken)),
                ));
            }
            taken.extend(more);
        }
        Ok(taken)
    }

    /// Receives `number` messages.
    pub(super) async fn take(&self, number: usize) -> std::result::Result<Vec<Delivery>, Failure> {
        self.take_of(&self.subscription, number).await
    }

    /// Receives one message.
    pub(super) async fn take_one(&self) -> std::result::Result<Delivery, Failure> {
        self.one_of(&self.subscription).await
    }

    /// Receives one message from a subscription.
    pub(super) async fn one_of(
        &self,
        subscription: &Subscription,
    ) -> std::result::Result<Delivery, Failure> {
        one(subscription, self.take_of(subscription, 1).await?)
    }

    /// Nothing is delivered for this long.
    pub(super) async fn nothing_for(&self, why: &str, time: Duration) -> Outcome {
        self.nothing_of(&self.subscription, why, time).await
    }

    /// Nothing is delivered by a subscription for this long.
    pub(super) async fn nothing_of(
        &self,
        subscription: &Subscription,
        why: &str,
        time: Duration,
    ) -> Outcome {
        let received = self.receive(subscription, 10, time).await?;
        let situation = format!("{subscription}, {time:?}: {why}");
        holds(situation, received.is_empty(), "no delivery", shown(&received))
    }

    /// Acknowledges one delivery.
    pub(super) async fn ack(&self, delivery: &Delivery) -> Outcome {
        let result =
            self.provider.ack(&self.subscription, std::slice::from_ref(&delivery.receipt)).await;
        ok("ack", only("ack", result)?)
    }

    /// Gives one delivery back.
    pub(super) async fn nack(&self, delivery: &Delivery, delay: Duration) -> Outcome {
        let receipts = [delivery.receipt.clone()];
        let result = self.provider.nack(&self.subscription, &receipts, delay).await;
        ok("nack", only("nack", result)?)
    }

    /// Rejects one delivery.
    pub(super) async fn reject(&self, delivery: &Delivery, reason: &str) -> Outcome {
        let receipts = [delivery.receipt.clone()];
        let result = self.provider.reject(&self.subscription, &receipts, reason).await;
        ok("reject", only("reject", result)?)
    }

    /// Settling by `receipt` in every way fails with `LeaseLost`.
    pub(super) async fn has_lost_its_lease(&self, receipt: &Receipt) -> Outcome {
        let (provider, of) = (&self.provider, &self.subscription);
        let receipts = [receipt.clone()];
        let acked = provider.ack(of, &receipts).await;
        fails_with("ack after the lease", ErrorKind::LeaseLost, only("ack", acked)?)?;
        let nacked = provider.nack(of, &receipts, Duration::ZERO).await;
        fails_with("nack after the lease", ErrorKind::LeaseLost, only("nack", nacked)?)?;
        let rejected = provider.reject(of, &receipts, "late").await;
        fails_with("reject after the lease", ErrorKind::LeaseLost, only("reject", rejected)?)?;
        Ok(())
    }

    /// Waits.
    pub(super) async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// The only result of a call about one thing.
pub(super) fn only<T>(
    call: &str,
    results: Vec<Result<T>>,
) -> std::result::Result<Result<T>, Failure> {
    let mut results = results.into_iter();
    match (results.next(), results.next()) {
        (Some(result), None) => Ok(result),
        (None, _) => Err(Failure::new(call, "one result", "none")),
        (Some(_), Some(_)) => Err(Failure::new(call, "one result", "more")),
    }
}

pub(super) fn one(
    subscription: &Subscription,
    deliveries: Vec<Delivery>,
) -> std::result::Result<Delivery, Failure> {
    let count = deliveries.len();
    let mut deliveries = deliveries.into_iter();
    match (deliveries.next(), count) {
        (Some(delivery), 1) => Ok(delivery),
        _ => Err(Failure::new(
            format!("receiving one message from {subscription}"),
            "one delivery",
            format!("{count}"),
        )),
    }
}

/// What was delivered, as far as people want to see it.
pub(super) fn shown(deliveries: &[Delivery]) -> String {
    let one = |delivery: &Delivery| {
        let body = String::from_utf8_lossy(&delivery.body[..delivery.body.len().min(20)]);
        format!("{:?} (attempt {})", body, delivery.attempt)
    };
    let all: Vec<_> = deliveries.iter().take(10).map(one).collect();
    format!("[{}]", all.join(", "))
}

/// The bodies, as texts.
pub(super) fn texts(deliveries: &[Delivery]) -> Vec<String> {
    let text = |delivery: &Delivery| String::from_utf8_lossy(&delivery.body).into_owned();
    deliveries.iter().map(text).collect()
}

/// The bodies, as texts, in their order.
pub(super) fn sorted(deliveries: &[Delivery]) -> Vec<String> {
    let mut texts = texts(deliveries);
    texts.sort();
    texts
}

//! The contract, method by method: validation before the broker, context on its errors.

use std::pin::pin;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use omni_contracts::messaging::{
    Capabilities, Delivery, Depth, Message, MessageId, MessagingProvider, Receipt, Subscription,
    SubscriptionName, SubscriptionSettings, TopicName,
};
use omni_contracts::{Error, Operation, Result};
use tokio::time::{Instant, timeout_at};

use super::MemoryMessaging;
use super::queue::{Queue, Stored};

const NAME: &str = "memory";

/// The longest reason of a rejection, in bytes.
const MAX_REASON: usize = 256;

#[async_trait]
impl MessagingProvider for MemoryMessaging {
    fn name(&self) -> &str {
        NAME
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn layers(&self) -> Vec<&'static str> {
        Vec::new()
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }

    async fn create_topic(&self, topic: &TopicName) -> Result<()> {
        self.broker.topics().create_topic(topic);
        Ok(())
    }

    async fn delete_topic(&self, topic: &TopicName) -> Result<()> {
        self.broker.topics().delete_topic(topic);
        self.broker.wake();
        Ok(())
    }

    async fn list_topics(&self) -> Result<Vec<TopicName>> {
        Ok(self.broker.topics().names())
    }

    async fn create_subscription(
        &self,
        subscription: &Subscription,
        settings: &SubscriptionSettings,
    ) -> Result<()> {
        let at = at(Operation::CreateSubscription, subscription.as_str());
        expect_source(subscription).map_err(&at)?;
        settings.validate(&self.capabilities).map_err(&at)?;
        self.broker.topics().subscribe(subscription, settings).map_err(&at)
    }

    async fn delete_subscription(&self, subscription: &Subscription) -> Result<()> {
        let at = at(Operation::DeleteSubscription, subscription.as_str());
        expect_source(subscription).map_err(at)?;
        self.broker.topics().unsubscribe(subscription);
        self.broker.wake();
        Ok(())
    }

    async fn list_subscriptions(&self, topic: &TopicName) -> Result<Vec<SubscriptionName>> {
        let at = at(Operation::ListSubscriptions, topic.as_str());
        self.broker.topics().subscriptions(topic).map_err(at)
    }

    async fn describe(&self, subscription: &Subscription) -> Result<SubscriptionSettings> {
        let at = at(Operation::Describe, subscription.as_str());
        self.broker.topics().settings(subscription).map_err(at)
    }

    async fn publish(&self, topic: &TopicName, messages: &[Message]) -> Vec<Result<MessageId>> {
        let publish = |message: &Message| {
            message.validate(&self.capabilities)?;
            self.broker.publish(topic, message)
        };
        let at = at(Operation::Publish, topic.as_str());
        let results = messages.iter().map(|message| publish(message).map_err(&at)).collect();
        self.broker.wake();
        results
    }

    async fn receive(
        &self,
        subscription: &Subscription,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>> {
        let at = at(Operation::Receive, subscription.as_str());
        if max == 0 {
            return Err(at(Error::invalid("at least 1 message must be asked for")));
        }
        let end = Instant::now().checked_add(wait);
        loop {
            // Before it is looked: what comes after that wakes it.
            let mut changed = pin!(self.broker.changed().notified());
            changed.as_mut().enable();
            let next = {
                let mut topics = self.broker.topics();
                let lease = |queue: &mut Queue, now, _| Ok((queue.lease(max, now), None));
                let leased = topics.on(subscription, lease).map_err(&at)?;
                if !leased.is_empty() {
                    return Ok(leased);
                }
                topics.next_change(subscription).map_err(&at)?
            };
            if end.is_some_and(|end| end <= Instant::now()) {
                return Ok(Vec::new());
            }
            match [end, next].into_iter().flatten().min() {
                None => changed.await,
                // Whether it was told or it is time: it looks again.
                Some(until) => drop(timeout_at(until, changed).await),
            }
        }
    }

    async fn ack(&self, subscription: &Subscription, receipts: &[Receipt]) -> Vec<Result<()>> {
        self.settle(Operation::Ack, subscription, receipts, |queue, receipt, now, _| {
            queue.ack(receipt, now).map(|()| None)
        })
    }

    async fn nack(
        &self,
        subscription: &Subscription,
        receipts: &[Receipt],
        delay: Duration,
    ) -> Vec<Result<()>> {
        self.settle(Operation::Nack, subscription, receipts, |queue, receipt, now, clock| {
            self.capabilities.limits.expect_delay(delay)?;
            queue.nack(receipt, delay, now, clock)
        })
    }

    async fn reject(
        &self,
        subscription: &Subscription,
        receipts: &[Receipt],
        reason: &str,
    ) -> Vec<Result<()>> {
        self.settle(Operation::Reject, subscription, receipts, |queue, receipt, now, clock| {
            expect_source(subscription)?;
            expect_reason(reason)?;
            queue.reject(receipt, reason, now, clock)
        })
    }

    async fn extend(
        &self,
        subscription: &Subscription,
        receipts: &[Receipt],
        lease: Duration,
    ) -> Vec<Result<()>> {
        self.settle(Operation::Extend, subscription, receipts, |queue, receipt, now, _| {
            self.capabilities.limits.expect_lease(lease)?;
            queue.extend(receipt, lease, now).map(|()| None)
        })
    }

    async fn purge(&self, subscription: &Subscription) -> Result<()> {
        let at = at(Operation::Purge, subscription.as_str());
        let purge = |queue: &mut Queue, _, _| Ok((queue.purge(), None));
        self.broker.topics().on(subscription, purge).map_err(at)
    }

    async fn depth(&self, subscription: &Subscription) -> Result<Depth> {
        let at = at(Operation::Depth, subscription.as_str());
        let depth = |queue: &mut Queue, now, clock| Ok((queue.depth(now, clock), None));
        self.broker.topics().on(subscription, depth).map_err(at)
    }

    async fn redrive(&self, subscription: &Subscription) -> Result<u64> {
        let at = at(Operation::Redrive, subscription.as_str());
        expect_source(subscription).map_err(&at)?;
        let moved = self.broker.topics().redrive(subscription).map_err(at);
        self.broker.wake();
        moved
    }
}

impl MemoryMessaging {
    /// Settles one receipt after the other; what becomes a dead letter by it, `how` returns.
    fn settle(
        &self,
        operation: Operation,
        subscription: &Subscription,
        receipts: &[Receipt],
        how: impl Fn(&mut Queue, &Receipt, Instant, SystemTime) -> Result<Option<(u64, Stored)>>,
    ) -> Vec<Result<()>> {
        let at = at(operation, subscription.as_str());
        let settle = |receipt: &Receipt| {
            let how = |queue: &mut Queue, now, clock| Ok(((), how(queue, receipt, now, clock)?));
            self.broker.topics().on(subscription, how).map_err(&at)
        };
        let results = receipts.iter().map(settle).collect();
        self.broker.wake();
        results
    }
}

fn at(operation: Operation, resource: &str) -> impl Fn(Error) -> Error {
    move |error| error.at(operation, NAME, resource)
}

fn expect_source(subscription: &Subscription) -> Result<()> {
    match subscription.is_dead_letters() {
        true => Err(Error::invalid("these are dead letters; name the subscription itself")),
        false => Ok(()),
    }
}

fn expect_reason(reason: &str) -> Result<()> {
    match reason.len() > MAX_REASON {
        true => Err(Error::invalid(format!(
            "a reason has at most {MAX_REASON} bytes, this has {}",
            reason.len()
        ))),
        false => Ok(()),
    }
}

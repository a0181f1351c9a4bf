//! `Intercepted`: the one adapter between an [`Interceptor`] and the messaging contract.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{
    Capabilities, Delivery, Depth, Message, MessageId, MessagingProvider, Receipt, Subscription,
    SubscriptionName, SubscriptionSettings, TopicName,
};
use crate::batch::Batch;
use crate::{Call, Contract, Idempotency, Interceptor, Operation, Result, Scope};

/// A provider with an [`Interceptor`] around every operation.
///
/// Bodies of messages do not pass [`Interceptor::body`]: they are in memory, and whole.
#[derive(Debug)]
pub struct Intercepted<I, P: ?Sized = dyn MessagingProvider> {
    interceptor: I,
    scope: Scope,
    /// The provider's name: asked for once, not through every layer in every call.
    name: String,
    inner: Arc<P>,
}

impl<I: Interceptor, P: MessagingProvider + ?Sized> Intercepted<I, P> {
    /// Puts `interceptor` around `inner`; calls are made on behalf of `scope`.
    #[must_use]
    pub fn new(interceptor: I, inner: Arc<P>, scope: Scope) -> Self {
        Self { interceptor, scope, name: inner.name().to_owned(), inner }
    }

    fn call<'a>(&'a self, operation: Operation, resource: &'a str) -> Call<'a> {
        Call::new(Contract::Messaging, operation, &self.name, resource, &self.scope)
    }
}

/// A call about receipts: what no attempt has settled is sent.
macro_rules! settled {
    ($self:ident, $operation:ident, $subscription:ident, $receipts:ident, $method:ident($($more:expr)?)) => {{
        let call = $self.call(Operation::$operation, $subscription.as_str());
        let batch = Batch::new($receipts, call.idempotency);
        let attempt = || async {
            let open = batch.open();
            let sent = $self.inner.$method($subscription, &open.items $(, $more)?);
            batch.record(&open, sent.await)
        };
        let outcome = $self.interceptor.around(&call, attempt).await;
        batch.results(outcome, &call, |_| $subscription.as_str())
    }};
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<I: Interceptor, P: MessagingProvider + ?Sized> MessagingProvider for Intercepted<I, P> {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    fn layers(&self) -> Vec<&'static str> {
        let mut layers = self.interceptor.layers();
        layers.extend(self.inner.layers());
        layers
    }

    async fn check(&self) -> Result<()> {
        let call = self.call(Operation::Check, "");
        self.interceptor.around(&call, || self.inner.check()).await
    }

    async fn create_topic(&self, topic: &TopicName) -> Result<()> {
        let call = self.call(Operation::CreateTopic, topic.as_str());
        self.interceptor.around(&call, || self.inner.create_topic(topic)).await
    }

    async fn delete_topic(&self, topic: &TopicName) -> Result<()> {
        let call = self.call(Operation::DeleteTopic, topic.as_str());
        self.interceptor.around(&call, || self.inner.delete_topic(topic)).await
    }

    async fn list_topics(&self) -> Result<Vec<TopicName>> {
        let call = self.call(Operation::ListTopics, "");
        self.interceptor.around(&call, || self.inner.list_topics()).await
    }

    async fn create_subscription(
        &self,
        subscription: &Subscription,
        settings: &SubscriptionSettings,
    ) -> Result<()> {
        let call = self.call(Operation::CreateSubscription, subscription.as_str());
        let attempt = || self.inner.create_subscription(subscription, settings);
        self.interceptor.around(&call, attempt).await
    }

    async fn delete_subscription(&self, subscription: &Subscription) -> Result<()> {
        let call = self.call(Operation::DeleteSubscription, subscription.as_str());
        self.interceptor.around(&call, || self.inner.delete_subscription(subscription)).await
    }

    async fn list_subscriptions(&self, topic: &TopicName) -> Result<Vec<SubscriptionName>> {
        let call = self.call(Operation::ListSubscriptions, topic.as_str());
        self.interceptor.around(&call, || self.inner.list_subscriptions(topic)).await
    }

    async fn describe(&self, subscription: &Subscription) -> Result<SubscriptionSettings> {
        let call = self.call(Operation::Describe, subscription.as_str());
        self.interceptor.around(&call, || self.inner.describe(subscription)).await
    }

    async fn publish(&self, topic: &TopicName, messages: &[Message]) -> Vec<Result<MessageId>> {
        let mut call = self.call(Operation::Publish, topic.as_str());
        if messages.iter().all(|message| message.dedup_id.is_some()) {
            call.idempotency = Idempotency::Idempotent;
        }
        call.size = Some(messages.iter().map(|message| message.body.len() as u64).sum());
        let batch = Batch::new(messages, call.idempotency);
        let attempt = || async {
            let open = batch.open();
            batch.record(&open, self.inner.publish(topic, &open.items).await)
        };
        let outcome = self.interceptor.around(&call, attempt).await;
        batch.results(outcome, &call, |_| topic.as_str())
    }

    async fn receive(
        &self,
        subscription: &Subscription,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>> {
        let mut call = self.call(Operation::Receive, subscription.as_str());
        call.wait = wait;
        self.interceptor.around(&call, || self.inner.receive(subscription, max, wait)).await
    }

    async fn ack(&self, subscription: &Subscription, receipts: &[Receipt]) -> Vec<Result<()>> {
        settled!(self, Ack, subscription, receipts, ack())
    }

    async fn nack(
        &self,
        subscription: &Subscription,
        receipts: &[Receipt],
        delay: Duration,
    ) -> Vec<Result<()>> {
        settled!(self, Nack, subscription, receipts, nack(delay))
    }

    async fn reject(
        &self,
        subscription: &Subscription,
        receipts: &[Receipt],
        reason: &str,
    ) -> Vec<Result<()>> {
        settled!(self, Reject, subscription, receipts, reject(reason))
    }

    async fn extend(
        &self,
        subscription: &Subscription,
        receipts: &[Receipt],
        lease: Duration,
    ) -> Vec<Result<()>> {
        settled!(self, Extend, subscription, receipts, extend(lease))
    }

    async fn purge(&self, subscription: &Subscription) -> Result<()> {
        let call = self.call(Operation::Purge, subscription.as_str());
        self.interceptor.around(&call, || self.inner.purge(subscription)).await
    }

    async fn depth(&self, subscription: &Subscription) -> Result<Depth> {
        let call = self.call(Operation::Depth, subscription.as_str());
        self.interceptor.around(&call, || self.inner.depth(subscription)).await
    }

    async fn redrive(&self, subscription: &Subscription) -> Result<u64> {
        let call = self.call(Operation::Redrive, subscription.as_str());
        self.interceptor.around(&call, || self.inner.redrive(subscription)).await
    }
}

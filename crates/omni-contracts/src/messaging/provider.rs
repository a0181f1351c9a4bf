//! `MessagingProvider`: what a provider implements. Every method is required, so that a wrapper cannot
//! forget one; conveniences live on the handle of `omni-messaging`.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::{
    Capabilities, Delivery, Message, MessageId, Receipt, Subscription, SubscriptionName,
    SubscriptionSettings, TopicName,
};
use crate::Result;

/// Messages by topics and subscriptions.
///
/// The rules are the clauses `MSG-` of `docs/spec/messaging.md`; the ids stand at each method.
/// They hold for every method alike:
///
/// - Arguments are validated before any I/O, with `InvalidArgument` or `TooLarge` (`MSG-092`).
/// - What needs an undeclared capability fails with `Unsupported` before any I/O (`MSG-090`).
/// - An error names operation, provider and resource, and says whether the call took effect
///   (`ERR-001` to `ERR-004`).
/// - The future may be dropped at any time: what it had leased is delivered again when the lease ends,
///   and what it was publishing has been accepted or not (`MSG-023`, `MSG-019`).
/// - Besides the kinds of the method's table, every method may fail with `Conflict`, `Corrupt`,
///   `Internal`, `PermissionDenied`, `PolicyDenied`, `Throttled`, `Timeout`, `Unauthenticated` or
///   `Unavailable`.
#[async_trait]
pub trait MessagingProvider: Send + Sync + fmt::Debug + 'static {
    /// The product, as configurations name it: `memory`, `local`, `sqs`.
    fn name(&self) -> &str;

    /// What this instance supports and promises. Constant for the life of the instance.
    fn capabilities(&self) -> &Capabilities;

    /// The layers around the provider, outermost first; empty for a provider itself.
    fn layers(&self) -> Vec<&'static str>;

    /// Asks whether the back-end answers and lets us in. Cheap; changes nothing (`MSG-089`).
    ///
    /// # Errors
    ///
    /// | kind | when |
    /// |---|---|
    /// | `Unauthenticated`, `PermissionDenied` | the credentials do not suffice |
    /// | `Unavailable`, `Timeout` | the back-end does not answer |
    async fn check(&self) -> Result<()>;

    /// Makes a topic; one that exists is a success (`MSG-003`).
    ///
    /// # Errors
    ///
    /// None of its own.
    async fn create_topic(&self, topic: &TopicName) -> Result<()>;

    /// Removes a topic with its subscriptions and their messages; a missing one is a success (`MSG-004`).
    ///
    /// # Errors
    ///
    /// None of its own.
    async fn delete_topic(&self, topic: &TopicName) -> Result<()>;

    /// Every topic, in the order of the names (`MSG-006`).
    ///
    /// # Errors
    ///
    /// None of its own.
    async fn list_topics(&self) -> Result<Vec<TopicName>>;

    /// Makes a subscription, which gets every message that is published after it; one that exists with
    /// these settings is a success (`MSG-003`, `MSG-060`, `MSG-063`).
    ///
    /// # Errors
    ///
    /// | kind | when |
    /// |---|---|
    /// | `AlreadyExists` | it exists with other settings; the message says which |
    /// | `InvalidArgument` | these are the dead letters of a subscription, or a setting is out of bounds |
    /// | `NotFound` | there is no such topic |
    /// | `Unsupported` | the topic has a subscription and `fan-out` is not declared |
    async fn create_subscription(
        &self,
        subscription: &Subscription,
        settings: &SubscriptionSettings,
    ) -> Result<()>;

    /// Removes a subscription, its messages and its dead letters; a missing one is a success (`MSG-004`).
    ///
    /// # Errors
    ///
    /// `InvalidArgument` when these are the dead letters of a subscription.
    async fn delete_subscription(&self, subscription: &Subscription) -> Result<()>;

    /// Every subscription of a topic, in the order of the names (`MSG-006`).
    ///
    /// # Errors
    ///
    /// `NotFound` when there is no such topic.
    async fn list_subscriptions(&self, topic: &TopicName) -> Result<Vec<SubscriptionName>>;

    /// The settings of a subscription (`MSG-007`).
    ///
    /// # Errors
    ///
    /// `NotFound` when there is no such subscription.
    async fn describe(&self, subscription: &Subscription) -> Result<SubscriptionSettings>;

    /// Publishes any number of messages, with a result for each, in the order of `messages`: the id of
    /// one that was accepted (`MSG-008` to `MSG-020`). One failure hides no other. Not atomic: dropped,
    /// some may be accepted. A topic without subscriptions accepts messages that nobody gets.
    ///
    /// # Errors
    ///
    /// For each message:
    ///
    /// | kind | when |
    /// |---|---|
    /// | `CapacityExceeded` | no space is left |
    /// | `InvalidArgument`, `TooLarge`, `Unsupported` | as [`Message::validate`] |
    /// | `NotFound` | there is no such topic |
    ///
    /// # Idempotency
    ///
    /// Not idempotent, unless every message has a dedup id.
    async fn publish(&self, topic: &TopicName, messages: &[Message]) -> Vec<Result<MessageId>>;

    /// Leases at most `max` messages. Returns as soon as there are some, at the latest after `wait`, then
    /// none (`MSG-021` to `MSG-023`, `MSG-030` to `MSG-034`).
    ///
    /// # Errors
    ///
    /// | kind | when |
    /// |---|---|
    /// | `InvalidArgument` | `max` is 0 |
    /// | `NotFound` | there is no such subscription |
    async fn receive(
        &self,
        subscription: &Subscription,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>>;

    /// Settles deliveries: these messages are done, and never delivered by this subscription again
    /// (`MSG-024` to `MSG-029`). A result for each, in the order of `receipts`; acknowledging what is
    /// settled is a success.
    ///
    /// # Errors
    ///
    /// For each receipt:
    ///
    /// | kind | when |
    /// |---|---|
    /// | `InvalidArgument` | it is not a receipt of this subscription |
    /// | `LeaseLost` | the lease has ended, and the message is not settled |
    /// | `NotFound` | there is no such subscription |
    async fn ack(&self, subscription: &Subscription, receipts: &[Receipt]) -> Vec<Result<()>>;

    /// Gives deliveries back: failed attempts, to be delivered again after `delay` (`MSG-035`, `MSG-036`).
    ///
    /// # Errors
    ///
    /// As [`ack`](Self::ack), for each receipt; `LeaseLost` when the message is settled, too;
    /// `InvalidArgument` when the delay is above the declared limit.
    async fn nack(
        &self,
        subscription: &Subscription,
        receipts: &[Receipt],
        delay: Duration,
    ) -> Vec<Result<()>>;

    /// Makes deliveries dead letters at once, for a reason of at most 256 bytes (`MSG-053`).
    ///
    /// # Errors
    ///
    /// As [`ack`](Self::ack), for each receipt; `InvalidArgument` when the reason is too long, or these are
    /// dead letters.
    async fn reject(
        &self,
        subscription: &Subscription,
        receipts: &[Receipt],
        reason: &str,
    ) -> Vec<Result<()>>;

    /// Lets the leases of deliveries end `lease` from now (`MSG-037`). Needs `extend`.
    ///
    /// # Errors
    ///
    /// As [`nack`](Self::nack), for each receipt; `InvalidArgument` when the lease is out of bounds.
    async fn extend(
        &self,
        subscription: &Subscription,
        receipts: &[Receipt],
        lease: Duration,
    ) -> Vec<Result<()>>;

    /// Removes every message that was published before, leased ones included (`MSG-080`). Dead letters are
    /// purged by themselves.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is no such subscription.
    async fn purge(&self, subscription: &Subscription) -> Result<()>;

    /// How many messages there are (`MSG-081`). Needs `depth`.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is no such subscription.
    async fn depth(&self, subscription: &Subscription) -> Result<Depth>;

    /// Returns the dead letters of a subscription that nobody has leased to it, each once and as if it had
    /// never been delivered, and tells how many (`MSG-055`). Not atomic: dropped, some have returned.
    ///
    /// # Errors
    ///
    /// | kind | when |
    /// |---|---|
    /// | `InvalidArgument` | these are the dead letters themselves |
    /// | `NotFound` | there is no such subscription |
    async fn redrive(&self, subscription: &Subscription) -> Result<u64>;
}

/// How many messages a subscription has, or its dead letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Depth {
    /// Those that whoever receives gets.
    pub ready: u64,
    /// Those that are to be delivered later.
    pub delayed: u64,
    /// Those that somebody has leased.
    pub leased: u64,
    /// How long ago the oldest of them was published, where that is known.
    pub oldest: Option<Duration>,
}

impl Depth {
    /// So many messages, of an age that is not known.
    #[must_use]
    pub fn new(ready: u64, delayed: u64, leased: u64) -> Self {
        Self { ready, delayed, leased, oldest: None }
    }
}

// Object safety is part of the contract: handles hold `Arc<dyn MessagingProvider>`.
const _: Option<&dyn MessagingProvider> = None;

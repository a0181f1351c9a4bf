//! `Sabotage`: what a mutant of messaging does instead of the provider in memory; and `Sabotaged`, the
//! provider that does it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use omni_contracts::Result;
use omni_contracts::messaging::{
    Capabilities, Delivery, Depth, Message, MessageId, MessagingProvider, Receipt, Subscription,
    SubscriptionName, SubscriptionSettings, TopicName,
};
use omni_provider_memory::MemoryMessaging;

use super::MessagingMutant;

/// What stands in for one operation.
type Hook<A, T> = for<'a> fn(&'a Place, A) -> BoxFuture<'a, T>;

/// The arguments of publish.
pub(super) struct Publish {
    pub(super) topic: TopicName,
    pub(super) messages: Vec<Message>,
}

/// The arguments of receive.
pub(super) struct Receive {
    pub(super) of: Subscription,
    pub(super) max: usize,
    pub(super) wait: Duration,
}

/// The arguments of the operations that settle: `time` is a delay or a lease.
pub(super) struct Settle {
    pub(super) of: Subscription,
    pub(super) receipts: Vec<Receipt>,
    pub(super) time: Duration,
    pub(super) reason: String,
}

/// The arguments of the creation of a subscription.
pub(super) struct Create {
    pub(super) of: Subscription,
    pub(super) settings: SubscriptionSettings,
}

impl Publish {
    pub(super) async fn to(&self, place: &Place) -> Vec<Result<MessageId>> {
        place.inner.publish(&self.topic, &self.messages).await
    }
}

impl Receive {
    pub(super) async fn from(&self, place: &Place) -> Result<Vec<Delivery>> {
        place.inner.receive(&self.of, self.max, self.wait).await
    }
}

impl Settle {
    pub(super) async fn ack(&self, place: &Place) -> Vec<Result<()>> {
        place.inner.ack(&self.of, &self.receipts).await
    }

    pub(super) async fn nack(&self, place: &Place) -> Vec<Result<()>> {
        place.inner.nack(&self.of, &self.receipts, self.time).await
    }

    pub(super) async fn reject(&self, place: &Place) -> Vec<Result<()>> {
        place.inner.reject(&self.of, &self.receipts, &self.reason).await
    }

    pub(super) async fn extend(&self, place: &Place) -> Vec<Result<()>> {
        place.inner.extend(&self.of, &self.receipts, self.time).await
    }
}

/// Defines [`Sabotage`], [`HONEST`] and a setter of [`MessagingMutant`] for each field.
macro_rules! sabotage {
    ($($(#[$doc:meta])* $field:ident: $type:ty = $honest:expr;)*) => {
        /// What a mutant does. [`HONEST`] is the provider as it is; a mutant replaces as little of it as
        /// it can.
        #[derive(Clone, Copy)]
        pub(super) struct Sabotage {
            $($(#[$doc])* $field: $type,)*
        }

        /// Passes everything on as it is.
        pub(super) const HONEST: Sabotage = Sabotage { $($field: $honest,)* };

        impl MessagingMutant {
            $($(#[$doc])* pub(super) const fn $field(mut self, instead: $type) -> Self {
                self.sabotage.$field = instead;
                self
            })*
        }
    };
}

sabotage! {
    /// Each name on its way in.
    renamed: fn(&str) -> String = str::to_owned;
    /// Each message on its way in.
    sent: fn(&mut Message) = |_| ();
    /// Each delivery on its way out.
    delivered: fn(&mut Delivery) = |_| ();
    /// The settings of a subscription that is made.
    set: fn(&mut SubscriptionSettings) = |_| ();
    /// The settings that are told.
    told: fn(&mut SubscriptionSettings) = |_| ();
    /// What is declared.
    declared: fn(&mut Capabilities) = |_| ();
    check: Hook<(), Result<()>> = |place, ()| place.inner.check();
    delete_topic: Hook<TopicName, Result<()>> =
        |place, topic| Box::pin(async move { place.inner.delete_topic(&topic).await });
    list_topics: Hook<(), Result<Vec<TopicName>>> = |place, ()| place.inner.list_topics();
    create_subscription: Hook<Create, Result<()>> = |place, create| {
        Box::pin(async move { place.inner.create_subscription(&create.of, &create.settings).await })
    };
    delete_subscription: Hook<Subscription, Result<()>> =
        |place, of| Box::pin(async move { place.inner.delete_subscription(&of).await });
    publish: Hook<Publish, Vec<Result<MessageId>>> =
        |place, publish| Box::pin(async move { publish.to(place).await });
    receive: Hook<Receive, Result<Vec<Delivery>>> =
        |place, receive| Box::pin(async move { receive.from(place).await });
    ack: Hook<Settle, Vec<Result<()>>> = |place, ack| Box::pin(async move { ack.ack(place).await });
    nack: Hook<Settle, Vec<Result<()>>> = |place, nack| Box::pin(async move { nack.nack(place).await });
    reject: Hook<Settle, Vec<Result<()>>> =
        |place, reject| Box::pin(async move { reject.reject(place).await });
    extend: Hook<Settle, Vec<Result<()>>> =
        |place, extend| Box::pin(async move { extend.extend(place).await });
    purge: Hook<Subscription, Result<()>> =
        |place, of| Box::pin(async move { place.inner.purge(&of).await });
    depth: Hook<Subscription, Result<Depth>> =
        |place, of| Box::pin(async move { place.inner.depth(&of).await });
    redrive: Hook<Subscription, Result<u64>> =
        |place, of| Box::pin(async move { place.inner.redrive(&of).await });
}

/// What a mutant works with: the honest provider, and a little memory, shared by all its instances.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) inner: MemoryMessaging,
    notes: Arc<Mutex<Notes>>,
}

/// What a mutant remembers.
#[derive(Default)]
pub(super) struct Notes {
    /// Every delivery, in the order in which they were made.
    pub(super) deliveries: Vec<Delivery>,
    /// Every message that was published.
    pub(super) messages: Vec<(TopicName, Message)>,
    /// Receipts that were settled.
    pub(super) settled: Vec<Receipt>,
    /// Ids by dedup ids.
    pub(super) known: HashMap<String, MessageId>,
    pub(super) calls: u64,
}

impl Place {
    pub(super) fn new() -> Self {
        Self { inner: MemoryMessaging::new(Default::default()), notes: Arc::default() }
    }

    pub(super) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The provider that does what a [`Sabotage`] says.
pub(super) struct Sabotaged {
    place: Place,
    sabotage: Sabotage,
    capabilities: Capabilities,
}

impl Sabotaged {
    pub(super) fn new(place: Place, sabotage: Sabotage) -> Self {
        let mut capabilities = place.inner.capabilities().clone();
        (sabotage.declared)(&mut capabilities);
        Self { place, sabotage, capabilities }
    }

    fn topic(&self, topic: &TopicName) -> Result<TopicName> {
        TopicName::new((self.sabotage.renamed)(topic.as_str()))
    }

    fn of(&self, of: &Subscription) -> Result<Subscription> {
        let name = SubscriptionName::new((self.sabotage.renamed)(of.name().as_str()))?;
        let renamed = Subscription::new(self.topic(of.topic())?, name);
        Ok(if of.is_dead_letters() { renamed.dead_letters() } else { renamed })
    }

    fn settle(
        &self,
        of: &Subscription,
        receipts: &[Receipt],
        time: Duration,
        reason: &str,
    ) -> Settle {
        let of = self.of(of).unwrap_or_else(|_| of.clone());
        Settle { of, receipts: receipts.to_vec(), time, reason: reason.to_owned() }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl MessagingProvider for Sabotaged {
    fn name(&self) -> &str {
        self.place.inner.name()
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn layers(&self) -> Vec<&'static str> {
        self.place.inner.layers()
    }

    async fn check(&self) -> Result<()> {
        (self.sabotage.check)(&self.place, ()).await
    }

    async fn create_topic(&self, topic: &TopicName) -> Result<()> {
        self.place.inner.create_topic(&self.topic(topic)?).await
    }

    async fn delete_topic(&self, topic: &TopicName) -> Result<()> {
        (self.sabotage.delete_topic)(&self.place, self.topic(topic)?).await
    }

    async fn list_topics(&self) -> Result<Vec<TopicName>> {
        (self.sabotage.list_topics)(&self.place, ()).await
    }

    async fn create_subscription(
        &self,
        subscription: &Subscription,
        settings: &SubscriptionSettings,
    ) -> Result<()> {
        let mut settings = settings.clone();
        (self.sabotage.set)(&mut settings);
        let create = Create { of: self.of(subscription)?, settings };
        (self.sabotage.create_subscription)(&self.place, create).await
    }

    async fn delete_subscription(&self, subscription: &Subscription) -> Result<()> {
        (self.sabotage.delete_subscription)(&self.place, self.of(subscription)?).await
    }

    async fn list_subscriptions(&self, topic: &TopicName) -> Result<Vec<SubscriptionName>> {
        self.place.inner.list_subscriptions(&self.topic(topic)?).await
    }

    async fn describe(&self, subscription: &Subscription) -> Result<SubscriptionSettings> {
        let mut settings = self.place.inner.describe(&self.of(subscription)?).await?;
        (self.sabotage.told)(&mut settings);
        Ok(settings)
    }

    async fn publish(&self, topic: &TopicName, messages: &[Message]) -> Vec<Result<MessageId>> {
        let topic = self.topic(topic).unwrap_or_else(|_| topic.clone());
        let mut messages = messages.to_vec();
        messages.iter_mut().for_each(self.sabotage.sent);
        let noted = messages.iter().map(|message| (topic.clone(), message.clone()));
        self.place.notes().messages.extend(noted);
        (self.sabotage.publish)(&self.place, Publish { topic, messages }).await
    }

    async fn receive(
        &self,
        subscription: &Subscription,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>> {
        let receive = Receive { of: self.of(subscription)?, max, wait };
        let mut deliveries = (self.sabotage.receive)(&self.place, receive).await?;
        self.place.notes().deliveries.extend(deliveries.iter().cloned());
        deliveries.iter_mut().for_each(self.sabotage.delivered);
        Ok(deliveries)
    }

    async fn ack(&self, subscription: &Subscription, receipts: &[Receipt]) -> Vec<Result<()>> {
        let settle = self.settle(subscription, receipts, Duration::ZERO, "");
        (self.sabotage.ack)(&self.place, settle).await
    }

    async fn nack(
        &self,
        subscription: &Subscription,
        receipts: &[Receipt],
        delay: Duration,
    ) -> Vec<Result<()>> {
        let settle = self.settle(subscription, receipts, delay, "");
        (self.sabotage.nack)(&self.place, settle).await
    }

    async fn reject(
        &self,
        subscription: &Subscription,
        receipts: &[Receipt],
        reason: &str,
    ) -> Vec<Result<()>> {
        let settle = self.settle(subscription, receipts, Duration::ZERO, reason);
        (self.sabotage.reject)(&self.place, settle).await
    }

    async fn extend(
        &self,
        subscription: &Subscription,
        receipts: &[Receipt],
        lease: Duration,
    ) -> Vec<Result<()>> {
        let settle = self.settle(subscription, receipts, lease, "");
        (self.sabotage.extend)(&self.place, settle).await
    }

    async fn purge(&self, subscription: &Subscription) -> Result<()> {
        (self.sabotage.purge)(&self.place, self.of(subscription)?).await
    }

    async fn depth(&self, subscription: &Subscription) -> Result<Depth> {
        (self.sabotage.depth)(&self.place, self.of(subscription)?).await
    }

    async fn redrive(&self, subscription: &Subscription) -> Result<u64> {
        (self.sabotage.redrive)(&self.place, self.of(subscription)?).await
    }
}

impl fmt::Debug for Sabotaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sabotaged").field("provider", &self.place.inner).finish_non_exhaustive()
    }
}

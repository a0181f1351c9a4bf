//! The layers around messaging: the same ones, by one adapter. On a clock that stands still.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use omni_contracts::messaging::{
    Capabilities, Delivery, Depth, Intercepted, Message, MessageId, MessagingProvider, Receipt,
    Subscription, SubscriptionName, SubscriptionSettings, TopicName,
};
use omni_contracts::{Effect, Error, ErrorKind, Result, Scope};
use omni_layers::{LayerSettings, Layers};
use omni_provider_memory::MemoryMessaging;
use tokio::time::Instant;

/// Messaging that loses the answers of some calls about batches, after they had effect.
#[derive(Debug)]
struct Lossy {
    inner: MemoryMessaging,
    /// How many answers are still to be lost.
    losses: AtomicU32,
    /// How many things were asked for in each call.
    asked: Mutex<Vec<(&'static str, usize)>>,
}

impl Lossy {
    fn answer<T>(&self, call: &'static str, results: Vec<Result<T>>) -> Vec<Result<T>> {
        self.asked.lock().unwrap().push((call, results.len()));
        let left = self.losses.load(Ordering::Relaxed);
        if left == 0 {
            return results;
        }
        self.losses.store(left - 1, Ordering::Relaxed);
        let lost = || Error::new(ErrorKind::Unavailable, "lost").with_effect(Effect::Unknown);
        results.into_iter().map(|_| Err(lost())).collect()
    }
}

#[async_trait]
impl MessagingProvider for Lossy {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    fn layers(&self) -> Vec<&'static str> {
        self.inner.layers()
    }

    async fn check(&self) -> Result<()> {
        self.inner.check().await
    }

    async fn create_topic(&self, topic: &TopicName) -> Result<()> {
        self.inner.create_topic(topic).await
    }

    async fn delete_topic(&self, topic: &TopicName) -> Result<()> {
        self.inner.delete_topic(topic).await
    }

    async fn list_topics(&self) -> Result<Vec<TopicName>> {
        self.inner.list_topics().await
    }

    async fn create_subscription(
        &self,
        of: &Subscription,
        settings: &SubscriptionSettings,
    ) -> Result<()> {
        self.inner.create_subscription(of, settings).await
    }

    async fn delete_subscription(&self, of: &Subscription) -> Result<()> {
        self.inner.delete_subscription(of).await
    }

    async fn list_subscriptions(&self, topic: &TopicName) -> Result<Vec<SubscriptionName>> {
        self.inner.list_subscriptions(topic).await
    }

    async fn describe(&self, of: &Subscription) -> Result<SubscriptionSettings> {
        self.inner.describe(of).await
    }

    async fn publish(&self, topic: &TopicName, messages: &[Message]) -> Vec<Result<MessageId>> {
        self.answer("publish", self.inner.publish(topic, messages).await)
    }

    async fn receive(
        &self,
        of: &Subscription,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>> {
        self.inner.receive(of, max, wait).await
    }

    async fn ack(&self, of: &Subscription, receipts: &[Receipt]) -> Vec<Result<()>> {
        self.answer("ack", self.inner.ack(of, receipts).await)
    }

    async fn nack(
        &self,
        of: &Subscription,
        receipts: &[Receipt],
        delay: Duration,
    ) -> Vec<Result<()>> {
        self.answer("nack", self.inner.nack(of, receipts, delay).await)
    }

    async fn reject(
        &self,
        of: &Subscription,
        receipts: &[Receipt],
        reason: &str,
    ) -> Vec<Result<()>> {
        self.answer("reject", self.inner.reject(of, receipts, reason).await)
    }

    async fn extend(
        &self,
        of: &Subscription,
        receipts: &[Receipt],
        lease: Duration,
    ) -> Vec<Result<()>> {
        self.answer("extend", self.inner.extend(of, receipts, lease).await)
    }

    async fn purge(&self, of: &Subscription) -> Result<()> {
        self.inner.purge(of).await
    }

    async fn depth(&self, of: &Subscription) -> Result<Depth> {
        self.inner.depth(of).await
    }

    async fn redrive(&self, of: &Subscription) -> Result<u64> {
        self.inner.redrive(of).await
    }
}

struct Scene {
    messaging: Arc<dyn MessagingProvider>,
    lossy: Arc<Lossy>,
    of: Subscription,
}

impl Scene {
    async fn new(settings: LayerSettings) -> Self {
        let inner = MemoryMessaging::new(Default::default());
        let of: Subscription = "orders/main".parse().unwrap();
        inner.create_topic(of.topic()).await.unwrap();
        inner.create_subscription(&of, &SubscriptionSettings::default()).await.unwrap();
        let lossy = Lossy { inner, losses: AtomicU32::new(0), asked: Mutex::default() };
        let lossy = Arc::new(lossy);
        let layers = Layers::new(&settings).unwrap();
        let messaging = Arc::new(Intercepted::new(layers, Arc::clone(&lossy), Scope::default()));
        Self { messaging, lossy, of }
    }

    async fn publish(&self, messages: &[Message]) -> Vec<Result<MessageId>> {
        self.messaging.publish(self.of.topic(), messages).await
    }

    async fn receive(&self, wait: Duration) -> Result<Vec<Delivery>> {
        self.messaging.receive(&self.of, 10, wait).await
    }

    /// The next answers are lost.
    fn lose(&self, answers: u32) {
        self.lossy.losses.store(answers, Ordering::Relaxed);
        self.lossy.asked.lock().unwrap().clear();
    }

    fn asked(&self) -> Vec<(&'static str, usize)> {
        self.lossy.asked.lock().unwrap().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_for_messages_takes_nothing_from_the_limits_of_time() {
    let (deadline, attempt_timeout) = (Duration::from_secs(3), Duration::from_secs(2));
    let settings = LayerSettings { deadline, attempt_timeout, ..LayerSettings::default() };
    let scene = Scene::new(settings).await;
    let begun = Instant::now();
    assert_eq!(scene.receive(Duration::from_secs(60)).await.unwrap(), []);
    assert_eq!(begun.elapsed(), Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn messages_in_doubt_are_repeated_with_dedup_ids_alone() {
    let scene = Scene::new(LayerSettings::default()).await;
    scene.lose(2);
    let messages = ["a", "b"].map(|body| Message::new(body).dedup_id(body));
    assert!(scene.publish(&messages).await.iter().all(Result::is_ok));
    assert_eq!(scene.asked(), [("publish", 2); 3]);
    assert_eq!(scene.receive(Duration::ZERO).await.unwrap().len(), 2);

    scene.lose(1);
    let results = scene.publish(&[Message::new("c"), Message::new("d").dedup_id("d")]).await;
    for result in results {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::Unknown));
        assert_eq!(error.resource(), Some("orders"));
    }
    assert_eq!(scene.asked(), [("publish", 2)]);
    assert_eq!(scene.receive(Duration::ZERO).await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_answered_is_not_sent_again() {
    let scene = Scene::new(LayerSettings::default()).await;
    for result in scene.publish(&["a", "b"].map(Message::new)).await {
        result.unwrap();
    }
    let deliveries = scene.receive(Duration::ZERO).await.unwrap();
    let mut receipts: Vec<_> = deliveries.into_iter().map(|one| one.receipt).collect();
    scene.lose(1);
    for result in scene.messaging.ack(&scene.of, &receipts).await {
        result.unwrap();
    }
    assert_eq!(scene.asked(), [("ack", 2), ("ack", 2)]);
    scene.lose(0);
    receipts.insert(1, Receipt::new("no receipt"));
    let results = scene.messaging.ack(&scene.of, &receipts).await;
    assert_eq!(results[1].as_ref().unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert!(results[0].is_ok() && results[2].is_ok());
    assert_eq!(scene.asked(), [("ack", 3)]);
}

//! `Broker`: every topic with its subscriptions, under one lock, and who waits for a change.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use omni_contracts::messaging::{
    Message, MessageId, Subscription, SubscriptionName, SubscriptionSettings, TopicName,
};
use omni_contracts::{Error, ErrorKind, Result};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::queue::{Queue, Stored};

#[derive(Debug)]
pub(super) struct Broker {
    state: Mutex<Topics>,
    /// Told when a message may have become ready.
    changed: Notify,
    dedup_window: Duration,
}

#[derive(Debug)]
pub(super) struct Topics {
    topics: BTreeMap<TopicName, Topic>,
    /// When this clock began, by both kinds of time.
    began: (Instant, SystemTime),
    /// Counts messages, queues and whatever else wants a number.
    numbers: u64,
}

#[derive(Debug, Default)]
struct Topic {
    subscriptions: BTreeMap<SubscriptionName, Queues>,
    /// The ids of messages by their dedup ids, and when those are forgotten.
    known: HashMap<String, MessageId>,
    forgotten: VecDeque<(Instant, String)>,
}

/// A subscription: its messages and its dead letters.
#[derive(Debug)]
struct Queues {
    live: Queue,
    dead: Queue,
}

impl Broker {
    pub(super) fn new(dedup_window: Duration) -> Self {
        let topics = Topics {
            topics: BTreeMap::new(),
            began: (Instant::now(), SystemTime::now()),
            numbers: 0,
        };
        Self { state: Mutex::new(topics), changed: Notify::new(), dedup_window }
    }

    pub(super) fn topics(&self) -> MutexGuard<'_, Topics> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever waits looks again.
    pub(super) fn wake(&self) {
        self.changed.notify_waiters();
    }

    pub(super) fn changed(&self) -> &Notify {
        &self.changed
    }

    pub(super) fn publish(&self, topic: &TopicName, message: &Message) -> Result<MessageId> {
        self.topics().publish(topic, message, self.dedup_window)
    }
}

impl Topics {
    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// The time of day at `now`.
    fn clock(&self, now: Instant) -> SystemTime {
        self.began.1 + now.duration_since(self.began.0)
    }

    pub(super) fn create_topic(&mut self, topic: &TopicName) {
        self.topics.entry(topic.clone()).or_default();
    }

    pub(super) fn delete_topic(&mut self, topic: &TopicName) {
        self.topics.remove(topic);
    }

    pub(super) fn names(&self) -> Vec<TopicName> {
        self.topics.keys().cloned().collect()
    }

    fn topic(&mut self, topic: &TopicName) -> Result<&mut Topic> {
        let missing = || Error::new(ErrorKind::NotFound, "there is no such topic");
        self.topics.get_mut(topic).ok_or_else(missing)
    }

    fn queues(&mut self, subscription: &Subscription) -> Result<&mut Queues> {
        let missing = || Error::new(ErrorKind::NotFound, "there is no such subscription");
        let topic = self.topics.get_mut(subscription.topic()).ok_or_else(missing)?;
        topic.subscriptions.get_mut(subscription.name()).ok_or_else(missing)
    }

    pub(super) fn subscriptions(&mut self, topic: &TopicName) -> Result<Vec<SubscriptionName>> {
        Ok(self.topic(topic)?.subscriptions.keys().cloned().collect())
    }

    pub(super) fn subscribe(
        &mut self,
        subscription: &Subscription,
        settings: &SubscriptionSettings,
    ) -> Result<()> {
        let (live, dead) = (self.number(), self.number());
        let topic = self.topic(subscription.topic())?;
        if let Some(known) = topic.subscriptions.get(subscription.name()) {
            return match known.live.settings.difference(settings) {
                None => Ok(()),
                Some(difference) => Err(Error::new(
                    ErrorKind::AlreadyExists,
                    format!("the subscription exists with other settings: {difference}"),
                )),
            };
        }
        let of_dead = SubscriptionSettings::default().lease(settings.lease);
        let queues = Queues {
            live: Queue::new(live, subscription.clone(), settings.clone()),
            dead: Queue::new(dead, subscription.dead_letters(), of_dead),
        };
        topic.subscriptions.insert(subscription.name().clone(), queues);
        Ok(())
    }

    pub(super) fn unsubscribe(&mut self, subscription: &Subscription) {
        if let Some(topic) = self.topics.get_mut(subscription.topic()) {
            topic.subscriptions.remove(subscription.name());
        }
    }

    pub(super) fn settings(&mut self, subscription: &Subscription) -> Result<SubscriptionSettings> {
        Ok(self.queues(subscription)?.of(subscription).settings.clone())
    }

    fn publish(
        &mut self,
        topic: &TopicName,
        message: &Message,
        dedup_window: Duration,
    ) -> Result<MessageId> {
        let now = Instant::now();
        let (order, published) = (self.number(), self.clock(now));
        let topic = self.topic(topic)?;
        while let Some((until, _)) = topic.forgotten.front()
            && *until <= now
        {
            if let Some((_, id)) = topic.forgotten.pop_front() {
                topic.known.remove(&id);
            }
        }
        let id = MessageId::new(format!("{order:016x}"));
        if let Some(dedup_id) = &message.dedup_id {
            if let Some(known) = topic.known.get(dedup_id) {
                return Ok(known.clone());
            }
            topic.known.insert(dedup_id.clone(), id.clone());
            topic.forgotten.push_back((now + dedup_window, dedup_id.clone()));
        }
        let stored = Stored {
            id: id.clone(),
            message: Arc::new(message.clone()),
            published,
            expires: message.ttl.and_then(|ttl| now.checked_add(ttl)),
            attempts: 0,
            dead: None,
        };
        for queues in topic.subscriptions.values_mut() {
            queues.live.add(order, stored.clone(), now + message.delay, now);
        }
        Ok(id)
    }

    /// Works on the queue of a subscription, or of its dead letters, as it is now. What `work` makes a
    /// dead letter becomes one.
    pub(super) fn on<T>(
        &mut self,
        subscription: &Subscription,
        work: impl FnOnce(&mut Queue, Instant, SystemTime) -> Result<(T, Option<(u64, Stored)>)>,
    ) -> Result<T> {
        let now = Instant::now();
        let clock = self.clock(now);
        let queues = self.queues(subscription)?;
        for (order, stored) in queues.live.advance(now, clock) {
            queues.dead.add(order, stored, now, now);
        }
        queues.dead.advance(now, clock);
        let (value, dead) = work(queues.of(subscription), now, clock)?;
        if let Some((order, stored)) = dead {
            queues.dead.add(order, stored, now, now);
        }
        Ok(value)
    }

    /// When something changes by itself for who receives from `subscription`.
    pub(super) fn next_change(&mut self, subscription: &Subscription) -> Result<Option<Instant>> {
        let queues = self.queues(subscription)?;
        let changes = [queues.live.next_change(), queues.dead.next_change()];
        Ok(changes.into_iter().flatten().min())
    }

    pub(super) fn redrive(&mut self, subscription: &Subscription) -> Result<u64> {
        let now = Instant::now();
        self.on(subscription, |_, _, _| Ok(((), None)))?;
        let letters = self.queues(subscription)?.dead.take_waiting(now);
        let moved = letters.len() as u64;
        for mut stored in letters {
            (stored.attempts, stored.dead) = (0, None);
            let order = self.number();
            self.queues(subscription)?.live.add(order, stored, now, now);
        }
        Ok(moved)
    }
}

impl Queues {
    fn of(&mut self, subscription: &Subscription) -> &mut Queue {
        match subscription.is_dead_letters() {
            true => &mut self.dead,
            false => &mut self.live,
        }
    }
}

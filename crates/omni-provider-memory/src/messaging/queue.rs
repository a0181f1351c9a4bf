//! `Queue`: the messages of one subscription, or its dead letters, and where each stands.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use omni_contracts::messaging::{
    DeadLetter, DeadReason, Delivery, Depth, Message, MessageId, Receipt, Subscription,
    SubscriptionSettings,
};
use omni_contracts::{Error, ErrorKind, Result};
use tokio::time::Instant;

/// A message that is not settled.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) id: MessageId,
    pub(super) message: Arc<Message>,
    pub(super) published: SystemTime,
    /// When it is worth nothing any more.
    pub(super) expires: Option<Instant>,
    pub(super) attempts: u32,
    pub(super) dead: Option<DeadLetter>,
}

#[derive(Debug)]
struct Entry {
    stored: Stored,
    state: State,
}

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// To be delivered from then on; in order, when those before it are settled.
    Waiting { from: Instant },
    /// Leased, by the lease of this number.
    Leased { until: Instant, lease: u64 },
}

/// The messages of one subscription, or its dead letters.
#[derive(Debug)]
pub(super) struct Queue {
    /// Which queue it is: receipts of others are refused.
    number: u64,
    of: Subscription,
    pub(super) settings: SubscriptionSettings,
    /// By the order in which they came.
    entries: BTreeMap<u64, Entry>,
    /// What can be delivered now.
    ready: BTreeSet<u64>,
    /// What changes by itself, and when.
    timers: BTreeSet<(Instant, u64)>,
    /// In an ordered queue, what is not settled of each key. The first may be delivered.
    keys: HashMap<String, VecDeque<u64>>,
    leases: u64,
}

impl Queue {
    pub(super) fn new(number: u64, of: Subscription, settings: SubscriptionSettings) -> Self {
        Self {
            number,
            of,
            settings,
            entries: BTreeMap::new(),
            ready: BTreeSet::new(),
            timers: BTreeSet::new(),
            keys: HashMap::new(),
            leases: 0,
        }
    }

    /// Takes a message, to be delivered from `from` on. Its place is that of `order`.
    pub(super) fn add(&mut self, order: u64, stored: Stored, from: Instant, now: Instant) {
        if let Some(key) = self.ordering_key(&stored) {
            self.keys.entry(key).or_default().push_back(order);
        }
        if let Some(expires) = stored.expires {
            self.timers.insert((expires, order));
        }
        self.entries.insert(order, Entry { stored, state: State::Waiting { from } });
        self.waits(order, from, now);
    }

    fn ordering_key(&self, stored: &Stored) -> Option<String> {
        stored.message.key.clone().filter(|_| self.settings.ordered)
    }

    /// Whether those before it of its key are settled.
    fn is_next(&self, order: u64, stored: &Stored) -> bool {
        let key = self.ordering_key(stored);
        let first = key.and_then(|key| self.keys.get(&key)?.front().copied());
        first.is_none_or(|first| first == order)
    }

    fn waits(&mut self, order: u64, from: Instant, now: Instant) {
        let Some(entry) = self.entries.get_mut(&order) else { return };
        entry.state = State::Waiting { from };
        let entry = &self.entries[&order];
        if from > now {
            self.timers.insert((from, order));
        } else if self.is_next(order, &entry.stored) {
            self.ready.insert(order);
        }
    }

    /// Takes a message out, wherever it stands; the next one of its key may be delivered then.
    fn remove(&mut self, order: u64, now: Instant) -> Option<Stored> {
        let entry = self.entries.remove(&order)?;
        self.ready.remove(&order);
        let at = match entry.state {
            State::Waiting { from } => from,
            State::Leased { until, .. } => until,
        };
        self.timers.remove(&(at, order));
        if let Some(expires) = entry.stored.expires {
            self.timers.remove(&(expires, order));
        }
        if let Some(key) = self.ordering_key(&entry.stored)
            && let Some(line) = self.keys.get_mut(&key)
        {
            line.retain(|other| *other != order);
            match line.front().copied() {
                None => drop(self.keys.remove(&key)),
                Some(next) => {
                    if let Some(Entry { state: State::Waiting { from }, .. }) =
                        self.entries.get(&next)
                        && *from <= now
                    {
                        self.ready.insert(next);
                    }
                }
            }
        }
        Some(entry.stored)
    }

    /// Lets happen what was to happen until `now`; what becomes a dead letter is returned.
    pub(super) fn advance(&mut self, now: Instant, clock: SystemTime) -> Vec<(u64, Stored)> {
        let mut dead = Vec::new();
        while let Some(&(at, order)) = self.timers.first()
            && at <= now
        {
            self.timers.pop_first();
            let Some(entry) = self.entries.get(&order) else { continue };
            let expired = entry.stored.expires.is_some_and(|expires| expires <= now);
            match entry.state {
                // It expires when its lease has ended, at the latest.
                State::Leased { until, .. } if until > now => {}
                State::Leased { .. } if !expired => {
                    dead.extend(self.failed(order, now, now, clock))
                }
                State::Waiting { from } if !expired => self.waits(order, from, now),
                _ => dead.extend(self.give_up(order, DeadReason::Expired, now, clock)),
            }
        }
        dead
    }

    /// When something changes by itself.
    pub(super) fn next_change(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// An attempt failed: again from `from` on, or never again.
    fn failed(
        &mut self,
        order: u64,
        from: Instant,
        now: Instant,
        clock: SystemTime,
    ) -> Option<(u64, Stored)> {
        let attempts = self.entries.get(&order)?.stored.attempts;
        if self.settings.max_deliveries.is_some_and(|most| attempts >= most) {
            return self.give_up(order, DeadReason::Attempts, now, clock);
        }
        self.waits(order, from, now);
        None
    }

    fn give_up(
        &mut self,
        order: u64,
        reason: DeadReason,
        now: Instant,
        clock: SystemTime,
    ) -> Option<(u64, Stored)> {
        let mut stored = self.remove(order, now)?;
        let attempts = stored.attempts;
        stored.dead = Some(DeadLetter::new(self.of.clone(), attempts, reason, clock));
        (stored.attempts, stored.expires) = (0, None);
        Some((order, stored))
    }

    /// Leases at most `max` of those that are ready.
    pub(super) fn lease(&mut self, max: usize, now: Instant) -> Vec<Delivery> {
        let mut leased = Vec::new();
        while leased.len() < max
            && let Some(order) = self.ready.pop_first()
        {
            let Some(entry) = self.entries.get_mut(&order) else { continue };
            self.leases += 1;
            entry.stored.attempts += 1;
            let until = now + self.settings.lease;
            entry.state = State::Leased { until, lease: self.leases };
            self.timers.insert((until, order));
            let receipt = Receipt::new(format!("{}.{order}.{}", self.number, self.leases));
            let stored = &entry.stored;
            let mut delivery =
                Delivery::new(stored.id.clone(), stored.message.body.clone(), receipt);
            delivery.headers = stored.message.headers.clone();
            delivery.key = stored.message.key.clone();
            delivery.published = stored.published;
            delivery.attempt = stored.attempts;
            delivery.lease = self.settings.lease;
            delivery.dead = stored.dead.clone();
            leased.push(delivery);
        }
        leased
    }

    /// The message of a receipt: `None` when it is settled.
    fn holder(&self, receipt: &Receipt) -> Result<Option<u64>> {
        let (order, lease) = self.parsed(receipt).ok_or_else(|| {
            Error::invalid(format!("not a receipt of this subscription: {receipt}"))
        })?;
        match self.entries.get(&order).map(|entry| entry.state) {
            None => Ok(None),
            Some(State::Leased { lease: current, .. }) if current == lease => Ok(Some(order)),
            Some(_) => Err(lease_lost()),
        }
    }

    fn parsed(&self, receipt: &Receipt) -> Option<(u64, u64)> {
        let mut numbers = receipt.as_str().split('.').map(|number| number.parse::<u64>().ok());
        let (queue, order, lease) = (numbers.next()??, numbers.next()??, numbers.next()??);
        let known = queue == self.number && numbers.next().is_none() && lease <= self.leases;
        known.then_some((order, lease))
    }

    pub(super) fn ack(&mut self, receipt: &Receipt, now: Instant) -> Result<()> {
        if let Some(order) = self.holder(receipt)? {
            self.remove(order, now);
        }
        Ok(())
    }

    /// What becomes a dead letter by it is returned.
    pub(super) fn nack(
        &mut self,
        receipt: &Receipt,
        delay: Duration,
        now: Instant,
        clock: SystemTime,
    ) -> Result<Option<(u64, Stored)>> {
        let order = self.holder(receipt)?.ok_or_else(lease_lost)?;
        self.end_of_lease(order);
        Ok(self.failed(order, now + delay, now, clock))
    }

    pub(super) fn reject(
        &mut self,
        receipt: &Receipt,
        reason: &str,
        now: Instant,
        clock: SystemTime,
    ) -> Result<Option<(u64, Stored)>> {
        let Some(order) = self.holder(receipt)? else { return Ok(None) };
        Ok(self.give_up(order, DeadReason::Rejected(reason.to_owned()), now, clock))
    }

    pub(super) fn extend(
        &mut self,
        receipt: &Receipt,
        lease: Duration,
        now: Instant,
    ) -> Result<()> {
        let order = self.holder(receipt)?.ok_or_else(lease_lost)?;
        self.end_of_lease(order);
        if let Some(Entry { state: State::Leased { until, .. }, .. }) = self.entries.get_mut(&order)
        {
            *until = now + lease;
            self.timers.insert((*until, order));
        }
        Ok(())
    }

    /// Forgets when the lease ends; the time to live may end just then.
    fn end_of_lease(&mut self, order: u64) {
        if let Some(Entry { state: State::Leased { until, .. }, stored }) = self.entries.get(&order)
            && stored.expires != Some(*until)
        {
            self.timers.remove(&(*until, order));
        }
    }

    pub(super) fn purge(&mut self) {
        self.entries.clear();
        self.ready.clear();
        self.timers.clear();
        self.keys.clear();
    }

    /// Takes out what nobody has leased.
    pub(super) fn take_waiting(&mut self, now: Instant) -> Vec<Stored> {
        let waiting = |entry: &Entry| matches!(entry.state, State::Waiting { .. });
        let orders: Vec<_> = self
            .entries
            .iter()
            .filter_map(|(order, entry)| waiting(entry).then_some(*order))
            .collect();
        orders.into_iter().filter_map(|order| self.remove(order, now)).collect()
    }

    pub(super) fn depth(&self, now: Instant, clock: SystemTime) -> Depth {
        let mut depth = Depth::default();
        for entry in self.entries.values() {
            match entry.state {
                State::Leased { .. } => depth.leased += 1,
                State::Waiting { from } if from > now => depth.delayed += 1,
                State::Waiting { .. } => depth.ready += 1,
            }
            let age = clock.duration_since(entry.stored.published).unwrap_or_default();
            depth.oldest = depth.oldest.max(Some(age));
        }
        depth
    }
}

fn lease_lost() -> Error {
    Error::new(ErrorKind::LeaseLost, "the lease has ended")
}

//! `Shared`: the members, the record as it was last seen, and its changes: a member leaves, another one
//! becomes primary.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::future::{Either, select};
use omni_contracts::storage::{Capabilities, Capability, Key, ListRequest};
use omni_contracts::{Effect, Error, ErrorKind, Result};
use tokio::sync::{Notify, OwnedMutexGuard, watch};
use tokio::time::{Instant, timeout};

use crate::bring::Stopped;
use crate::member::Member;
use crate::record::{Held, Record, Standing};
use crate::settings::{FailoverSettings, Replication};
use crate::witness::Witness;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) members: Vec<Member>,
    pub(crate) witness: Witness,
    pub(crate) settings: FailoverSettings,
    pub(crate) capabilities: Capabilities,
    held: watch::Sender<Arc<Held>>,
    /// One decision about who is primary at a time.
    deciding: tokio::sync::Mutex<Option<Verdict>>,
    /// How many decisions have begun.
    decisions: AtomicU64,
    /// Writes of one key come one after the other, so that a standby receives them in their order.
    turns: Turns,
    /// Since when keys wait to be sent, by what this program knows.
    pub(crate) waiting: Waiting,
    /// There is something to send, or a member to look at.
    pub(crate) wake: Arc<Notify>,
    /// How often another member was seen to have become primary.
    pub(crate) switches: AtomicU64,
    /// How often something was replaced, and kept.
    pub(crate) conflicts: AtomicU64,
}

/// What a look at the primary came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is there: the failure was one of the call.
    Alive,
    /// It is not, and nobody may take over.
    Alone,
    /// Another member is primary now.
    Switched,
}

/// Who does what in a write, by one record.
pub(crate) struct Plan<'a> {
    pub(crate) held: Arc<Held>,
    pub(crate) primary: &'a Member,
    /// Those that must have it before it is acknowledged.
    pub(crate) copies: Vec<&'a Member>,
    /// Those for whom it is noted.
    pub(crate) later: Vec<(&'a Member, Standing)>,
}

impl Shared {
    pub(crate) async fn open(
        members: Vec<Member>,
        witness: Witness,
        settings: FailoverSettings,
    ) -> Result<Self> {
        let capabilities = witness.limit(capabilities(&members)?);
        let held = loop {
            let known = witness.record().await?;
            let next = match &known {
                None => Some(first(&members, &settings).await?),
                Some(held) => {
                    if !settings.members.contains(&held.record.primary) {
                        let problem = format!(
                            "the primary is `{}`, which is none of the members any more: {}",
                            held.record.primary,
                            settings.members.join(", ")
                        );
                        return Err(Error::new(ErrorKind::Configuration, problem));
                    }
                    held.record.configured(&settings.members)
                }
            };
            let Some(next) = next else { break known };
            if let Some(held) = witness.change(known.as_ref(), next).await? {
                break Some(held);
            }
        };
        let held = held.ok_or_else(|| Error::new(ErrorKind::Internal, "no record was made"))?;
        Ok(Self {
            members,
            witness,
            settings,
            capabilities,
            held: watch::Sender::new(Arc::new(held)),
            deciding: tokio::sync::Mutex::new(None),
            decisions: AtomicU64::new(0),
            turns: Turns::default(),
            waiting: Waiting::default(),
            wake: Arc::default(),
            switches: AtomicU64::new(0),
            conflicts: AtomicU64::new(0),
        })
    }

    pub(crate) fn member(&self, name: &str) -> Result<&Member> {
        self.members.iter().find(|member| *member.name == *name).ok_or_else(|| {
            let problem =
                format!("the record names the member `{name}`, which is not configured here");
            Error::new(ErrorKind::Configuration, problem)
        })
    }

    pub(crate) fn held(&self) -> Arc<Held> {
        Arc::clone(&self.held.borrow())
    }

    pub(crate) fn primary(&self) -> Result<(Arc<Held>, &Member)> {
        let held = self.held();
        let primary = self.member(&held.record.primary)?;
        Ok((held, primary))
    }

    fn hold(&self, held: Held) -> Arc<Held> {
        let held = Arc::new(held);
        self.held.send_if_modified(|known| {
            let newer = known.record.epoch <= held.record.epoch && known.version != held.version;
            if newer {
                if known.record.primary != held.record.primary {
                    self.switches.fetch_add(1, Ordering::Relaxed);
                }
                *known = Arc::clone(&held);
            }
            newer
        });
        held
    }

    /// What a call to the primary comes to, unless another member becomes primary meanwhile: then whoever
    /// waits for one that hangs need not wait any longer.
    pub(crate) async fn on_primary<T>(
        &self,
        primary: &Member,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let mut record = self.held.subscribe();
        let switched = pin!(record.wait_for(|held| held.record.primary != *primary.name));
        match select(pin!(call), switched).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => {
                let problem = format!("`{}` is not the primary any more", primary.name);
                Err(Error::new(ErrorKind::Unavailable, problem).with_effect(Effect::Unknown))
            }
        }
    }

    /// What bringing a member to something comes to, unless it is found to be away meanwhile. One that
    /// becomes primary is not: what is on its way there arrives.
    pub(crate) async fn while_it_receives<T>(
        &self,
        member: &Member,
        bring: impl Future<Output = Result<T, Stopped>>,
    ) -> Result<T, Stopped> {
        let mut record = self.held.subscribe();
        let receives =
            |held: &Arc<Held>| held.record.standing(&member.name).is_none_or(Standing::receives);
        let left = pin!(record.wait_for(|held| !receives(held)));
        match select(pin!(bring), left).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => {
                let problem = format!("`{}` is not there any more", member.name);
                Err(Stopped::Member(Error::new(ErrorKind::Unavailable, problem)))
            }
        }
    }

    /// The record as it is now.
    pub(crate) async fn refresh(&self) -> Result<Arc<Held>> {
        match self.witness.record().await? {
            Some(held) => Ok(self.hold(held)),
            None => {
                let problem = "the record of who is primary is gone from the witness";
                Err(Error::new(ErrorKind::Corrupt, problem))
            }
        }
    }

    /// Whether the record is another one than this by now.
    pub(crate) async fn changed(&self, held: &Held) -> Result<bool> {
        Ok(self.refresh().await?.version != held.version)
    }

    pub(crate) fn plan(&self) -> Result<Plan<'_>> {
        let (held, primary) = self.primary()?;
        let mut plan =
            Plan { held: Arc::clone(&held), primary, copies: Vec::new(), later: Vec::new() };
        for member in &self.members {
            match held.record.standing(&member.name) {
                Some(standing) if standing.receives() => plan.copies.push(member),
                Some(standing) => plan.later.push((member, standing)),
                None => {}
            }
        }
        Ok(plan)
    }

    pub(crate) async fn turn(&self, key: &Key) -> OwnedMutexGuard<()> {
        self.turns.take(key).await
    }

    /// A member is not there any more, unless the record has changed meanwhile.
    ///
    /// # Errors
    ///
    /// `Unavailable` when too few would be left, or the witness does not answer.
    pub(crate) async fn leave(&self, member: &Member, held: &Held, cause: Error) -> Result<()> {
        if held.record.standing(&member.name).is_none_or(|standing| standing == Standing::Out) {
            return self.refresh().await.map(drop);
        }
        let next = held.record.with(&member.name, Standing::Out);
        if next.in_sync() < self.settings.needed() {
            let problem = format!(
                "the member `{}` does not take the write, and {} must have it",
                member.name,
                self.settings.needed()
            );
            return Err(Error::new(ErrorKind::Unavailable, problem).with_source(cause));
        }
        match self.witness.change(Some(held), next).await? {
            Some(held) => {
                self.hold(held);
            }
            None => {
                self.refresh().await?;
            }
        }
        self.wake.notify_one();
        Ok(())
    }

    /// Changes where a member stands. Whether that was done: not when the record has changed.
    pub(crate) async fn stand(
        &self,
        member: &Member,
        held: &Held,
        standing: Standing,
    ) -> Result<bool> {
        let next = held.record.with(&member.name, standing);
        let changed = self.witness.change(Some(held), next).await?;
        let done = changed.is_some();
        match changed {
            Some(held) => drop(self.hold(held)),
            None => drop(self.refresh().await?),
        }
        Ok(done)
    }

    /// A call has failed on the primary of `held` as if it were not there: looks, and lets another one
    /// take over when it is not.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the witness does not answer.
    pub(crate) async fn suspect(&self, held: &Held) -> Result<Verdict> {
        let begun = self.decisions.load(Ordering::SeqCst);
        let mut decided = self.deciding.lock().await;
        let now = self.refresh().await?;
        if now.record.primary != held.record.primary {
            return Ok(Verdict::Switched);
        }
        // Many calls fail at once, and ask one after the other: what was looked at since this one failed
        // need not be looked at again.
        if let Some(verdict) = *decided
            && self.decisions.load(Ordering::SeqCst) > begun
        {
            return Ok(verdict);
        }
        *decided = None;
        self.decisions.fetch_add(1, Ordering::SeqCst);
        let verdict = self.decide(&now).await?;
        *decided = Some(verdict);
        Ok(verdict)
    }

    async fn decide(&self, held: &Held) -> Result<Verdict> {
        if self.is_there(self.member(&held.record.primary)?).await {
            return Ok(Verdict::Alive);
        }
        if self.settings.replication == Replication::Read {
            return Ok(Verdict::Alone);
        }
        for member in &self.members {
            if !held.record.standing(&member.name).is_some_and(Standing::may_lead) {
                continue;
            }
            let next = held.record.led_by(&member.name);
            if next.in_sync() < self.settings.needed() || !self.is_there(member).await {
                continue;
            }
            match self.witness.change(Some(held), next).await? {
                Some(held) => {
                    self.hold(held);
                }
                None => {
                    let now = self.refresh().await?;
                    if now.record.primary == held.record.primary {
                        // A member left or came back: the next failure decides anew.
                        return Ok(Verdict::Alone);
                    }
                }
            }
            self.wake.notify_one();
            return Ok(Verdict::Switched);
        }
        Ok(Verdict::Alone)
    }

    /// Whether a member answers at all.
    pub(crate) async fn is_there(&self, member: &Member) -> bool {
        match timeout(self.settings.probe_timeout, member.store.check()).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => !is_gone(&error),
            Err(_) => false,
        }
    }
}

/// The record where there is none: members that have nothing yet, as the primary, have everything.
async fn first(members: &[Member], settings: &FailoverSettings) -> Result<Record> {
    let full = match settings.replication {
        Replication::Sync => Standing::InSync,
        Replication::Async | Replication::Read => Standing::Following,
    };
    let one = ListRequest { limit: Some(1), ..ListRequest::default() };
    let new = members[0].store.list(&one).await?.entries.is_empty();
    let mut others = BTreeMap::new();
    for member in &members[1..] {
        let page = member.store.list(&one).await;
        let nothing = new && page.is_ok_and(|page| page.entries.is_empty());
        let standing = if nothing { full } else { Standing::Out };
        others.insert(member.name.to_string(), standing);
    }
    Ok(Record { epoch: 1, primary: settings.members[0].clone(), others })
}

/// Whether the error says that the back-end is not there.
pub(crate) fn is_gone(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout)
}

/// What all members can do, and the failover with them.
fn capabilities(members: &[Member]) -> Result<Capabilities> {
    let needed = [
        Capability::ConditionalCreate,
        Capability::ConditionalDelete,
        Capability::ConditionalUpdate,
    ];
    let mut all = members[0].store.capabilities().clone();
    for member in members {
        let own = member.store.capabilities();
        if let Some(missing) = needed.iter().find(|capability| !own.has(**capability)) {
            let problem = format!(
                "the instance `{}` cannot be a member: its provider {} does not declare {missing}",
                member.name,
                member.store.name()
            );
            return Err(Error::new(ErrorKind::Configuration, problem));
        }
        let missing: Vec<_> = all.iter().filter(|capability| !own.has(*capability)).collect();
        all = all.without(&missing);
        all.durability = all.durability.min(own.durability);
        all.list_delay = all.list_delay.max(own.list_delay);
        all.time_precision = all.time_precision.max(own.time_precision);
        let limits = &mut all.limits;
        limits.max_object_size = match (limits.max_object_size, own.limits.max_object_size) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        limits.min_part_size = limits.min_part_size.max(own.limits.min_part_size);
        limits.max_page_size = limits.max_page_size.min(own.limits.max_page_size);
        limits.coalesce_gap = limits.coalesce_gap.min(own.limits.coalesce_gap);
    }
    // A URL goes past the failover, and older versions are those of one member.
    Ok(all.without(&[Capability::Presign, Capability::Versioning]))
}

/// A lock for each key, near enough.
#[derive(Debug)]
struct Turns {
    hasher: RandomState,
    locks: Vec<Arc<tokio::sync::Mutex<()>>>,
}

impl Default for Turns {
    fn default() -> Self {
        Self { hasher: RandomState::new(), locks: (0..256).map(|_| Arc::default()).collect() }
    }
}

impl Turns {
    async fn take(&self, key: &Key) -> OwnedMutexGuard<()> {
        let at = self.hasher.hash_one(key.as_str()) as usize % self.locks.len();
        Arc::clone(&self.locks[at]).lock_owned().await
    }
}

/// Since when keys wait to be sent, by member.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<HashMap<Arc<str>, Queue>>);

#[derive(Debug, Default)]
struct Queue {
    since: HashMap<String, Instant>,
    oldest: BTreeSet<(Instant, String)>,
}

impl Waiting {
    fn queues(&self) -> MutexGuard<'_, HashMap<Arc<str>, Queue>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A key that was noted `since` then, by the clock of who noted it.
    pub(crate) fn add(&self, member: &Member, key: &Key, since: SystemTime) {
        let now = Instant::now();
        let since = now.checked_sub(since.elapsed().unwrap_or_default()).unwrap_or(now);
        let mut queues = self.queues();
        let queue = queues.entry(Arc::clone(&member.name)).or_default();
        if !queue.since.contains_key(key.as_str()) {
            queue.since.insert(key.as_str().to_owned(), since);
            queue.oldest.insert((since, key.as_str().to_owned()));
        }
    }

    pub(crate) fn sent(&self, member: &Member, key: &Key) {
        if let Some(queue) = self.queues().get_mut(&member.name)
            && let Some(since) = queue.since.remove(key.as_str())
        {
            queue.oldest.remove(&(since, key.as_str().to_owned()));
        }
    }

    /// How long the oldest of a member has been waiting.
    pub(crate) fn behind(&self, member: &str) -> Option<Duration> {
        Some(self.queues().get(member)?.oldest.first()?.0.elapsed())
    }

    pub(crate) fn count(&self, member: &str) -> usize {
        self.queues().get(member).map_or(0, |queue| queue.since.len())
    }
}

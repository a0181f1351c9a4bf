//! The stage: members and a witness in memory, and what they do when they are told to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use omni_contracts::storage::{
    Capabilities, DeleteOptions, GetOptions, Intercepted, Key, ListEntry, ListRequest, PutOptions,
    StorageProvider, WriteCondition, Written, list_all,
};
use omni_contracts::{Body, Call, Effect, Error, ErrorKind, Interceptor, Operation, Result, Scope};
use omni_failover::{FailoverSettings, FailoverStorage, Standing};
use omni_provider_memory::{MemorySettings, MemoryStorage};
use tokio::sync::Notify;

use super::FailoverSubject;
use crate::Failure;
use crate::mutants::declaring;

/// The names of the members, in their order.
pub(super) const NAMES: [&str; 3] = ["first", "second", "third"];

/// What a store does with calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// Answers.
    There,
    /// Refuses every connection.
    Gone,
    /// Never answers.
    Hangs,
    /// Does what it is asked, and its answers are lost.
    Loses,
    /// Takes no writes.
    Full,
    /// Never answers writes.
    Stuck,
    /// Takes its time.
    Slow,
}

/// The time that it takes.
const TIME: Duration = Duration::from_millis(10);

/// What stands before a store.
#[derive(Debug)]
pub(super) struct Actor {
    mood: Mutex<Mood>,
    /// What it does with the next call of an operation, once.
    once: Mutex<Option<(Operation, Mood)>>,
    gate: Mutex<Option<(Operation, Moment, Arc<Gate>)>>,
}

/// When a call is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    Before,
    After,
}

/// Where a call is held until it may go on.
#[derive(Debug, Default)]
pub(super) struct Gate {
    arrived: Notify,
    open: Notify,
}

impl Gate {
    /// A call is here.
    pub(super) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    pub(super) fn open(&self) {
        self.open.notify_one();
    }
}

fn locked<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Actor {
    fn new() -> Arc<Self> {
        let (once, gate) = (Mutex::default(), Mutex::default());
        Arc::new(Self { mood: Mutex::new(Mood::There), once, gate })
    }

    pub(super) fn is(&self, mood: Mood) {
        *locked(&self.mood) = mood;
    }

    pub(super) fn once(&self, operation: Operation, mood: Mood) {
        *locked(&self.once) = Some((operation, mood));
    }

    /// Holds the next call of an operation.
    pub(super) fn hold(&self, operation: Operation, moment: Moment) -> Arc<Gate> {
        let gate = Arc::new(Gate::default());
        *locked(&self.gate) = Some((operation, moment, Arc::clone(&gate)));
        gate
    }

    fn mood(&self, call: &Call<'_>) -> Mood {
        let mut once = locked(&self.once);
        match *once {
            Some((operation, mood)) if operation == call.operation => {
                *once = None;
                mood
            }
            _ => *locked(&self.mood),
        }
    }

    fn gate(&self, call: &Call<'_>, moment: Moment) -> Option<Arc<Gate>> {
        let mut gate = locked(&self.gate);
        let here = gate
            .as_ref()
            .is_some_and(|(operation, when, _)| *operation == call.operation && *when == moment);
        here.then(|| gate.take().map(|(_, _, gate)| gate)).flatten()
    }
}

fn is_write(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::Put | Operation::Delete | Operation::Copy | Operation::CompleteUpload
    )
}

impl Interceptor for Actor {
    fn name(&self) -> &'static str {
        "actor"
    }

    fn layers(&self) -> Vec<&'static str> {
        Vec::new()
    }

    async fn around<T, F, Fut>(&self, call: &Call<'_>, attempt: F) -> Result<T>
    where
        T: Send,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        if let Some(gate) = self.gate(call, Moment::Before) {
            gate.arrived.notify_one();
            gate.open.notified().await;
        }
        let gone = || Error::new(ErrorKind::Unavailable, "the connection is refused");
        let outcome = match self.mood(call) {
            Mood::There => attempt().await,
            Mood::Gone => Err(gone()),
            Mood::Hangs => std::future::pending().await,
            Mood::Loses => {
                drop(attempt().await);
                let lost = Error::new(ErrorKind::Unavailable, "the answer is lost");
                let effect = if is_write(call.operation) { Effect::Unknown } else { Effect::No };
                Err(lost.with_effect(effect))
            }
            Mood::Full if is_write(call.operation) => {
                Err(Error::new(ErrorKind::CapacityExceeded, "no space is left"))
            }
            Mood::Stuck if is_write(call.operation) => std::future::pending().await,
            Mood::Full | Mood::Stuck => attempt().await,
            Mood::Slow => {
                tokio::time::sleep(TIME).await;
                attempt().await
            }
        };
        if let Some(gate) = self.gate(call, Moment::After) {
            gate.arrived.notify_one();
            gate.open.notified().await;
        }
        outcome
    }

    fn body(&self, _: &Call<'_>, body: Body) -> Body {
        body
    }
}

/// A store, with what stands before it.
pub(super) struct Stand {
    pub(super) store: MemoryStorage,
    pub(super) actor: Arc<Actor>,
}

impl Stand {
    fn new() -> Self {
        Self { store: MemoryStorage::new(MemorySettings::default()), actor: Actor::new() }
    }

    /// What another program sees of it: it has an actor of its own.
    fn seen_by(&self, actor: &Arc<Actor>) -> Arc<dyn StorageProvider> {
        let store = Arc::new(self.store.clone());
        let both = Intercepted::new(Arc::clone(&self.actor), store, Scope::default());
        Arc::new(Intercepted::new(Arc::clone(actor), Arc::new(both), Scope::default()))
    }

    /// Everything that it has.
    pub(super) async fn contents(&self) -> BTreeMap<String, (Bytes, Option<String>)> {
        let mut contents = BTreeMap::new();
        let entries: Vec<ListEntry> =
            list_all(&self.store, ListRequest::default()).try_collect().await.unwrap_or_default();
        for entry in entries {
            let key = Key::native(entry.name());
            if let Ok(got) = self.store.get(&key, &GetOptions::default()).await {
                let attributes = got.meta.attributes.content_type.clone();
                let content = got.body.collect().await.unwrap_or_default();
                contents.insert(key.as_str().to_owned(), (content, attributes));
            }
        }
        contents
    }

    /// The content of a key.
    pub(super) async fn has(&self, key: &str) -> Option<Bytes> {
        let got = self.store.get(&Key::native(key), &GetOptions::default()).await.ok()?;
        got.body.collect().await.ok()
    }

    /// Writes past the failover.
    pub(super) async fn put(&self, key: &str, content: &'static str) -> Result<Written> {
        self.store.put(&Key::new(key)?, Body::from(content), &PutOptions::default()).await
    }
}

/// Members and a witness.
pub(super) struct Scene<'a> {
    pub(super) members: Vec<Stand>,
    pub(super) witness: Stand,
    /// What members declare of what they can.
    pub(super) declared: fn(Capabilities) -> Capabilities,
    subject: &'a dyn FailoverSubject,
}

/// One program on a scene.
pub(super) struct Program {
    /// As the application has it.
    pub(super) store: Arc<dyn StorageProvider>,
    /// The same, with what it knows.
    pub(super) failover: FailoverStorage,
    /// What stands between this program and each member; other programs have their own.
    pub(super) way: Vec<Arc<Actor>>,
    /// What stands between this program and the witness.
    pub(super) way_to_witness: Arc<Actor>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(subject: &'a dyn FailoverSubject, members: usize) -> Self {
        let members = (0..members).map(|_| Stand::new()).collect();
        Self { members, witness: Stand::new(), declared: |all| all, subject }
    }

    pub(super) fn settings(&self) -> FailoverSettings {
        FailoverSettings::new(&NAMES[..self.members.len()], "witness")
    }

    /// Opens the failover as another program would.
    pub(super) async fn open(&self) -> Result<Program> {
        self.open_with(self.settings()).await
    }

    /// What a program tells under a name: of a member, or of the whole.
    pub(super) fn told(&self, program: &Program, name: &str, member: Option<usize>) -> Option<f64> {
        let gauges = self.subject.told((program.failover.gauges())());
        let part = member.map(|member| NAMES[member]);
        gauges
            .into_iter()
            .find(|gauge| gauge.name == name && gauge.part.as_deref() == part)
            .map(|gauge| gauge.value)
    }

    pub(super) async fn open_with(&self, settings: FailoverSettings) -> Result<Program> {
        let way: Vec<_> = self.members.iter().map(|_| Actor::new()).collect();
        let members = self.members.iter().zip(&way).enumerate();
        let members = members
            .map(|(at, (stand, actor))| {
                self.subject.member(at, declaring(stand.seen_by(actor), self.declared))
            })
            .collect();
        let way_to_witness = Actor::new();
        let witness = self.subject.witness(self.witness.seen_by(&way_to_witness));
        let settings = self.subject.settings(settings);
        let failover = FailoverStorage::open("main", settings, members, witness).await?;
        let store = self.subject.opened(Arc::new(failover.clone()));
        Ok(Program { store, failover, way, way_to_witness })
    }
}

impl Program {
    pub(super) async fn put(&self, key: &str, content: &str) -> Result<Written> {
        self.put_if(key, content, WriteCondition::Always).await
    }

    pub(super) async fn put_if(
        &self,
        key: &str,
        content: &str,
        condition: WriteCondition,
    ) -> Result<Written> {
        let options = PutOptions { condition, ..PutOptions::default() };
        self.store.put(&Key::new(key)?, Body::from(content.to_owned()), &options).await
    }

    pub(super) async fn get(&self, key: &str) -> Result<Bytes> {
        self.store.get(&Key::new(key)?, &GetOptions::default()).await?.body.collect().await
    }

    pub(super) async fn delete(&self, key: &str) -> Result<()> {
        self.store.delete(&Key::new(key)?, &DeleteOptions::default()).await.map(drop)
    }

    pub(super) fn primary(&self) -> String {
        self.failover.status().primary
    }

    pub(super) fn standing(&self, member: usize) -> Option<Standing> {
        let status = self.failover.status();
        let found = status.others.iter().find(|other| other.name == NAMES[member]);
        found.map(|other| other.standing)
    }

    /// Until a member stands somewhere.
    pub(super) async fn until(
        &self,
        situation: &str,
        member: usize,
        standing: Standing,
    ) -> Result<(), Failure> {
        eventually(situation, &format!("{} is {standing:?}", NAMES[member]), || async {
            self.standing(member) == Some(standing)
        })
        .await
    }
}

/// Waits for what must come, for up to ten minutes of the clock of the check.
pub(super) async fn eventually<F, Fut>(
    situation: &str,
    expected: &str,
    mut holds: F,
) -> Result<(), Failure>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    for _ in 0..6000 {
        if holds().await {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(Failure::new(situation, expected, "not in ten minutes"))
}

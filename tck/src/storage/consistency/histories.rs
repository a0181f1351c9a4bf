//! Concurrent clients on one key, whose history must be linearizable.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use omni_contracts::storage::{Capabilities, Capability, Durability};
use omni_contracts::{Effect, Error, ErrorKind};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::Barrier;

use super::side::{Seen, Side};
use crate::check::holds;
use crate::history::{Answer, Expects, Op, Recorder, shortest_failing};
use crate::reference::Content;
use crate::worker::{Condition, Form};
use crate::{Context, Failure, Outcome};

/// Operations of each client in a round. With up to 6 clients, a history stays checkable.
const OPERATIONS: usize = 9;

/// Mostly small: the more operations, the more of them meet.
const SIZES: [u64; 8] = [16, 17, 100, 100, 1000, 1000, 5000, 65_537];

/// The fewest rounds, however long they take, and the most.
const ROUNDS: (usize, usize) = (12, 600);

/// Which operations clients make, by weight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mix {
    pub(super) put: u32,
    pub(super) read: u32,
    pub(super) delete: u32,
    pub(super) create: u32,
    /// Read, then put over what was read.
    pub(super) swap: u32,
    /// Read, then delete what was read.
    pub(super) swap_out: u32,
}

impl Mix {
    /// Without deletes, so that the object is never missing.
    pub(super) const OVERWRITES: Self =
        Self { put: 1, read: 2, delete: 0, create: 0, swap: 0, swap_out: 0 };

    /// Plain operations only.
    pub(super) const PLAIN: Self =
        Self { put: 7, read: 9, delete: 4, create: 0, swap: 0, swap_out: 0 };

    /// Plain ones, and those that are declared with conditions.
    pub(super) fn conditional(capabilities: &Capabilities) -> Self {
        let weight = |capability, weight| if capabilities.has(capability) { weight } else { 0 };
        Self {
            put: 2,
            read: 5,
            delete: 2,
            create: weight(Capability::ConditionalCreate, 4),
            swap: weight(Capability::ConditionalUpdate, 8),
            swap_out: weight(Capability::ConditionalDelete, 3),
        }
    }
}

/// How long to go on with rounds.
pub(super) fn budget(capabilities: &Capabilities) -> Duration {
    match capabilities.durability {
        Durability::Memory => Duration::from_millis(600),
        _ => Duration::from_secs(2),
    }
}

/// Rounds of concurrent clients, each round on a key of its own below `name`.
pub(super) async fn linearizable(
    cx: &Context,
    name: &str,
    mut sides: Vec<Side>,
    mix: Mix,
    budget: Duration,
) -> Outcome {
    let mut rng = cx.rng(name);
    let begun = Instant::now();
    for round in 0..ROUNDS.1 {
        if round >= cx.rounds(ROUNDS.0) && begun.elapsed() > budget {
            break;
        }
        let recorder = Arc::new(Recorder::default());
        let start = Arc::new(Barrier::new(sides.len()));
        let clients = sides.into_iter().enumerate().map(|(number, side)| {
            let client = Client {
                number,
                side,
                key: format!("{name}/{round}"),
                mix,
                rng: StdRng::seed_from_u64(rng.random()),
                recorder: Arc::clone(&recorder),
                versions: Vec::new(),
                known: None,
                writes: 0,
            };
            let task = tokio::spawn(client.run(Arc::clone(&start)));
            async move {
                match task.await {
                    Ok(result) => result,
                    Err(panic) => std::panic::resume_unwind(panic.into_panic()),
                }
            }
        });
        let mut versions: BTreeMap<String, u64> = BTreeMap::new();
        sides = Vec::new();
        for (side, pairs) in try_join_all(clients).await? {
            sides.push(side);
            for (write, version) in pairs {
                let first = *versions.entry(version.clone()).or_insert(write);
                let expected = format!("version {version} belongs to write #{first} alone");
                let situation = "concurrent writes and reads of one key";
                holds(situation, first == write, expected, format!("also to #{write}"))?;
            }
        }
        let events = Arc::into_inner(recorder).map(Recorder::into_events).unwrap_or_default();
        if let Some(shortest) = shortest_failing(&events) {
            return Err(Failure::new(
                format!("concurrent operations of {} clients on one key", sides.len()),
                "an order of the operations below, each between its call and its return, that \
                 explains every answer",
                "there is none",
            )
            .with_steps(shortest.iter().map(ToString::to_string).collect()));
        }
    }
    Ok(())
}

/// A client in a round.
struct Client {
    number: usize,
    side: Side,
    key: String,
    mix: Mix,
    rng: StdRng,
    recorder: Arc<Recorder>,
    /// Which version was seen with which write.
    versions: Vec<(u64, String)>,
    /// The write seen last, with its version.
    known: Option<(u64, String)>,
    writes: u64,
}

impl Client {
    async fn run(mut self, start: Arc<Barrier>) -> Result<(Side, Vec<(u64, String)>), Failure> {
        start.wait().await;
        for _ in 0..OPERATIONS {
            self.step().await?;
        }
        Ok((self.side, self.versions))
    }

    async fn step(&mut self) -> Outcome {
        let Mix { put, read, delete, create, swap, swap_out } = self.mix;
        let mut choice = self.rng.random_range(0..put + read + delete + create + swap + swap_out);
        let mut chosen = |weight: u32| {
            let is_it = choice < weight;
            choice = choice.saturating_sub(weight);
            is_it
        };
        if chosen(put) {
            return self.write(Condition::Always, Expects::Anything).await;
        }
        if chosen(create) {
            return self.write(Condition::IfAbsent, Expects::Nothing).await;
        }
        if chosen(delete) {
            return self.delete(None).await;
        }
        if chosen(read) {
            return self.read().await;
        }
        let is_swap = chosen(swap);
        if self.known.is_none() || self.rng.random() {
            self.read().await?;
        }
        match (self.known.clone(), is_swap) {
            (None, _) => Ok(()),
            (Some((write, version)), true) => {
                self.write(Condition::IfMatch(version), Expects::Write(write)).await
            }
            (Some(known), false) => self.delete(Some(known)).await,
        }
    }

    async fn write(&mut self, condition: Condition, expects: Expects) -> Outcome {
        self.writes += 1;
        let write = self.writes * 100 + self.number as u64;
        let content = Content::new(write, SIZES[self.rng.random_range(0..SIZES.len())]);
        let form = if self.rng.random_range(0..4) == 0 { Form::Stream } else { Form::Whole };
        let op = Op::Write { write, expects };
        let called = self.recorder.now();
        let answer = match self.side.put(&self.key, content, condition, form).await? {
            Ok(version) => {
                self.versions.push((write, version.clone()));
                self.known = Some((write, version));
                Some(Answer::Done { existed: None })
            }
            Err(error) => match self.refusal(op, &error)? {
                Some(answer) => answer,
                None => return Ok(()),
            },
        };
        self.recorder.returned(self.number, op, called, answer);
        Ok(())
    }

    async fn delete(&mut self, known: Option<(u64, String)>) -> Outcome {
        let (if_match, version) = known.unzip();
        let op = Op::Delete { if_match };
        let called = self.recorder.now();
        let answer = match self.side.delete(&self.key, version).await? {
            Ok(existed) => Some(Answer::Done { existed }),
            Err(error) => match self.refusal(op, &error)? {
                Some(answer) => answer,
                None => return Ok(()),
            },
        };
        self.recorder.returned(self.number, op, called, answer);
        Ok(())
    }

    async fn read(&mut self) -> Outcome {
        let whole = self.rng.random_range(0..4) > 0;
        let called = self.recorder.now();
        let seen =
            if whole { self.side.get(&self.key).await? } else { self.side.head(&self.key).await? };
        let found = match seen {
            Ok(seen) => {
                let write = whole_write(&seen, whole)?;
                self.versions.push((write, seen.version.clone()));
                self.known = Some((write, seen.version));
                Some(write)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return self.refusal(Op::Read, &error).map(|_| ()),
        };
        self.recorder.returned(self.number, Op::Read, called, Some(Answer::Found(found)));
        Ok(())
    }

    /// What an error says: an answer, perhaps an unknown one, or nothing at all.
    fn refusal(&self, op: Op, error: &Error) -> Result<Option<Option<Answer>>, Failure> {
        match (error.kind(), op, error.effect()) {
            (ErrorKind::AlreadyExists, Op::Write { expects: Expects::Nothing, .. }, _)
            | (ErrorKind::PreconditionFailed, Op::Write { expects: Expects::Write(_), .. }, _)
            | (ErrorKind::PreconditionFailed, Op::Delete { if_match: Some(_) }, _) => {
                Ok(Some(Some(Answer::Refused)))
            }
            (ErrorKind::Conflict | ErrorKind::Throttled, _, Effect::No) => Ok(None),
            // A body may fail when its object is overwritten under it.
            (ErrorKind::PreconditionFailed, Op::Read, _) => Ok(None),
            (kind, _, Effect::Unknown) if kind.is_transient() => Ok(Some(None)),
            _ => Err(Failure::new(
                format!("`{op}` among concurrent operations on one key"),
                "an outcome that the contract knows",
                format!("error: {error}"),
            )),
        }
    }
}

/// The write that an object is of, all of it.
fn whole_write(seen: &Seen, with_content: bool) -> Result<u64, Failure> {
    let situation = "a read among concurrent writes of one key";
    let Some(named) = seen.named else {
        return Err(Failure::new(situation, "the metadata of one write", "other metadata"));
    };
    let whole = !with_content || seen.content == Some(named);
    let expected = format!("the content of write #{}, which the metadata names", named.seed);
    let other = match seen.content {
        Some(content) => format!("the content of write #{}", content.seed),
        None => "bytes that no write stored, or not all of them".to_owned(),
    };
    holds(situation, whole, expected, other)?;
    Ok(named.seed)
}

//! Writes: on the primary first, then on every member that must have them, carried to another primary
//! when the first one is gone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::future::join_all;
use omni_contracts::storage::{
    CompleteOptions, CopyOptions, Crc32c, DeleteOptions, Deleted, Key, Part, PutOptions, UploadId,
    Version, WriteCondition, Written,
};
use omni_contracts::{Body, Effect, Error, ErrorKind, Result};

use crate::bring::{Freight, Known, Stopped, bring, look};
use crate::member::{Member, split_upload};
use crate::record::Standing;
use crate::shared::{Plan, Shared, Verdict, is_gone};
use crate::witness::{Expected, fresh_id, lost};

/// How often the record may change under a write.
const TURNS: usize = 16;

/// How long a write waits for a standby that is behind.
const PATIENCE: Duration = Duration::from_secs(5);

/// A write of one key.
#[derive(Debug)]
pub(crate) enum Change {
    Put { content: Content, options: PutOptions },
    Delete { options: DeleteOptions },
    Copy { from: Key, options: CopyOptions },
    Complete { upload: UploadId, parts: Vec<Part>, options: CompleteOptions },
}

/// What is put.
#[derive(Debug)]
pub(crate) enum Content {
    /// As often as wanted.
    Whole(Bytes),
    /// Once.
    Stream(Mutex<Option<Body>>),
}

impl Content {
    pub(crate) fn new(body: Body) -> Self {
        match body.into_bytes() {
            Ok(bytes) => Self::Whole(bytes),
            Err(stream) => Self::Stream(Mutex::new(Some(stream))),
        }
    }

    fn is_there(&self) -> bool {
        match self {
            Self::Whole(_) => true,
            Self::Stream(body) => body.lock().unwrap_or_else(PoisonError::into_inner).is_some(),
        }
    }

    /// Whether a put that may be a repetition, for it has a name, finds its own content.
    async fn may_be_there(&self, at: &Member, key: &Key, options: &PutOptions) -> Result<bool> {
        let Self::Whole(bytes) = self else { return Ok(false) };
        if options.write_id.is_none() {
            return Ok(false);
        }
        let Some(there) = look(at, key).await? else { return Ok(false) };
        let sum = Crc32c::of(bytes);
        Ok(there.size == bytes.len() as u64
            && there.checksum.is_none_or(|known| known == sum)
            && there.attributes == options.attributes)
    }

    /// # Errors
    ///
    /// `Unavailable` when it was a stream, and was taken before.
    pub(crate) fn take(&self) -> Result<Body> {
        match self {
            Self::Whole(bytes) => Ok(Body::from(bytes.clone())),
            Self::Stream(body) => {
                let body = body.lock().unwrap_or_else(PoisonError::into_inner).take();
                body.ok_or_else(|| {
                    let problem = "the content was read already, and cannot be sent again";
                    Error::new(ErrorKind::Unavailable, problem)
                })
            }
        }
    }
}

/// What came of it, in the terms of the member.
#[derive(Debug)]
pub(crate) enum Made {
    Written(Written),
    Deleted(Deleted),
}

impl Change {
    pub(crate) fn put(body: Body, mut options: PutOptions) -> Result<Self> {
        // So that it can be repeated, here or on another member.
        if options.condition != WriteCondition::Always && options.write_id.is_none() {
            options.write_id = Some(fresh_id()?);
        }
        Ok(Self::Put { content: Content::new(body), options })
    }

    fn is_stream(&self) -> bool {
        matches!(self, Self::Put { content: Content::Stream(_), .. })
    }

    /// Whether it can be made on another primary, after this came of it on the one that is gone.
    fn may_be_carried(&self, error: &Error) -> bool {
        let (replayable, repeatable) = match self {
            Self::Put { content, options } => {
                // A condition on a version says nothing about the objects of another member.
                (content.is_there(), !matches!(options.condition, WriteCondition::IfMatch(_)))
            }
            Self::Delete { options } => (true, options.if_match.is_none()),
            Self::Copy { options, .. } => {
                let pinned = options.source_version.is_some();
                (true, options.condition == WriteCondition::Always && !pinned)
            }
            // The parts are those of one member.
            Self::Complete { .. } => (false, false),
        };
        replayable && (repeatable || error.effect() == Effect::No)
    }

    async fn make(&self, at: &Member, key: &Key) -> Result<Made> {
        match self {
            Self::Put { content, options } => {
                let condition = match at.own_condition(&options.condition) {
                    Ok(condition) => condition,
                    Err(foreign) if content.may_be_there(at, key, options).await? => {
                        let problem = "the version is one of another member, and what was to be put is \
                                       there, perhaps by this very write: read, then decide";
                        let doubt = Error::new(ErrorKind::Unavailable, problem);
                        return Err(doubt
                            .with_effect(Effect::Unknown)
                            .with_retryable(false)
                            .with_source(foreign));
                    }
                    Err(foreign) => return Err(foreign),
                };
                let options = PutOptions { condition, ..options.clone() };
                Ok(Made::Written(at.store.put(key, content.take()?, &options).await?))
            }
            Self::Delete { options } => {
                let if_match = match &options.if_match {
                    None => None,
                    Some(version) => Some(at.own(version).ok_or_else(|| at.foreign(version))?),
                };
                let options = DeleteOptions { if_match, ..DeleteOptions::default() };
                Ok(Made::Deleted(at.store.delete(key, &options).await?))
            }
            Self::Copy { from, options } => {
                let source_version = match &options.source_version {
                    None => None,
                    Some(version) => Some(at.own(version).ok_or_else(|| at.foreign(version))?),
                };
                let condition = at.own_condition(&options.condition)?;
                let attributes = options.attributes.clone();
                let options = CopyOptions { condition, source_version, attributes };
                Ok(Made::Written(at.store.copy(from, key, &options).await?))
            }
            Self::Complete { upload, parts, options } => {
                let own = split_upload(upload).filter(|(name, _)| **name == *at.name);
                let Some((_, own)) = own else { return Err(no_upload()) };
                let condition = at.own_condition(&options.condition)?;
                let options = CompleteOptions { condition, ..options.clone() };
                Ok(Made::Written(at.store.complete_upload(key, &own, parts, &options).await?))
            }
        }
    }

    fn known(&self, made: &Made) -> Option<Known> {
        match (self, made) {
            (Self::Put { content: Content::Whole(content), options }, Made::Written(written)) => {
                Some(Known {
                    version: written.version.clone(),
                    content: content.clone(),
                    attributes: Arc::clone(&options.attributes),
                    write_id: Some(options.write_id.clone().or_else(|| fresh_id().ok())?),
                })
            }
            _ => None,
        }
    }
}

/// The upload is one of another member, or none.
pub(crate) fn no_upload() -> Error {
    Error::new(ErrorKind::NotFound, "the primary has no such upload for this key")
}

impl Made {
    /// The version at the primary; `None` for a delete.
    fn version(&self) -> Option<&Version> {
        match self {
            Self::Written(written) => Some(&written.version),
            Self::Deleted(_) => None,
        }
    }

    /// The same as another member has it.
    fn under(mut self, version: Option<Version>) -> Self {
        if let (Self::Written(written), Some(version)) = (&mut self, version) {
            written.version = version;
        }
        self
    }

    fn shown(self, at: &Member) -> Result<Self> {
        match self {
            Self::Written(written) => Ok(Self::Written(at.shown_written(written)?)),
            deleted @ Self::Deleted(_) => Ok(deleted),
        }
    }

    pub(crate) fn written(self) -> Result<Written> {
        match self {
            Self::Written(written) => Ok(written),
            Self::Deleted(_) => Err(Error::new(ErrorKind::Internal, "a write that was a delete")),
        }
    }

    pub(crate) fn deleted(self) -> Result<Deleted> {
        match self {
            Self::Deleted(deleted) => Ok(deleted),
            Self::Written(_) => Err(Error::new(ErrorKind::Internal, "a delete that was a write")),
        }
    }
}

/// Sees to it that members agree on a key after a write that ended otherwise than with success: dropped,
/// or in doubt.
struct Unsettled {
    shared: Arc<Shared>,
    key: Option<Key>,
}

impl Unsettled {
    fn settled(mut self) {
        self.key = None;
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        let Some(key) = self.key.take() else { return };
        // Without a runtime the program ends, and who opens it next compares.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let shared = Arc::clone(&self.shared);
        runtime.spawn(async move {
            if shared.settle(&key).await.is_err() {
                // Sent when the primary is there again. Without a witness, who opens it next compares.
                let _ = shared.note_for_all(&key).await;
            }
        });
    }
}

impl Shared {
    pub(crate) async fn write(self: &Arc<Self>, key: &Key, change: &Change) -> Result<Made> {
        // A stream may take its time: others do not wait for it.
        let _turn = if change.is_stream() { None } else { Some(self.turn(key).await) };
        let mut doubt: Option<Error> = None;
        for _ in 0..TURNS {
            let outcome = match self.write_once(key, change).await {
                Ok(Some(made)) => return Ok(made),
                Ok(None) => continue,
                Err(Failed::Final(error)) => Err(error),
                Err(Failed::Carried(error)) => {
                    if error.effect() != Effect::No {
                        doubt = Some(error);
                    }
                    continue;
                }
            };
            return match (outcome, doubt) {
                // It may be the caller's own write that was there first.
                (Err(error), Some(doubt)) if lost(&error) => Err(doubt),
                (Err(error), Some(_)) if error.effect() == Effect::No => {
                    Err(error.with_effect(Effect::Unknown))
                }
                (outcome, _) => outcome,
            };
        }
        let problem = "the members of the failover change faster than the write can follow";
        let effect = if doubt.is_some() { Effect::Unknown } else { Effect::No };
        Err(Error::new(ErrorKind::Unavailable, problem).with_effect(effect))
    }

    /// `None` when the record has changed, and nothing was written.
    async fn write_once(
        self: &Arc<Self>,
        key: &Key,
        change: &Change,
    ) -> Result<Option<Made>, Failed> {
        let plan = self.plan()?;
        if self.keep_pace(&plan).await? {
            return Ok(None);
        }
        let looks = plan.copies.iter().map(|member| {
            let look = async { look(member, key).await.map_err(Stopped::Member) };
            self.while_it_receives(member, look)
        });
        let looks = join_all(looks).await;
        let mut seen = Vec::new();
        for (member, look) in plan.copies.iter().zip(looks) {
            match look {
                Ok(meta) => seen.push(meta.map(|meta| meta.version)),
                Err(stopped) => {
                    self.leave(member, &self.held(), stopped.error()).await?;
                    return Ok(None);
                }
            }
        }
        // After what members have was seen: whoever writes by a newer record has changed that since.
        if self.changed(&plan.held).await? {
            return Ok(None);
        }
        let expected = match self.expected(&plan, key).await {
            Ok(expected) => expected,
            Err(error) if is_gone(&error) => {
                let error = error.with_effect(Effect::No);
                return match self.suspect(&plan.held).await {
                    Ok(Verdict::Switched) => Ok(None),
                    _ => Err(Failed::Final(error)),
                };
            }
            Err(error) => return Err(Failed::Final(error)),
        };
        self.note(&plan, key, expected).await?;
        let unsettled = Unsettled { shared: Arc::clone(self), key: Some(key.clone()) };
        let call = change.make(plan.primary, key);
        let made = match self.on_primary(plan.primary, call).await {
            Ok(made) => made,
            Err(error) if is_gone(&error) => {
                return match self.suspect(&plan.held).await {
                    Ok(Verdict::Switched) if change.may_be_carried(&error) => {
                        Err(Failed::Carried(error))
                    }
                    _ => Err(Failed::Final(error)),
                };
            }
            Err(error) => {
                if error.effect() == Effect::No {
                    unsettled.settled();
                }
                return Err(Failed::Final(error));
            }
        };
        let known = change.known(&made);
        let _turn = if change.is_stream() { Some(self.turn(key).await) } else { None };
        let done = self.replicate(&plan, key, &seen, made.version(), known.as_ref()).await;
        match done {
            Ok(Replicated::Everywhere) => {
                unsettled.settled();
                Ok(Some(made.shown(plan.primary)?))
            }
            // Another member is primary, which has it: it is brought to the others from there.
            Ok(Replicated::Superseded(Some((primary, version)))) => {
                let settled = self.settle_in_turn(key).await;
                settled.map_err(|error| Failed::Final(error.with_effect(Effect::Unknown)))?;
                unsettled.settled();
                Ok(Some(made.under(version).shown(primary)?))
            }
            // Another member is primary, which has not seen this.
            Ok(Replicated::Superseded(None)) => {
                let problem = "another program has made another member the primary meanwhile";
                let error =
                    Error::new(ErrorKind::Unavailable, problem).with_effect(Effect::Unknown);
                if change.may_be_carried(&error) {
                    Err(Failed::Carried(error))
                } else {
                    Err(Failed::Final(error))
                }
            }
            Err(error) => Err(Failed::Final(error.with_effect(Effect::Unknown))),
        }
    }

    /// Gives a write to the members that must have it.
    async fn replicate<'a>(
        &'a self,
        plan: &Plan<'a>,
        key: &Key,
        seen: &[Option<Version>],
        made: Option<&Version>,
        known: Option<&Known>,
    ) -> Result<Replicated<'a>> {
        let all = plan.copies.iter().zip(seen).map(|(member, seen)| {
            let freight = Freight::Write { made, seen: seen.clone(), known };
            let bring = bring(self, plan.primary, member, key, freight);
            self.while_it_receives(member, bring)
        });
        let mut brought = Vec::new();
        let mut has_it = Vec::new();
        let mut stopped = None;
        for (member, outcome) in plan.copies.iter().zip(join_all(all).await) {
            let placed = match outcome {
                Ok(placed) => {
                    brought.push(&*member.name);
                    placed
                }
                Err(Stopped::Member(error)) => {
                    self.leave(member, &self.held(), error).await?;
                    None
                }
                Err(Stopped::Witness(error)) => return Err(error),
                Err(Stopped::Superseded(placed)) => {
                    stopped = stopped.or(Some(None));
                    placed
                }
                // It is gone after it took the write.
                Err(Stopped::Primary(error, placed)) => {
                    stopped = Some(Some(error));
                    placed
                }
            };
            has_it.extend(placed.map(|version| (*member, version)));
        }
        let superseded = match stopped {
            Some(None) => true,
            Some(Some(error)) => match self.suspect(&plan.held).await? {
                Verdict::Switched => true,
                _ => return Err(error),
            },
            None if brought.len() == plan.copies.len() && plan.later.is_empty() => false,
            None => !self.agree(plan, key, brought).await?,
        };
        if !superseded {
            return Ok(Replicated::Everywhere);
        }
        let primary = &self.refresh().await?.record.primary;
        let there = has_it.into_iter().find(|(member, _)| *member.name == **primary);
        Ok(Replicated::Superseded(there))
    }

    /// Until what is noted and sent is what the record asks for.
    async fn agree<'a>(
        &'a self,
        first: &Plan<'a>,
        key: &Key,
        mut brought: Vec<&'a str>,
    ) -> Result<bool> {
        let mut noted: Vec<&str> = first.later.iter().map(|(member, _)| &*member.name).collect();
        let mut version = first.held.version.clone();
        for _ in 0..TURNS {
            let now = self.refresh().await?;
            if now.record.primary != *first.primary.name {
                return Ok(false);
            }
            if now.version == version {
                return Ok(true);
            }
            version = now.version.clone();
            let plan = self.plan()?;
            for (member, standing) in &plan.later {
                if !noted.contains(&&*member.name) {
                    // What it had before the write is not known any more.
                    self.note_for(member, *standing, key, Expected::Anything).await?;
                    noted.push(&member.name);
                }
            }
            for member in &plan.copies {
                if !brought.contains(&&*member.name) {
                    let bring = bring(self, plan.primary, member, key, Freight::Current);
                    match self.while_it_receives(member, bring).await {
                        Ok(_) => brought.push(&member.name),
                        Err(Stopped::Member(error)) => self.leave(member, &now, error).await?,
                        Err(Stopped::Superseded(_)) => return Ok(false),
                        Err(Stopped::Primary(error, _) | Stopped::Witness(error)) => {
                            return Err(error);
                        }
                    }
                }
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "the members of the failover change too fast"))
    }

    /// Notes a key for the members that receive it later.
    async fn note(&self, plan: &Plan<'_>, key: &Key, now: Expected) -> Result<()> {
        for (member, standing) in &plan.later {
            self.note_for(member, *standing, key, now).await?;
        }
        if !plan.later.is_empty() {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Notes a key for every member but the primary.
    async fn note_for_all(&self, key: &Key) -> Result<()> {
        let plan = self.plan()?;
        self.note(&plan, key, Expected::Anything).await?;
        for member in &plan.copies {
            self.note_for(member, Standing::InSync, key, Expected::Anything).await?;
        }
        Ok(())
    }

    async fn note_for(
        &self,
        member: &Member,
        standing: Standing,
        key: &Key,
        now: Expected,
    ) -> Result<()> {
        let expected = if standing == Standing::Out { now } else { Expected::Anything };
        self.witness.mark(&member.name, key, expected).await?;
        self.waiting.add(member, key, SystemTime::now());
        Ok(())
    }

    /// What a member that is out should have under a key that is about to be written: what the primary
    /// has. It was primary once, perhaps, and has what nobody else has.
    async fn expected(&self, plan: &Plan<'_>, key: &Key) -> Result<Expected> {
        match plan.later.iter().any(|(_, standing)| *standing == Standing::Out) {
            true => {
                let look = look(plan.primary, key);
                Ok(Expected::of(self.on_primary(plan.primary, look).await?.as_ref()))
            }
            false => Ok(Expected::Anything),
        }
    }

    /// Waits while a standby that may take over is further behind than was promised. One that does not
    /// catch up may not take over any more. Whether the record has changed.
    async fn keep_pace(&self, plan: &Plan<'_>) -> Result<bool> {
        let Some(lag) = self.settings.lag() else { return Ok(false) };
        let begun = tokio::time::Instant::now();
        loop {
            let behind = plan.later.iter().find_map(|(member, standing)| {
                let age = self.waiting.behind(&member.name).filter(|_| standing.may_lead())?;
                (age >= lag).then_some((member, age))
            });
            let Some((member, age)) = behind else { return Ok(false) };
            if begun.elapsed() > PATIENCE {
                let problem = format!("{age:.0?} behind, and targets.rpo is {lag:.0?}");
                let error = Error::new(ErrorKind::Unavailable, problem);
                self.leave(member, &plan.held, error).await?;
                return Ok(true);
            }
            self.wake.notify_one();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Brings every member to what the primary has under a key, or notes it.
    pub(crate) async fn settle(self: &Arc<Self>, key: &Key) -> Result<()> {
        let _turn = self.turn(key).await;
        self.settle_in_turn(key).await
    }

    /// The same for who has the turn of the key.
    async fn settle_in_turn(&self, key: &Key) -> Result<()> {
        self.refresh().await?;
        let plan = self.plan()?;
        self.note(&plan, key, Expected::Anything).await?;
        let all = plan.copies.iter().map(|member| {
            let bring = bring(self, plan.primary, member, key, Freight::Current);
            self.while_it_receives(member, bring)
        });
        let mut brought = Vec::new();
        for (member, outcome) in plan.copies.iter().zip(join_all(all).await) {
            match outcome {
                Ok(_) => brought.push(&*member.name),
                Err(Stopped::Member(error)) => self.leave(member, &self.held(), error).await?,
                Err(stopped) => return Err(stopped.error()),
            }
        }
        self.agree(&plan, key, brought).await.map(drop)
    }
}

/// How far a write has come.
enum Replicated<'a> {
    /// Every member that must have it has it.
    Everywhere,
    /// Another member is primary by now. With that, and the version there, if it has the write.
    Superseded(Option<(&'a Member, Option<Version>)>),
}

/// How a write ended without success.
#[derive(Debug)]
enum Failed {
    Final(Error),
    /// Another member is primary now, and may be asked.
    Carried(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

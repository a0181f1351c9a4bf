//! What a member lacks: it is sent what was noted for it, compared with the primary, and only then
//! counts again. What it alone has is kept at the witness before it is replaced.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};
use omni_contracts::storage::{
    Capability, Crc32c, GetOptions, Key, ListEntry, ListRequest, ObjectMeta, ReadCondition,
    StorageProvider, list_all,
};
use omni_contracts::{Body, Error, ErrorKind, Result};

use crate::bring::{Freight, Stopped, bring, look};
use crate::member::Member;
use crate::record::Standing;
use crate::settings::Replication;
use crate::shared::Shared;
use crate::witness::{Expected, Mark};

/// How many keys are sent at once.
const AT_ONCE: usize = 8;

impl Shared {
    /// Brings a member that was away up to date, and lets it count again. It need not have everything to
    /// receive what is written from now on: under a load that never pauses it would never have.
    pub(crate) async fn catch_up(self: &Arc<Self>, member: &Member) -> Result<()> {
        self.drain(member).await?;
        self.compare(member, Expected::Nothing).await?;
        self.drain(member).await?;
        let follows = match self.settings.replication {
            Replication::Sync => Standing::Joining,
            Replication::Async | Replication::Read => Standing::Following,
        };
        if !self.step(member, Standing::Out, follows).await? || follows == Standing::Following {
            return Ok(());
        }
        self.join(member).await
    }

    /// Lets a member count that every write reaches: what was noted before that is all that it lacks.
    pub(crate) async fn join(self: &Arc<Self>, member: &Member) -> Result<()> {
        while self.drain(member).await? {}
        self.step(member, Standing::Joining, Standing::InSync).await.map(drop)
    }

    /// Lets a member stand elsewhere, if it stands where it is thought to. Whether it does.
    async fn step(&self, member: &Member, from: Standing, to: Standing) -> Result<bool> {
        loop {
            let held = self.refresh().await?;
            if held.record.standing(&member.name) != Some(from) {
                return Ok(false);
            }
            if self.stand(member, &held, to).await? {
                return Ok(true);
            }
        }
    }

    /// Sends what is noted for a member, once from the first note to the last. Whether there was any.
    pub(crate) async fn drain(self: &Arc<Self>, member: &Member) -> Result<bool> {
        let mut found = false;
        let mut page = None;
        loop {
            let (marks, next) = self.witness.marks(&member.name, page).await?;
            found |= !marks.is_empty();
            for mark in &marks {
                self.waiting.add(member, &mark.key, mark.since);
            }
            stream::iter(marks)
                .map(Ok)
                .try_for_each_concurrent(AT_ONCE, |mark| self.deliver(member, mark))
                .await?;
            if next.is_none() {
                return Ok(found);
            }
            page = next;
        }
    }

    /// Brings a member to what the primary has under a key that is noted. What it has instead, and was
    /// not expected to have, is kept.
    async fn deliver(self: &Arc<Self>, member: &Member, mark: Mark) -> Result<()> {
        let (held, primary) = self.primary()?;
        if primary.name == member.name {
            return Ok(());
        }
        let since = SystemTime::now();
        let key = mark.key.clone();
        self.keep_unexpected(member, held.record.epoch, &key, mark.expected).await?;
        // Noted again meanwhile: the next time.
        let Some(mark) = self.witness.sending(mark).await? else { return Ok(()) };
        bring(self, primary, member, &key, Freight::Current).await.map_err(Stopped::error)?;
        self.waiting.sent(member, &key);
        if !self.witness.clear(&mark).await? {
            // Noted again: what is written since is what it lacks, over what it has now.
            let there = Expected::of(look(member, &key).await?.as_ref());
            self.witness.brought(&member.name, &key, there, since).await?;
            self.waiting.add(member, &key, since);
        }
        Ok(())
    }

    /// Keeps what a member has under a key, if that is neither what it was expected to have nor what the
    /// primary has.
    async fn keep_unexpected(
        &self,
        member: &Member,
        epoch: u64,
        key: &Key,
        expected: Expected,
    ) -> Result<()> {
        if expected == Expected::Anything {
            return Ok(());
        }
        let (_, primary) = self.primary()?;
        match look(member, key).await? {
            Some(there)
                if !expected.is(Expected::of(Some(&there)))
                    && !self.is_same_content(primary, member, key, &there).await? =>
            {
                self.keep(member, epoch, key, &there).await
            }
            _ => Ok(()),
        }
    }

    async fn keep(&self, member: &Member, epoch: u64, key: &Key, there: &ObjectMeta) -> Result<()> {
        let got = member.store.get(key, &GetOptions::default()).await?;
        if got.meta.version != there.version {
            let problem = "the object changed while it was looked at";
            return Err(Error::new(ErrorKind::Conflict, problem));
        }
        self.witness.keep(&member.name, epoch, key, there, got.body).await?;
        self.conflicts.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Whether both have the same under a key, if necessary by reading it.
    async fn is_same_content(
        &self,
        primary: &Member,
        member: &Member,
        key: &Key,
        there: &ObjectMeta,
    ) -> Result<bool> {
        let Some(here) = look(primary, key).await? else { return Ok(false) };
        if here.size != there.size || here.attributes != there.attributes {
            return Ok(false);
        }
        Ok(sum(primary, key, &here).await? == sum(member, key, there).await?)
    }

    /// Compares everything that the primary and a member have, and notes what differs, to be sent. With
    /// `Expected::Nothing` what the member has there is a conflict, unless it was noted before.
    pub(crate) async fn compare(
        self: &Arc<Self>,
        member: &Member,
        expected: Expected,
    ) -> Result<()> {
        let (_, primary) = self.primary()?;
        if primary.name == member.name {
            return Ok(());
        }
        let here = keys(&*primary.store);
        here.try_for_each_concurrent(AT_ONCE, |key| async move {
            let differs = match look(member, &key).await? {
                Some(there) => !self.is_same_content(primary, member, &key, &there).await?,
                None => true,
            };
            if differs { self.note_difference(member, &key, expected).await } else { Ok(()) }
        })
        .await?;
        let there = keys(&*member.store);
        there
            .try_for_each_concurrent(AT_ONCE, |key| async move {
                match look(primary, &key).await? {
                    Some(_) => Ok(()),
                    None => self.note_difference(member, &key, expected).await,
                }
            })
            .await
    }

    /// Notes a key that differs, after what the member has there was kept if it was not expected. What is
    /// noted already has its own expectation.
    async fn note_difference(&self, member: &Member, key: &Key, expected: Expected) -> Result<()> {
        if self.witness.is_marked(&member.name, key).await? {
            return Ok(());
        }
        let epoch = self.held().record.epoch;
        self.keep_unexpected(member, epoch, key, expected).await?;
        self.witness.mark(&member.name, key, Expected::Anything).await?;
        self.waiting.add(member, key, SystemTime::now());
        Ok(())
    }
}

/// The checksum of an object, read where nobody knows it.
async fn sum(member: &Member, key: &Key, meta: &ObjectMeta) -> Result<Crc32c> {
    if let Some(known) = meta.checksum {
        return Ok(known);
    }
    let condition =
        ReadCondition { if_match: Some(meta.version.clone()), ..ReadCondition::default() };
    let has = member.store.capabilities().has(Capability::ConditionalRead);
    let condition = if has { condition } else { ReadCondition::default() };
    let options = GetOptions { condition, ..GetOptions::default() };
    let mut body: Body = member.store.get(key, &options).await?.body;
    let mut sum = Crc32c::of(b"");
    while let Some(chunk) = body.try_next().await? {
        sum.update(&chunk);
    }
    Ok(sum)
}

/// The keys of a store.
fn keys(store: &dyn StorageProvider) -> impl Stream<Item = Result<Key>> + Send + '_ {
    list_all(store, ListRequest::default()).try_filter_map(|entry| async {
        Ok(match entry {
            ListEntry::Object(object) => Some(object.key),
            ListEntry::Prefix(_) => None,
        })
    })
}

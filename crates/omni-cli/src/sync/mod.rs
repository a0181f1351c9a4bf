//! Making one folder of objects equal to another, in any two storages: `sync` and `migrate`.
//!
//! Nothing is remembered between runs: what is equal is found by comparing, so a run that was killed
//! goes on by being run again.

mod filter;
mod known;
mod pace;
mod pairs;
mod retry;
mod summary;

use std::future::IntoFuture;
use std::time::Instant;

use futures_util::TryStreamExt;
use futures_util::future::try_join;
use indicatif::ProgressBar;
use omni_storage::{
    Capability, Crc32c, Error, ErrorKind, Key, ObjectEntry, ObjectMeta, Operation, Result, Version,
    WriteCondition, WriteId, transfer,
};

pub(crate) use filter::Filter;
pub(crate) use known::Known;
pub(crate) use pace::Pace;
pub(crate) use pairs::Side;
use pairs::{Pair, pairs};
pub(crate) use retry::Retry;
pub(crate) use summary::{Done, Summary};

/// How often a source that is written meanwhile is followed.
const FOLLOWS: usize = 5;

/// What is to be made equal, and how.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) source: Side,
    pub(crate) target: Side,
    pub(crate) filter: Filter,
    /// Whether what only the target has is deleted.
    pub(crate) delete: bool,
    /// How many objects at once.
    pub(crate) parallel: usize,
    pub(crate) retry: Retry,
    pub(crate) pace: Pace,
    pub(crate) known: Known,
}

/// What is to be done about one name.
#[derive(Debug)]
enum Action {
    /// Both sides are equal.
    Nothing,
    Copy {
        source: ObjectEntry,
        /// The version that it replaces.
        over: Option<Version>,
    },
    Delete {
        target: ObjectEntry,
    },
    /// Only the target has it, and keeps it.
    Leave,
    /// The target cannot have it.
    Refuse {
        why: String,
    },
}

/// What listing both sides tells, before anything is moved.
#[derive(Debug, Default)]
pub(crate) struct Outlook {
    /// The bytes of what is missing or has another size.
    pub(crate) bytes: u64,
    /// Names that the target cannot have, and why.
    pub(crate) refused: Vec<(String, String)>,
}

impl Job {
    /// Looks at both listings.
    pub(crate) async fn outlook(&self) -> Result<Outlook> {
        let mut outlook = Outlook::default();
        let mut pairs = std::pin::pin!(self.pairs());
        while let Some(pair) = pairs.try_next().await? {
            let Some(source) = &pair.source else { continue };
            if let Some(why) = self.refusal(&pair.name, source) {
                outlook.refused.push((pair.name, why));
            } else if pair.target.is_none_or(|target| target.size != source.size) {
                outlook.bytes += source.size;
            }
        }
        Ok(outlook)
    }

    /// Makes the target equal to the source. `told` hears of each name as it is done.
    pub(crate) async fn run(
        &self,
        bar: &ProgressBar,
        told: impl FnMut(&str, &Done),
    ) -> Result<Summary> {
        self.each(told, async |pair, action| {
            let repeated = self.perform(pair, action, bar);
            repeated.await.unwrap_or_else(|error| Done::Failed(error.to_string()))
        })
        .await
    }

    /// Says what [`run`](Self::run) would do, and what the target could not take, and does nothing.
    pub(crate) async fn rehearse(&self, told: impl FnMut(&str, &Done)) -> Result<Summary> {
        self.each(told, async |_, action| match action {
            Action::Nothing => Done::Same,
            Action::Copy { source, .. } => match self.source.storage.head(&source.key).await {
                Ok(meta) => match meta.attributes.validate() {
                    Ok(()) => Done::Copied { bytes: meta.size, changed: false },
                    Err(error) => Done::Refused(error.to_string()),
                },
                Err(error) => Done::Failed(error.to_string()),
            },
            Action::Delete { .. } => Done::Deleted,
            Action::Leave => Done::Left,
            Action::Refuse { why } => Done::Refused(why),
        })
        .await
    }

    /// Lists and compares both sides anew: everything that is not equal is a failure. Objects that still
    /// have the versions which [`run`](Self::run) read and wrote, or found equal, are not asked for again.
    pub(crate) async fn verify(&self, told: impl FnMut(&str, &Done)) -> Result<Summary> {
        self.each(told, async |_, action| match action {
            Action::Nothing => Done::Same,
            Action::Copy { over: None, .. } => {
                Done::Failed("it is missing at the target".to_owned())
            }
            Action::Copy { .. } => Done::Failed("the two differ".to_owned()),
            Action::Delete { .. } => Done::Failed("only the target has it".to_owned()),
            Action::Leave => Done::Left,
            Action::Refuse { why } => Done::Refused(why),
        })
        .await
    }

    fn pairs(&self) -> impl futures_util::Stream<Item = Result<Pair>> + '_ {
        let taken = |pair: &Pair| std::future::ready(self.filter.takes(&pair.name));
        pairs(&self.source, &self.target).try_filter(taken)
    }

    /// Decides about every name, and lets `act` follow; some at once.
    #[expect(clippy::future_not_send, reason = "commands run on the main task")]
    async fn each(
        &self,
        mut told: impl FnMut(&str, &Done),
        act: impl AsyncFn(&Pair, Action) -> Done,
    ) -> Result<Summary> {
        let begun = Instant::now();
        let one = async |pair: Pair| {
            let done = match self.retry.repeated(async || self.decide(&pair).await).await {
                Ok(action) => act(&pair, action).await,
                Err(error) => Done::Failed(error.to_string()),
            };
            Ok::<_, Error>((pair.name, done))
        };
        let mut outcomes =
            std::pin::pin!(self.pairs().map_ok(one).try_buffer_unordered(self.parallel));
        let mut summary = Summary::default();
        while let Some((name, done)) = outcomes.try_next().await? {
            told(&name, &done);
            summary.add(name, done);
        }
        summary.elapsed = begun.elapsed();
        Ok(summary)
    }

    async fn decide(&self, pair: &Pair) -> Result<Action> {
        Ok(match (&pair.source, &pair.target) {
            (None, None) => Action::Nothing,
            (None, Some(target)) if self.delete => Action::Delete { target: target.clone() },
            (None, Some(_)) => Action::Leave,
            (Some(source), target) => match (self.refusal(&pair.name, source), target) {
                (Some(why), _) => Action::Refuse { why },
                (None, Some(target)) if self.equal(source, target).await? => Action::Nothing,
                (None, target) => Action::Copy {
                    source: source.clone(),
                    over: target.as_ref().map(|target| target.version.clone()),
                },
            },
        })
    }

    /// Why the target cannot have this object.
    fn refusal(&self, name: &str, source: &ObjectEntry) -> Option<String> {
        let largest = self.target.storage.capabilities().limits.max_object_size;
        match (Key::new(self.target_name(name)), largest) {
            (Err(error), _) => Some(error.message().to_owned()),
            (Ok(_), Some(largest)) if source.size > largest => {
                Some(format!("it has {} bytes, the target takes {largest}", source.size))
            }
            _ => None,
        }
    }

    fn target_name(&self, name: &str) -> String {
        format!("{}{name}", self.target.folder)
    }

    /// Whether content and attributes are the same.
    async fn equal(&self, source: &ObjectEntry, target: &ObjectEntry) -> Result<bool> {
        if source.size != target.size {
            return Ok(false);
        }
        if self.known.holds(source, &target.version) {
            return Ok(true);
        }
        let equal = self.compare(source, target).await?;
        if equal {
            self.known.learn(source, &target.version);
        }
        Ok(equal)
    }

    /// Asks both sides. A content that is stored without a checksum, as by other programs, is read for it.
    async fn compare(&self, source: &ObjectEntry, target: &ObjectEntry) -> Result<bool> {
        let one = self.source.storage.head(&source.key);
        let other = self.target.storage.head(&target.key);
        let (one, other) = match try_join(one.into_future(), other.into_future()).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            both => both?,
        };
        if one.size != other.size || one.attributes != other.attributes {
            return Ok(false);
        }
        let one = self.checksum(&self.source, &source.key, &one);
        let other = self.checksum(&self.target, &target.key, &other);
        match try_join(one, other).await {
            // Written or deleted meanwhile.
            Err(error) if is_gone(&error) => Ok(false),
            Err(error) => Err(error),
            Ok((one, other)) => Ok(one == other),
        }
    }

    async fn checksum(&self, side: &Side, key: &Key, meta: &ObjectMeta) -> Result<Crc32c> {
        if let Some(checksum) = meta.checksum {
            return Ok(checksum);
        }
        let get = side.storage.get(key);
        let get = match side.storage.capabilities().has(Capability::ConditionalRead) {
            true => get.if_match(meta.version.clone()),
            false => get,
        };
        let object = get.await?;
        if object.meta().version != meta.version {
            return Err(Error::new(ErrorKind::PreconditionFailed, "the object was replaced"));
        }
        let (mut content, mut checksum) = (object.stream(), Crc32c::default());
        while let Some(chunk) = content.try_next().await? {
            self.pace.take(chunk.len() as u64).await;
            checksum.update(&chunk);
        }
        Ok(checksum)
    }

    async fn perform(&self, pair: &Pair, action: Action, bar: &ProgressBar) -> Result<Done> {
        match action {
            Action::Nothing => Ok(Done::Same),
            Action::Leave => Ok(Done::Left),
            Action::Refuse { why } => Ok(Done::Refused(why)),
            Action::Delete { target } => {
                let storage = &self.target.storage;
                let delete = storage.delete(&target.key);
                match storage.capabilities().has(Capability::ConditionalDelete) {
                    true => delete.if_match(target.version.clone()).await?,
                    false => delete.await?,
                };
                Ok(Done::Deleted)
            }
            Action::Copy { source, over } => self.copy(pair, source, over, bar).await,
        }
    }

    /// Copies the version that was listed; when the source is written meanwhile, the one that is.
    async fn copy(
        &self,
        pair: &Pair,
        mut source: ObjectEntry,
        over: Option<Version>,
        bar: &ProgressBar,
    ) -> Result<Done> {
        let key = Key::new(self.target_name(&pair.name))?;
        let declared = self.target.storage.capabilities();
        let condition = match over {
            None if declared.has(Capability::ConditionalCreate) => WriteCondition::IfAbsent,
            Some(version) if declared.has(Capability::ConditionalUpdate) => {
                WriteCondition::IfMatch(version)
            }
            _ => WriteCondition::Always,
        };
        for follow in 0..FOLLOWS {
            let id = WriteId::new(format!("{:032x}", rand::random::<u128>()))?;
            let copied = self
                .retry
                .repeated(async || {
                    let (pace, bar) = (self.pace.clone(), bar.clone());
                    transfer::copy(&self.source.storage, &source.key, &self.target.storage, &key)
                        .source_version(source.version.clone())
                        .condition(condition.clone())
                        .write_id(id.clone())
                        .after_chunk(move |bytes| {
                            let (pace, bar) = (pace.clone(), bar.clone());
                            Box::pin(async move {
                                pace.take(bytes).await;
                                bar.inc(bytes);
                            })
                        })
                        .await
                })
                .await;
            let error = match copied {
                Ok(copied) => {
                    // Without a checksum at the source, nobody knows yet that it was read well.
                    if follow == 0 && copied.source.checksum.is_some() {
                        self.known.learn(&source, &copied.target.version);
                    }
                    return Ok(Done::Copied { bytes: copied.target.size, changed: follow > 0 });
                }
                Err(error) => error,
            };
            if error.operation() != Some(Operation::Get) || !is_gone(&error) {
                return Err(error);
            }
            match self.source.storage.head(&source.key).await {
                Ok(meta) => (source.version, source.size) = (meta.version, meta.size),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Done::Vanished),
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(ErrorKind::Conflict, "the source is written again and again"))
    }
}

/// Whether the version that was asked for is not there any more.
fn is_gone(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::PreconditionFailed | ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use omni_storage::{Call, Interceptor, Loader, Storage};

    use super::*;

    /// Counts how often either side is asked for a description.
    #[derive(Clone, Debug, Default)]
    struct Heads(Arc<AtomicUsize>);

    impl Interceptor for Heads {
        fn name(&self) -> &'static str {
            "heads"
        }

        async fn around<T, F, Fut>(&self, call: &Call<'_>, attempt: F) -> Result<T>
        where
            T: Send,
            F: Fn() -> Fut + Send + Sync,
            Fut: Future<Output = Result<T>> + Send,
        {
            if call.operation == Operation::Head {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
            attempt().await
        }
    }

    async fn job(heads: &Heads) -> Job {
        let text = "[default.storage.main]\nprovider = 'memory'\n";
        let config = Loader::new().environment([("", ""); 0]).text(text).load().unwrap();
        let side = async || {
            let storage = Storage::from_config(&config, "main").await.unwrap();
            Side { storage: storage.with_interceptor(heads.clone()), folder: String::new() }
        };
        Job {
            source: side().await,
            target: side().await,
            filter: Filter::new(&[], &[]).unwrap(),
            delete: false,
            parallel: 2,
            retry: Retry(0),
            pace: Pace::new(None),
            known: Known::default(),
        }
    }

    #[tokio::test]
    async fn what_was_copied_is_verified_by_its_versions() {
        let heads = Heads::default();
        let job = job(&heads).await;
        for name in ["a", "b", "c", "d", "e"] {
            job.source.storage.put(name, "content").await.unwrap();
        }
        let copied = job.run(&ProgressBar::hidden(), |_, _| {}).await.unwrap();
        assert_eq!(copied.copied, 5);
        let verified = job.verify(|_, _| {}).await.unwrap();
        assert_eq!((verified.same, verified.failed), (5, 0));
        assert_eq!(heads.0.load(Ordering::Relaxed), 0);

        job.source.storage.put("a", "changed").await.unwrap();
        job.source.storage.put("b", "content").metadata("k", "v").await.unwrap();
        job.target.storage.put("c", "CONTENT").await.unwrap();
        // As it was, but not what was written.
        job.target.storage.put("d", "content").await.unwrap();
        job.target.storage.delete("e").await.unwrap();
        let mut wrong = Vec::new();
        let verified = job
            .verify(|name, done| {
                if matches!(done, Done::Failed(_)) {
                    wrong.push(name.to_owned());
                }
            })
            .await
            .unwrap();
        wrong.sort();
        assert_eq!((verified.same, wrong), (1, ["a", "b", "c", "e"].map(str::to_owned).to_vec()));
        assert_eq!(heads.0.load(Ordering::Relaxed), 8);
    }
}

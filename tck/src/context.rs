//! What a check works with: a store of its own, a seed, and a way to other processes.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;

use omni_contracts::messaging::MessagingProvider;
use omni_contracts::storage::{Key, StorageProvider};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::index::sample;

use crate::check::{Failure, ok};
use crate::worker::Worker;
use crate::{Check, Clock, Damage, Outcome, Place, Subject};

/// The surroundings of one run of one check. Its store is empty at the start and used by no other
/// check.
pub struct Context {
    subject: Arc<dyn Subject>,
    root: PathBuf,
    store: String,
    seed: u64,
    share: f64,
}

impl Context {
    /// Surroundings with a store named `store` under `root`.
    #[must_use]
    pub fn new(subject: Arc<dyn Subject>, root: PathBuf, store: String, seed: u64) -> Self {
        let share = subject.share();
        Self { subject, root, store, seed, share }
    }

    /// With another share of the rounds than the subject's.
    #[must_use]
    pub fn with_share(self, share: f64) -> Self {
        Self { share, ..self }
    }

    /// How many of `all` rounds there are on this back-end: at least one.
    pub(crate) fn rounds<N>(&self, all: N) -> N
    where
        N: Copy + TryFrom<u64>,
        u64: TryFrom<N>,
    {
        let share = |all: u64| ((all as f64 * self.share).ceil() as u64).clamp(1, all.max(1));
        let rounds = u64::try_from(all).ok().and_then(|all| N::try_from(share(all)).ok());
        rounds.unwrap_or(all)
    }

    /// As many of `all` as there are rounds of them on this back-end, in order. Which ones, the seed
    /// decides: another run tries others.
    #[track_caller]
    pub(crate) fn some<T>(&self, all: impl IntoIterator<Item = T>) -> Vec<T> {
        let all: Vec<_> = all.into_iter().collect();
        let amount = self.rounds(all.len());
        if amount >= all.len() {
            return all;
        }
        let place = std::panic::Location::caller();
        let mut rng = self.rng(&format!("{}:{}", place.file(), place.line()));
        let chosen: HashSet<_> = sample(&mut rng, all.len(), amount).into_iter().collect();
        let chosen = all.into_iter().enumerate().filter(|(at, _)| chosen.contains(at));
        chosen.map(|(_, item)| item).collect()
    }

    /// Opens the check's store: each call makes a new instance on the same data.
    ///
    /// # Errors
    ///
    /// A failure that shows why it cannot be opened.
    pub async fn open(&self) -> Result<Arc<dyn StorageProvider>, Failure> {
        ok("opening the store", self.subject.open(&self.place()).await)
    }

    /// Opens the check's place for topics, as [`open`](Self::open) does.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn open_messaging(&self) -> Result<Arc<dyn MessagingProvider>, Failure> {
        ok("opening the place for topics", self.subject.open_messaging(&self.place()).await)
    }

    /// Where the check's store is.
    #[must_use]
    pub fn place(&self) -> Place<'_> {
        Place { root: &self.root, store: &self.store }
    }

    /// The provider under test.
    #[must_use]
    pub fn subject(&self) -> &Arc<dyn Subject> {
        &self.subject
    }

    /// Flips one stored byte of `key` behind the provider's back.
    ///
    /// # Errors
    ///
    /// A failure that shows why it could not be tried.
    pub async fn damage(&self, key: &Key) -> Result<Damage, Failure> {
        ok("damaging the store", self.subject.damage(&self.place(), key).await)
    }

    /// The bytes that the check's store takes up, where anybody can tell.
    ///
    /// # Errors
    ///
    /// A failure that shows why it could not be counted.
    pub async fn space(&self) -> Result<Option<u64>, Failure> {
        ok("counting the space of the store", self.subject.space(&self.place()).await)
    }

    /// Starts another process that has the check's store open.
    ///
    /// # Errors
    ///
    /// A failure that shows why it could not be started, or not open the store.
    pub(crate) async fn worker(&self) -> Result<Worker, Failure> {
        // A store that is opened here first is this check's, where stores are handed out.
        self.open().await?;
        Worker::start(self).await
    }

    /// The seed of the run; the same seed makes the same choices.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A random source for `purpose`, determined by the seed and the purpose. Not by the store: its
    /// name is another in every run, and a seed has to repeat what it did.
    #[must_use]
    pub fn rng(&self, purpose: &str) -> StdRng {
        let mut hasher = DefaultHasher::new();
        (self.seed, purpose).hash(&mut hasher);
        StdRng::seed_from_u64(hasher.finish())
    }
}

/// Runs a check on the clock of its subject.
///
/// # Errors
///
/// What was expected and what was seen instead.
///
/// # Panics
///
/// When the check does, or the system gives no runtime.
pub async fn execute(check: &'static Check, context: Context) -> Outcome {
    match context.subject.clock() {
        Clock::Real => (check.run)(&context).await,
        Clock::Virtual => {
            let apart = tokio::task::spawn_blocking(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_time()
                    .start_paused(true)
                    .build()
                    .expect("the system gives a runtime");
                runtime.block_on((check.run)(&context))
            });
            match apart.await {
                Ok(outcome) => outcome,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        }
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("subject", &self.subject.name())
            .field("store", &self.store)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::Mutex;

    use async_trait::async_trait;
    use omni_contracts::Result;
    use omni_provider_memory::{MemorySettings, MemoryStorage};

    use super::*;
    use crate::Evidence;

    /// Notes what is asked of it; its workers end at once.
    #[derive(Default)]
    struct Noted(Mutex<Vec<&'static str>>);

    #[async_trait]
    impl Subject for Noted {
        fn name(&self) -> &str {
            "noted"
        }

        fn evidence(&self) -> Evidence {
            Evidence::Embedded
        }

        async fn open(&self, _: &Place<'_>) -> Result<Arc<dyn StorageProvider>> {
            self.0.lock().unwrap().push("open");
            Ok(Arc::new(MemoryStorage::new(MemorySettings::default())))
        }

        fn prepare_worker(&self, command: &mut Command) {
            self.0.lock().unwrap().push("prepare_worker");
            *command = Command::new("true");
        }
    }

    #[tokio::test]
    async fn a_worker_is_prepared_when_its_store_is_open() {
        let subject = Arc::new(Noted::default());
        let noted = Arc::clone(&subject);
        let cx = Context::new(noted, PathBuf::new(), "store".to_owned(), 1);
        let failure = cx.worker().await.unwrap_err();
        assert!(failure.to_string().contains("ended by itself"), "{failure}");
        assert_eq!(*subject.0.lock().unwrap(), ["open", "prepare_worker"]);
    }
}

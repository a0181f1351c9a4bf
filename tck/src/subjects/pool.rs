//! `Pool`: any provider on stores that exist already, such as the buckets of a real account. Nothing
//! is made; what the kit was given is emptied after each check.

use std::collections::HashMap;
use std::ffi::OsString;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt};
use omni_contracts::storage::{
    Capability, DeleteOptions, Key, ListEntry, ListRequest, Prefix, StorageProvider, list_all,
};
use omni_contracts::{Error, ErrorKind, Result};
use tokio::sync::Semaphore;

use crate::{Evidence, Place, Subject};

/// Which check has which store, for worker processes: JSON.
const LEASES: &str = "OMNI_TCK_LEASES";

/// Stores that exist, each for one check at a time. They must be empty when the run begins, for what
/// is in them is deleted.
pub struct Pool<F> {
    name: String,
    evidence: Evidence,
    stores: Vec<String>,
    open: F,
    environment: Vec<(&'static str, OsString)>,
    /// As many permits as `idle` has entries.
    free: Semaphore,
    idle: Mutex<Vec<usize>>,
    /// Which of the stores a place has.
    leases: Mutex<HashMap<String, usize>>,
    /// Why stores are not used any more.
    unfit: Mutex<Vec<String>>,
}

impl<F, Opening> Pool<F>
where
    F: Fn(&str) -> Opening + Send + Sync + 'static,
    Opening: Future<Output = Result<Arc<dyn StorageProvider>>> + Send + 'static,
{
    /// A subject on `stores`, each of which `open` opens by its name.
    #[must_use]
    pub fn new(name: impl Into<String>, evidence: Evidence, stores: Vec<String>, open: F) -> Self {
        let of_parent = std::env::var(LEASES).ok();
        let leases = of_parent.and_then(|text| serde_json::from_str(&text).ok());
        Self {
            name: name.into(),
            evidence,
            open,
            environment: Vec::new(),
            free: Semaphore::new(stores.len()),
            idle: Mutex::new((0..stores.len()).collect()),
            leases: Mutex::new(leases.unwrap_or_default()),
            unfit: Mutex::new(Vec::new()),
            stores,
        }
    }

    /// With variables that worker processes need to open the same stores.
    #[must_use]
    pub fn with_environment(self, environment: Vec<(&'static str, OsString)>) -> Self {
        Self { environment, ..self }
    }

    async fn store(&self, index: usize) -> Result<Arc<dyn StorageProvider>> {
        match self.stores.get(index) {
            Some(name) => (self.open)(name).await,
            None => Err(Error::new(ErrorKind::Internal, format!("there is no store {index}"))),
        }
    }

    /// The store that a place has; `None` before it was opened first.
    fn leased(&self, place: &Place<'_>) -> Option<usize> {
        locked(&self.leases).get(place.store).copied()
    }

    async fn lease(&self, place: &Place<'_>) -> Result<usize> {
        let permit = self.free.acquire().await;
        let none_left = |_| Error::new(ErrorKind::Unavailable, locked(&self.unfit).join("; "));
        permit.map_err(none_left)?.forget();
        let mut leases = locked(&self.leases);
        if let Some(index) = leases.get(place.store) {
            self.free.add_permits(1);
            return Ok(*index);
        }
        let index = locked(&self.idle).pop();
        let index = index.ok_or_else(|| Error::new(ErrorKind::Internal, "no store is idle"))?;
        leases.insert(place.store.to_owned(), index);
        Ok(index)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl<F, Opening> Subject for Pool<F>
where
    F: Fn(&str) -> Opening + Send + Sync + 'static,
    Opening: Future<Output = Result<Arc<dyn StorageProvider>>> + Send + 'static,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn evidence(&self) -> Evidence {
        self.evidence.clone()
    }

    fn time_limit(&self) -> Duration {
        // A service far away, or a slow one on this machine.
        Duration::from_secs(300)
    }

    fn parallel(&self) -> Option<usize> {
        Some(self.stores.len())
    }

    async fn prepare(&self) -> Result<()> {
        for (index, name) in self.stores.iter().enumerate() {
            let store = self.store(index).await?;
            let mut entries = Box::pin(list_all(&*store, ListRequest::default()));
            if let Some(entry) = entries.next().await.transpose()? {
                let entry = entry.name();
                return Err(Error::new(
                    ErrorKind::Configuration,
                    format!(
                        "{name} is not empty, {entry:?} is in it: a store that is certified on is \
                         emptied, so name one that is empty"
                    ),
                ));
            }
        }
        Ok(())
    }

    async fn open(&self, place: &Place<'_>) -> Result<Arc<dyn StorageProvider>> {
        let index = match self.leased(place) {
            Some(index) => index,
            None => self.lease(place).await?,
        };
        self.store(index).await
    }

    async fn free(&self, place: &Place<'_>) -> Result<()> {
        let Some(index) = locked(&self.leases).remove(place.store) else { return Ok(()) };
        let slow = "emptying it took too long".to_owned();
        let mut emptying = Emptying { pool: self, index, problem: Some(slow) };
        let emptied = match self.store(index).await {
            Ok(store) => empty(&*store).await,
            Err(error) => Err(error),
        };
        emptying.problem = emptied.as_ref().err().map(ToString::to_string);
        emptied
    }

    fn prepare_worker(&self, command: &mut Command) {
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Ok(leases) = serde_json::to_string(&*locked(&self.leases)) {
            command.env(LEASES, leases);
        }
    }
}

/// A store on its way back, however that ends. With the last one lost, nobody waits for another.
struct Emptying<'a, F> {
    pool: &'a Pool<F>,
    index: usize,
    problem: Option<String>,
}

impl<F> Drop for Emptying<'_, F> {
    fn drop(&mut self) {
        let Self { pool, index, problem } = self;
        let Some(problem) = problem else {
            locked(&pool.idle).push(*index);
            pool.free.add_permits(1);
            return;
        };
        let mut unfit = locked(&pool.unfit);
        unfit.push(format!("{} cannot be emptied: {problem}", pool.stores[*index]));
        if unfit.len() == pool.stores.len() {
            pool.free.close();
        }
    }
}

impl<F> std::fmt::Debug for Pool<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("name", &self.name)
            .field("stores", &self.stores)
            .finish_non_exhaustive()
    }
}

/// Deletes all objects, older versions and unfinished uploads.
async fn empty(store: &dyn StorageProvider) -> Result<()> {
    let all = Prefix::default();
    let entries: Vec<_> = list_all(store, ListRequest::default()).try_collect().await?;
    let keys: Vec<Key> =
        entries.iter().filter_map(ListEntry::as_object).map(|of| of.key.clone()).collect();
    for deleted in store.delete_many(&keys).await {
        deleted?;
    }
    if store.capabilities().has(Capability::Versioning) {
        loop {
            let page = store.list_versions(&all, None, None).await?;
            if page.entries.is_empty() {
                break;
            }
            for entry in page.entries {
                let of =
                    DeleteOptions { version: Some(entry.object.version), ..Default::default() };
                store.delete(&entry.object.key, &of).await?;
            }
        }
    }
    if store.capabilities().has(Capability::Multipart) {
        loop {
            let page = store.list_uploads(&all, None).await?;
            if page.entries.is_empty() {
                break;
            }
            for entry in page.entries {
                store.abort_upload(&entry.key, &entry.id).await?;
            }
        }
    }
    Ok(())
}

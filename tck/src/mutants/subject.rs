//! `MutantSubject`: a mutant, or its honest base, as something to certify.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use omni_contracts::storage::{Key, StorageProvider};
use omni_contracts::{Error, ErrorKind, Result};
use omni_provider_memory::{MemorySettings, MemoryStorage};
use tokio::sync::OnceCell;

use super::gate::Gate;
use super::sabotage::{Sabotaged, Scratch, Store};
use super::{Base, Memory, Mutant};
use crate::subjects::Local;
use crate::{Damage, Evidence, Place, Subject};

/// A mutant as a subject.
pub struct MutantSubject {
    name: String,
    mutant: Mutant,
    /// What all handles on one store share, by the names of the stores.
    stores: Mutex<HashMap<String, Shared>>,
    gate: OnceCell<Arc<Gate>>,
}

#[derive(Clone)]
struct Shared {
    in_memory: MemoryStorage,
    scratch: Arc<Scratch>,
}

impl MutantSubject {
    /// The mutant.
    #[must_use]
    pub fn new(mutant: &Mutant) -> Self {
        Self {
            name: format!("{mutant:?}"),
            mutant: *mutant,
            stores: Mutex::default(),
            gate: OnceCell::new(),
        }
    }

    /// The base alone, with nothing wrong: no check may fail on it.
    #[must_use]
    pub fn honest(base: Base) -> Self {
        let name = format!("honest::{base:?}");
        Self { name, ..Self::new(&Mutant::new("", "honest", "nothing").on(base)) }
    }

    fn shared(&self, store: &str) -> Shared {
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Shared {
            in_memory: MemoryStorage::new(settings(self.mutant.base)),
            scratch: Arc::new(Scratch::new()),
        };
        stores.entry(store.to_owned()).or_insert_with(new).clone()
    }

    async fn gate(&self, place: &Place<'_>, shared: &Shared) -> Result<Arc<Gate>> {
        let failed = |error: std::io::Error| Error::new(ErrorKind::Unavailable, error.to_string());
        let opening = async { Gate::open().await.map(Arc::new).map_err(failed) };
        let gate = self.gate.get_or_try_init(|| opening).await?;
        gate.add(place.store, shared.in_memory.clone());
        Ok(Arc::clone(gate))
    }
}

fn settings(base: Base) -> MemorySettings {
    MemorySettings {
        versioning: base == Base::Versioned,
        max_object_size: (base == Base::Limited).then_some(1 << 20),
    }
}

/// A mutant's way around any provider: a batch of deletes is repeated as a whole while one of its keys
/// may be.
#[cfg(feature = "layers")]
pub(crate) fn repeating_batches(inner: Arc<dyn StorageProvider>) -> Arc<dyn StorageProvider> {
    let mutant = Mutant::new("", "", "").delete_many(|store, keys| {
        Box::pin(async move {
            let mut results = store.inner.delete_many(&keys).await;
            for _ in 0..2 {
                if results.iter().any(|one| one.as_ref().is_err_and(Error::is_retryable)) {
                    results = store.inner.delete_many(&keys).await;
                }
            }
            results
        })
    });
    around(inner, &mutant)
}

/// A mutant's way around any provider.
#[cfg(feature = "layers")]
pub(super) fn around(inner: Arc<dyn StorageProvider>, mutant: &Mutant) -> Arc<dyn StorageProvider> {
    let store = Store { inner, scratch: Arc::new(Scratch::new()), gate: None };
    Arc::new(Sabotaged::new(store, mutant.sabotage))
}

#[async_trait]
impl Subject for MutantSubject {
    fn name(&self) -> &str {
        &self.name
    }

    fn evidence(&self) -> Evidence {
        Evidence::Embedded
    }

    async fn open(&self, place: &Place<'_>) -> Result<Arc<dyn StorageProvider>> {
        let shared = self.shared(place.store);
        let gate = match self.mutant.base {
            Base::Presigning => Some((self.gate(place, &shared).await?, place.store.to_owned())),
            _ => None,
        };
        let inner = match self.mutant.base {
            Base::Local => Local.open(place).await?,
            _ => Arc::new(shared.in_memory),
        };
        let scratch = match self.mutant.memory {
            Memory::OfStore => shared.scratch,
            Memory::OfHandle => Arc::new(Scratch::new()),
        };
        Ok(Arc::new(Sabotaged::new(Store { inner, scratch, gate }, self.mutant.sabotage)))
    }

    async fn damage(&self, place: &Place<'_>, key: &Key) -> Result<Damage> {
        match self.mutant.base {
            Base::Local => Local.damage(place, key).await,
            _ => Ok(Damage::NotPossible),
        }
    }

    async fn space(&self, place: &Place<'_>) -> Result<Option<u64>> {
        match self.mutant.base {
            Base::Local => Local.space(place).await,
            _ => Ok(None),
        }
    }
}

impl std::fmt::Debug for MutantSubject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MutantSubject").field("mutant", &self.mutant).finish_non_exhaustive()
    }
}

//! `MutantSubject`: a mutant, or its honest base, as something to certify.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use omni_contracts::Result;
use omni_contracts::storage::StorageProvider;
use omni_provider_memory::{MemorySettings, MemoryStorage};

use super::sabotage::{Sabotaged, Scratch, Store};
use super::{Base, Memory, Mutant};
use crate::{Evidence, Place, Subject};

/// A mutant as a subject.
pub struct MutantSubject {
    name: String,
    mutant: Mutant,
    stores: Mutex<HashMap<String, Opened>>,
}

/// What all handles on one store share.
struct Opened {
    inner: Arc<dyn StorageProvider>,
    scratch: Arc<Scratch>,
}

impl MutantSubject {
    /// The mutant.
    #[must_use]
    pub fn new(mutant: &Mutant) -> Self {
        Self { name: format!("{mutant:?}"), mutant: *mutant, stores: Mutex::default() }
    }

    /// The base alone, with nothing wrong: no check may fail on it.
    #[must_use]
    pub fn honest(base: Base) -> Self {
        let name = format!("honest::{base:?}");
        Self { name, ..Self::new(&Mutant::new("", "honest", "nothing").on(base)) }
    }
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
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = stores.entry(place.store.to_owned()).or_insert_with(|| Opened {
            inner: open_base(self.mutant.base),
            scratch: Arc::new(Scratch::new()),
        });
        let scratch = match self.mutant.memory {
            Memory::OfStore => Arc::clone(&opened.scratch),
            Memory::OfHandle => Arc::new(Scratch::new()),
        };
        let store = Store { inner: Arc::clone(&opened.inner), scratch };
        Ok(Arc::new(Sabotaged::new(store, self.mutant.sabotage)))
    }
}

impl std::fmt::Debug for MutantSubject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MutantSubject").field("mutant", &self.mutant).finish_non_exhaustive()
    }
}

fn open_base(base: Base) -> Arc<dyn StorageProvider> {
    let settings = match base {
        Base::Memory => MemorySettings::default(),
        Base::Versioned => MemorySettings { versioning: true, ..MemorySettings::default() },
        Base::Limited => {
            MemorySettings { max_object_size: Some(1 << 20), ..MemorySettings::default() }
        }
    };
    Arc::new(MemoryStorage::new(settings))
}

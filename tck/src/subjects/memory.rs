//! The provider in memory. Its stores live as long as the subject.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use omni_contracts::Result;
use omni_contracts::storage::StorageProvider;
use omni_provider_memory::{MemorySettings, MemoryStorage};

use crate::{Evidence, Place, Subject};

/// `memory`, with versioning and a largest object, so that those clauses are claimed.
#[derive(Debug, Default)]
pub struct Memory {
    stores: Mutex<HashMap<String, MemoryStorage>>,
}

#[async_trait]
impl Subject for Memory {
    fn name(&self) -> &str {
        "memory"
    }

    fn evidence(&self) -> Evidence {
        Evidence::Embedded
    }

    async fn open(&self, place: &Place<'_>) -> Result<Arc<dyn StorageProvider>> {
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            MemoryStorage::new(MemorySettings { max_object_size: Some(32 << 20), versioning: true })
        };
        let store = stores.entry(place.store.to_owned()).or_insert_with(new);
        Ok(Arc::new(store.clone()))
    }

    async fn free(&self, place: &Place<'_>) -> Result<()> {
        self.stores.lock().unwrap_or_else(PoisonError::into_inner).remove(place.store);
        Ok(())
    }
}

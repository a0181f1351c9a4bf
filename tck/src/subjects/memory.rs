//! The providers in memory. Their stores live as long as the subject.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use omni_contracts::messaging::MessagingProvider;
use omni_contracts::storage::StorageProvider;
use omni_contracts::{Contract, Result};
use omni_provider_memory::{MemoryMessaging, MemorySettings, MemoryStorage};

use crate::{Clock, Evidence, Place, Subject};

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

/// `memory-messaging`, on a clock that stands still.
#[derive(Debug, Default)]
pub struct MemoryTopics {
    places: Mutex<HashMap<String, MemoryMessaging>>,
}

#[async_trait]
impl Subject for MemoryTopics {
    fn name(&self) -> &str {
        "memory-messaging"
    }

    fn evidence(&self) -> Evidence {
        Evidence::Embedded
    }

    fn contract(&self) -> Contract {
        Contract::Messaging
    }

    fn clock(&self) -> Clock {
        Clock::Virtual
    }

    async fn open_messaging(&self, place: &Place<'_>) -> Result<Arc<dyn MessagingProvider>> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || MemoryMessaging::new(Default::default());
        let opened = places.entry(place.store.to_owned()).or_insert_with(new);
        Ok(Arc::new(opened.clone()))
    }

    async fn free(&self, place: &Place<'_>) -> Result<()> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).remove(place.store);
        Ok(())
    }
}

//! Two stores in memory and a witness, as one. Its stores live as long as the subject.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use omni_contracts::Result;
use omni_contracts::storage::StorageProvider;
use omni_failover::{FailoverSettings, FailoverStorage};
use omni_provider_memory::{MemorySettings, MemoryStorage};

use crate::{Evidence, Place, Subject};

/// `failover`, with both members there.
#[derive(Debug, Default)]
pub struct Failover {
    stores: Mutex<HashMap<String, [MemoryStorage; 3]>>,
}

#[async_trait]
impl Subject for Failover {
    fn name(&self) -> &str {
        "failover"
    }

    fn evidence(&self) -> Evidence {
        Evidence::Embedded
    }

    async fn open(&self, place: &Place<'_>) -> Result<Arc<dyn StorageProvider>> {
        let [first, second, witness] = {
            let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || {
                MemoryStorage::new(MemorySettings {
                    max_object_size: Some(32 << 20),
                    ..MemorySettings::default()
                })
            };
            let stores = stores.entry(place.store.to_owned());
            stores.or_insert_with(|| [new(), new(), new()]).clone()
        };
        let settings = FailoverSettings {
            probe_every: Duration::from_millis(200),
            ..FailoverSettings::new(&["first", "second"], "witness")
        };
        let members: Vec<Arc<dyn StorageProvider>> = vec![Arc::new(first), Arc::new(second)];
        let opened = FailoverStorage::open("main", settings, members, Arc::new(witness));
        Ok(Arc::new(opened.await?))
    }

    async fn free(&self, place: &Place<'_>) -> Result<()> {
        self.stores.lock().unwrap_or_else(PoisonError::into_inner).remove(place.store);
        Ok(())
    }
}

//! The product behind the provider. Here a map in memory; in your crate, its SDK.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use omni_contracts::storage::{Key, ObjectMeta};

/// A stored object.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) meta: ObjectMeta,
    pub(crate) content: Bytes,
}

/// A key-value service with an atomic write.
#[derive(Clone, Debug, Default)]
pub(crate) struct Service(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    records: BTreeMap<Key, Record>,
    writes: u64,
}

impl Service {
    /// Stores what `make` makes of the number of this write and the record that it replaces.
    pub(crate) fn put(
        &self,
        key: &Key,
        make: impl FnOnce(u64, Option<&Record>) -> Record,
    ) -> Record {
        let mut state = self.state();
        state.writes += 1;
        let record = make(state.writes, state.records.get(key));
        state.records.insert(key.clone(), record.clone());
        record
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Record> {
        self.state().records.get(key).cloned()
    }

    pub(crate) fn remove(&self, key: &Key) -> bool {
        self.state().records.remove(key).is_some()
    }

    /// The first record from `start` on.
    pub(crate) fn first(&self, start: &Bound<String>) -> Option<(Key, ObjectMeta)> {
        let start = start.as_ref().map(String::as_str);
        let state = self.state();
        let mut records = state.records.range::<str, _>((start, Bound::Unbounded));
        records.next().map(|(key, record)| (key.clone(), record.meta.clone()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! B1: 1 KiB put, get and head in memory, 64 keys, bare handles.

use std::sync::Arc;

use bytes::Bytes;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use omni_storage::{Crc32c, Key, Storage};
use opendal::{Operator, services};

use crate::Failure;
use crate::measure::{About, Bar, Case, Contestant, Plan, contestant, measure};

const KEYS: u64 = 64;
const OPERATIONS: u64 = 20_000;

pub(crate) async fn cases(plan: &Plan<'_>) -> Result<Vec<Case>, Failure> {
    if !plan.wants("B1") {
        return Ok(Vec::new());
    }
    let bar = Bar { words: "faster than both", factor: 1.0 };
    let storage = Storage::new(omni_provider_memory::MemoryStorage::new(Default::default()));
    let store: Arc<dyn object_store::ObjectStore> = Arc::new(InMemory::new());
    let operator = Operator::new(services::Memory::default())?;
    let mut cases = Vec::new();
    for work in ["put", "get", "head"] {
        let about = About {
            id: "B1",
            title: format!("memory, 1 KiB {work}"),
            unit: "ns",
            bar,
            operations: OPERATIONS,
        };
        let contestants = vec![
            omni(&storage, work),
            object_store(&store, work),
            opendal("opendal", &operator, work),
        ];
        cases.push(measure(plan, about, contestants).await?);
    }
    Ok(cases)
}

pub(crate) fn payload() -> Bytes {
    Bytes::from((0..1024_u32).map(|byte| (byte % 251) as u8).collect::<Vec<_>>())
}

pub(crate) fn names() -> Vec<String> {
    (0..KEYS).map(|number| format!("bench/folder/{number:04}")).collect()
}

pub(crate) fn omni(storage: &Storage, work: &'static str) -> Contestant {
    let storage = storage.clone();
    let keys: Arc<Vec<Key>> =
        Arc::new(names().iter().map(|name| Key::new(name).expect("a portable key")).collect());
    let payload = payload();
    contestant("omni", move |operations| {
        let (storage, keys, payload) = (storage.clone(), Arc::clone(&keys), payload.clone());
        async move {
            for number in 0..operations {
                let key = &keys[(number % KEYS) as usize];
                match work {
                    "put" => drop(storage.put(key, payload.clone()).await?),
                    "get" => {
                        let bytes = storage.get(key).await?.bytes().await?;
                        std::hint::black_box(Crc32c::of(&bytes));
                    }
                    _ => drop(storage.head(key).await?),
                }
            }
            Ok(())
        }
    })
}

pub(crate) fn object_store(
    store: &Arc<dyn object_store::ObjectStore>,
    work: &'static str,
) -> Contestant {
    let store = Arc::clone(store);
    let keys: Arc<Vec<Path>> =
        Arc::new(names().iter().map(|name| Path::from(name.as_str())).collect());
    let payload = payload();
    contestant("object_store", move |operations| {
        let (store, keys, payload) = (Arc::clone(&store), Arc::clone(&keys), payload.clone());
        async move {
            for number in 0..operations {
                let key = &keys[(number % KEYS) as usize];
                match work {
                    "put" => {
                        std::hint::black_box(Crc32c::of(&payload));
                        store.put(key, payload.clone().into()).await?;
                    }
                    "get" => {
                        let bytes = store.get(key).await?.bytes().await?;
                        std::hint::black_box(Crc32c::of(&bytes));
                    }
                    _ => drop(store.head(key).await?),
                }
            }
            Ok(())
        }
    })
}

pub(crate) fn opendal(name: &'static str, operator: &Operator, work: &'static str) -> Contestant {
    let operator = operator.clone();
    let keys = Arc::new(names());
    let payload = payload();
    contestant(name, move |operations| {
        let (operator, keys, payload) = (operator.clone(), Arc::clone(&keys), payload.clone());
        async move {
            for number in 0..operations {
                let key = &keys[(number % KEYS) as usize];
                match work {
                    "put" => {
                        std::hint::black_box(Crc32c::of(&payload));
                        operator.write(key, payload.clone()).await?;
                    }
                    "get" => {
                        let bytes = operator.read(key).await?.to_bytes();
                        std::hint::black_box(Crc32c::of(&bytes));
                    }
                    _ => drop(operator.stat(key).await?),
                }
            }
            Ok(())
        }
    })
}

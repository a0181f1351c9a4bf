//! B6: listing 100 000 keys: all, below a prefix, the first page.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use omni_provider_local::{LocalDurability, LocalSettings, LocalStorage};
use omni_storage::Storage;
use opendal::{Operator, services};

use crate::Failure;
use crate::measure::{About, Bar, Case, Contestant, Plan, measure, repeated};

const KEYS: usize = 100_000;
const PAGE: usize = 1000;
/// How many times a single page is listed per measurement.
const PAGES: u64 = 20;

pub(crate) async fn cases(plan: &Plan<'_>) -> Result<Vec<Case>, Failure> {
    let mut cases = Vec::new();
    if !plan.wants("B6") {
        return Ok(cases);
    }
    let storage = Storage::new(omni_provider_memory::MemoryStorage::new(Default::default()));
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let operator = Operator::new(services::Memory::default())?;
    fill(&storage, Some(&store), Some(&operator)).await?;
    let bar = Bar { words: "at least as fast", factor: 1.0 };
    cases.extend(three(plan, "memory", bar, &storage, &store, &operator).await?);

    let folder = tempfile::Builder::new().prefix("omni-bench-").tempdir()?;
    let settings = LocalSettings {
        path: folder.path().join("omni"),
        durability: LocalDurability::Process,
        ..LocalSettings::default()
    };
    let storage = Storage::new(LocalStorage::open(settings).await?);
    // The peers list the same folder of plain files.
    let files = folder.path().join("files");
    std::fs::create_dir(&files)?;
    let store: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new_with_prefix(&files)?);
    let operator = Operator::new(services::Fs::default().root(&files.to_string_lossy()))?;
    fill(&storage, Some(&store), None).await?;
    let bar = Bar { words: "at least 10 x faster", factor: 10.0 };
    cases.extend(three(plan, "local", bar, &storage, &store, &operator).await?);
    Ok(cases)
}

fn name(number: usize) -> String {
    format!("folder{:02}/object-{number:06}", number % 100)
}

async fn fill(
    storage: &Storage,
    store: Option<&Arc<dyn ObjectStore>>,
    operator: Option<&Operator>,
) -> Result<(), Failure> {
    stream::iter(0..KEYS)
        .map(Ok::<_, Failure>)
        .try_for_each_concurrent(64, |number| async move {
            let name = name(number);
            storage.put(&name, "x").await?;
            if let Some(store) = store {
                store.put(&Path::from(name.as_str()), "x".into()).await?;
            }
            if let Some(operator) = operator {
                operator.write(&name, "x").await?;
            }
            Ok(())
        })
        .await
}

async fn three(
    plan: &Plan<'_>,
    place: &str,
    bar: Bar,
    storage: &Storage,
    store: &Arc<dyn ObjectStore>,
    operator: &Operator,
) -> Result<Vec<Case>, Failure> {
    let mut cases = Vec::new();
    let works = [
        ("all 100 000 keys", "", KEYS, 1),
        ("1000 keys below a prefix", "folder07/", KEYS / 100, PAGES),
    ];
    for (work, prefix, expected, operations) in works {
        let contestants = vec![
            omni(storage, prefix, expected),
            object_store(store, prefix, expected),
            opendal(operator, prefix, expected),
        ];
        let about = about(place, work, bar, operations);
        cases.push(measure(plan, about, contestants).await?);
    }
    // object_store has no pages: what its users do is to take the first of the stream.
    let contestants = vec![omni_page(storage), object_store_first(store), opendal_first(operator)];
    let about = about(place, "the first 1000 keys", bar, PAGES);
    cases.push(measure(plan, about, contestants).await?);
    Ok(cases)
}

fn about(place: &str, work: &str, bar: Bar, operations: u64) -> About {
    About { id: "B6", title: format!("{place}, list {work}"), unit: "ms", bar, operations }
}

fn omni(storage: &Storage, prefix: &'static str, expected: usize) -> Contestant {
    let storage = storage.clone();
    repeated("omni", move || {
        let storage = storage.clone();
        async move {
            let count = storage.list(prefix).stream().try_fold(0, count_one).await?;
            expect(count, expected)
        }
    })
}

fn omni_page(storage: &Storage) -> Contestant {
    let storage = storage.clone();
    repeated("omni", move || {
        let storage = storage.clone();
        async move {
            let entries: Vec<_> = storage.list("").stream().take(PAGE).try_collect().await?;
            expect(entries.len(), PAGE)
        }
    })
}

fn object_store(store: &Arc<dyn ObjectStore>, prefix: &'static str, expected: usize) -> Contestant {
    let store = Arc::clone(store);
    repeated("object_store", move || {
        let store = Arc::clone(&store);
        async move {
            let count = store.list(Some(&Path::from(prefix))).try_fold(0, count_one).await?;
            expect(count, expected)
        }
    })
}

fn object_store_first(store: &Arc<dyn ObjectStore>) -> Contestant {
    let store = Arc::clone(store);
    repeated("object_store", move || {
        let store = Arc::clone(&store);
        async move {
            let entries: Vec<_> = store.list(None).take(PAGE).try_collect().await?;
            expect(entries.len(), PAGE)
        }
    })
}

fn opendal(operator: &Operator, prefix: &'static str, expected: usize) -> Contestant {
    let operator = operator.clone();
    repeated("opendal", move || {
        let operator = operator.clone();
        async move {
            let lister = operator.lister_with(prefix).recursive(true).await?;
            let files = lister.try_fold(0, |count, entry| async move {
                Ok(count + usize::from(entry.metadata().is_file()))
            });
            expect(files.await?, expected)
        }
    })
}

fn opendal_first(operator: &Operator) -> Contestant {
    let operator = operator.clone();
    repeated("opendal", move || {
        let operator = operator.clone();
        async move {
            let lister = operator.lister_with("").recursive(true).await?;
            let entries: Vec<_> = lister.take(PAGE).try_collect().await?;
            expect(entries.len(), PAGE)
        }
    })
}

async fn count_one<T, E>(count: usize, _entry: T) -> Result<usize, E> {
    Ok(count + 1)
}

fn expect(count: usize, expected: usize) -> Result<(), Failure> {
    if count == expected { Ok(()) } else { Err(format!("listed {count} of {expected}").into()) }
}

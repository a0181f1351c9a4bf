//! B3 to B5: the local provider. Class D keeps what is acknowledged over a power cut (file and
//! directory synced; opendal syncs the file alone), class N over the end of the process.

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::try_join_all;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStoreExt, WriteMultipart};
use omni_provider_local::{LocalDurability, LocalSettings, LocalStorage};
use omni_storage::{Crc32c, Key, Storage};
use opendal::{Operator, services};

use crate::Failure;
use crate::measure::{About, Bar, Case, Contestant, Plan, contestant, measure, repeated};
use crate::memory::{names, payload};

const KEYS: u64 = 64;
const LARGE: usize = 64 << 20;
const CHUNK: usize = 1 << 20;

pub(crate) async fn cases(plan: &Plan<'_>) -> Result<Vec<Case>, Failure> {
    let mut cases = Vec::new();
    let folder = tempfile::Builder::new().prefix("omni-bench-").tempdir()?;
    let peers = Peers::new(folder.path()).await?;
    if plan.wants("B3") {
        for (writers, factor, words) in
            [(1, 1.0, "at least as fast"), (16, 5.0, "at least 5 x faster")]
        {
            let about = About {
                id: "B3",
                title: format!("local, durable 1 KiB put, {writers} concurrent"),
                unit: "ns",
                bar: Bar { words, factor },
                operations: 320,
            };
            let contestants = vec![
                put_omni("omni, disk", &peers.omni_d, writers),
                put_object_store("object_store, with_fsync", &peers.object_store_d, writers),
                // It syncs the file, but not the folder that names it.
                put_opendal("opendal, atomic_write_dir", &peers.opendal, writers).keeping_less(),
            ];
            cases.push(measure(plan, about, contestants).await?);
        }
    }
    if plan.wants("B4") {
        let bar = Bar { words: "faster", factor: 1.0 };
        let about = |work: &str| About {
            id: "B4",
            title: format!("local, unsynced 1 KiB {work}"),
            unit: "ns",
            bar,
            operations: 2000,
        };
        let contestants = vec![
            put_omni("omni, process", &peers.omni_n, 1),
            put_object_store("object_store", &peers.object_store_n, 1),
        ];
        cases.push(measure(plan, about("put"), contestants).await?);
        let contestants = vec![
            get_omni(&peers.omni_n),
            get_object_store(&peers.object_store_n),
            get_opendal(&peers.opendal),
        ];
        cases.push(measure(plan, about("get"), contestants).await?);
    }
    if plan.wants("B5") {
        cases.extend(large(plan, &peers, folder.path()).await?);
    }
    Ok(cases)
}

struct Peers {
    omni_d: Storage,
    omni_n: Storage,
    object_store_d: Arc<LocalFileSystem>,
    object_store_n: Arc<LocalFileSystem>,
    opendal: Operator,
}

impl Peers {
    async fn new(folder: &FilePath) -> Result<Self, Failure> {
        let sub = |name: &str| -> Result<PathBuf, Failure> {
            let path = folder.join(name);
            std::fs::create_dir_all(&path)?;
            Ok(path)
        };
        let omni = async |name: &str, durability| -> Result<Storage, Failure> {
            let settings =
                LocalSettings { path: sub(name)?, durability, ..LocalSettings::default() };
            Ok(Storage::new(LocalStorage::open(settings).await?))
        };
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let fs = services::Fs::default()
            .root(&text(sub("opendal")?))
            .atomic_write_dir(&text(sub("opendal-staging")?));
        let object_store_d = LocalFileSystem::new_with_prefix(sub("object_store-d")?)?;
        Ok(Self {
            omni_d: omni("omni-d", LocalDurability::Disk).await?,
            omni_n: omni("omni-n", LocalDurability::Process).await?,
            object_store_d: Arc::new(object_store_d.with_fsync(true)),
            object_store_n: Arc::new(LocalFileSystem::new_with_prefix(sub("object_store-n")?)?),
            opendal: Operator::new(fs)?,
        })
    }
}

fn put_omni(name: &'static str, storage: &Storage, writers: u64) -> Contestant {
    let storage = storage.clone();
    let keys: Arc<Vec<Key>> =
        Arc::new(names().iter().map(|name| Key::new(name).expect("a portable key")).collect());
    let payload = payload();
    contestant(name, move |operations| {
        let (storage, keys, payload) = (storage.clone(), Arc::clone(&keys), payload.clone());
        let put = move |writer| {
            let (storage, keys, payload) = (storage.clone(), Arc::clone(&keys), payload.clone());
            async move {
                for number in (writer..operations).step_by(writers as usize) {
                    storage.put(&keys[(number % KEYS) as usize], payload.clone()).await?;
                }
                Ok::<_, Failure>(())
            }
        };
        spread(writers, put)
    })
}

fn put_object_store(name: &'static str, store: &Arc<LocalFileSystem>, writers: u64) -> Contestant {
    let store = Arc::clone(store);
    let keys: Arc<Vec<Path>> =
        Arc::new(names().iter().map(|name| Path::from(name.as_str())).collect());
    let payload = payload();
    contestant(name, move |operations| {
        let (store, keys, payload) = (Arc::clone(&store), Arc::clone(&keys), payload.clone());
        let put = move |writer| {
            let (store, keys, payload) = (Arc::clone(&store), Arc::clone(&keys), payload.clone());
            async move {
                for number in (writer..operations).step_by(writers as usize) {
                    std::hint::black_box(Crc32c::of(&payload));
                    store.put(&keys[(number % KEYS) as usize], payload.clone().into()).await?;
                }
                Ok::<_, Failure>(())
            }
        };
        spread(writers, put)
    })
}

fn put_opendal(name: &'static str, operator: &Operator, writers: u64) -> Contestant {
    let operator = operator.clone();
    let keys = Arc::new(names());
    let payload = payload();
    contestant(name, move |operations| {
        let (operator, keys, payload) = (operator.clone(), Arc::clone(&keys), payload.clone());
        let put = move |writer| {
            let (operator, keys, payload) = (operator.clone(), Arc::clone(&keys), payload.clone());
            async move {
                for number in (writer..operations).step_by(writers as usize) {
                    std::hint::black_box(Crc32c::of(&payload));
                    operator.write(&keys[(number % KEYS) as usize], payload.clone()).await?;
                }
                Ok::<_, Failure>(())
            }
        };
        spread(writers, put)
    })
}

/// Runs the writers as tasks, so that they share the cores as those of an application do.
async fn spread<F, Fut>(writers: u64, work: F) -> Result<(), Failure>
where
    F: Fn(u64) -> Fut,
    Fut: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let tasks: Vec<_> = (0..writers).map(|writer| tokio::spawn(work(writer))).collect();
    for task in try_join_all(tasks).await? {
        task?;
    }
    Ok(())
}

fn get_omni(storage: &Storage) -> Contestant {
    let storage = storage.clone();
    let keys = Arc::new(names());
    contestant("omni", move |operations| {
        let (storage, keys) = (storage.clone(), Arc::clone(&keys));
        async move {
            for number in 0..operations {
                let bytes = storage.get(&keys[(number % KEYS) as usize]).await?.bytes().await?;
                std::hint::black_box(Crc32c::of(&bytes));
            }
            Ok(())
        }
    })
}

fn get_object_store(store: &Arc<LocalFileSystem>) -> Contestant {
    let store = Arc::clone(store);
    let keys: Arc<Vec<Path>> =
        Arc::new(names().iter().map(|name| Path::from(name.as_str())).collect());
    contestant("object_store", move |operations| {
        let (store, keys) = (Arc::clone(&store), Arc::clone(&keys));
        async move {
            for number in 0..operations {
                let bytes = store.get(&keys[(number % KEYS) as usize]).await?.bytes().await?;
                std::hint::black_box(Crc32c::of(&bytes));
            }
            Ok(())
        }
    })
}

fn get_opendal(operator: &Operator) -> Contestant {
    let operator = operator.clone();
    contestant("opendal", move |operations| {
        let operator = operator.clone();
        async move {
            let keys = names();
            // The keys of B3 may not have been written in this run.
            if !operator.exists(&keys[0]).await? {
                for key in &keys {
                    operator.write(key, payload()).await?;
                }
            }
            for number in 0..operations {
                let bytes = operator.read(&keys[(number % KEYS) as usize]).await?.to_bytes();
                std::hint::black_box(Crc32c::of(&bytes));
            }
            Ok(())
        }
    })
}

/// B5: one large object, streamed in and out in chunks of 1 MiB.
async fn large(plan: &Plan<'_>, peers: &Peers, folder: &FilePath) -> Result<Vec<Case>, Failure> {
    let chunk = Bytes::from((0..CHUNK).map(|byte| (byte % 251) as u8).collect::<Vec<_>>());
    let bar = Bar { words: "at least 0.9 of the fastest", factor: 0.9 };
    let about = |work: &str, operations| About {
        id: "B5",
        title: format!("local, 64 MiB streaming {work}"),
        unit: "ms",
        bar,
        operations,
    };
    let source = folder.join("source");
    std::fs::write(&source, chunk.repeat(LARGE / CHUNK))?;
    let mut cases = Vec::new();
    for class in ["D", "N"] {
        let (omni, object_store) = match class {
            "D" => (&peers.omni_d, &peers.object_store_d),
            _ => (&peers.omni_n, &peers.object_store_n),
        };
        let mut contestants = vec![
            large_put_omni(omni, &chunk),
            large_put_object_store(object_store, &chunk),
            large_put_file(class == "D", folder, &chunk),
        ];
        if class == "D" {
            contestants.push(large_put_opendal(&peers.opendal, &chunk).keeping_less());
        }
        cases.push(measure(plan, about(&format!("put, class {class}"), 1), contestants).await?);
    }
    let contestants = vec![
        large_get_omni(&peers.omni_d),
        large_get_object_store(&peers.object_store_d),
        large_get_opendal(&peers.opendal),
        large_get_file(&source),
    ];
    cases.push(measure(plan, about("get", 12), contestants).await?);
    Ok(cases)
}

fn large_put_omni(storage: &Storage, chunk: &Bytes) -> Contestant {
    let (storage, chunk) = (storage.clone(), chunk.clone());
    contestant("omni", move |_| {
        let (storage, chunk) = (storage.clone(), chunk.clone());
        async move {
            let chunks = stream::iter(std::iter::repeat_n(chunk, LARGE / CHUNK).map(Ok));
            storage.put_stream("large", chunks).await?;
            Ok(())
        }
    })
}

fn large_put_object_store(store: &Arc<LocalFileSystem>, chunk: &Bytes) -> Contestant {
    let (store, chunk) = (Arc::clone(store), chunk.clone());
    contestant("object_store", move |_| {
        let (store, chunk) = (Arc::clone(&store), chunk.clone());
        async move {
            let upload = store.put_multipart(&Path::from("large")).await?;
            let mut writer = WriteMultipart::new_with_chunk_size(upload, CHUNK);
            for _ in 0..LARGE / CHUNK {
                std::hint::black_box(Crc32c::of(&chunk));
                writer.wait_for_capacity(8).await?;
                writer.put(chunk.clone());
            }
            writer.finish().await?;
            Ok(())
        }
    })
}

fn large_put_opendal(operator: &Operator, chunk: &Bytes) -> Contestant {
    let (operator, chunk) = (operator.clone(), chunk.clone());
    contestant("opendal, atomic_write_dir", move |_| {
        let (operator, chunk) = (operator.clone(), chunk.clone());
        async move {
            let mut writer = operator.writer("large").await?;
            for _ in 0..LARGE / CHUNK {
                std::hint::black_box(Crc32c::of(&chunk));
                writer.write(chunk.clone()).await?;
            }
            writer.close().await?;
            Ok(())
        }
    })
}

/// What `cp` does: write to a temporary name, sync in class D, rename.
fn large_put_file(sync: bool, folder: &FilePath, chunk: &Bytes) -> Contestant {
    let (folder, chunk) = (folder.to_path_buf(), chunk.clone());
    contestant("plain file, renamed", move |_| {
        let (folder, chunk) = (folder.clone(), chunk.clone());
        async move {
            tokio::task::spawn_blocking(move || {
                use std::io::Write;
                let temporary = folder.join("plain.tmp");
                let mut file = std::fs::File::create(&temporary)?;
                for _ in 0..LARGE / CHUNK {
                    std::hint::black_box(Crc32c::of(&chunk));
                    file.write_all(&chunk)?;
                }
                if sync {
                    file.sync_all()?;
                }
                std::fs::rename(&temporary, folder.join("plain"))?;
                if sync {
                    std::fs::File::open(&folder)?.sync_all()?;
                }
                Ok(())
            })
            .await?
        }
    })
}

fn large_get_omni(storage: &Storage) -> Contestant {
    let storage = storage.clone();
    repeated("omni, verified", move || {
        let storage = storage.clone();
        async move {
            let mut stream = storage.get("large").await?.stream();
            let mut size = 0;
            while let Some(chunk) = stream.next().await {
                size += chunk?.len();
            }
            expect_all(size)
        }
    })
}

fn large_get_object_store(store: &Arc<LocalFileSystem>) -> Contestant {
    let store = Arc::clone(store);
    repeated("object_store", move || {
        let store = Arc::clone(&store);
        async move {
            let mut stream = store.get(&Path::from("large")).await?.into_stream();
            let (mut size, mut sum) = (0, Crc32c::default());
            while let Some(chunk) = stream.next().await {
                let chunk = chunk?;
                sum.update(&chunk);
                size += chunk.len();
            }
            std::hint::black_box(sum);
            expect_all(size)
        }
    })
}

fn large_get_opendal(operator: &Operator) -> Contestant {
    let operator = operator.clone();
    repeated("opendal", move || {
        let operator = operator.clone();
        async move {
            let mut stream = operator.reader("large").await?.into_bytes_stream(..).await?;
            let (mut size, mut sum) = (0, Crc32c::default());
            while let Some(chunk) = stream.try_next().await? {
                sum.update(&chunk);
                size += chunk.len();
            }
            std::hint::black_box(sum);
            expect_all(size)
        }
    })
}

fn large_get_file(source: &FilePath) -> Contestant {
    let source = source.to_path_buf();
    repeated("plain file", move || {
        let source = source.clone();
        async move {
            tokio::task::spawn_blocking(move || {
                use std::io::Read;
                let mut file = std::fs::File::open(source)?;
                let mut buffer = vec![0; CHUNK];
                let (mut size, mut sum) = (0, Crc32c::default());
                loop {
                    let read = file.read(&mut buffer)?;
                    if read == 0 {
                        break;
                    }
                    sum.update(&buffer[..read]);
                    size += read;
                }
                std::hint::black_box(sum);
                expect_all(size)
            })
            .await?
        }
    })
}

fn expect_all(size: usize) -> Result<(), Failure> {
    if size == LARGE { Ok(()) } else { Err(format!("read {size} of {LARGE} bytes").into()) }
}

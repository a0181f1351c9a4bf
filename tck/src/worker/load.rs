//! Writing as fast as possible until killed, saying what is begun and what was acknowledged.

use std::sync::Arc;

use futures_util::future::try_join_all;
use omni_contracts::Result;
use omni_contracts::storage::{
    Capability, CompleteOptions, DeleteOptions, Key, PartNumber, StorageProvider,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::child::{body, naming, say};
use super::{Change, Form, Reply};
use crate::reference::Content;

/// Keys per client: few, so that most writes are overwrites and deletes.
const KEYS: u64 = 4;

const SIZES: [u64; 6] = [16, 100, 4096, 65_537, 300_000, 1_100_000];

/// Runs `clients` at once, each on keys of its own in `folder`, until one fails.
pub(super) async fn run(
    store: &Arc<dyn StorageProvider>,
    folder: &str,
    seed: u64,
    clients: u64,
) -> Result<Reply> {
    let tasks = (0..clients).map(|client| {
        let (store, folder) = (Arc::clone(store), format!("{folder}/{client}"));
        let seed = seed ^ (client << 32);
        let task =
            tokio::spawn(
                async move { write_for_ever(store.as_ref(), &folder, seed, client).await },
            );
        async move {
            match task.await {
                Ok(ended) => ended,
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            }
        }
    });
    try_join_all(tasks).await?;
    Ok(Reply::Done)
}

async fn write_for_ever(
    store: &dyn StorageProvider,
    folder: &str,
    seed: u64,
    client: u64,
) -> Result<()> {
    let mut rng = StdRng::seed_from_u64(seed);
    loop {
        let key = format!("{folder}/{}", rng.random_range(0..KEYS));
        let content = Content::new(rng.random(), SIZES[rng.random_range(0..SIZES.len())]);
        let way = Way::choose(store, &mut rng);
        say(&Reply::Begun {
            client,
            change: Change {
                key: key.clone(),
                content: (way != Way::Delete).then_some(content),
                how: format!("{way:?}").to_lowercase(),
            },
        });
        let version = way.make(store, &Key::new(key)?, content).await?;
        say(&Reply::Acknowledged { client, version });
    }
}

/// How a change is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Put,
    Stream,
    Delete,
    Multipart,
    Copy,
}

impl Way {
    fn choose(store: &dyn StorageProvider, rng: &mut StdRng) -> Self {
        match rng.random_range(0..10) {
            0..4 => Self::Put,
            4..6 => Self::Stream,
            6..8 => Self::Delete,
            8 if store.capabilities().has(Capability::Multipart) => Self::Multipart,
            _ => Self::Copy,
        }
    }

    /// Makes the change; returns the new version, if there is one.
    async fn make(
        self,
        store: &dyn StorageProvider,
        key: &Key,
        content: Content,
    ) -> Result<Option<String>> {
        let options = naming(content);
        let meta = match self {
            Self::Put => store.put(key, body(content, Form::Whole), &options).await?,
            Self::Stream => store.put(key, body(content, Form::Stream), &options).await?,
            Self::Delete => {
                store.delete(key, &DeleteOptions::default()).await?;
                return Ok(None);
            }
            Self::Multipart => {
                let upload = store.create_upload(key, &options).await?;
                let part = store
                    .upload_part(key, &upload, PartNumber::new(1)?, body(content, Form::Stream))
                    .await?;
                store.complete_upload(key, &upload, &[part], &CompleteOptions::default()).await?
            }
            Self::Copy => {
                let source = Key::new(format!("source/{key}"))?;
                store.put(&source, body(content, Form::Whole), &options).await?;
                store.copy(&source, key, &Default::default()).await?
            }
        };
        Ok(Some(meta.version.as_str().to_owned()))
    }
}

//! The embedded provider. Damaging it uses the file format that `docs/guides/local-format.md`
//! documents.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use omni_contracts::storage::{Key, StorageProvider};
use omni_contracts::{Error, ErrorKind, Result};
use omni_provider_local::{LocalSettings, LocalStorage};
use rusqlite::{Connection, OptionalExtension};

use crate::{Damage, Evidence, Place, Subject};

/// `local`, durable to the disk, with versioning and a largest object, so that those clauses are
/// claimed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Local;

fn folder(place: &Place<'_>) -> PathBuf {
    place.root.join(place.store)
}

#[async_trait]
impl Subject for Local {
    fn name(&self) -> &str {
        "local"
    }

    fn evidence(&self) -> Evidence {
        Evidence::Embedded
    }

    async fn open(&self, place: &Place<'_>) -> Result<Arc<dyn StorageProvider>> {
        let settings = LocalSettings {
            versioning: true,
            max_object_size: Some(1 << 30),
            ..LocalSettings::at(folder(place))
        };
        Ok(Arc::new(LocalStorage::open(settings).await?))
    }

    async fn damage(&self, place: &Place<'_>, key: &Key) -> Result<Damage> {
        let (folder, key) = (folder(place), key.as_str().to_owned());
        blocking(move || damage(&folder, &key)).await
    }

    async fn space(&self, place: &Place<'_>) -> Result<Option<u64>> {
        let folder = folder(place);
        blocking(move || Ok(space(&folder).map(Some)?)).await
    }
}

/// Why the store could not be looked at behind the provider's back.
type Problem = Box<dyn std::error::Error + Send + Sync>;

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T> {
    let outcome = tokio::task::spawn_blocking(work).await;
    let wrong = |problem: Problem| Error::new(ErrorKind::Internal, problem.to_string());
    outcome.map_err(|panic| wrong(panic.into()))?.map_err(wrong)
}

fn damage(folder: &Path, key: &str) -> Result<Damage, Problem> {
    let index = Connection::open(folder.join("index.sqlite"))?;
    index.busy_timeout(std::time::Duration::from_secs(5))?;
    let sql = "SELECT write, session, file FROM objects WHERE key = ?1";
    let (write, session, file): (i64, Option<String>, Option<i64>) =
        index.query_row(sql, [key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    if let (Some(session), Some(file)) = (session, file) {
        let path = folder.join("files").join(session).join(file.to_string());
        let mut content = fs::read(&path)?;
        flip(&mut content);
        fs::write(&path, content)?;
        return Ok(Damage::Done);
    }
    let sql = "SELECT data FROM inline WHERE id = ?1";
    let content: Option<Vec<u8>> = index.query_row(sql, [write], |row| row.get(0)).optional()?;
    let Some(mut content) = content.filter(|content| !content.is_empty()) else {
        return Ok(Damage::NotPossible);
    };
    flip(&mut content);
    index.execute("UPDATE inline SET data = ?1 WHERE id = ?2", (content, write))?;
    Ok(Damage::Done)
}

fn flip(content: &mut [u8]) {
    let middle = content.len() / 2;
    content[middle] ^= 1;
}

fn space(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let counted = match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => space(&entry.path()),
            other => other.map(|metadata| metadata.len()),
        };
        bytes += match counted {
            // Removed while we looked.
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            counted => counted?,
        };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use omni_contracts::Body;
    use omni_contracts::storage::{GetOptions, PutOptions};

    use super::*;

    #[tokio::test]
    async fn what_is_damaged_is_found_inline_and_in_files() {
        let root = tempfile::tempdir().unwrap();
        let place = Place { root: root.path(), store: "sto-000" };
        let store = Local.open(&place).await.unwrap();
        for size in [1, 4096, 200_000] {
            let key = Key::new(format!("size/{size}")).unwrap();
            store.put(&key, Body::from(vec![7; size]), &PutOptions::default()).await.unwrap();
            assert_eq!(Local.damage(&place, &key).await.unwrap(), Damage::Done);
            let read =
                async { store.get(&key, &GetOptions::default()).await?.body.collect().await };
            assert_eq!(read.await.unwrap_err().kind(), ErrorKind::Corrupt, "{size} bytes");
        }
        assert!(Local.space(&place).await.unwrap().unwrap() > 204_097);
        let missing = Key::new("missing").unwrap();
        assert!(Local.damage(&place, &missing).await.is_err());
    }
}

//! `azblob`, on Azurite.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use omni_config::Secret;
use omni_contracts::storage::StorageProvider;
use omni_contracts::{Error, ErrorKind, Result};
use omni_provider_azure::{BlobSettings, BlobStorage};

use crate::emulators::{AZURITE, Shared, http};
use crate::{Evidence, Place, Subject};

/// A request takes milliseconds on an emulator, which serves one at a time.
const SHARE: f64 = 0.2;

static SERVER: Shared = Shared::new(&AZURITE);

/// The account that Azurite has by itself, as documented.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A shared access signature for that account by that key: it lets a plain request make a container.
const SIGNATURE: &str = "sv=2022-11-02&ss=b&srt=sco&sp=rwdlac&se=2999-01-01T00%3A00%3A00Z&sig=qzjP0%2FsiTqNVdOWkrn9NyNcmsqdEe%2BhJBYV7umc843Y%3D";

/// `azblob` on Azurite; every store is a container.
#[derive(Clone, Copy, Debug, Default)]
pub struct Blob;

#[async_trait]
impl Subject for Blob {
    fn name(&self) -> &str {
        "azblob-azurite"
    }

    fn evidence(&self) -> Evidence {
        SERVER.emulator().evidence()
    }

    fn time_limit(&self) -> Duration {
        // One process that serves one request at a time.
        Duration::from_secs(300)
    }

    fn parallel(&self) -> Option<usize> {
        Some(2)
    }

    fn share(&self) -> f64 {
        SHARE
    }

    async fn prepare(&self) -> Result<()> {
        SERVER.get().await.map(drop)
    }

    async fn open(&self, place: &Place<'_>) -> Result<Arc<dyn StorageProvider>> {
        // Made, or there already.
        asked(http::put, place, &[201, 409]).await?;
        let (endpoint, container) = container(place).await?;
        let settings = BlobSettings {
            endpoint: Some(endpoint),
            account_key: Some(Secret::new(KEY)),
            read_timeout: self.time_limit(),
            ..BlobSettings::container(ACCOUNT, container)
        };
        Ok(Arc::new(BlobStorage::open(settings).await?))
    }

    /// Azurite looks through everything that is stored, and would become slow.
    async fn free(&self, place: &Place<'_>) -> Result<()> {
        asked(http::delete, place, &[202, 404]).await
    }

    fn prepare_worker(&self, command: &mut Command) {
        SERVER.hand_on(command);
    }
}

/// The endpoint of the account, and the container of a store.
async fn container(place: &Place<'_>) -> Result<(String, String)> {
    let endpoint = format!("{}/{ACCOUNT}", SERVER.get().await?.endpoint());
    Ok((endpoint, place.store.to_ascii_lowercase()))
}

/// Makes or deletes the container of a store.
async fn asked(
    ask: fn(&str) -> std::io::Result<u16>,
    place: &Place<'_>,
    good: &[u16],
) -> Result<()> {
    let (endpoint, container) = container(place).await?;
    let url = format!("{endpoint}/{container}?restype=container&{SIGNATURE}");
    let answer = tokio::task::spawn_blocking(move || ask(&url)).await;
    let failed = |problem: String| Error::new(ErrorKind::Unavailable, problem);
    match answer.map_err(|error| failed(error.to_string()))? {
        Ok(status) if good.contains(&status) => Ok(()),
        Ok(status) => Err(failed(format!("container {container}: status {status}"))),
        Err(error) => Err(failed(format!("container {container}: {error}"))),
    }
}

//! `azblob`, on Azurite.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use omni_contracts::Result;
use omni_contracts::storage::StorageProvider;
use omni_provider_azure::{BlobSettings, BlobStorage};

use crate::emulators::{AZURITE, Shared};
use crate::{Evidence, Place, Subject, Through};

/// A request takes milliseconds on an emulator, which serves one at a time.
const SHARE: f64 = 0.2;

static SERVER: Shared = Shared::new(&AZURITE);

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
        // One process that serves one request at a time, and looks through all that is stored for each
        // page of a listing: ten thousand keys take minutes.
        Duration::from_secs(900)
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
        let settings: BlobSettings = SERVER.make_store(place.store).await?;
        let settings = BlobSettings { read_timeout: self.time_limit(), ..settings };
        Ok(Arc::new(BlobStorage::open(settings).await?))
    }

    async fn server(&self) -> Result<Option<SocketAddr>> {
        SERVER.address().await.map(Some)
    }

    async fn open_through(
        &self,
        place: &Place<'_>,
        through: &Through,
    ) -> Result<Arc<dyn StorageProvider>> {
        let settings: BlobSettings = SERVER.make_store(place.store).await?;
        let server = SERVER.address().await?.to_string();
        let endpoint =
            settings.endpoint.map(|at| at.replace(&server, &through.address.to_string()));
        let settings = BlobSettings {
            endpoint,
            part_size: 256 << 10,
            connect_timeout: through.patience,
            read_timeout: through.patience,
            ..settings
        };
        Ok(Arc::new(BlobStorage::open(settings).await?))
    }

    /// Azurite looks through everything that is stored, and would become slow.
    async fn free(&self, place: &Place<'_>) -> Result<()> {
        SERVER.remove_store(place.store).await
    }

    fn prepare_worker(&self, command: &mut Command) {
        SERVER.hand_on(command);
    }
}

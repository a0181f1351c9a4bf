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

static SERVER: Shared = Shared::new(&AZURITE);

/// The account that Azurite has by itself, as documented.
const ACCOUNT: &str = "devstoreaccount1";

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

    async fn prepare(&self) -> Result<()> {
        SERVER.get().await.map(drop)
    }

    async fn open(&self, place: &Place<'_>) -> Result<Arc<dyn StorageProvider>> {
        let endpoint = format!("{}/{ACCOUNT}", SERVER.get().await?.endpoint());
        todo!()
    }

    fn prepare_worker(&self, command: &mut Command) {
        SERVER.hand_on(command);
    }
}

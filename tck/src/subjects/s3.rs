//! `s3`, on two emulators that were written independently: what one accepts wrongly, the other shows.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use omni_contracts::Result;
use omni_contracts::storage::StorageProvider;
use omni_provider_aws::{S3Checksums, S3Settings, S3Storage};

use crate::emulators::{MINISTACK, MOTO, Shared};
use crate::{Evidence, Place, Subject, Through};

/// `s3` on an emulator; every store is a bucket.
#[derive(Debug)]
pub struct S3 {
    name: &'static str,
    server: &'static Shared,
    deviations: &'static str,
    /// What the emulator cannot do of what Amazon S3 can.
    lacks: &'static [&'static str],
    checksums: S3Checksums,
    part_size: u64,
    /// A request takes milliseconds on an emulator, which serves one at a time.
    share: f64,
}

impl S3 {
    /// On MiniStack.
    #[must_use]
    pub fn on_ministack() -> Self {
        static SERVER: Shared = Shared::new(&MINISTACK);
        let deviations = include_str!("../../deviations/s3-ministack.toml");
        Self {
            name: "s3-ministack",
            server: &SERVER,
            deviations,
            // It does not look at conditions on the target of a copy.
            lacks: &["conditional-copy"],
            checksums: S3Checksums::Crc32c,
            part_size: 8 << 20,
            share: 0.1,
        }
    }

    /// On Moto.
    #[must_use]
    pub fn on_moto() -> Self {
        static SERVER: Shared = Shared::new(&MOTO);
        let deviations = include_str!("../../deviations/s3-moto.toml");
        Self {
            name: "s3-moto",
            server: &SERVER,
            deviations,
            // It looks at conditions neither on the target of a copy nor when an upload completes, mixes up
            // conditions of a read that come together, and lists parts in a document that is not the
            // documented one.
            lacks: &["conditional-copy", "conditional-multipart", "conditional-read", "multipart"],
            // So that no conditional write of the checks is an upload.
            part_size: 9 << 20,
            share: 0.04,
            // What it says is the checksum of joined parts is not one of their contents.
            checksums: S3Checksums::None,
        }
    }
}

impl S3 {
    async fn settings(&self, place: &Place<'_>) -> Result<S3Settings> {
        let settings = self.server.make_store(place.store).await?;
        Ok(S3Settings {
            lacks: self.lacks.iter().map(|&name| name.to_owned()).collect(),
            checksums: self.checksums,
            ..settings
        })
    }
}

#[async_trait]
impl Subject for S3 {
    fn name(&self) -> &str {
        self.name
    }

    fn evidence(&self) -> Evidence {
        self.server.emulator().evidence()
    }

    fn deviations(&self) -> &str {
        self.deviations
    }

    fn time_limit(&self) -> Duration {
        // One process that serves one request at a time.
        Duration::from_secs(300)
    }

    fn parallel(&self) -> Option<usize> {
        Some(2)
    }

    fn share(&self) -> f64 {
        self.share
    }

    async fn prepare(&self) -> Result<()> {
        self.server.get().await.map(drop)
    }

    async fn open(&self, place: &Place<'_>) -> Result<Arc<dyn StorageProvider>> {
        let settings = S3Settings {
            part_size: self.part_size,
            read_timeout: self.time_limit(),
            ..self.settings(place).await?
        };
        Ok(Arc::new(S3Storage::open(settings).await?))
    }

    async fn server(&self) -> Result<Option<SocketAddr>> {
        self.server.address().await.map(Some)
    }

    async fn open_through(
        &self,
        place: &Place<'_>,
        through: &Through,
    ) -> Result<Arc<dyn StorageProvider>> {
        let settings = S3Settings {
            endpoint: Some(format!("http://{}", through.address)),
            part_size: 5 << 20,
            connect_timeout: through.patience,
            read_timeout: through.patience,
            ..self.settings(place).await?
        };
        Ok(Arc::new(S3Storage::open(settings).await?))
    }

    fn prepare_worker(&self, command: &mut Command) {
        self.server.hand_on(command);
    }
}

//! `s3`, on two emulators that were written independently: what one accepts wrongly, the other shows.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use omni_config::Secret;
use omni_contracts::storage::StorageProvider;
use omni_contracts::{Error, ErrorKind, Result};
use omni_provider_aws::{S3Checksums, S3Settings, S3Storage};

use crate::emulators::{MINISTACK, MOTO, Shared, http};
use crate::{Evidence, Place, Subject};

/// Says who asks. Neither emulator looks at signatures in headers.
const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=test/20261121/us-east-1/s3/aws4_request, \
                      SignedHeaders=host, Signature=0";

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
            // It looks at conditions neither on the target of a copy nor when an upload completes, and
            // lists parts in a document that is not the documented one.
            lacks: &["conditional-copy", "conditional-multipart", "multipart"],
            // So that no conditional write of the checks is an upload.
            part_size: 9 << 20,
            share: 0.04,
            // What it says is the checksum of joined parts is not one of their contents.
            checksums: S3Checksums::None,
        }
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
        let endpoint = self.server.get().await?.endpoint().to_owned();
        let bucket = place.store.to_ascii_lowercase();
        let url = format!("{endpoint}/{bucket}");
        let made = tokio::task::spawn_blocking(move || http::put_as(&url, SIGNED)).await;
        let failed = |problem: String| Error::new(ErrorKind::Unavailable, problem);
        match made.map_err(|error| failed(error.to_string()))? {
            // Made, or there already.
            Ok(200 | 409) => {}
            Ok(status) => return Err(failed(format!("no bucket was made, status {status}"))),
            Err(error) => return Err(failed(format!("no bucket was made: {error}"))),
        }
        let settings = S3Settings {
            region: Some("us-east-1".to_owned()),
            endpoint: Some(endpoint),
            access_key_id: Some("test".to_owned()),
            secret_access_key: Some(Secret::new("test")),
            lacks: self.lacks.iter().map(|&name| name.to_owned()).collect(),
            checksums: self.checksums,
            part_size: self.part_size,
            read_timeout: self.time_limit(),
            ..S3Settings::bucket(bucket)
        };
        Ok(Arc::new(S3Storage::open(settings).await?))
    }

    fn prepare_worker(&self, command: &mut Command) {
        self.server.hand_on(command);
    }
}

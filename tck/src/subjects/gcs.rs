//! `gcs`, on the kit's own server: what is certified there is certified against Google's documentation,
//! as far as that server has it, and not against Google.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use omni_config::Secret;
use omni_contracts::storage::{Key, StorageProvider};
use omni_contracts::{Error, ErrorKind, Result};
use omni_provider_gcp::{GcsControl, GcsSettings, GcsStorage};

use crate::fakes::gcs::{Gcs as Server, NewBucket, shared};
use crate::{Damage, Evidence, Place, Subject, Through};

/// `gcs` on the kit's own server; every store is a bucket.
#[derive(Debug)]
pub struct Gcs {
    name: &'static str,
    versioning: bool,
    control: GcsControl,
}

impl Gcs {
    /// In buckets that keep the current generations alone.
    #[must_use]
    pub fn plain() -> Self {
        Self { name: "gcs-fake", versioning: false, control: GcsControl::Grpc }
    }

    /// In buckets that keep older generations, and without gRPC.
    #[must_use]
    pub fn by_http() -> Self {
        Self { name: "gcs-fake-http", versioning: true, control: GcsControl::Http }
    }

    /// In buckets that keep older generations.
    #[must_use]
    pub fn versioned() -> Self {
        Self { name: "gcs-fake-versioned", versioning: true, control: GcsControl::Grpc }
    }

    fn bucket(&self, place: &Place<'_>) -> String {
        place.store.to_ascii_lowercase()
    }
}

impl Gcs {
    async fn settings(&self, place: &Place<'_>) -> Result<GcsSettings> {
        let bucket = self.bucket(place);
        // Private, so that a signed URL shows that it lets in who else is not.
        let new = NewBucket { name: bucket.clone(), versioning: self.versioning, private: true };
        let opened = blocking(move |server| {
            server.create_bucket(&new)?;
            Ok((server.endpoint().to_owned(), server.service_account_key()?.to_owned()))
        });
        let (endpoint, key) = opened.await?;
        Ok(GcsSettings {
            endpoint: Some(endpoint),
            service_account_key: Some(Secret::new(key)),
            versioning: self.versioning,
            control: self.control,
            ..GcsSettings::bucket(bucket)
        })
    }
}

/// The server blocks until it answers.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce(&'static Server) -> Result<T> + Send + 'static,
) -> Result<T> {
    let working = tokio::task::spawn_blocking(move || work(shared()?));
    working.await.map_err(|panic| Error::new(ErrorKind::Internal, panic.to_string()))?
}

#[async_trait]
impl Subject for Gcs {
    fn name(&self) -> &str {
        self.name
    }

    fn evidence(&self) -> Evidence {
        Evidence::OwnFake
    }

    fn share(&self) -> f64 {
        // A request takes a millisecond of computing in a build for debugging, and the three differ in what
        // they keep and in how they are asked; most checks ask the same of all.
        if self.versioning { 0.2 } else { 0.4 }
    }

    fn time_limit(&self) -> Duration {
        // A page of a listing takes milliseconds of computing in a build for debugging.
        Duration::from_secs(180)
    }

    async fn prepare(&self) -> Result<()> {
        blocking(|_| Ok(())).await
    }

    async fn open(&self, place: &Place<'_>) -> Result<Arc<dyn StorageProvider>> {
        Ok(Arc::new(GcsStorage::open(self.settings(place).await?).await?))
    }

    async fn server(&self) -> Result<Option<SocketAddr>> {
        let endpoint = blocking(|server| Ok(server.endpoint())).await?;
        let address = endpoint.trim_start_matches("http://").parse();
        address.map(Some).map_err(|_| Error::invalid(format!("no address: {endpoint}")))
    }

    async fn open_through(
        &self,
        place: &Place<'_>,
        through: &Through,
    ) -> Result<Arc<dyn StorageProvider>> {
        let settings = GcsSettings {
            endpoint: Some(format!("http://{}", through.address)),
            part_size: 256 << 10,
            read_timeout: through.patience,
            ..self.settings(place).await?
        };
        Ok(Arc::new(GcsStorage::open(settings).await?))
    }

    async fn damage(&self, place: &Place<'_>, key: &Key) -> Result<Damage> {
        let (bucket, key) = (self.bucket(place), key.as_str().to_owned());
        let damaged = blocking(move |server| server.damage(&bucket, &key)).await?;
        Ok(if damaged { Damage::Done } else { Damage::NotPossible })
    }

    async fn free(&self, place: &Place<'_>) -> Result<()> {
        let bucket = self.bucket(place);
        blocking(move |server| server.remove_bucket(&bucket)).await
    }

    async fn space(&self, place: &Place<'_>) -> Result<Option<u64>> {
        let bucket = self.bucket(place);
        blocking(move |server| server.space(&bucket).map(Some)).await
    }

    fn prepare_worker(&self, command: &mut Command) {
        if let Ok(server) = shared() {
            server.hand_on(command);
        }
    }
}

//! One server for everybody in this process.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;

use omni_contracts::{Error, ErrorKind, Result};
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;

use super::{Emulator, Server};

/// A server that is started at its first use and then shared.
///
/// A subject has one, or several subjects have one in a `static`: that one is never dropped, but its
/// server ends with the process all the same.
///
/// ```
/// use tck::emulators::{MOTO, Shared};
///
/// static SERVER: Shared = Shared::new(&MOTO);
///
/// async fn endpoint() -> omni_contracts::Result<String> {
///     Ok(SERVER.get().await?.endpoint().to_owned())
/// }
/// ```
#[derive(Debug)]
pub struct Shared {
    emulator: &'static Emulator,
    server: OnceCell<Arc<Server>>,
}

impl Shared {
    /// A server of `emulator` that is still to be started.
    #[must_use]
    pub const fn new(emulator: &'static Emulator) -> Self {
        Self { emulator, server: OnceCell::const_new() }
    }

    /// The emulator.
    #[must_use]
    pub fn emulator(&self) -> &'static Emulator {
        self.emulator
    }

    /// The server, connected to or started if it is not yet. A subject calls this in
    /// [`Subject::prepare`], where there is time to install it, and again where it opens stores.
    ///
    /// # Errors
    ///
    /// As [`Emulator::connect_or_start`]; the next call tries again.
    ///
    /// [`Subject::prepare`]: crate::Subject::prepare
    pub async fn get(&self) -> Result<&Server> {
        self.started().await.map(|server| &**server)
    }

    /// Where it is.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn address(&self) -> Result<SocketAddr> {
        let endpoint = self.get().await?.endpoint();
        let address = endpoint.trim_start_matches("http://").parse();
        address.map_err(|_| Error::new(ErrorKind::Internal, format!("no address: {endpoint}")))
    }

    async fn started(&self) -> Result<&Arc<Server>> {
        let emulator = self.emulator;
        let start = blocking(move || emulator.connect_or_start().map(Arc::new));
        self.server.get_or_try_init(|| start).await
    }

    /// Makes the store of a check, as [`Server::make_store`], and returns the settings of a provider.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get) and [`Server::make_store`]; `Configuration` for other settings than those
    /// of the emulator.
    pub async fn make_store<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let settings = self.on_store(name, Server::make_store).await?;
        let settings = settings.into_iter().filter(|&(setting, _)| setting != "provider");
        serde_json::from_value(settings.collect())
            .map_err(|error| Error::new(ErrorKind::Configuration, error.to_string()))
    }

    /// Removes the store of a check, as [`Server::remove_store`].
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get) and [`Server::remove_store`].
    pub async fn remove_store(&self, name: &str) -> Result<()> {
        self.on_store(name, Server::remove_store).await
    }

    /// Names of stores have small letters alone.
    async fn on_store<T: Send + 'static>(
        &self,
        name: &str,
        work: fn(&Server, &str) -> Result<T>,
    ) -> Result<T> {
        let (server, name) = (Arc::clone(self.started().await?), name.to_ascii_lowercase());
        blocking(move || work(&server, &name)).await
    }

    /// Makes the process that `command` starts use the same server, if there is one already.
    pub fn hand_on(&self, command: &mut Command) {
        if let Some(server) = self.server.get() {
            server.hand_on(command);
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let working = tokio::task::spawn_blocking(work);
    working.await.map_err(|panic| Error::new(ErrorKind::Internal, panic.to_string()))?
}

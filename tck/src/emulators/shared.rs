//! One server for everybody in this process.

use std::process::Command;

use omni_contracts::{Error, ErrorKind, Result};
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
    server: OnceCell<Server>,
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
        let emulator = self.emulator;
        let start = async move {
            let starting = tokio::task::spawn_blocking(move || emulator.connect_or_start());
            starting.await.map_err(|panic| Error::new(ErrorKind::Internal, panic.to_string()))?
        };
        self.server.get_or_try_init(|| start).await
    }

    /// Makes the process that `command` starts use the same server, if there is one already.
    pub fn hand_on(&self, command: &mut Command) {
        if let Some(server) = self.server.get() {
            server.hand_on(command);
        }
    }
}

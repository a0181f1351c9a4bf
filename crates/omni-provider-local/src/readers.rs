//! Reading the index: a bounded pool of connections, each read one snapshot.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use omni_contracts::{Error, ErrorKind, Result};
use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::blocking::blocking;
use crate::error::{Stop, from_sqlite};
use crate::schema::open_reader;

/// How many reads of the index run at once; more wait their turn.
const CONNECTIONS: usize = 8;

/// Connections that read. Opened when they are first needed.
#[derive(Debug)]
pub(crate) struct Readers {
    index: PathBuf,
    busy_timeout: Duration,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(crate) fn new(index: PathBuf, busy_timeout: Duration) -> Self {
        Self {
            index,
            busy_timeout,
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(CONNECTIONS)),
        }
    }

    /// Runs `read` with a connection, where blocking is allowed.
    pub(crate) async fn run<T, F>(self: &Arc<Self>, read: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Stop> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|_| Error::new(ErrorKind::Internal, "the store is closed"))?;
        let readers = Arc::clone(self);
        blocking(move || {
            let outcome = readers.run_here(read);
            drop(permit);
            outcome
        })
        .await
    }

    /// Runs `read` on this thread, beside the bound on reads. For a moment within longer work that
    /// blocks anyway.
    pub(crate) fn run_here<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Stop>,
    ) -> Result<T> {
        self.with_connection(read).map_err(|stop| match stop {
            Stop::Refused(error) => error,
            Stop::Broken(error) => from_sqlite(error, &self.index),
        })
    }

    fn with_connection<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let idle = self.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open_reader(&self.index, self.busy_timeout)?,
        };
        let outcome = read(&connection);
        let mut idle = self.lock();
        if idle.len() < CONNECTIONS {
            idle.push(connection);
        }
        drop(idle);
        outcome
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

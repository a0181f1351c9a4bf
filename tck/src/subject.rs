//! What is certified: the one thing that a provider author implements.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use omni_contracts::messaging::MessagingProvider;
use omni_contracts::storage::{Key, StorageProvider};
use omni_contracts::{Contract, Error, Result};
use serde::{Deserialize, Serialize};

/// A provider on a back-end, ready to be certified.
#[async_trait]
pub trait Subject: Send + Sync + 'static {
    /// The name in test lines and reports: `local`, `s3-minio`.
    fn name(&self) -> &str;

    /// What the provider runs against.
    fn evidence(&self) -> Evidence;

    /// The clauses that the back-end itself breaks: the text of a file as [`Deviation::read_all`]
    /// takes it, by `include_str!`. What is wrong in it fails the run.
    ///
    /// [`Deviation::read_all`]: crate::Deviation::read_all
    fn deviations(&self) -> &str {
        ""
    }

    /// Gets ready what stores are opened on: installs and starts a server. Called once, before the
    /// first store is opened; it may take minutes. Worker processes do not call it.
    ///
    /// # Errors
    ///
    /// Whatever that fails with; the run then fails, it is never skipped.
    async fn prepare(&self) -> Result<()> {
        Ok(())
    }

    /// How long one check may take on this back-end.
    fn time_limit(&self) -> Duration {
        Duration::from_secs(60)
    }

    /// The share of the rounds and inputs that checks try, above 0 and at most 1: less than everything
    /// on a back-end where a request takes milliseconds. Every check runs; which inputs it tries is
    /// decided by the seed. Reports say the share.
    fn share(&self) -> f64 {
        1.0
    }

    /// How many stores may be in use at once, where that is limited; then no more checks run at once.
    fn parallel(&self) -> Option<usize> {
        None
    }

    /// The contract that it is certified by; then it opens stores of that.
    fn contract(&self) -> Contract {
        Contract::Storage
    }

    /// The clock that its checks run on.
    fn clock(&self) -> Clock {
        Clock::Real
    }

    /// Opens a store of objects. The same place is the same data, different places never share any, and a new
    /// one is empty. Every call makes a new instance, as another program would.
    ///
    /// # Errors
    ///
    /// Whatever opening fails with; the run then fails, it is never skipped.
    async fn open(&self, place: &Place<'_>) -> Result<Arc<dyn StorageProvider>> {
        let _ = place;
        Err(Error::unsupported("storage"))
    }

    /// Opens a place for topics, by the rules of [`open`](Self::open).
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    async fn open_messaging(&self, place: &Place<'_>) -> Result<Arc<dyn MessagingProvider>> {
        let _ = place;
        Err(Error::unsupported("messaging"))
    }

    /// Where the server of the stores is, for a proxy that stands before it: TCP, without TLS. `None`
    /// where there is no such server.
    ///
    /// # Errors
    ///
    /// As [`prepare`](Self::prepare).
    async fn server(&self) -> Result<Option<SocketAddr>> {
        Ok(None)
    }

    /// Opens a store as [`open`](Self::open) does, by another address of its server, with a provider
    /// that waits no longer than it is told, and sends large contents in the smallest parts it can, of
    /// 256 KiB or more.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); `Unsupported` where there is no server.
    async fn open_through(
        &self,
        place: &Place<'_>,
        through: &Through,
    ) -> Result<Arc<dyn StorageProvider>> {
        let _ = (place, through);
        Err(Error::unsupported("a server behind a proxy"))
    }

    /// Flips one byte of the stored content of `key`, behind the provider's back.
    ///
    /// # Errors
    ///
    /// Whatever the damaging fails with.
    async fn damage(&self, place: &Place<'_>, key: &Key) -> Result<Damage> {
        let _ = (place, key);
        Ok(Damage::NotPossible)
    }

    /// Frees a store, for what used it has ended. What lies under `root`/`store` is removed anyway.
    ///
    /// # Errors
    ///
    /// Whatever the freeing fails with; the outcome of the check stands.
    async fn free(&self, place: &Place<'_>) -> Result<()> {
        let _ = place;
        Ok(())
    }

    /// The bytes that the store takes up, counted behind the provider's back: everything that it
    /// wrote, visible or not. `None` where nobody can tell.
    ///
    /// # Errors
    ///
    /// Whatever the counting fails with.
    async fn space(&self, place: &Place<'_>) -> Result<Option<u64>> {
        let _ = place;
        Ok(None)
    }

    /// Prepares the command that runs this program again as a worker process, so that the worker finds
    /// the same subject under the same name. Nothing to do where `main` alone decides that. The check
    /// has opened its store by then.
    fn prepare_worker(&self, command: &mut Command) {
        let _ = command;
    }
}

/// A subject made of a function that opens stores.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
///
/// use omni_provider_memory::{MemorySettings, MemoryStorage};
/// use tck::{Evidence, FnSubject};
///
/// let stores = Mutex::new(HashMap::new());
/// let subject = FnSubject::new("mine", Evidence::Embedded, move |place| {
///     let mut stores = stores.lock().unwrap();
///     let new = || MemoryStorage::new(MemorySettings::default());
///     let store = stores.entry(place.store.to_owned()).or_insert_with(new).clone();
///     async move { Ok(std::sync::Arc::new(store) as _) }
/// });
/// assert_eq!(tck::Subject::name(&subject), "mine");
/// ```
pub struct FnSubject<F> {
    name: String,
    evidence: Evidence,
    open: F,
}

impl<F, Opening> FnSubject<F>
where
    F: Fn(&Place<'_>) -> Opening + Send + Sync + 'static,
    Opening: Future<Output = Result<Arc<dyn StorageProvider>>> + Send + 'static,
{
    /// A subject whose stores `open` opens, by the rules of [`Subject::open`].
    #[must_use]
    pub fn new(name: impl Into<String>, evidence: Evidence, open: F) -> Self {
        Self { name: name.into(), evidence, open }
    }
}

#[async_trait]
impl<F, Opening> Subject for FnSubject<F>
where
    F: Fn(&Place<'_>) -> Opening + Send + Sync + 'static,
    Opening: Future<Output = Result<Arc<dyn StorageProvider>>> + Send + 'static,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn evidence(&self) -> Evidence {
        self.evidence.clone()
    }

    async fn open(&self, place: &Place<'_>) -> Result<Arc<dyn StorageProvider>> {
        (self.open)(place).await
    }
}

impl<F> fmt::Debug for FnSubject<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FnSubject")
            .field("name", &self.name)
            .field("evidence", &self.evidence)
            .finish_non_exhaustive()
    }
}

/// Where a store is: a name that is unique in a run, and a folder that lives as long as the run.
///
/// A provider with files of its own puts them under `root`/`store`; one with a server makes a bucket
/// or a key prefix of `store`. Worker processes are given the same place.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The folder of the run.
    pub root: &'a Path,
    /// The name of the store: letters, digits and `-`.
    pub store: &'a str,
}

/// How a server is reached that something stands before.
#[derive(Clone, Copy, Debug)]
pub struct Through {
    /// Where requests are sent to.
    pub address: SocketAddr,
    /// How long to wait for a silent server, and for a connection.
    pub patience: Duration,
}

/// The clock that checks run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// That of the machine.
    Real,
    /// Tokio's, which stands still until everybody waits: for providers that know no other. "Not before"
    /// is exact then, and hours cost nothing.
    Virtual,
}

/// Whether a stored object could be damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// One byte was flipped.
    Done,
    /// The content cannot be reached behind the provider's back.
    NotPossible,
}

/// What a certificate is evidence of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Evidence {
    /// The provider has no server.
    Embedded,
    /// A server of this repository.
    OwnFake,
    /// An emulator, with its version.
    Emulator {
        /// Name.
        name: String,
        /// Version.
        version: String,
    },
    /// The real server software, with its version.
    RealServer {
        /// Name.
        name: String,
        /// Version.
        version: String,
    },
    /// What somebody configured, and only he knows what it is.
    Configured {
        /// The provider that he named.
        provider: String,
    },
    /// The cloud itself.
    Live {
        /// Cloud.
        cloud: String,
        /// Region.
        region: String,
    },
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded => f.write_str("embedded"),
            Self::OwnFake => f.write_str("own fake"),
            Self::Emulator { name, version } => write!(f, "emulator({name}, {version})"),
            Self::RealServer { name, version } => write!(f, "real server({name}, {version})"),
            Self::Configured { provider } => write!(f, "as configured({provider})"),
            Self::Live { cloud, region } => write!(f, "live({cloud}, {region})"),
        }
    }
}

//! The server as the kit uses it: it is started at its first use, has a thread of its own and lives as
//! long as the process; other processes are handed its address.

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use omni_contracts::{Error, ErrorKind, Result};

use super::account::{Account, EMAIL};
use super::fault::{Fault, Kind};
use super::router;
use super::store::Store;

/// By which a process hands the address of its server to its workers.
const VARIABLE: &str = "OMNI_TCK_ENDPOINT_GCS";

/// By which it hands on the key of the account that signs.
const KEY_VARIABLE: &str = "OMNI_TCK_KEY_GCS";

/// A server of Google Cloud Storage, in this process or in the one that started it.
///
/// ```
/// use tck::fakes::gcs::{Gcs, NewBucket};
///
/// let server = Gcs::start()?;
/// server.create_bucket(&NewBucket::named("pictures"))?;
/// assert_eq!(server.space("pictures")?, 0);
/// # Ok::<(), omni_contracts::Error>(())
/// ```
#[derive(Clone)]
pub struct Gcs {
    endpoint: String,
    /// The key of the account that signs, once it was asked for.
    account: Arc<OnceLock<String>>,
    /// Only in the process that started it.
    state: Option<Arc<State>>,
}

impl fmt::Debug for Gcs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gcs").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// What is shared by all connections.
#[derive(Debug)]
pub(super) struct State {
    pub(super) endpoint: String,
    store: Mutex<Store>,
}

impl State {
    /// The store, for one step.
    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A bucket that is to be made.
#[derive(Clone, Debug)]
pub struct NewBucket {
    /// Its name, by the rules for names of buckets.
    pub name: String,
    /// Whether it keeps the generations that are overwritten or deleted.
    pub versioning: bool,
    /// Whether requests without any credential are refused.
    pub private: bool,
}

impl NewBucket {
    /// One without versions, open to everybody.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), versioning: false, private: false }
    }
}

/// The server that everybody in this process shares: started now, or by the process that handed its
/// address on.
///
/// # Errors
///
/// As [`Gcs::start`]; the next call tries again.
pub fn shared() -> Result<&'static Gcs> {
    static SERVER: OnceLock<Gcs> = OnceLock::new();
    static STARTING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = SERVER.get() {
        return Ok(server);
    }
    let server = match std::env::var(VARIABLE) {
        Ok(endpoint) => {
            let account = std::env::var(KEY_VARIABLE).map(OnceLock::from).unwrap_or_default();
            Gcs { endpoint, account: Arc::new(account), state: None }
        }
        Err(_) => Gcs::start()?,
    };
    Ok(SERVER.get_or_init(|| server))
}

impl Gcs {
    /// Starts a server on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// `Internal` when there is no port or no thread for it.
    pub fn start() -> Result<Self> {
        Self::start_on(0)
    }

    /// Starts a server on this port of 127.0.0.1; 0 is any that is free.
    ///
    /// # Errors
    ///
    /// As [`Gcs::start`].
    pub fn start_on(port: u16) -> Result<Self> {
        let failed = |error: io::Error| {
            Error::new(ErrorKind::Internal, format!("the server of gcs did not start: {error}"))
        };
        let listener = TcpListener::bind(("127.0.0.1", port)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let endpoint = format!("http://{}", listener.local_addr().map_err(failed)?);
        let state = Arc::new(State { endpoint: endpoint.clone(), store: Mutex::default() });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("gcs")
            .enable_all()
            .build()
            .map_err(failed)?;
        let serving = Arc::clone(&state);
        thread::Builder::new()
            .name("gcs".to_owned())
            .spawn(move || runtime.block_on(accept(listener, serving)))
            .map_err(failed)?;
        Ok(Self { endpoint, account: Arc::default(), state: Some(state) })
    }

    /// The address of everything that it serves: `http://127.0.0.1:41234`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Makes the process that `command` starts use the same server as [`shared`].
    pub fn hand_on(&self, command: &mut Command) {
        command.env(VARIABLE, &self.endpoint);
        if let Some(key) = self.account.get() {
            command.env(KEY_VARIABLE, key);
        }
    }

    /// The key of a service account whose signed URLs count, as the JSON text of a key file. It is
    /// made at the first call, and lives as long as the server.
    ///
    /// # Errors
    ///
    /// `Internal` when no key could be made; `Unsupported` in a process that did not start the server
    /// and was not handed the key.
    pub fn service_account_key(&self) -> Result<&str> {
        if let Some(key) = self.account.get() {
            return Ok(key);
        }
        drop(self.store()?);
        let account = Account::new()?;
        let key = self.account.get_or_init(|| {
            if let Some(state) = &self.state {
                state.store().signers.insert(EMAIL.to_owned(), account.public_key);
            }
            account.file
        });
        Ok(key)
    }

    /// Makes a bucket; one that is there already stays as it is. It blocks until the server answers,
    /// which has threads of its own.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for a name that no bucket may have, `Unavailable` without an answer.
    pub fn create_bucket(&self, new: &NewBucket) -> Result<()> {
        let NewBucket { name, versioning, private } = new;
        let name = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
        let switches = format!("versioning={versioning}&private={private}");
        let url = format!("{}/-/buckets/{name}?{switches}", self.endpoint);
        let failed = |kind, problem: String| {
            Err(Error::new(kind, format!("the bucket {name} was not made: {problem}")))
        };
        match crate::emulators::http::put(&url, "") {
            Ok(200 | 409) => Ok(()),
            Ok(400) => {
                failed(ErrorKind::InvalidArgument, "no bucket may have that name".to_owned())
            }
            Ok(status) => failed(ErrorKind::Internal, format!("status {status}")),
            Err(error) => failed(ErrorKind::Unavailable, error.to_string()),
        }
    }

    /// Removes a bucket with everything in it.
    ///
    /// # Errors
    ///
    /// `Unsupported` in a process that did not start the server.
    pub fn remove_bucket(&self, name: &str) -> Result<()> {
        self.store()?.forget_bucket(name);
        Ok(())
    }

    /// Flips a bit of a stored object and leaves its checksums; returns whether it has a bit.
    ///
    /// # Errors
    ///
    /// `NotFound` without the bucket or the object; `Unsupported` in a process that did not start the
    /// server.
    pub fn damage(&self, bucket: &str, object: &str) -> Result<bool> {
        self.store()?.damage(bucket, object).map_err(|fault| error(&fault))
    }

    /// The bytes in a bucket: every generation, and uploads that are not finished.
    ///
    /// # Errors
    ///
    /// `NotFound` without the bucket; `Unsupported` in a process that did not start the server.
    pub fn space(&self, bucket: &str) -> Result<u64> {
        self.store()?.space(bucket).map_err(|fault| error(&fault))
    }

    fn store(&self) -> Result<MutexGuard<'_, Store>> {
        let elsewhere =
            || Error::new(ErrorKind::Unsupported, "the server of gcs runs in another process");
        Ok(self.state.as_ref().ok_or_else(elsewhere)?.store())
    }
}

fn error(fault: &Fault) -> Error {
    let kind = match fault.kind {
        Kind::NoBucket | Kind::NotFound => ErrorKind::NotFound,
        _ => ErrorKind::InvalidArgument,
    };
    Error::new(kind, fault.message.clone())
}

/// Serves every connection until the process ends.
async fn accept(listener: TcpListener, state: Arc<State>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    loop {
        // A connection that failed before it was there is its client's affair.
        let Ok((stream, _)) = listener.accept().await else { continue };
        // An answer is several small writes, of which Nagle's algorithm would hold the last back.
        let _ = stream.set_nodelay(true);
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let state = Arc::clone(&state);
                async move { Ok::<_, std::convert::Infallible>(router::serve(&state, request).await) }
            });
            // So is one that breaks.
            let served = Builder::new(TokioExecutor::new());
            let _ = served.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

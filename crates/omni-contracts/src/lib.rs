//! The contracts of the Open Omni-Cloud standard.
//!
//! Architecture Invariant: this crate must not have any transitive dependency on an SDK, an HTTP
//! client, a TLS library, a database, an async runtime or a configuration library.
//!
//! What lives here: the traits that a provider implements ([`storage::StorageProvider`],
//! [`messaging::MessagingProvider`]), the value types they exchange, one [`Error`] for all contracts,
//! [capabilities](storage::Capabilities) as data, and the [`Interceptor`] through which cross-cutting
//! layers are written once.
//! What does not: handles for applications (`omni-storage`, `omni-messaging`), providers, and settings.
//!
//! The rules that a provider keeps are numbered clauses in `docs/spec`; the documentation here cites
//! their ids (`STO-012`) and does not restate them. The `tck` package checks them one by one.

/// The version of the contracts: what a certificate states.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

mod batch;
mod body;
mod call;
mod capability;
mod error;
mod gauge;
pub mod messaging;
mod operation;
mod pieces;
pub mod storage;

pub use body::Body;
pub use call::{Call, Contract, Interceptor, Scope};
pub use capability::Durability;
pub use error::{BoxError, Effect, Error, ErrorKind, Result};
pub use gauge::{Gauge, Gauges};
pub use operation::{Idempotency, Operation};
pub use pieces::{Piece, Pieces};

//! The contracts of the Open Omni-Cloud standard.
//!
//! Architecture Invariant: this crate must not have any transitive dependency on an SDK, an HTTP
//! client, a TLS library, a database, an async runtime or a configuration library.
//!
//! What lives here: the traits that a provider implements ([`storage::StorageProvider`]), the value
//! types they exchange, one [`Error`] for all contracts, [capabilities](storage::Capabilities) as
//! data, and the [`Interceptor`] through which cross-cutting layers are written once.
//! What does not: handles for applications (`omni-storage`), providers, and settings.
//!
//! The rules that a provider keeps are numbered clauses in `docs/spec`; the documentation here cites
//! their ids (`STO-012`) and does not restate them. The `tck` package checks them one by one.

/// The version of the contracts: what a certificate states.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

mod body;
mod call;
mod error;
mod gauge;
mod pieces;
pub mod storage;

pub use body::Body;
pub use call::{Call, Contract, Idempotency, Interceptor, Operation, Scope};
pub use error::{BoxError, Effect, Error, ErrorKind, Result};
pub use gauge::{Gauge, Gauges};
pub use pieces::{Piece, Pieces};

//! The Technology Compatibility Kit: proves, clause by clause, that a provider keeps the contract.
//!
//! Architecture Invariant: the suites know no provider by name. What differs between providers comes
//! from their declared capabilities.

pub mod check;
mod context;
pub mod mutants;
pub mod storage;
mod subject;

pub use check::{Check, Failure, Outcome};
pub use context::Context;
pub use subject::{Damage, Evidence, Place, Subject};

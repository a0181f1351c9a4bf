//! The Technology Compatibility Kit: proves, clause by clause, that a provider keeps the contract.
//!
//! Architecture Invariant: the suites know no provider by name. What differs between providers comes
//! from their declared capabilities.

pub mod check;
mod context;
mod declaration;
mod deviation;
mod differential;
#[cfg(unix)]
pub mod emulators;
#[cfg(all(feature = "failover", feature = "provider-local"))]
pub mod failover;
pub mod fakes;
#[cfg(all(feature = "layers", feature = "provider-local"))]
pub mod faults;
mod harness;
mod history;
#[cfg(all(feature = "layers", feature = "provider-local"))]
pub mod layers;
pub mod messaging;
#[cfg(feature = "provider-local")]
pub mod mutants;
mod reference;
pub mod report;
mod run;
mod session;
pub mod spec;
pub mod storage;
mod subject;
pub mod subjects;
#[cfg(all(feature = "telemetry", feature = "provider-local"))]
pub mod telemetry;
pub mod worker;

pub use check::{Check, Failure, Outcome};
pub use context::{Context, execute};
pub use declaration::Declaration;
pub use deviation::{Deviation, LeftOut};
pub use differential::{Comparison, Difference, compare};
pub use harness::main;
pub use report::{Report, Verdict, diff};
pub use run::{Event, Options, certify};
pub use subject::{Clock, Damage, Evidence, FnSubject, Place, Subject, Through};

/// Every check of every contract that providers are certified by.
pub fn checks() -> impl Iterator<Item = &'static Check> {
    messaging::checks().chain(storage::checks())
}

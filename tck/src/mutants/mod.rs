//! Mutants: providers that are wrong on purpose, each in one way, to test the checks.
//!
//! Each is the honest provider with a small sabotage, and names the clause whose check must fail on
//! it. The modules follow the sections of the specification; adding a mutant is adding an entry to
//! one of their tables.

mod atomicity;
mod attributes;
mod calls;
mod capabilities;
mod conditional_reads;
mod conditional_writes;
mod consistency;
mod copy;
mod delete;
mod durability;
mod errors;
#[cfg(feature = "failover")]
mod failover;
#[cfg(feature = "layers")]
mod faults;
mod gate;
mod keys;
mod listing;
mod messaging;
mod multipart;
mod outcome;
mod paging;
mod presign;
mod ranges;
mod sabotage;
mod streams;
mod subject;
mod uploads;
mod versioning;
mod versions;
mod write_and_read;

#[cfg(feature = "failover")]
pub(crate) use failover::declaring;
#[cfg(feature = "failover")]
pub use failover::{FailoverMutant, failover_mutants};
#[cfg(feature = "layers")]
pub use faults::{FaultMutant, fault_mutants};
pub use messaging::{MessagingMutant, messaging_mutants};
pub use subject::MutantSubject;
#[cfg(feature = "layers")]
pub(crate) use subject::repeating_batches;

use sabotage::{HONEST, Sabotage};

/// A provider that is wrong in one way.
#[derive(Clone, Copy)]
pub struct Mutant {
    /// The clause that it breaks, and whose check must fail on it.
    pub clause: &'static str,
    /// Its name, as an identifier: `create_checks_then_puts`.
    pub name: &'static str,
    /// What it does wrong.
    pub wrong: &'static str,
    base: Base,
    memory: Memory,
    sabotage: Sabotage,
}

/// The honest provider below the sabotage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Base {
    /// The reference provider.
    Memory,
    /// The reference provider that keeps old versions.
    Versioned,
    /// The reference provider with a largest object of 1 MiB.
    Limited,
    /// The reference provider with presigned requests.
    Presigning,
    /// The embedded provider on a disk.
    Local,
}

impl Base {
    /// Every base.
    pub const ALL: &'static [Self] =
        &[Self::Memory, Self::Versioned, Self::Limited, Self::Presigning, Self::Local];
}

/// Who shares what a mutant remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    /// All handles on one store.
    OfStore,
    /// Nobody: each handle has its own.
    OfHandle,
}

impl Mutant {
    const fn new(clause: &'static str, name: &'static str, wrong: &'static str) -> Self {
        Self { clause, name, wrong, base: Base::Memory, memory: Memory::OfStore, sabotage: HONEST }
    }

    /// On another base than the reference provider.
    const fn on(mut self, base: Base) -> Self {
        self.base = base;
        self
    }

    /// With a memory for each handle.
    const fn per_handle(mut self) -> Self {
        self.memory = Memory::OfHandle;
        self
    }

    /// The honest provider below the sabotage.
    #[must_use]
    pub fn base(&self) -> Base {
        self.base
    }
}

impl std::fmt::Debug for Mutant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}::{}", self.clause, self.name)
    }
}

/// Every mutant, section by section.
pub fn mutants() -> impl Iterator<Item = &'static Mutant> {
    [
        write_and_read::MUTANTS,
        keys::MUTANTS,
        atomicity::MUTANTS,
        ranges::MUTANTS,
        versions::MUTANTS,
        streams::MUTANTS,
        conditional_writes::MUTANTS,
        conditional_reads::MUTANTS,
        listing::MUTANTS,
        paging::MUTANTS,
        delete::MUTANTS,
        attributes::MUTANTS,
        copy::MUTANTS,
        multipart::MUTANTS,
        uploads::MUTANTS,
        versioning::MUTANTS,
        presign::MUTANTS,
        outcome::MUTANTS,
        consistency::MUTANTS,
        durability::MUTANTS,
        capabilities::MUTANTS,
        errors::MUTANTS,
    ]
    .into_iter()
    .flatten()
}

//! The providers of this repository, as subjects. The suites know none of them.

#[cfg(feature = "provider-memory")]
mod memory;

#[cfg(feature = "provider-memory")]
pub use memory::Memory;

//! Copy me: a storage provider that keeps the core contract and nothing more.
//!
//! The guide is `docs/guides/write-a-provider.md`. Replace `service.rs` by the SDK of your product,
//! keep the shape of `provider.rs`: validate, refuse what is not declared, call, translate errors.
//! Then declare capabilities one by one, and let the `tck` tell you which promise is broken.

mod provider;
mod service;

use omni_contracts::storage::{Capabilities, Capability, Durability};

use crate::service::Service;

/// A storage provider over a service that keeps objects in memory. Clones share the service.
#[derive(Clone, Debug)]
pub struct SkeletonStorage {
    capabilities: Capabilities,
    service: Service,
}

impl SkeletonStorage {
    /// Connects to an empty service.
    #[must_use]
    pub fn new() -> Self {
        let capabilities = Capabilities::new(Durability::Memory)
            .with(&[Capability::OrderedList, Capability::UniqueVersions]);
        Self { capabilities, service: Service::default() }
    }
}

impl Default for SkeletonStorage {
    fn default() -> Self {
        Self::new()
    }
}

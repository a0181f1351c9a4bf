//! The providers of this repository, as subjects, and any provider on stores that exist. The suites
//! know none of them.

#[cfg(feature = "provider-azure")]
mod blob;
#[cfg(feature = "failover")]
mod failover;
#[cfg(feature = "provider-gcp")]
mod gcs;
#[cfg(feature = "provider-local")]
mod local;
#[cfg(feature = "provider-memory")]
mod memory;
mod pool;
#[cfg(feature = "provider-aws")]
mod s3;

#[cfg(feature = "provider-azure")]
pub use blob::Blob;
#[cfg(feature = "failover")]
pub use failover::Failover;
#[cfg(feature = "provider-gcp")]
pub use gcs::Gcs;
#[cfg(feature = "provider-local")]
pub use local::Local;
#[cfg(feature = "provider-memory")]
pub use memory::{Memory, MemoryTopics};
pub use pool::Pool;
#[cfg(feature = "provider-aws")]
pub use s3::S3;

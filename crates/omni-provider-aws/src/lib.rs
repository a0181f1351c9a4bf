//! Amazon Web Services behind the Omni contracts. One module and one cargo feature per contract;
//! nothing of the SDK appears in a public signature.

#[cfg(feature = "storage")]
mod storage;

#[cfg(feature = "storage")]
pub use storage::{S3Addressing, S3Checksums, S3Encryption, S3Settings, S3Storage};

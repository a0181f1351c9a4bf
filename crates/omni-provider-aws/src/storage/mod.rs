//! Object storage on Amazon S3 and on services that speak its protocol.

mod blank;
mod client;
mod connect;
mod copy;
mod describe;
mod error;
mod list;
mod multipart;
mod provider;
mod read;
mod settings;
mod stream;
mod wire;
mod write;

pub use provider::S3Storage;
pub use settings::{S3Addressing, S3Checksums, S3Encryption, S3Settings};

//! Object storage in a container of Azure Blob Storage.

mod account;
mod address;
mod blocks;
mod call;
mod client;
mod connect;
mod copy;
mod delete;
mod describe;
mod error;
mod list;
mod multipart;
mod presign;
mod provider;
mod read;
mod settings;
mod sign;
mod staging;
mod stream;
#[cfg(test)]
mod tests;
mod write;
mod xml;

pub use provider::BlobStorage;
pub use settings::{BlobCredential, BlobSettings};

//! Object storage on Google Cloud Storage.

mod area;
mod client;
mod compose;
mod connect;
mod copy;
mod delete;
mod describe;
mod error;
mod json;
mod list;
mod multipart;
mod presign;
mod progress;
mod provider;
mod read;
mod settings;
mod source;
mod stream;
#[cfg(test)]
mod tests;
mod versions;
mod write;

pub use provider::GcsStorage;
pub use settings::{GcsControl, GcsSettings};

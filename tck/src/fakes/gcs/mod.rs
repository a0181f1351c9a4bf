//! Google Cloud Storage on one port: its JSON API, what its gRPC API has for managing objects, and of
//! its XML API what signed URLs need.
//!
//! Written from Google's published documentation; each file names the pages that it follows. It is
//! strict: what the documentation forbids is refused. Objects are in memory and end with the process.
//! Not built: access control (a bucket is open, or wants any credential at all), soft delete,
//! retention, decompression, rate limits, and the parts of the gRPC API that
//! carry contents.

mod account;
mod conditions;
mod copies;
mod copies_json;
mod encryption;
mod fault;
mod grpc;
mod http;
mod json;
mod listing;
mod media;
mod metadata;
mod multipart;
mod names;
mod object;
mod proto;
mod router;
mod server;
mod signed;
mod store;
mod upload;
mod uploads;
mod xml;

use server::State;
pub use server::{Gcs, NewBucket, shared};

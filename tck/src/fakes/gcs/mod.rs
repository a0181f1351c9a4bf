//! Google Cloud Storage: its JSON API and what its gRPC API has for managing objects, on one port.
//!
//! Written from Google's published documentation; each file names the pages that it follows. It is
//! strict: what the documentation forbids is refused. Objects are in memory and end with the process.
//! Not built: access control (a bucket is open, or wants any credential at all), soft delete,
//! retention, customer-supplied keys, decompression, rate limits, and the parts of the gRPC API that
//! carry contents.

mod conditions;
mod copies;
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
mod store;
mod upload;
mod uploads;

use server::State;
pub use server::{Gcs, NewBucket, shared};

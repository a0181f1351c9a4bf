//! The kit's own server of Google Cloud Storage, used as its documentation says: with plain HTTP and
//! the published messages, by no client of ours.

mod client;
mod objects;

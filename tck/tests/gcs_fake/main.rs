//! The kit's own server of Google Cloud Storage, used as its documentation says: with plain HTTP and
//! the published messages, by no client of ours.

mod buckets;
mod client;
mod conditions;
mod copies;
mod copies_json;
mod encryption;
mod listing;
mod objects;
mod signed_urls;
mod uploads;
mod versions;

//! Servers of our own, for services that have no emulator on any registry.
//!
//! Each is written from the published documentation of its service, not from what a client happens to
//! send. A certificate on one is graded [`Evidence::OwnFake`](crate::Evidence::OwnFake).

#[cfg(feature = "fake-gcs")]
pub mod gcs;

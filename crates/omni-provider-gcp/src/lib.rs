//! Google Cloud behind the Omni contracts. One module and one cargo feature per contract; nothing of
//! the SDK appears in a public signature.

#[cfg(feature = "storage")]
mod storage;

#[cfg(feature = "storage")]
pub use storage::{GcsControl, GcsSettings, GcsStorage};

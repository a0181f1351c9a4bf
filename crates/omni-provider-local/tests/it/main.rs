//! What is particular to the local provider: its files, its locks, its processes. The contract itself
//! is checked by the compatibility kit.

mod crash;
mod files;
mod format;
mod history;
mod listing;
mod objects;
mod sharing;
mod store;
mod uploads;

//! Promises about records and the calls that make them: valid records, how they are written, and how they are read.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a test's report")]

#[path = "../children/mod.rs"]
mod children;
#[path = "../common/mod.rs"]
mod common;
#[path = "../hooked/mod.rs"]
mod hooked;
#[path = "../tree/mod.rs"]
mod tree;

mod answers;
mod append;
mod append_all;
mod clock;
mod completed;
mod detached;
mod doctor;
#[cfg(feature = "cli")]
mod duplicate_keys;
mod extremes;
mod find;
mod guard;
mod indexes;
mod last_records;
mod lines;
mod once;
mod record;
mod repeated;
mod scan;
mod schema;
mod secrets;
mod vendor_usage;

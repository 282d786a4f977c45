//! Promises about the async calls: every execution has exactly one record, whatever happens to its future, its task, its
//! runtime, its disk and its ledger.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a test's report")]

#[path = "../children/mod.rs"]
mod children;
#[path = "../hooked/mod.rs"]
mod hooked;

mod disks;
mod dropped;
mod ends;
mod hand;
mod runtimes;
mod together;

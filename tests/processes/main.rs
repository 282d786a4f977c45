//! Promises about real processes and real disks: processes that share a ledger, processes that are killed, and disks
//! that fail.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a test's report")]

#[path = "../children/mod.rs"]
mod children;
#[cfg(all(feature = "cli", target_os = "linux"))]
#[path = "../commands/mod.rs"]
mod commands;
#[path = "../hooked/mod.rs"]
mod hooked;

mod dead_processes;
mod deadline;
mod failing_disk_real;
mod in_flight;
mod killed;
mod mounted;
mod owners;
mod processes;
mod strangers;
mod warnings;

//! Promises about the files on the disk, after crashes, failures and changes by other programs. They are tested on
//! simulated disks and with real files.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a test's report")]

#[cfg(feature = "cli")]
#[path = "../commands/mod.rs"]
mod commands;
#[path = "../hooked/mod.rs"]
mod hooked;
#[cfg(feature = "simulation")]
#[path = "../simulation/mod.rs"]
mod simulation;
#[path = "../tree/mod.rs"]
mod tree;

mod archive;
mod bad_input;
mod crash_states;
mod damage;
mod detached_crashes;
mod failing_disk;
mod faults;
mod fuzz;
mod power_cut;
mod redact;
mod redact_again;
mod redact_archived;
mod rotation;
mod truncated;

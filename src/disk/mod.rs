//! Access to files. This module imports only `error` and `mutex`, and does not depend on what the files contain.
//!
//! Three layers build on one another:
//!
//! 1. [`Storage`] and [`StorageFile`] (`storage.rs`) are two traits with one method for each operation. Every operation
//!    on the files of a ledger is a call of one of these methods.
//! 2. [`Disk`] (`real.rs`, with `owner.rs`, `rights.rs` and `flock.rs`) implements these traits for the real file
//!    system. `SimulatedDisk` (feature `simulation`) implements them in memory, and can show the states that a crash
//!    can leave.
//! 3. The helpers use only these traits, and combine several operations:
//!    - `files.rs` continues reads and writes that transferred fewer bytes than requested, and replaces files
//!      atomically.
//!    - `lock.rs` locks files between processes.
//!    - `numbered/` creates files with a number in their names.
//!    - `name.rs` checks that a path still names an open file.
//!
//! In addition, `platform.rs` and `system.rs` report facts about the machine and its processes. `per_process.rs` holds
//! state that a forked child must not share. `stream.rs` reads files that do not belong to a ledger. In the library,
//! only this folder uses `std::fs` and fs2.

mod files;
mod flock;
pub(crate) mod lock;
pub(crate) mod name;
pub(crate) mod numbered;
mod owner;
pub(crate) mod per_process;
pub(crate) mod platform;
mod real;
mod rights;
#[cfg(feature = "simulation")]
pub mod simulated;
mod storage;
#[cfg(feature = "postgres-tls")]
pub(crate) mod stream;
mod system;

pub(crate) use files::{
    append_all, begins_with, if_there, make_directory, open_or_make, read_between, read_full_at, replace,
    uninterrupted, unless_missing, write_all_at,
};
pub(crate) use flock::free_bytes;
pub(crate) use owner::is_shared;
pub use real::Disk;
pub(crate) use real::mode;
pub use storage::{Access, FileType, Stat, Storage, StorageFile};
pub(crate) use system::{absolute, canonical};

//! Files by path, on which everything else builds. Knows nothing of lines.
//!
//! [`Storage`] is the seam: everything that the crate asks of a disk goes through it. [`Disk`] is the real file system.
//! `SimulatedDisk` (feature `simulation`) implements the same seam in memory and replays every state that a crash can
//! leave. Only the files of this module name `std::fs` and fs2.

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
mod system;

pub(crate) use files::{
    append_all, begins_with, if_there, make_directory, open_or_make, read_between, read_full_at, replace,
    uninterrupted, unless_missing, write_all_at,
};
pub(crate) use flock::free_bytes;
pub(crate) use owner::is_shared;
pub use real::Disk;
pub(crate) use real::{mode, open_to_read};
pub use storage::{Access, FileType, Stat, Storage, StorageFile};
pub(crate) use system::canonical;

//! A disk in memory that replays every state a crash can leave, and fails on demand.
//!
//! [`SimulatedDisk`] implements [`Storage`](crate::disk::Storage). Run a workload on it. Then, for any call of that
//! workload, get the disk as the next boot finds it after a crash right after that call. The original disk is not
//! affected.
//!
//! ```
//! use std::path::Path;
//! use runledger::disk::simulated::SimulatedDisk;
//! use runledger::disk::{Access, Storage};
//!
//! let disk = SimulatedDisk::new();
//! let file = disk.open(Path::new("a"), Access::AppendNew)?;
//! disk.sync_dir(Path::new("/"))?;
//! file.append(b"kept")?;
//! file.sync()?;
//! let acknowledged = disk.calls().len();
//! file.append(b" maybe")?;
//!
//! for n in acknowledged..=disk.calls().len() {
//!     for loss in disk.losses(n, 100, 1) {
//!         let after = disk.crash_after(n, loss);
//!         let mut found = [0; 4];
//!         after.open(Path::new("a"), Access::Read)?.read_at(&mut found, 0)?;
//!         assert_eq!(&found, b"kept");
//!     }
//! }
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # The model
//!
//! 1. **Page cache.** Every read sees the newest write. A process that is killed loses only its locks.
//! 2. **Write-back** happens at any time and in any order. After a power cut, each page of 4096 bytes holds what the
//!    file's last successful sync left there, or any version written since. A page may be torn: then each of its
//!    sectors of 512 bytes holds any of these versions.
//! 3. **Powersafe overwrite.** A sector is written completely or not at all, and a write never damages neighbouring
//!    sectors.
//! 4. **Length.** It is any length that the file had since the last successful sync, or any page boundary that a
//!    growing file passed, whichever pages survive.
//! 5. **Holes.** A page within the length that never reached the disk reads as NULs.
//! 6. **A sync that succeeds** makes all bytes of the file and its length durable, whichever handle wrote them, but not
//!    its name.
//! 7. **A sync that fails** leaves the pages written since the last sync clean in the cache, where reads still see
//!    them. They may have reached the disk or not, and no later sync writes them unless they are written again. The
//!    length stays dirty: the next successful sync makes it durable. (ext4 and XFS; see Rebello et al., "Can
//!    Applications Recover from fsync Failures?", 2020.) A sync that a signal interrupts loses nothing.
//! 8. **Names.** Creating, renaming, linking and removing change a directory. After a power cut, each directory
//!    independently has any prefix of its changes since its last successful
//!    [`sync_dir`](crate::disk::Storage::sync_dir). A file replaced by a rename exists before or after it and is never
//!    missing. A new directory is such a change of its parent, and if that change is lost, everything within is lost.
//! 9. **A move between directories** leaves the file under its old name, its new name, or both, but never under none.
//!    When its departure becomes durable, its arrival becomes durable too, with all earlier changes of that directory.
//! 10. **A call that the crash interrupts** leaves a state that a crash right before or right after it can leave. A
//!     kill can also cut a write short, as [`InjectedFault::Short`] does, or make `create_dir` create only some of the
//!     parents.
//!
//! This models the states in which ext4 (`data=ordered`, and without a journal) and XFS on Linux can leave appends and
//! in-place overwrites, on a medium that keeps flushed data. These file systems preserve more order than the model, so
//! some of its states never occur.
//!
//! Space is modelled as described at [`SimulatedDisk::set_capacity`].
//!
//! The model does not cover:
//!
//! - a medium that lies about flushing, or loses data at rest;
//! - a torn directory that leaves a file without a name, as ext4 without a journal may;
//! - old blocks of other files in a new page, as ext4 with `data=writeback` or without a journal may leave them;
//! - a cache that drops a page after a failed sync;
//! - inode numbers that are reused;
//! - removing and renaming directories, and links between directories;
//! - symbolic links and permissions.

mod call;
mod choices;
mod directory;
mod disk;
mod faults;
mod file;
mod history;
mod pages;
mod random;
mod state;
#[cfg(test)]
mod tests;

pub use call::{DiskCall, InjectedFault, Loss, Op, When};
pub use disk::SimulatedDisk;

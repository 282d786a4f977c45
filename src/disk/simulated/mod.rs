//! A disk in memory that can show the states that a crash can leave, and that fails on demand.
//!
//! [`SimulatedDisk`] implements [`Storage`](crate::disk::Storage). Run a workload on the disk. Then choose any call of
//! the workload, and get the disk as the next boot finds it if the machine crashes right after that call. The original
//! disk is not affected.
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
//! 1. **Page cache.** Every read sees the newest write. If a process is killed, its locks are released, but nothing
//!    that it wrote is lost.
//! 2. **Write-back** happens at any time and in any order. After a power cut, each page of 4096 bytes has the content
//!    that the last successful sync of the file wrote, or any later content. A page may be torn: then each of its
//!    sectors of 512 bytes has any of these contents.
//! 3. **Powersafe overwrite.** A sector is written completely or not at all, and a write never damages neighbouring
//!    sectors.
//! 4. **Length.** After a power cut, the file has one of the lengths that it had since the last successful sync. If the
//!    file grew after that sync, it can also end at a page boundary between two of these lengths. The length does not
//!    depend on which pages survive.
//! 5. **Holes.** If a page within the length of the file never reached the disk, the page reads as NULs.
//! 6. **A sync that succeeds** makes the length and all bytes of the file durable, no matter which handle wrote the
//!    bytes. Such a sync does not make the file's name durable.
//! 7. **A sync that fails** marks the pages written since the last sync as clean. Reads still see these pages in the
//!    cache, but the pages may or may not have reached the disk. A later sync writes such a page only if the page was
//!    written again after the failed sync. The length stays dirty: the next successful sync makes it durable. ext4 and
//!    XFS behave like this (Rebello et al., "Can Applications Recover from fsync Failures?", 2020). A sync that a
//!    signal interrupts loses nothing.
//! 8. **Names.** Creating, renaming, linking and removing a file change its directory. A power cut keeps all changes
//!    before the last successful [`sync_dir`](crate::disk::Storage::sync_dir) of the directory. Of the later changes,
//!    it keeps the first ones and loses the rest. It may also keep all of them, or none. How many it keeps does not
//!    depend on other directories. If a rename replaces a file, the name refers to the old or the new file, and is
//!    never missing. Creating a directory is a change of its parent. If that change is lost, everything in the new
//!    directory is lost.
//! 9. **A move between directories** leaves the file under its old name, its new name, or both, but always under at
//!    least one of them. When the removal of the old name becomes durable, the new name becomes durable too. So do all
//!    changes of the new directory that were made before the move.
//! 10. **A crash during a call** leaves the same states as a crash right before or right after the call. A kill during
//!     a write can also shorten the write. Inject [`InjectedFault::Short`] to test this.
//!
//! With the exceptions listed below, the model covers the states that ext4 and XFS on Linux can leave after appends and
//! in-place overwrites. It covers ext4 both with `data=ordered` and without a journal. It assumes that the medium keeps
//! flushed data. ext4 and XFS keep changes in a stricter order than the model, so some states of the model never occur
//! in practice.
//!
//! Space is modelled as described at [`SimulatedDisk::set_capacity`].
//!
//! The model does not cover:
//!
//! - a medium that reports data as flushed although it is not, or that loses flushed data later;
//! - a partly written directory that leaves a file without a name, as ext4 without a journal may;
//! - old blocks of other files in a new page, as ext4 with `data=writeback` or without a journal may leave them;
//! - a cache that drops a page after a failed sync;
//! - a kill during `create_dir` after which only some of the new directories exist;
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

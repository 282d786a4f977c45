//! A disk in memory that replays every state a crash can leave, and fails on demand.
//!
//! [`SimulatedDisk`] implements [`Storage`](crate::disk::Storage). Run a workload on it. Then take the disk as the next
//! boot finds it after each call, as often as you like; the original goes on unharmed.
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
//! 1. **Page cache.** Every read sees the newest write, and a killed process loses none of it, only its locks.
//! 2. **Write-back** happens at any time and in any order. After a power cut each page of 4096 bytes holds what the
//!    file's last successful sync left there, or any version that it had since. A page may be torn: then each of its
//!    sectors of 512 bytes holds any of these.
//! 3. **Powersafe overwrite.** A sector is written whole or not at all, and never damages its neighbours.
//! 4. **Length.** It is any of the values it had since the last successful sync, or a page boundary that the growing
//!    file came past, whichever pages survived.
//! 5. **Holes.** A page within the length that never reached the disk reads as NULs.
//! 6. **A sync that succeeds** makes all bytes of the file and its length durable, whichever handle wrote them, but not
//!    its name.
//! 7. **A sync that fails** leaves the pages written since the last one clean in the cache, where reads still see them,
//!    and maybe on the disk. No later sync writes them, unless they are written again. The length is kept: the
//!    next successful sync makes it durable. (ext4 and XFS; see Rebello et al., "Can Applications Recover from fsync
//!    Failures?", 2020.) A sync that a signal interrupts loses nothing.
//! 8. **Names.** Creating, renaming, linking and removing change a directory. A power cut leaves any prefix of its changes
//!    since its last successful [`sync_dir`](crate::disk::Storage::sync_dir), of each directory independently. A file
//!    replaced by a rename is there before or after it, never missing. A new directory is such a change of the directory
//!    above, and without it everything within is lost.
//! 9. **A move between directories** leaves the file under its old name, its new one, or both; never under none. What
//!    makes its departure durable makes its arrival durable too, with all changes that came before in that directory.
//! 10. **A call that was cut short** by the crash leaves a state that a cut right before or right after it can leave. By
//!     a kill, a write also leaves what [`InjectedFault::Short`] leaves, and `create_dir` only some of the parents.
//!
//! This models what ext4 (`data=ordered`, and without a journal) and XFS on Linux leave of appends and of overwrites
//! in place, on a medium that keeps what it has flushed. They keep more order than this, so some states never occur.
//!
//! Space is modelled as far as [`SimulatedDisk::set_capacity`] says.
//!
//! Not modelled: a medium that lies about flushing or loses what is at rest; a directory that is itself torn, as ext4
//! without a journal may leave it, with a file under no name; old blocks of other files showing in a new page, as ext4
//! with `data=writeback` or without a journal may leave them; the cache dropping a page after a failed sync; inode
//! numbers used again; removing or renaming directories, links between directories, symbolic links, permissions.

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

//! What a disk is asked for, what goes wrong, and what a crash takes.

use std::fmt;
use std::io;
use std::path::PathBuf;

#[cfg(doc)]
use crate::disk::{Access, Storage, StorageFile};

/// What a crash takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Nothing: the process was killed, and the page cache lives on.
    Nothing,
    /// Everything that was not synced: the power was cut before any of it was written back.
    Unsynced,
    /// Any of what was not synced, in whole pages, as the digits of the number decide: see [`SimulatedDisk::losses`](super::SimulatedDisk::losses).
    /// Number 0 is `Unsynced`.
    Numbered(u64),
    /// Any of what was not synced, as the seed decides: the power was cut. The same seed gives the same disk.
    Random(u64),
}

/// An operation, named after the method that makes it. The last five change nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// [`Storage::open`] with [`Access::AppendNew`] or [`Access::WriteNew`].
    Create,
    /// [`StorageFile::append`].
    Append,
    /// [`StorageFile::write_at`].
    WriteAt,
    /// [`StorageFile::truncate`].
    Truncate,
    /// [`Storage::rename`].
    Rename,
    /// [`Storage::link`].
    Link,
    /// [`Storage::remove`].
    Remove,
    /// [`StorageFile::sync`].
    Sync,
    /// [`Storage::sync_dir`].
    SyncDir,
    /// [`Storage::create_dir`].
    CreateDir,
    /// [`Storage::open`] of a file that must exist.
    Open,
    /// [`StorageFile::read_at`].
    Read,
    /// [`Storage::stat`], [`StorageFile::stat`] and [`StorageFile::length`].
    Stat,
    /// [`Storage::list`].
    List,
    /// [`StorageFile::try_lock`] and [`StorageFile::try_lock_shared`].
    Lock,
}

/// One call that changed the disk, or would have but for an injected fault.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiskCall {
    /// Which call.
    pub op: Op,
    /// The path as given to the call; of a call to an open file, to the `open`.
    pub path: PathBuf,
    /// The rest of what was asked, for people: "900 bytes at 1800". Empty if there is no more to say.
    pub detail: String,
    /// The injected error; `None` if the call succeeded.
    pub error: Option<io::ErrorKind>,
}

/// Which operation a fault is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// The call that will have this index in [`SimulatedDisk::calls`](super::SimulatedDisk::calls).
    Call(usize),
    /// The operation before which [`SimulatedDisk::operations`](super::SimulatedDisk::operations) will be this.
    Operation(usize),
    /// The next operation of this kind.
    Next(Op),
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InjectedFault {
    /// The call fails with an error of this kind.
    Error(io::ErrorKind),
    /// The call fails with this error code of the operating system, such as 28 for `ENOSPC`.
    Os(i32),
    /// The write writes at most this many bytes; the read reads at most this many, but one at least, since none would be
    /// the end of the file. Other operations are not affected and leave the fault waiting.
    Short(usize),
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Create => "create",
            Self::Append => "append",
            Self::WriteAt => "write_at",
            Self::Truncate => "truncate",
            Self::Rename => "rename",
            Self::Link => "link",
            Self::Remove => "remove",
            Self::Sync => "sync",
            Self::SyncDir => "sync_dir",
            Self::CreateDir => "create_dir",
            Self::Open => "open",
            Self::Read => "read",
            Self::Stat => "stat",
            Self::List => "list",
            Self::Lock => "lock",
        })
    }
}

impl fmt::Display for DiskCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.op, self.path.display())?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        match self.error {
            Some(kind) => write!(f, ": failed: {kind}"),
            None => Ok(()),
        }
    }
}

//! The calls to a disk, the faults that can be injected, and the losses that a crash can cause.

use std::fmt;
use std::io;
use std::path::PathBuf;

#[cfg(doc)]
use crate::disk::{Access, Storage, StorageFile};

/// What a crash loses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Nothing is lost: the process was killed, and the page cache survives.
    Nothing,
    /// All unsynced changes are lost: the power was cut before any of them was written back.
    Unsynced,
    /// Some of the unsynced changes are lost, in whole pages. The number decides which ones: see
    /// [`SimulatedDisk::losses`](super::SimulatedDisk::losses). Number 0 has the same effect as `Unsynced`.
    Numbered(u64),
    /// Some of the unsynced changes are lost in a power cut, as the seed decides. The same seed gives the same disk.
    Random(u64),
}

/// An operation, named after the method that performs it. The last five operations change nothing.
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

/// A call that changed or synced the disk, or that would have done so but failed because of an injected fault or a full
/// disk.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiskCall {
    /// The operation.
    pub op: Op,
    /// The path given to the call. For a call to an open file, this is the path given to `open`.
    pub path: PathBuf,
    /// The other arguments in readable form, such as "900 bytes at 1800". Empty if the call has no other arguments.
    pub detail: String,
    /// The error, or `None` if the call succeeded.
    pub error: Option<io::ErrorKind>,
}

/// The operation that a fault affects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// The call that will have this index in [`SimulatedDisk::calls`](super::SimulatedDisk::calls).
    Call(usize),
    /// The operation that has this number. [`SimulatedDisk::operations`](super::SimulatedDisk::operations) returns this
    /// number just before the operation.
    Operation(usize),
    /// The next operation of this kind.
    Next(Op),
}

/// An injected fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InjectedFault {
    /// The call fails with an error of this kind.
    Error(io::ErrorKind),
    /// The call fails with this error code of the operating system, such as 28 for `ENOSPC`.
    Os(i32),
    /// A write writes at most this many bytes. A read reads at most this many bytes, but at least one, because zero
    /// bytes would mean the end of the file. Other operations ignore the fault, and it stays pending.
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

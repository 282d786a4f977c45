//! Advisory file locks. This is the only file that uses fs2.
//!
//! Since Rust 1.89, `File` has methods with the same names as the methods of the trait `fs2::FileExt`. If the trait
//! were imported, calls would silently use the methods of `File`. So the trait is never imported, and each call is
//! fully qualified.

use std::io;
use std::path::Path;

/// Acquires the exclusive lock on `file` if no other handle holds a lock on it. Returns true if the lock was acquired.
///
/// The lock belongs to the open file description. If the same file is opened again, in any process, the new handle
/// competes for the lock. A forked child shares the lock.
pub(super) fn try_lock<F: fs2::FileExt>(file: &F) -> io::Result<bool> {
    unless_contended(fs2::FileExt::try_lock_exclusive(file))
}

/// Acquires the shared lock on `file` unless another handle holds the exclusive lock. Returns true if the shared lock
/// was acquired. If this handle held the exclusive lock before, it now holds the shared lock instead.
pub(super) fn try_lock_shared<F: fs2::FileExt>(file: &F) -> io::Result<bool> {
    unless_contended(fs2::FileExt::try_lock_shared(file))
}

fn unless_contended(locked: io::Result<()>) -> io::Result<bool> {
    match locked {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == fs2::lock_contended_error().kind() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Releases the lock.
pub(super) fn unlock<F: fs2::FileExt>(file: &F) -> io::Result<()> {
    fs2::FileExt::unlock(file)
}

/// Returns the number of bytes that a user other than root may still write to the file system that holds `directory`.
/// This function is in this file because it uses fs2.
pub(crate) fn free_bytes(directory: &Path) -> io::Result<u64> {
    fs2::available_space(directory)
}

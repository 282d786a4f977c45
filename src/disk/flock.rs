//! The advisory lock of a file; the only file that names fs2.
//!
//! On Rust 1.89 and later `File` has inherent methods of the same names, which would silently win over the trait's; so
//! the trait is never imported, and each call is fully qualified.

use std::io;
use std::path::Path;

/// Takes the exclusive lock of `file` if nobody else holds it.
///
/// The lock belongs to the open file description: another `open` of the same file, in this process or another,
/// competes for it, while a forked child shares it.
pub(super) fn try_lock<F: fs2::FileExt>(file: &F) -> io::Result<bool> {
    unless_contended(fs2::FileExt::try_lock_exclusive(file))
}

/// Takes the shared lock of `file` if nobody else holds the exclusive one; an exclusive one of this file becomes shared.
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

/// Gives the lock back.
pub(super) fn unlock<F: fs2::FileExt>(file: &F) -> io::Result<()> {
    fs2::FileExt::unlock(file)
}

/// How many bytes this user may still write to the file system that holds `directory`. Here, since fs2 asks it.
pub(crate) fn free_bytes(directory: &Path) -> io::Result<u64> {
    fs2::available_space(directory)
}

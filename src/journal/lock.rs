//! The lock between processes; the only file that names fs2.
//!
//! On Rust 1.89 and later `File` has inherent methods of the same names, which would silently win over the trait's; so
//! the trait is never imported, and each call is fully qualified.

use std::io;

/// Takes the exclusive lock of `file` if nobody else holds it.
///
/// The lock belongs to the open file description: another `open` of the same file, in this process or another,
/// competes for it, while a forked child shares it.
pub(super) fn try_lock<F: fs2::FileExt>(file: &F) -> io::Result<bool> {
    match fs2::FileExt::try_lock_exclusive(file) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == fs2::lock_contended_error().kind() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Gives the lock back.
pub(super) fn unlock<F: fs2::FileExt>(file: &F) -> io::Result<()> {
    fs2::FileExt::unlock(file)
}

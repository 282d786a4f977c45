//! Extends errors about missing permissions. The extended error says who owns the file or directory that refused
//! access, and how to get access.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::platform;

/// Returns `directory`, or `.` if `directory` is empty. The parent of a path that consists of only one name is empty.
pub(super) fn or_here(directory: &Path) -> &Path {
    if directory.as_os_str().is_empty() { Path::new(".") } else { directory }
}

/// Returns the directory that holds `path`.
pub(super) fn parent(path: &Path) -> &Path {
    or_here(path.parent().unwrap_or(path))
}

/// A permission that an operation needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    /// Read the file or directory.
    Read,
    /// Read and write the file.
    Write,
    /// Change the names in the directory that holds the file.
    Change,
}

/// Returns true if this user owns the directory and may change the names in it.
pub(super) fn is_own_to_change(directory: &Path) -> bool {
    let own = |found: fs::Metadata| Some(found.uid()) == platform::effective_user() && found.mode() & 0o300 == 0o300;
    fs::metadata(directory).is_ok_and(own)
}

/// Adds the owner, the mode and a remedy to an error about missing permissions. Returns other errors unchanged.
pub(super) fn explained(error: io::Error, path: &Path, wanted: Right) -> io::Error {
    // The value of `EACCES` is the same on all Unix systems. The `ErrorKind` cannot be used here: `EPERM` has the same
    // kind, but the owner and the mode do not explain an `EPERM`.
    const EACCES: i32 = 13;
    if error.raw_os_error() != Some(EACCES) {
        return error;
    }
    // For a path that ends in `/.`, this process must be able to enter the directory itself.
    let is_within = path.as_os_str().as_encoded_bytes().ends_with(b"/.");
    let path = &*path.components().collect::<PathBuf>();
    // Find the first directory that this process has no permission to enter, if there is one.
    let mut above: Vec<_> = path.ancestors().skip(usize::from(!is_within)).map(or_here).collect();
    above.reverse();
    let closed = above.into_iter().find(|directory| {
        let inside = fs::metadata(directory.join("."));
        inside.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    });
    let (obstacle, right, bits) = match (closed, wanted) {
        (Some(directory), _) => (directory, "enter", "x"),
        (None, Right::Change) => (parent(path), "change the names in", "wx"),
        (None, Right::Write) => (path, "read and write", "rw"),
        (None, Right::Read) => (path, "read", "r"),
    };
    let Ok(found) = fs::metadata(obstacle) else { return error };
    let owner = found.uid();
    let what =
        if obstacle == path && !is_within { "it".to_owned() } else { format!("the directory {}", obstacle.display()) };
    let (process, remedy) = match platform::effective_user() {
        Some(user) if user == owner => {
            (", and this process runs as the same uid".to_owned(), format!("chmod u+{bits} it"))
        }
        Some(user) => (
            format!(", and this process runs as uid {user}"),
            "run as the owner, or change the owner of the ledger's directory with chown -R".to_owned(),
        ),
        None => (String::new(), "run as the owner".to_owned()),
    };
    let mode = found.mode() & 0o7777;
    let text = format!(
        "permission denied; found {what} owned by uid {owner} with mode {mode:04o}{process}; \
         expected the right to {right} it: {remedy}"
    );
    io::Error::new(error.kind(), text)
}

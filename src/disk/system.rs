//! Reads small files and links in which the operating system reports its state.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns the text of a small file of the operating system, such as `/proc/self/limits`, or `None` if it cannot be
/// read.
pub(super) fn read_system_text(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// Returns the target of a symbolic link of the operating system, such as `/proc/self`, or `None` if the link cannot be
/// read.
pub(super) fn read_system_link(path: &str) -> Option<String> {
    fs::read_link(path).ok()?.into_os_string().into_string().ok()
}

/// Returns the absolute path without symbolic links, `.` and `..`. Returns `None` if the path does not exist.
pub(crate) fn canonical(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path).ok()
}

/// Returns the absolute path, without resolving symbolic links. Use this for a path that is kept, because the program
/// may change its current directory. If there is no current directory, returns the path unchanged.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

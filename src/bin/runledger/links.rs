//! Follows the symbolic links of files that a person may keep elsewhere, such as in a directory of dotfiles.

use std::fs;
use std::path::{Path, PathBuf};

/// At most this number of symbolic links are followed, as by Linux.
const LINKS_MAX: usize = 40;

/// If the path is a symbolic link, returns the path of its target, which need not exist.
pub(crate) fn target(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        if let Ok(found) = fs::canonicalize(&path) {
            return found;
        }
        let Ok(link) = fs::read_link(&path) else { break };
        path = directory(&path).join(link);
    }
    path
}

/// Returns the directory of the file.
pub(crate) fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

//! Files that a command is given.

use std::fs;
use std::path::Path;

use crate::failure::Failure;

/// Returns what the file holds. `operation` says in an error what was tried.
pub(crate) fn read(operation: &'static str, path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|source| Failure::File { operation, path: path.to_owned(), source })
}

//! Files that are arguments of a command.

use std::fs;
use std::path::Path;

use crate::failure::Failure;

/// Returns the text of the file. If the file cannot be read, the text of the error is `cannot {operation}: {path}`.
pub(crate) fn read(operation: &'static str, path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|source| Failure::File { operation, path: path.to_owned(), source })
}

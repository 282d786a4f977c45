//! Files that are arguments of a command.

use std::fs;
use std::path::Path;

use crate::failure::Failure;

/// Returns the text of the file. `operation` describes the attempt in an error.
pub(crate) fn read(operation: &'static str, path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|source| Failure::File { operation, path: path.to_owned(), source })
}

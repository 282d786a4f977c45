//! Reads files of any type, such as FIFOs, from start to end.

use std::fs;
use std::io;
use std::path::Path;

use super::rights::{Right, explained};

/// Opens any file for reading from its start.
pub(crate) fn open_to_read(path: &Path) -> io::Result<impl io::Read> {
    fs::File::open(path).map_err(|error| explained(error, path, Right::Read))
}

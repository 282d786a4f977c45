//! A file or stdin, from which lines are imported.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

pub(super) struct Input {
    /// `None` for stdin.
    pub(super) file: Option<PathBuf>,
    pub(super) lines: Box<dyn BufRead>,
}

pub(super) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

impl Input {
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        if is_stdin(path) {
            return Ok(Self { file: None, lines: Box::new(BufReader::new(io::stdin())) });
        }
        let file = File::open(path).and_then(|file| match file.metadata()?.is_dir() {
            true => Err(io::ErrorKind::IsADirectory.into()),
            false => Ok(file),
        });
        let is_one_word = path.components().count() == 1 && path.extension().is_none();
        let file = file.map_err(|source| match source.kind() {
            io::ErrorKind::NotFound if is_one_word => Failure::NothingToImport(path.to_owned()),
            _ => failure(path, source),
        })?;
        Ok(Self { file: Some(path.to_owned()), lines: Box::new(BufReader::with_capacity(1 << 16, file)) })
    }

    /// Returns the failure for an error while the input was read.
    pub(super) fn failure(&self, source: io::Error) -> Failure {
        match &self.file {
            Some(path) => failure(path, source),
            None => Failure::Input(source),
        }
    }

    /// Returns the name of the input in messages.
    pub(super) fn name(&self) -> String {
        self.file.as_ref().map_or_else(|| "stdin".to_owned(), |file| file.display().to_string())
    }
}

fn failure(path: &Path, source: io::Error) -> Failure {
    Failure::File { operation: "read the records to import", path: path.to_owned(), source }
}

//! Writes each refused line, with the reasons why it is refused.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::failure::Failure;
use crate::redaction::redactor;
use crate::term::{Style, output};

/// Where refused lines are written.
pub(super) enum Target {
    Stderr(Style),
    /// A new file. It is created when the first line is refused.
    New(PathBuf),
    /// A new file next to this input file, with the ending `.refused`. The new file is created when the first line is
    /// refused.
    Beside(PathBuf),
}

pub(super) struct Refused {
    target: Target,
    /// True if each written line names the input from which the refused line comes.
    names_input: bool,
    file: Option<(PathBuf, File)>,
}

impl Refused {
    pub(super) fn new(target: Target, names_input: bool) -> Self {
        Self { target, names_input, file: None }
    }

    /// Writes line `number` of `input` with the reasons why it is refused. `text` is the line, or `None` if the line is
    /// too long to be read.
    pub(super) fn add(
        &mut self,
        input: &str,
        number: u64,
        reasons: &[String],
        text: Option<&str>,
    ) -> Result<(), Failure> {
        let created = match &self.target {
            Target::Stderr(style) => {
                let text = format!("line {number} of {input} is refused: {}", reasons.join("; "));
                output::warning(&text, "invalid", *style);
                return Ok(());
            }
            _ if self.file.is_some() => None,
            Target::New(path) => Some((path.clone(), create(path).map_err(|source| failure(path, source))?)),
            Target::Beside(path) => Some(create_beside(path)?),
        };
        self.file = created.or(self.file.take());
        if let Some((path, file)) = &mut self.file {
            let mut line = json!({"line": number, "reasons": reasons, "text": text});
            if self.names_input {
                line["file"] = input.into();
            }
            // The line in this file can be imported again, so only its secrets are replaced.
            let line = redactor().redact(&line.to_string()).text.into_owned();
            file.write_all(format!("{line}\n").as_bytes()).map_err(|source| failure(path, source))?;
        }
        Ok(())
    }

    /// Syncs the file of refused lines, and returns its path. Returns `None` if no file was created.
    pub(super) fn finish(&mut self) -> Result<Option<PathBuf>, Failure> {
        let Some((path, file)) = self.file.take() else { return Ok(None) };
        file.sync_all().map_err(|source| failure(&path, source))?;
        Ok(Some(path))
    }
}

/// Returns the failure which says that the file for refused lines already exists.
pub(super) fn exists(path: &Path) -> Failure {
    failure(path, io::ErrorKind::AlreadyExists.into())
}

fn failure(path: &Path, source: io::Error) -> Failure {
    Failure::of_new_file("write the refused lines", path, source)
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)
}

/// Creates the file `input.refused`. If it already exists, the next free name is used: `input.refused-2` and so on.
fn create_beside(input: &Path) -> Result<(PathBuf, File), Failure> {
    let mut number = 1_u64;
    loop {
        let mut name = input.as_os_str().to_owned();
        name.push(".refused");
        if number > 1 {
            name.push(format!("-{number}"));
        }
        let path = PathBuf::from(name);
        match create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            created => return created.map_err(|source| failure(&path, source)).map(|file| (path, file)),
        }
    }
}

//! Creates files with the next free number in their names, such as `RUN_LOG_v001.csv`. Each new file appears complete
//! or not at all, and never replaces an existing file.

#[cfg(test)]
mod tests;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::files::make_directory;
use super::storage::{Access, Storage, StorageFile};
use crate::error::{Error, ErrorKind, Result};

/// How the files of a series are named. A name is `before`, then a number with at least `digits` digits, then `after`.
/// The first file has the number 1.
#[derive(Debug, Clone)]
pub(crate) struct Series<'n> {
    pub(crate) before: &'n str,
    pub(crate) digits: usize,
    pub(crate) after: &'n str,
}

impl Series<'_> {
    fn name(&self, number: u64) -> String {
        format!("{}{number:0digits$}{}", self.before, self.after, digits = self.digits)
    }

    /// Returns the number in a name of the series, or `None` for any other name.
    fn number(&self, name: &str) -> Option<u64> {
        let number = name.strip_prefix(self.before)?.strip_suffix(self.after)?.parse().ok()?;
        (self.name(number) == name).then_some(number)
    }

    /// Returns the number after the highest number of the series in `directory`. Lower free numbers are not used, so
    /// that a later file always has a higher number.
    fn next(&self, storage: &dyn Storage, directory: &Path) -> Result<u64> {
        let names = storage.list(directory).map_err(|source| Error::io("list the files", directory, source))?;
        let numbers = names.iter().filter_map(|name| self.number(name.to_str()?));
        after(numbers.max().unwrap_or(0), directory)
    }
}

fn after(number: u64, directory: &Path) -> Result<u64> {
    number.checked_add(1).ok_or_else(|| {
        Error::new(ErrorKind::Overflow, "number a new file")
            .path(directory)
            .detail("found a file with the highest possible number; choose another directory")
    })
}

/// Creates the next file of a series with the content that `write` writes. Returns the path of the file once the file
/// is durable. Creates the directory if it is missing.
///
/// The content is first written to a temporary file, the part, and synced. A part has a name such as
/// `RUN_LOG_v.part-1`. A hard link then gives the part its final name. The link fails if the name is taken, so several
/// processes get different numbers. A process that dies before the link leaves at most the part. A part is never
/// mistaken for a complete file, and may be removed if no process is writing it.
///
/// # Errors
/// Returns the error of `write`, [`ErrorKind::Io`] if the disk refuses an operation, or [`ErrorKind::Overflow`] if a
/// file has the number `u64::MAX`. After an error there is no new file, with one exception: the complete file may exist
/// if one of the last two steps fails. These steps remove the part and sync the directory.
pub(crate) fn create<T>(
    storage: &dyn Storage,
    directory: &Path,
    series: &Series<'_>,
    write: impl FnOnce(&mut dyn Write) -> Result<T>,
) -> Result<(PathBuf, T)> {
    make_directory(storage, directory)?;
    let (part, file) = create_part(storage, directory, series)?;
    let written = fill(&*file, &part, write).and_then(|value| Ok((name(storage, directory, series, &part)?, value)));
    let removed = storage.remove(&part).map_err(|source| Error::io("remove the part", &part, source));
    // If there is no new file, report the error that prevented it, even if removing the part failed too.
    let (path, value) = written?;
    removed?;
    storage.sync_dir(directory).map_err(|source| Error::io("sync the directory", directory, source))?;
    Ok((path, value))
}

/// Creates a part, which is a temporary file, under the first free name for parts.
fn create_part(
    storage: &dyn Storage,
    directory: &Path,
    series: &Series<'_>,
) -> Result<(PathBuf, Box<dyn StorageFile>)> {
    let mut number = 1;
    loop {
        let part = directory.join(format!("{}.part-{number}", series.before));
        match storage.open(&part, Access::AppendNew) {
            Ok(file) => return Ok((part, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number = after(number, directory)?,
            Err(source) => return Err(Error::io("create a file", &part, source)),
        }
    }
}

/// Writes the content and makes it durable.
fn fill<T>(file: &dyn StorageFile, part: &Path, write: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<T> {
    const BUFFER_BYTES: usize = 64 * 1024;
    let failed = |source| Error::io("write a file", part, source);
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
    let located = |error: Error| if error.file().is_some() { error } else { error.path(part) };
    let value = write(&mut out).map_err(located)?;
    out.flush().map_err(failed)?;
    file.sync().map_err(failed)?;
    Ok(value)
}

/// Gives the part the next free name.
fn name(storage: &dyn Storage, directory: &Path, series: &Series<'_>, part: &Path) -> Result<PathBuf> {
    let mut number = series.next(storage, directory)?;
    loop {
        let path = directory.join(series.name(number));
        match storage.link(part, &path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number = after(number, directory)?,
            Err(source) => {
                return Err(Error::io("name a new file", &path, source).detail(
                    "a new file gets its name by a hard link; if the disk has no hard links, choose another directory",
                ));
            }
        }
    }
}

//! Writes files that appear only when they are complete.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use runledger::disk::{Access, Disk, Storage};

use crate::failure::Failure;

/// Writes a temporary file, and then gives it the name `path`. So the file at `path` is complete when it appears. If
/// `path` already exists, replaces the file if `replaces` is true, and fails otherwise. `operation` is what the command
/// does, for error messages.
pub(crate) fn create<T>(
    operation: &'static str,
    path: &Path,
    replaces: bool,
    write: impl FnOnce(&mut dyn Write) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let failed = |path: &Path, source| Failure::of_new_file(operation, path, source);
    let exists = path.symlink_metadata().is_ok();
    if exists && !replaces {
        return Err(failed(path, io::ErrorKind::AlreadyExists.into()));
    }
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".part-{}", std::process::id()));
    let part = Path::new(&part);
    // `Disk` gives a new file the owner and the mode that its directory requires.
    let file = Disk.open(part, Access::AppendNew).map_err(|source| failed(part, source))?;
    let write_all = || -> Result<T, Failure> {
        let mut out = BufWriter::new(&*file);
        let written = write(&mut out)?;
        out.flush().map_err(|source| failed(part, source))?;
        file.sync().map_err(|source| failed(part, source))?;
        if exists {
            Disk.rename(part, path).map_err(|source| failed(path, source))?;
        } else {
            // Fails if another process has created `path` in the meantime.
            Disk.link(part, path).map_err(|source| failed(path, source))?;
        }
        Ok(written)
    };
    let written = write_all();
    if exists && written.is_ok() {
        return written;
    }
    let removed = Disk.remove(part).map_err(|source| failed(part, source));
    // If both the write and the removal failed, the error of the write is returned, because it says why the file is
    // missing.
    let written = written?;
    removed?;
    Ok(written)
}

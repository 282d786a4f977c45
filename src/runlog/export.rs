//! Writes the log of a run.

use std::io::Write;
use std::path::PathBuf;

use super::{ErrorRegistry, LogName, Run, RunLog};
use crate::cost::PriceTable;
use crate::disk::begins_with;
use crate::disk::numbered::{self, Series};
use crate::error::{Error, Result};

/// The log of a run, exported to a file in the directory of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exported {
    /// The name of the file.
    pub name: LogName,
    /// The path of the file.
    pub path: PathBuf,
    /// True if this export wrote the file, false if an earlier export wrote the same log.
    pub written: bool,
    /// The facts in the log.
    pub log: RunLog,
}

impl ErrorRegistry {
    /// Exports the log of `run` in these steps:
    ///
    /// 1. Registers the errors of the run, which gives them numbers.
    /// 2. Writes the log with these numbers to a new file in the directory of the registry. The prices in the log come
    ///    from `prices`.
    /// 3. Records in the registry that this log contains the errors.
    /// 4. Updates `error-registry.md`.
    ///
    /// The file name consists of the minute in which the run started, the mode of the run, and the next free number. If
    /// the mode is unknown, the file name contains the name of the first skill instead.
    ///
    /// A run log is never overwritten. If the same log was exported before, no new file is written, even if text was
    /// added at the end of the existing file. If the process of the earlier export died before the registry was
    /// complete, this call completes the registry. A process that dies may leave a partial log, but only in a file
    /// whose name is not a [`LogName`].
    ///
    /// # Errors
    /// - [`Overflow`](crate::ErrorKind::Overflow) if the costs add up to more than [`Usd`](crate::Usd) can hold.
    ///   Nothing is written then.
    /// - [`Unsuitable`](crate::ErrorKind::Unsuitable) if `error-registry.md` was not written by the registry. Nothing
    ///   is written then.
    /// - [`Io`](crate::ErrorKind::Io) if a file cannot be read or written.
    /// - [`Malformed`](crate::ErrorKind::Malformed) if a line of the registry's journal was written by a newer version
    ///   and cannot be understood. The error names the line.
    /// - [`Timeout`](crate::ErrorKind::Timeout) if another process still holds a lock of the registry at the deadline.
    /// - [`Abandoned`](crate::ErrorKind::Abandoned) if another thread of this process panicked while it wrote a line of
    ///   this call.
    /// - [`Invalid`](crate::ErrorKind::Invalid) if the clock shows a time outside the years 0 to 9999.
    pub fn export(&self, run: &Run, prices: &PriceTable) -> Result<Exported> {
        let mut log = RunLog::new(run, prices)?;
        self.check_rendered()?;
        for (error, id) in log.errors.iter_mut().zip(self.register(run)?) {
            error.registry_id = Some(id.to_string());
        }
        let (name, written) = self.write_log(&log)?;
        if !log.errors.is_empty() {
            self.link(run.id(), &name.to_string())?;
        }
        self.render()?;
        Ok(Exported { path: self.directory.join(name.to_string()), name, written, log })
    }

    /// Writes the log if it does not exist yet. Returns its name, and true if this call wrote it.
    fn write_log(&self, log: &RunLog) -> Result<(LogName, bool)> {
        let (storage, directory) = (&*self.options.storage, &self.directory);
        let text = log.to_markdown();
        let names = storage.list(directory).map_err(|source| Error::io("list the run logs", directory, source))?;
        for name in names.iter().filter_map(|name| name.to_str()?.parse::<LogName>().ok()) {
            if name != LogName::new(log.started, &log.title, name.number()) {
                continue;
            }
            let path = directory.join(name.to_string());
            let has_text = begins_with(storage, &path, text.as_bytes());
            if has_text.map_err(|source| Error::io("read a run log", &path, source))? {
                return Ok((name, false));
            }
        }
        let series = LogName::new(log.started, &log.title, 1).series();
        let write = |out: &mut dyn Write| {
            out.write_all(text.as_bytes()).map_err(|source| Error::io("write a run log", directory, source))
        };
        let (path, ()) =
            numbered::create(storage, directory, &Series { before: &series, digits: 1, after: ".md" }, write)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().parse()?;
        Ok((name, true))
    }
}

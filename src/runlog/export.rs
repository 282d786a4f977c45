//! Writing a run's log.

use std::io::Write;
use std::path::PathBuf;

use super::{ErrorRegistry, LogName, Run, RunLog};
use crate::cost::PriceTable;
use crate::disk::begins_with;
use crate::disk::numbered::{self, Series};
use crate::error::{Error, Result};

/// A run log that stands in the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exported {
    /// Its name.
    pub name: LogName,
    /// Where it is.
    pub path: PathBuf,
    /// Whether it was written now; false: an earlier export said the same.
    pub written: bool,
    /// What it says.
    pub log: RunLog,
}

impl ErrorRegistry {
    /// Registers the errors of `run`, writes its log with their numbers to a new file in the directory, links it to the
    /// errors, and makes `error-registry.md` anew. What a call's price was is looked up in `prices`.
    ///
    /// The file has the next free number of its minute and mode, or skill where no mode is told; none is overwritten. Where
    /// one says the same already, whatever somebody added behind, no other is written: exporting a run again changes
    /// nothing, and completes what a process that died has left undone. At worst such a process leaves a part of a log, under
    /// a name that is none of a log's.
    ///
    /// # Errors
    /// As [`RunLog::new`], [`register`](Self::register) and [`render`](Self::render), what they refuse with nothing
    /// written; [`ErrorKind::Io`](crate::ErrorKind::Io) when the disk refuses.
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

    /// The name of the log, and whether it is new.
    fn write_log(&self, log: &RunLog) -> Result<(LogName, bool)> {
        let (storage, directory) = (&*self.options.storage, &self.directory);
        let text = log.to_markdown();
        let names = storage.list(directory).map_err(|source| Error::io("list the run logs", directory, source))?;
        for name in names.iter().filter_map(|name| name.to_str()?.parse::<LogName>().ok()) {
            if name != LogName::new(log.started, &log.title, name.number()) {
                continue;
            }
            let path = directory.join(name.to_string());
            let there = begins_with(storage, &path, text.as_bytes());
            if there.map_err(|source| Error::io("read a run log", &path, source))? {
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

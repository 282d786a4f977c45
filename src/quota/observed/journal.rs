//! The journal of observed windows. Each of its lines is a **report**: an [`ObservedWindow`] at one time.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Observed, ObservedWindow};
use crate::error::{Error, ErrorKind, Result, Skipped};
use crate::journal::format::{Layout, line};
use crate::journal::{Journal, JournalOptions, Line, Lines};
use crate::metrics::Timestamp;

/// The number of lines that `latest` reads, from the end of the journal.
const LINES_READ: usize = 256;
/// The report of a window that is not among this many lines at the end of the journal is stored again, together with
/// the next news. So every known window has a line among the lines that are read.
const LINES_KEPT: u64 = 128;
/// A report may be this much later than the clock. A later report is not used, because it would hide all reports of its
/// window until that time.
const FUTURE_MS_MAX: u64 = 5 * 60 * 1_000;

/// A journal of a vendor's reports about the windows of a subscription, such as `observed.jsonl` next to the ledger.
/// Each line is one [`ObservedWindow`]. Several threads and processes may use the journal at once.
///
/// A report is stored only if it is [news](Observed::is_news). So a program that reports often does not fill the
/// disk. Reading takes no lock. [`latest`](Self::latest) reads only the end of the journal.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// use runledger::journal::JournalOptions;
/// use runledger::quota::{ObservedJournal, ObservedWindow};
///
/// let noon = || 1_771_070_400_000; // 2026-02-14T12:00:00Z, in milliseconds
/// let journal = ObservedJournal::new(directory.path().join("observed.jsonl"), JournalOptions::new(std::sync::Arc::new(noon)));
/// let window = ObservedWindow::new("claude-code", ObservedWindow::FIVE_HOUR, 23.5, "2026-02-14T12:00:00Z".parse()?);
/// let window = window.expect("a valid percentage").resets_at_unix(Some(1_771_081_200));
/// let mut known = journal.latest()?;
/// assert_eq!(journal.record(&mut known, &[window.clone()])?, 1);
/// assert_eq!(journal.record(&mut known, &[window.clone()])?, 0);
/// assert_eq!(journal.latest()?.windows().collect::<Vec<_>>(), [&window]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ObservedJournal {
    path: PathBuf,
    options: JournalOptions,
}

impl ObservedJournal {
    /// Returns the journal at `path`. The file is opened only when the journal is used.
    pub fn new(path: impl AsRef<Path>, options: JournalOptions) -> Self {
        Self { path: path.as_ref().to_owned(), options }
    }

    /// Returns the latest report of each window. If there is no journal, returns no reports. Creates and repairs
    /// nothing. Lines that cannot be read, and reports that are more than 5 minutes in the future, are skipped and
    /// counted.
    ///
    /// # Errors
    /// [`ErrorKind::Unsuitable`] if the path is a directory, a symbolic link, a FIFO or a device; [`ErrorKind::Io`] if
    /// the journal cannot be read.
    pub fn latest(&self) -> Result<Observed> {
        let mut known = Observed::default();
        let lines = Layout::to_read(&self.path)
            .and_then(|layout| Lines::from_last(Arc::clone(&self.options.storage), layout, LINES_READ, |_, _, _| true));
        let mut lines = match lines {
            Ok(lines) => lines,
            Err(error) if error.io_kind() == Some(io::ErrorKind::NotFound) => return Ok(known),
            Err(error) => return Err(error),
        };
        while let Some(line) = lines.next_line()? {
            match parse(&line).and_then(|(window, seq)| Ok((self.dated(window)?, seq))) {
                Ok((window, seq)) => known.add(window, seq),
                Err(error) => known.skip(error),
            }
        }
        Ok(known)
    }

    /// Returns all reports in the order of their lines, the oldest first. Creates and repairs nothing, and takes no
    /// lock. If the journal does not exist yet, there are no reports until it is created.
    ///
    /// A report can be returned several times, because [`record`](Self::record) repeats known reports from time to
    /// time.
    pub fn reports(&self) -> ObservedReports {
        ObservedReports { journal: self.clone(), lines: None }
    }

    /// Stores each report in `windows` that is [news](Observed::is_news), and adds it to `known`. Get `known` from
    /// [`latest`](Self::latest). Returns the number of reports that were news. If no report is news, the journal is
    /// not opened or created.
    ///
    /// If two processes record the same report at the same time, it can be stored twice. The second line changes
    /// nothing.
    ///
    /// A report that is more than 5 minutes in the future is not stored, but counted in [`Observed::skipped`].
    ///
    /// # Errors
    /// After an error, the reports are in `known` even if they were not stored.
    ///
    /// - [`ErrorKind::Unsuitable`] if a journal cannot be stored at the path.
    /// - [`ErrorKind::Newer`] if a newer version of this crate wrote the journal.
    /// - [`ErrorKind::Malformed`] if the journal's identity, the file with its id, cannot be read.
    /// - [`ErrorKind::Timeout`] if another process holds the journal's lock for too long.
    /// - [`ErrorKind::Io`] if the disk fails.
    pub fn record(&self, known: &mut Observed, windows: &[ObservedWindow]) -> Result<usize> {
        let mut news = Vec::new();
        for window in windows {
            match self.dated(window.clone()) {
                Ok(window) if known.is_news(&window) => news.push(window),
                Ok(_) => {}
                Err(error) => known.skip(error),
            }
        }
        if news.is_empty() {
            return Ok(0);
        }
        let is_replaced = |old: &ObservedWindow| news.iter().any(|window| window.is_of_same(old));
        let kept = known.before_last(LINES_KEPT).filter(|old| !is_replaced(old));
        let windows: Vec<_> = kept.chain(&news).cloned().collect();
        let first = self.append(&windows);
        for (window, at) in windows.into_iter().zip(0..) {
            known.add(window, first.as_ref().map_or(0, |first| first + at));
        }
        first.map(|_| news.len())
    }

    /// Returns the report, or an error if the report is more than 5 minutes in the future.
    fn dated(&self, window: ObservedWindow) -> Result<ObservedWindow> {
        let now = Timestamp::from_unix_ms((self.options.clock)()).unwrap_or(window.at);
        if window.at.ms_since(now).is_some_and(|ms| ms > FUTURE_MS_MAX) {
            let found = format!(
                "found a report of {}; expected one from at most 5 minutes after {now}, the time of the clock",
                window.at
            );
            return Err(Error::new(ErrorKind::Invalid, "use an observed window").path(&self.path).detail(found));
        }
        Ok(window)
    }

    /// Appends the reports, and returns the number of the first line.
    fn append(&self, windows: &[ObservedWindow]) -> Result<u64> {
        let payloads = windows.iter().map(payload).collect::<Result<Vec<_>>>()?;
        let payloads: Vec<_> = payloads.iter().map(Vec::as_slice).collect();
        Ok(Journal::open_without_lock(&self.path, self.options.clone())?.append_all(&payloads)?.seq)
    }
}

/// The reports of an [`ObservedJournal`], the oldest first.
#[derive(Debug)]
pub struct ObservedReports {
    journal: ObservedJournal,
    /// `None` while there is no journal.
    lines: Option<Lines>,
}

impl ObservedReports {
    /// Returns the next report, or `None` if all have been returned. A later call returns reports that were stored in
    /// the meantime. Lines that cannot be read are added to `skipped`.
    ///
    /// # Errors
    /// The errors of [`ObservedJournal::latest`].
    pub fn next_report(&mut self, skipped: &mut Skipped) -> Result<Option<ObservedWindow>> {
        if self.lines.is_none() {
            self.lines = Journal::lines_if_there(&self.journal.path, &self.journal.options)?;
        }
        let Some(lines) = &mut self.lines else { return Ok(None) };
        while let Some(line) = lines.next_line()? {
            match parse(&line) {
                Ok((window, _)) => return Ok(Some(window)),
                Err(error) => skipped.add(error),
            }
        }
        Ok(None)
    }
}

fn payload(window: &ObservedWindow) -> Result<Vec<u8>> {
    serde_json::to_vec(window)
        .map_err(|source| Error::new(ErrorKind::Invalid, "write an observed window").source(source))
}

/// Returns the report in a line, and the number of the line.
fn parse(line: &Line<'_>) -> Result<(ObservedWindow, u64)> {
    let malformed = || line.locate(Error::new(ErrorKind::Malformed, "read an observed window"));
    let trailer = line::check(line.bytes).ok_or_else(|| {
        malformed().detail("found a line that does not match its hash; expected the line that was written")
    })?;
    let window: ObservedWindow =
        serde_json::from_slice(line.bytes).map_err(|error| malformed().of_line(line.bytes, &error))?;
    if !window.is_valid() {
        return Err(malformed().detail("found a percentage that is not from 0 to 10,000"));
    }
    Ok((window, trailer.link.seq))
}

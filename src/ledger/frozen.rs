//! Stores frozen baselines in a journal with one line per week.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use crate::baseline::{Baselines, FrozenBaselines, week_start};
use crate::disk::Disk;
use crate::error::{Error, ErrorKind, Result};
use crate::journal::format::Layout;
use crate::journal::format::line;
use crate::journal::{Journal, JournalOptions, Line, Lines};
use crate::metrics::{ExecutionMetrics, Timestamp};

/// A journal of frozen baselines. A frozen baseline is computed once for each week, and never changes afterwards. The
/// journal is a separate file, such as `baselines.jsonl` next to the ledger. The journal is durable and chained: each
/// line has the hash of the line before it. Several threads and processes may use the journal at the same time. All
/// clones of this value use the same journal.
///
/// If two processes freeze the same week at the same time, the journal may have two lines for that week. Both processes
/// and every reader use only the first of these lines.
///
/// The baselines of a week come from the records before that week. If there are no such records, the week is not
/// frozen. It can still be frozen later, after older executions were recorded. Earlier versions wrote a line without
/// baselines for such a week. Such a line is skipped.
///
/// A line is `{"week_start":…,"computed_from":{"records":…,"skipped":…,"period":…},"baselines":{…},"samples":"…"}`, to
/// which the three keys of the chain are added: `seq`, `prev` and `hash`. `baselines` has the baseline of each skill,
/// for people and programs to read. `samples` has the counts and sums of the records, which a
/// [comparison](FrozenBaselines::compare) needs. The value of `samples` is the bytes of [`Accumulator::to_bytes`] as
/// text: the first byte as two hex digits, and the other bytes in base64. `samples` takes 4 to 30 KB per skill.
///
/// [`Accumulator::to_bytes`]: crate::baseline::Accumulator::to_bytes
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// use runledger::{Ledger, Options, Skill};
///
/// let saturday = || "2026-02-14T12:00:00Z".parse().expect("a time");
/// let ledger = Options::new().clock(saturday).open(directory.path().join("execution_metrics.jsonl"))?;
/// let mut old = ledger.begin(Skill::new("publish", "1.0.0"));
/// old.record_mut().timestamp_start = "2026-02-03T12:00:00Z".parse()?;
/// old.succeed();
/// let frozen = ledger.frozen_baselines()?.freeze(saturday(), ledger.reader().records())?;
/// assert_eq!((frozen.week_start.to_string().as_str(), frozen.computed_from.records), ("2026-02-09T00:00:00.000Z", 1));
///
/// // Later records do not change the baselines of that week.
/// ledger.begin(Skill::new("publish", "1.0.0")).succeed();
/// let again = ledger.frozen_baselines()?.freeze(saturday(), ledger.reader().records())?;
/// assert_eq!(again.to_json()?, frozen.to_json()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct BaselineJournal {
    journal: Journal,
    options: JournalOptions,
}

impl BaselineJournal {
    /// Opens the journal at `path`, and creates it if it does not exist.
    ///
    /// # Errors
    /// - [`ErrorKind::Unsuitable`] if a journal cannot be stored at `path`.
    /// - [`ErrorKind::Newer`] if a newer version of this crate wrote the journal.
    /// - [`ErrorKind::Malformed`] if the file with the journal's id cannot be read.
    /// - [`ErrorKind::Timeout`] if another process holds the journal's lock for too long.
    /// - [`ErrorKind::Io`] if the disk fails.
    pub fn open(path: impl AsRef<Path>, options: JournalOptions) -> Result<Self> {
        Ok(Self { journal: Journal::open(path, options.clone())?, options })
    }

    /// Freezes the baselines of the week that contains `moment`: computes them with [`Baselines::frozen`], and stores
    /// them. If that week is frozen already, returns its stored baselines and reads none of `records`. If no execution
    /// started before that week, returns empty baselines and stores nothing.
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`] if that week has not started according to the journal's clock, or if the line would be
    ///   longer than 16 MiB.
    /// - The first error in `records` that is not an [`ErrorKind::Malformed`].
    /// - [`ErrorKind::Timeout`] if another process holds the journal's lock for too long.
    /// - [`ErrorKind::Io`] if the journal cannot be read or written.
    pub fn freeze(
        &self,
        moment: Timestamp,
        records: impl IntoIterator<Item = Result<ExecutionMetrics>>,
    ) -> Result<FrozenBaselines> {
        let week = week_start(moment);
        if week.unix_ms() > (self.options.clock)() {
            return Err(Error::new(ErrorKind::Invalid, "freeze baselines")
                .detail(format!("found the week that begins at {week}; expected one that has begun")));
        }
        if let Some(frozen) = self.find(week)? {
            return Ok(frozen);
        }
        let frozen = Baselines::frozen(moment, records)?;
        if frozen.computed_from.records == 0 {
            return Ok(frozen);
        }
        self.journal.append(frozen.to_json()?.as_bytes())?;
        // If another process has frozen the week in the meantime, the line of that process comes first and is used.
        Ok(self.find(week)?.unwrap_or(frozen))
    }

    /// Returns the frozen baselines of `week`, or `None` if that week is not frozen. Warns about lines that cannot be
    /// read, and skips them.
    fn find(&self, week: Timestamp) -> Result<Option<FrozenBaselines>> {
        for frozen in FrozenWeeks::new(self.journal.lines()) {
            match frozen {
                Ok(frozen) if frozen.week_start == week => return Ok(Some(frozen)),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Malformed => (self.options.warn)(&error),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

/// The baselines of each frozen week, in the order in which they were frozen.
///
/// For a line without frozen baselines, or a line that was changed later, the iterator returns an
/// [`ErrorKind::Malformed`] with the position of the line. The next call continues after that line. Any other error
/// ends the iteration.
#[derive(Debug)]
pub struct FrozenWeeks {
    lines: Lines,
    seen: BTreeSet<Timestamp>,
    failed: bool,
}

impl FrozenWeeks {
    /// Opens the journal at `path` for reading only. Creates and repairs nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if there is no journal at `path`, or if `path` cannot be examined. [`ErrorKind::Unsuitable`]
    /// if `path` is a directory, a symbolic link, a FIFO or a device.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self::new(Lines::from_start(Arc::new(Disk), Layout::to_read(path.as_ref())?)))
    }

    fn new(lines: Lines) -> Self {
        Self { lines, seen: BTreeSet::new(), failed: false }
    }
}

impl Iterator for FrozenWeeks {
    type Item = Result<FrozenBaselines>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.failed {
            match self.lines.next_line() {
                Ok(None) => return None,
                Ok(Some(line)) => match parse(&line) {
                    // An earlier version wrote this line, although nothing was recorded before the week.
                    Ok(frozen) if frozen.computed_from.records == 0 => {}
                    Ok(frozen) if self.seen.insert(frozen.week_start) => return Some(Ok(frozen)),
                    // Two processes froze this week at the same time. The first line is used.
                    Ok(_) => {}
                    Err(error) => return Some(Err(error)),
                },
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

fn parse(line: &Line<'_>) -> Result<FrozenBaselines> {
    match std::str::from_utf8(line.bytes) {
        Ok(text) if line::check(line.bytes).is_some() => {
            FrozenBaselines::from_json(text).map_err(|error| line.locate(error))
        }
        _ => Err(line.locate(
            Error::new(ErrorKind::Malformed, "read frozen baselines")
                .detail("found a line that does not match its hash; expected the line that was written"),
        )),
    }
}

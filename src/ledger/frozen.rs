//! Frozen baselines, kept: a journal with one line for each week.

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

/// The baselines that were frozen week by week, in a journal of their own, such as `baselines.jsonl` beside the ledger:
/// durable, chained, and safe across threads and processes. Cloning shares it.
///
/// The first line of a week is the week's. Should two processes freeze one week at the same time, both answer with the
/// line that came first, and every reader finds that one.
///
/// A line is `{"week_start":…,"computed_from":{"records":…,"skipped":…,"period":…},"baselines":{…},"samples":"…"}` and the
/// chain's three keys. The baselines are for people and programs, by skill; the samples are what a
/// [comparison](FrozenBaselines::compare) needs besides, as hex of [`Accumulator::to_bytes`]: 4 to 20 KB a skill.
///
/// [`Accumulator::to_bytes`]: crate::baseline::Accumulator::to_bytes
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// use runledger::{Ledger, Options, Skill};
///
/// let saturday = || "2026-02-14T12:00:00Z".parse().expect("a time");
/// let ledger = Options::new().clock(saturday).open(directory.path().join("execution_metrics.jsonl"))?;
/// let frozen = ledger.frozen_baselines()?.freeze(saturday(), ledger.reader().records())?;
/// assert_eq!((frozen.week_start.to_string().as_str(), frozen.computed_from.records), ("2026-02-09T00:00:00.000Z", 0));
///
/// // Whatever is recorded now, the week has its baselines.
/// ledger.begin(Skill::new("publish", "1.0.0")).succeed().warn();
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
    /// Opens the journal at `path`, and makes it if it is not there.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open(path: impl AsRef<Path>, options: JournalOptions) -> Result<Self> {
        Ok(Self { journal: Journal::open(path, options.clone())?, options })
    }

    /// Freezes the baselines of the week that `moment` is in, as [`Baselines::frozen`] computes them, or answers with what
    /// was frozen before; then no record is read.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when that week has not begun, by the journal's clock: records would be missing. As
    /// [`Baselines::frozen`], and with nothing frozen as [`Journal::append`], which refuses more than 16 MiB.
    /// [`ErrorKind::Io`] when the journal cannot be read.
    pub fn freeze(
        &self,
        moment: Timestamp,
        records: impl IntoIterator<Item = Result<ExecutionMetrics>>,
    ) -> Result<FrozenBaselines> {
        let week = week_start(moment);
        if week.unix_ms() > (self.options.clock)() {
            return Err(Error::new(ErrorKind::Invalid, "freeze baselines")
                .detail(format!("expected a week that has begun, found the one from {week} on")));
        }
        if let Some(frozen) = self.find(week)? {
            return Ok(frozen);
        }
        let frozen = Baselines::frozen(moment, records)?;
        self.journal.append(frozen.to_json()?.as_bytes())?;
        // Another process may have been first.
        Ok(self.find(week)?.unwrap_or(frozen))
    }

    /// The baselines that were frozen for that week, if any. Lines that cannot be read are warned of and passed over.
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

/// The baselines of each week that was frozen, in the order in which they were.
///
/// A line that holds none, or was changed since it was written, is an [`ErrorKind::Malformed`] with its place; the next
/// call goes on after it. Any other error ends the iteration.
#[derive(Debug)]
pub struct FrozenWeeks {
    lines: Lines,
    seen: BTreeSet<Timestamp>,
    failed: bool,
}

impl FrozenWeeks {
    /// Reads the journal at `path` without opening it for writing: nothing is created or mended.
    ///
    /// # Errors
    /// As [`LedgerReader::open`](crate::LedgerReader::open): [`ErrorKind::Io`] when nothing was frozen yet.
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
                    Ok(frozen) if self.seen.insert(frozen.week_start) => return Some(Ok(frozen)),
                    // Frozen twice at the same time: the first counts.
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
                .detail("expected the line that was written, found another: its hash is wrong"),
        )),
    }
}

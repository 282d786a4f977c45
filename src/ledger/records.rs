//! Reading records back.

use std::path::Path;
use std::sync::Arc;

use crate::disk::Disk;
use crate::error::{Error, ErrorKind, Result};
use crate::journal::Lines;
use crate::journal::format::Layout;
use crate::journal::read::last::before_last;
use crate::journal::read::moved;
use crate::metrics::ExecutionMetrics;

/// The records of a ledger in the order in which they were appended, over all its segments.
///
/// A line that is no record is an [`ErrorKind::Malformed`] with its path, line and byte; lines that were
/// [archived](crate::Ledger::archive_segments) before they were given are an [`ErrorKind::Archived`] with their numbers. The
/// next call goes on after them. So it does after a sealed segment that this process may not read, which is an
/// [`ErrorKind::Io`] with its path. Any other error ends the iteration. Holds one line at a time, takes no lock and disturbs
/// no writer; a line that is still being written is not given.
///
/// When it has given all, it can be asked again later: it goes on with what was appended since, in later segments too.
#[derive(Debug)]
pub struct Records {
    lines: Lines,
    failed: bool,
    /// Segment and number of the last line that has a number.
    last: Option<(u64, u64)>,
    /// What comes after lines that are gone.
    next: Option<Result<ExecutionMetrics>>,
}

impl Records {
    /// Reads the ledger whose active segment is `path`, without opening it for writing: nothing is created, recovered
    /// or swept. Plain JSON lines written by others are read as well.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when there is no file at `path` and no ledger either, or it cannot be read;
    /// [`ErrorKind::Unsuitable`] when a directory, a FIFO or a device stands there.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self::new(Lines::from_start(Arc::new(Disk), Layout::to_read(path.as_ref())?)))
    }

    /// As [`open`](Self::open), from the last `count` lines on that are not empty. However large the ledger is, only the
    /// segments that hold them are read.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`ErrorKind::Io`] when a segment cannot be read.
    ///
    /// ```
    /// use runledger::{Ledger, Records, Skill};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("execution_metrics.jsonl");
    /// let ledger = Ledger::open(&path)?;
    /// let record = |name: &str| assert!(ledger.begin(Skill::new(name, "1.0.0")).succeed().is_durable());
    /// ["first", "second", "third"].map(record);
    ///
    /// let mut last = Records::open_last(&path, 2)?;
    /// let mut names = || last.by_ref().map(|record| Ok(record?.skill_name)).collect::<runledger::Result<Vec<_>>>();
    /// assert_eq!(names()?, ["second", "third"]);
    /// record("fourth");
    /// assert_eq!(names()?, ["fourth"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open_last(path: impl AsRef<Path>, count: usize) -> Result<Self> {
        let layout = Layout::to_read(path.as_ref())?;
        let cursor = before_last(&Disk, &layout, count)?;
        Ok(Self::new(Lines::resume(Arc::new(Disk), layout, cursor)))
    }

    pub(super) fn new(lines: Lines) -> Self {
        Self { lines: lines.passing_unreadable(), failed: false, last: None, next: None }
    }
}

impl Iterator for Records {
    type Item = Result<ExecutionMetrics>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        if let Some(next) = self.next.take() {
            return Some(next);
        }
        loop {
            match self.lines.next_line() {
                Ok(Some(line)) if line.bytes.is_empty() => {}
                Ok(Some(line)) => {
                    let found = record(line.bytes).map_err(|error| line.locate(error));
                    let before = self.last;
                    self.last = line.seq.map(|seq| (line.segment, seq)).or(before);
                    let gone = before.zip(self.last).and_then(|(last, this)| moved::missing_between(last, this));
                    let Some(gone) = gone else { return Some(found) };
                    let (segment, path) = (line.segment, line.path.to_owned());
                    let (storage, layout) = self.lines.source();
                    // Events that cannot be read tell of no archive: a hole that nothing explains is damage, for a
                    // verification to name, and keeps no reader from what follows.
                    if !moved::is_moved_up_to(storage, layout, segment).unwrap_or(false) {
                        return Some(found);
                    }
                    self.next = Some(found);
                    let error = Error::new(ErrorKind::Archived, "read on in the ledger").path(&path);
                    return Some(Err(error.detail(format!(
                        "lines {} to {} were moved away before they were read; `events.jsonl` says to which archive",
                        gone.start(),
                        gone.end()
                    ))));
                }
                Ok(None) => return None,
                Err(error) => {
                    self.failed = !self.lines.has_passed();
                    return Some(Err(error));
                }
            }
        }
    }
}

/// The record in a line.
pub(super) fn record(line: &[u8]) -> Result<ExecutionMetrics> {
    let text = std::str::from_utf8(line)
        .map_err(|source| Error::new(ErrorKind::Malformed, "read a record from JSON").source(source))?;
    ExecutionMetrics::from_json(text)
}

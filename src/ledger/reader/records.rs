//! Reads the records of a ledger.

use std::sync::Arc;

use super::LedgerReader;
use super::line_record::record;
use super::scan::{Superseded, superseded};
use crate::error::{Error, ErrorKind, Result, Skipped};
use crate::journal::Lines;
use crate::journal::read::moved;
use crate::metrics::ExecutionMetrics;

/// The records of a ledger in the order in which they were appended, across all its segments.
///
/// After three kinds of errors, the next call continues the iteration:
/// - [`ErrorKind::Malformed`], with the path, the line and the byte, for a line that is not a record.
/// - [`ErrorKind::Archived`], with the numbers of the lines, for lines that were
///   [archived](crate::Ledger::archive_segments) before they were read.
/// - [`ErrorKind::Io`], with the path, for a sealed segment (a file that gets no further lines) that this process has
///   no permission to read.
///
/// If several lines have the same `execution_id`, only the last of them is returned. To find such lines, the first call
/// reads the [indexes](LedgerReader::find) of the segments. Lines that are appended later are not compared. So if an
/// execution gets another line during the iteration, both of its records are returned.
///
/// The iterator holds one line in memory at a time. A line that is still being written is not returned. After the last
/// record, the iterator returns `None`. A later call continues with the records that were appended since then, even if
/// these records are in new segments.
#[derive(Debug)]
pub struct Records {
    lines: Lines,
    failed: bool,
    /// The segment and the number of the last line that has a number.
    last: Option<(u64, u64)>,
    /// The record that follows missing lines. The error for the missing lines is returned first, and then this record.
    next: Option<Result<ExecutionMetrics>>,
    /// The lines that are left out, because a later line has the same execution. `None` before the first call.
    superseded: Option<Arc<Superseded>>,
}

impl LedgerReader {
    /// Returns the records of the ledger in the order in which they were appended.
    pub fn records(&self) -> Records {
        Records::new(Lines::from_start(Arc::clone(&self.storage), self.layout.clone()), None)
    }

    /// Like [`records`](Self::records), but if an execution has several records, returns all of them.
    pub(super) fn all_records(&self) -> Records {
        Records::new(Lines::from_start(Arc::clone(&self.storage), self.layout.clone()), Some(Arc::default()))
    }

    /// Like [`records`](Self::records), but begins with the last `count` records. The ledger is read backwards to the
    /// first of these records. A line that is not a record counts as one of the `count` records. Earlier lines are read
    /// only if an error has to state a line number.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if a segment cannot be read.
    ///
    /// ```
    /// use runledger::{Ledger, Skill};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("execution_metrics.jsonl");
    /// let ledger = Ledger::open(&path)?;
    /// let record = |name: &str| assert!(ledger.begin(Skill::new(name, "1.0.0")).succeed().is_durable());
    /// ["first", "second", "third"].map(record);
    ///
    /// let mut last = ledger.reader().records_from_last(2)?;
    /// let mut names = || last.by_ref().map(|record| Ok(record?.skill_name)).collect::<runledger::Result<Vec<_>>>();
    /// assert_eq!(names()?, ["second", "third"]);
    /// record("fourth");
    /// assert_eq!(names()?, ["fourth"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn records_from_last(&self, count: usize) -> Result<Records> {
        let superseded = superseded(&*self.storage, &self.layout);
        let counts = |segment, offset, line: &[u8]| !superseded.has_copy(segment, offset, line);
        let lines = Lines::from_last(Arc::clone(&self.storage), self.layout.clone(), count, counts)?;
        Ok(Records::new(lines, Some(superseded)))
    }
}

impl Records {
    fn new(lines: Lines, superseded: Option<Arc<Superseded>>) -> Self {
        Self { lines: lines.passing_unreadable(), failed: false, last: None, next: None, superseded }
    }

    /// Passes each record that is in the ledger now to `take`, in order. Adds the lines that are not records to
    /// `skipped`, and also the segments that this process has no permission to read.
    ///
    /// # Errors
    /// - The first error of `take`.
    /// - [`ErrorKind::Archived`] if lines were moved to an archive before they were read.
    /// - [`ErrorKind::Io`] if the disk fails, or if no record was found and this process has no permission to read some
    ///   segments.
    pub fn each<E: From<Error>>(
        &mut self,
        skipped: &mut Skipped,
        mut take: impl FnMut(ExecutionMetrics) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let (mut unreadable, mut is_empty) = (Vec::new(), true);
        for record in self {
            match record {
                Ok(record) => {
                    is_empty = false;
                    take(record)?;
                }
                Err(error) if error.kind() == ErrorKind::Malformed => skipped.add(error),
                Err(error) if error.is_denied() => unreadable.push(error),
                Err(error) => return Err(error.into()),
            }
        }
        if is_empty && let Some(error) = unreadable.pop() {
            return Err(error.into());
        }
        skipped.add_unreadable(unreadable);
        Ok(())
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
        let (storage, layout) = self.lines.source();
        let superseded = Arc::clone(self.superseded.get_or_insert_with(|| superseded(storage, layout)));
        loop {
            match self.lines.next_line() {
                Ok(Some(line)) if line.bytes.is_empty() => {}
                Ok(Some(line)) => {
                    let counts = !superseded.has_copy(line.segment, line.offset, line.bytes);
                    let found = counts.then(|| record(line.bytes).map_err(|error| line.locate(error)));
                    let before = self.last;
                    self.last = line.seq.map(|seq| (line.segment, seq)).or(before);
                    let gone = before.zip(self.last).and_then(|(last, this)| moved::missing_between(last, this));
                    let gone = gone.map(|gone| (gone, line.segment, line.path.to_owned()));
                    let found = found.map(|found| found.map_err(|error| self.numbered(error)));
                    let Some((gone, segment, path)) = gone else {
                        match found {
                            None => continue,
                            found => return found,
                        }
                    };
                    let (storage, layout) = self.lines.source();
                    // If `events.jsonl` does not report that the missing lines were archived, or cannot be read, the
                    // lines are missing because of damage. A verification reports damage, and this reader continues
                    // after the missing lines.
                    if !moved::is_moved_up_to(storage, layout, segment).unwrap_or(false) {
                        match found {
                            None => continue,
                            found => return found,
                        }
                    }
                    self.next = found;
                    let error = Error::new(ErrorKind::Archived, "continue to read the ledger").path(&path);
                    return Some(Err(error.detail(format!(
                        "lines {} to {} were moved away before they were read. `events.jsonl` says to which archive",
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

impl Records {
    /// Corrects the line number in `error`. This reader counts lines from the position at which it began, so the lines
    /// before that position are counted now and added. If they cannot be read, returns the error of reading them.
    fn numbered(&mut self, error: Error) -> Error {
        match (self.lines.count_before(), error.line(), error.byte()) {
            (Ok(before), Some(line), Some(byte)) => error.at(before + line, byte),
            (Ok(_), ..) => error,
            (Err(failed), ..) => {
                self.failed = true;
                failed
            }
        }
    }
}

//! Finds the last records that meet a condition, for example for `runledger list`.

use std::collections::VecDeque;
use std::sync::Arc;

use super::LedgerReader;
use super::find::hit;
use super::line_record::record;
use super::scan::{Superseded, Tangle, superseded, untangled};
use super::segments::{Indexes, Segment};
use super::starts::Starts;
use crate::error::{Error, Result, Skipped};
use crate::journal::read::blocks::Block;
use crate::journal::read::last::{BLOCK_BYTES, segments_from_last};
use crate::journal::read::line_at;
use crate::ledger::index::{Section, of_run};
use crate::metrics::{ExecutionMetrics, Timestamp};

/// If a segment has at most this many lines of a run, the lines are found through the index, and all of them are read.
/// If there are more lines, reading the segment backwards finds the last ones faster.
const LINES_OF_RUN_MAX: usize = 1024;

/// A function that returns the parts of a segment that can have wanted lines. The function considers only the lines
/// that the segment's index covers. It returns `None` if all of these lines have to be read.
type Parts<'p> = &'p dyn Fn(&mut Segment<'_>) -> Option<Vec<Block>>;

/// The result of [`LedgerReader::last`].
#[derive(Debug)]
#[non_exhaustive]
pub struct LastRecords<T> {
    /// The results of `take` that are not `None`, in ledger order.
    pub records: Vec<T>,
    /// The lines that were read but are not records, and the segments that this process has no permission to read.
    pub skipped: Skipped,
}

impl LedgerReader {
    /// Returns the last `count` results of `take` that are not `None`, in ledger order. Reads the ledger backwards from
    /// its end, and passes each record to `take`, the last one first. Stops when there are `count` results.
    ///
    /// The part of the ledger before the earliest of these records is not read, so damage in it is not reported. If
    /// several lines have the same `execution_id`, only the last of them is used. If a writer could not sync a segment,
    /// it repeats lines in a new segment. Such a line is used once, at its first position in the ledger.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if a segment cannot be read.
    ///
    /// ```
    /// use runledger::{Ledger, Skill};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("execution_metrics.jsonl");
    /// let ledger = Ledger::open(&path)?;
    /// for version in ["1.0.0", "1.1.0", "1.2.0"] {
    ///     assert!(ledger.begin(Skill::new("parse", version)).succeed().is_durable());
    ///     assert!(ledger.begin(Skill::new("publish", version)).succeed().is_durable());
    /// }
    /// let last = ledger.reader().last(2, |record| (record.skill_name == "parse").then_some(record.skill_version))?;
    /// assert_eq!(last.records, ["1.1.0", "1.2.0"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn last<T>(&self, count: usize, take: impl FnMut(ExecutionMetrics) -> Option<T>) -> Result<LastRecords<T>> {
        self.last_between((None, None), count, take)
    }

    /// Like [`last`](Self::last), but only for executions that start at `since` or later, and before `until`. `None`
    /// means that there is no limit. The index of each segment says where the lines of an hour are. So of the lines
    /// that an index covers, only the hours of this period are read.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if a segment cannot be read.
    pub fn last_between<T>(
        &self,
        (since, until): (Option<Timestamp>, Option<Timestamp>),
        count: usize,
        mut take: impl FnMut(ExecutionMetrics) -> Option<T>,
    ) -> Result<LastRecords<T>> {
        let starts = Starts { since, until };
        let mut take =
            |record: ExecutionMetrics| Some(record).filter(|r| starts.has(r.timestamp_start)).and_then(&mut take);
        let parts = |segment: &mut Segment<'_>| starts.parts(segment);
        self.last_in((starts != Starts::ALL).then_some(&parts), count, &mut take)
    }

    /// Like [`last`](Self::last), but only for executions whose `run_id` is `run_id`. The index of each segment says
    /// where the lines of the run are. So of the lines that an index covers, only the lines of the run are read. If a
    /// segment has more than 1,024 lines of the run, the segment is read backwards instead.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if a segment cannot be read.
    ///
    /// ```
    /// use runledger::metrics::RunIds;
    /// use runledger::{Ledger, Skill};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("execution_metrics.jsonl");
    /// let ledger = Ledger::open(&path)?;
    /// for (skill, run) in [("parse", "run-7"), ("publish", "run-7"), ("parse", "run-8")] {
    ///     ledger.begin(Skill::new(skill, "1.0.0").run(RunIds::new(run))).succeed();
    /// }
    /// let last = ledger.reader().last_of_run("run-7", 1, |record| Some(record.skill_name))?;
    /// assert_eq!(last.records, ["publish"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn last_of_run<T>(
        &self,
        run_id: &str,
        count: usize,
        mut take: impl FnMut(ExecutionMetrics) -> Option<T>,
    ) -> Result<LastRecords<T>> {
        let is_wanted = |record: &ExecutionMetrics| record.run.run_id.as_deref() == Some(run_id);
        let mut take = |record: ExecutionMetrics| Some(record).filter(is_wanted).and_then(&mut take);
        let key = of_run(run_id);
        let parts = |segment: &mut Segment<'_>| {
            let entries = segment.ask(|index| index.entries(Section::Runs, key, key))?;
            let (span, file) = (segment.index.as_ref()?.span, segment.block.file());
            let is_right = |&entry| hit(file, Section::Runs, entry, &span).is_some();
            let line = |start: u64| segment.block.part(start, start + 1);
            let is_usable = entries.len() <= LINES_OF_RUN_MAX && entries.iter().all(is_right);
            is_usable.then(|| entries.iter().map(|entry| line(entry.offset.into())).collect())
        };
        self.last_in(Some(&parts), count, &mut take)
    }

    /// Returns the last `count` results of `take` that are not `None`. `parts` returns the parts of a segment that have
    /// to be read. If `parts` is `None`, all lines have to be read.
    fn last_in<T>(
        &self,
        parts: Option<Parts<'_>>,
        count: usize,
        take: &mut dyn FnMut(ExecutionMetrics) -> Option<T>,
    ) -> Result<LastRecords<T>> {
        let indexes = Indexes::of(&*self.storage, &self.layout);
        let (mut records, mut skipped) = (VecDeque::new(), Skipped::default());
        let (mut untangled, mut buffer) = (None, Vec::new());
        let superseded = superseded(&*self.storage, &self.layout);
        for segment in segments_from_last(&*self.storage, &self.layout)? {
            let block = match segment {
                Err(error) if error.is_denied() => {
                    let mut denied = Skipped::default();
                    denied.add_unreadable(vec![error]);
                    skipped.follow(denied);
                    continue;
                }
                segment => segment?,
            };
            if let Some(tangle) = superseded.tangle_of(block.segment) {
                // A tangle is a group of segments that repeat lines. Read all of them together when the last one is
                // reached.
                if untangled.replace(tangle) != Some(tangle) {
                    self.last_of_tangle(tangle, &superseded, (&mut records, count), &mut skipped, take)?;
                }
                if records.len() == count {
                    break;
                }
                continue;
            }
            let block = superseded.cut(&block);
            let parts = match parts {
                Some(parts) => parts_of(indexes.segment(block), parts),
                None => vec![block],
            };
            let mut of_segment = Skipped::default();
            for mut rest in parts.into_iter().rev() {
                // The number of lines in the segment before the block that was read last. `None` while it is not
                // needed: these lines are counted only if an error has to state a line number.
                let mut before: Option<u64> = None;
                while records.len() < count
                    && let Some(block) = rest.cut_last(BLOCK_BYTES)
                {
                    let wanted = count - records.len();
                    let mut part = Part { records: VecDeque::new(), malformed: Vec::new(), lines: 0 };
                    part.read(&block, &mut buffer, &superseded, wanted, take)?;
                    before = match before {
                        Some(before) => Some(before.saturating_sub(part.lines)),
                        None if part.malformed.is_empty() => None,
                        None => Some(lines_of(&rest.with_start(), &mut buffer)?),
                    };
                    for (line, byte, error) in part.malformed {
                        of_segment.add(error.path(block.path()).at(before.unwrap_or_default() + line, byte));
                    }
                    part.records.into_iter().rev().for_each(|record| records.push_front(record));
                }
            }
            skipped.follow(of_segment);
            if records.len() == count {
                break;
            }
        }
        Ok(LastRecords { records: records.into(), skipped })
    }

    /// Reads the records in the segments of `tangle`, the last record first. Adds the results of `take` to `records`
    /// until there are `count` results.
    fn last_of_tangle<T>(
        &self,
        tangle: &Tangle,
        superseded: &Arc<Superseded>,
        (records, count): (&mut VecDeque<T>, usize),
        skipped: &mut Skipped,
        take: &mut dyn FnMut(ExecutionMetrics) -> Option<T>,
    ) -> Result<()> {
        let (segments, mut of_tangle) = untangled(&*self.storage, &self.layout, tangle, superseded)?;
        let lines = segments.iter().flat_map(|(block, offsets)| offsets.iter().map(move |offset| (block, *offset)));
        let mut lines = lines.rev();
        while records.len() < count
            && let Some((block, offset)) = lines.next()
        {
            let line = line_at(block.file(), offset).map_err(|e| Error::io("read a segment", block.path(), e))?;
            match line.as_deref().map(record) {
                Some(Ok(record)) => take(record).into_iter().for_each(|result| records.push_front(result)),
                Some(Err(error)) => {
                    let before = lines_of(&block.part(0, offset), &mut Vec::new())?;
                    of_tangle.add(error.path(block.path()).at(before + 1, offset));
                }
                None => {}
            }
        }
        skipped.follow(of_tangle);
        Ok(())
    }
}

/// Returns the parts of a segment that can have wanted lines, including the lines that its index does not cover.
fn parts_of(mut segment: Segment<'_>, parts: Parts<'_>) -> Vec<Block> {
    match (parts(&mut segment), &segment.index) {
        (Some(mut parts), Some(index)) => {
            parts.push(segment.block.part(index.end, u64::MAX));
            parts
        }
        _ => vec![segment.block],
    }
}

fn lines_of(block: &Block, buffer: &mut Vec<u8>) -> Result<u64> {
    let mut lines = 0;
    block.read(buffer, |_, _| lines += 1)?;
    Ok(lines)
}

/// The result of reading a block.
struct Part<T> {
    records: VecDeque<T>,
    /// The errors of the lines that are not records. Each error has the number of the line in the block, counting from
    /// 1, and the offset of the line's first byte in the segment.
    malformed: Vec<(u64, u64, Error)>,
    lines: u64,
}

impl<T> Part<T> {
    /// Reads `block`, and passes its records to `take`, the last record first, until there are `wanted` results. Leaves
    /// out superseded lines, which are followed by a later line of the same execution.
    fn read(
        &mut self,
        block: &Block,
        buffer: &mut Vec<u8>,
        superseded: &Superseded,
        wanted: usize,
        take: &mut dyn FnMut(ExecutionMetrics) -> Option<T>,
    ) -> Result<()> {
        // The text of all lines that are used, and for each line its number, its offset, and where it ends in the text.
        let (mut text, mut lines) = (Vec::new(), Vec::new());
        block.read(buffer, |piece, bytes| {
            // A writer may still be writing the last line of the active segment, so an incomplete line there is not
            // counted. In a sealed segment, nobody will complete an incomplete line, so it is counted.
            if piece.unfinished && block.is_active {
                return;
            }
            self.lines += 1;
            if bytes.is_empty() || superseded.has(block.segment, piece.offset) {
                return;
            }
            text.extend_from_slice(bytes);
            lines.push((self.lines, piece.offset, text.len()));
        })?;
        while self.records.len() < wanted
            && let Some((line, offset, end)) = lines.pop()
        {
            let start = lines.last().map_or(0, |(_, _, end)| *end);
            match record(&text[start..end]) {
                Ok(record) => take(record).into_iter().for_each(|result| self.records.push_front(result)),
                Err(error) => self.malformed.push((line, offset, error)),
            }
        }
        self.malformed.reverse();
        Ok(())
    }
}

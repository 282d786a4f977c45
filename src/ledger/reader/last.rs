//! Finds the last records for which a condition holds.

use std::collections::VecDeque;

use super::LedgerReader;
use super::line_record::record;
use super::scan::{Superseded, superseded};
use super::segments::{Indexes, Segment};
use super::starts::Starts;
use crate::error::{Error, Result, Skipped};
use crate::journal::format::line::{self, Trailer};
use crate::journal::read::blocks::Block;
use crate::journal::read::last::{BLOCK_BYTES, segments_from_last};
use crate::journal::read::{Order, Sequence};
use crate::metrics::{ExecutionMetrics, Timestamp};

/// The result of [`LedgerReader::last`].
#[derive(Debug)]
#[non_exhaustive]
pub struct LastRecords<T> {
    /// The results for the last records, in ledger order.
    pub records: Vec<T>,
    /// The lines that are not records, in the part of the ledger that was read, and the segments that this process has
    /// no permission to read.
    pub skipped: Skipped,
}

impl LedgerReader {
    /// Returns the last `count` results of `take` that are not `None`, in ledger order. Reads the ledger backwards from
    /// its end until it has these results.
    ///
    /// Damage before these records is not reported, because the ledger before them is not read. A writer that could not
    /// sync a segment repeats lines in a new segment. Such a line counts once, in the new segment. If several lines have
    /// the same `execution_id`, only the last one counts.
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

    /// Like [`last`](Self::last), but only for executions that start at `since` or later, and before `until`. `None` is
    /// no limit. Through the index of each segment, reads only the hours of this period.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if a segment cannot be read.
    pub fn last_between<T>(
        &self,
        (since, until): (Option<Timestamp>, Option<Timestamp>),
        count: usize,
        mut take: impl FnMut(ExecutionMetrics) -> Option<T>,
    ) -> Result<LastRecords<T>> {
        let (starts, indexes) = (Starts { since, until }, Indexes::of(&*self.storage, &self.layout));
        let mut take =
            |record: ExecutionMetrics| Some(record).filter(|r| starts.has(r.timestamp_start)).and_then(&mut take);
        let (mut records, mut skipped) = (VecDeque::new(), Skipped::default());
        let (mut repeated_from, mut buffer) = (None::<u64>, Vec::new());
        let superseded = superseded(&*self.storage, &self.layout);
        for segment in segments_from_last(&*self.storage, &self.layout)? {
            let block = match segment {
                Err(error) if error.is_denied() => {
                    skipped.add_unreadable(vec![error]);
                    continue;
                }
                segment => segment?,
            };
            let block = superseded.cut(&block);
            let (parts, mut first_seq) =
                if starts == Starts::ALL { (vec![block], None) } else { parts_of(indexes.segment(block), &starts) };
            let is_first_known = first_seq.is_some();
            let mut of_segment = Skipped::default();
            for mut rest in parts.into_iter().rev() {
                // The number of lines in the segment before the block that was read last. These lines are counted only
                // if an error has to name its line; `None` if they were not counted.
                let mut before: Option<u64> = None;
                while records.len() < count
                    && let Some(block) = rest.cut_last(BLOCK_BYTES)
                {
                    let wanted = count - records.len();
                    let mut part = Part { records: VecDeque::new(), malformed: Vec::new(), lines: 0, first_seq: None };
                    let is_repeated = |seq| repeated_from.is_some_and(|first| first <= seq);
                    part.read(&block, &mut buffer, (&superseded, &is_repeated), wanted, &mut take)?;
                    before = match before {
                        Some(before) => Some(before.saturating_sub(part.lines)),
                        None if part.malformed.is_empty() => None,
                        None => Some(lines_of(&rest.with_start(), &mut buffer)?),
                    };
                    for (line, byte, error) in part.malformed {
                        of_segment.add(error.path(block.path()).at(before.unwrap_or_default() + line, byte));
                    }
                    if !is_first_known {
                        first_seq = part.first_seq.or(first_seq);
                    }
                    part.records.into_iter().rev().for_each(|record| records.push_front(record));
                }
            }
            skipped.follow(of_segment);
            if records.len() == count {
                break;
            }
            repeated_from = first_seq.or(repeated_from);
        }
        Ok(LastRecords { records: records.into(), skipped })
    }
}

/// Returns the parts of a segment that can have lines of the period, and the number of the segment's first line, if the
/// index knows it.
fn parts_of(mut segment: Segment<'_>, starts: &Starts) -> (Vec<Block>, Option<u64>) {
    let parts = starts.parts(&mut segment);
    match (parts, &segment.index) {
        (Some(mut parts), Some(index)) => {
            parts.push(segment.block.part(index.end, u64::MAX));
            (parts, Some(index.span.first))
        }
        _ => (vec![segment.block], None),
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
    /// The sequence number of the first line whose hash is correct. The number of a line with a wrong hash is not
    /// trusted.
    first_seq: Option<u64>,
}

impl<T> Part<T> {
    /// Reads `block`, but not the superseded lines, whose execution has a later line. `is_repeated` returns true for the
    /// numbers that have a line in a later segment.
    fn read(
        &mut self,
        block: &Block,
        buffer: &mut Vec<u8>,
        (superseded, is_repeated): (&Superseded, &impl Fn(u64) -> bool),
        wanted: usize,
        take: &mut impl FnMut(ExecutionMetrics) -> Option<T>,
    ) -> Result<()> {
        let mut sequence = Sequence::default();
        block.read(buffer, |piece, bytes| {
            // In the active segment, a writer may still be writing an incomplete last line, so that line is not
            // counted. A sealed segment never changes again, so nobody will complete the line there, and it is counted.
            if piece.unfinished && block.is_active {
                return;
            }
            self.lines += 1;
            let trailer = line::trailer(bytes);
            let seals = |trailer: &Trailer| trailer.seals(bytes);
            let seq = trailer.as_ref().map(|trailer| trailer.link.seq);
            if self.first_seq.is_none() {
                self.first_seq = seq.filter(|_| trailer.as_ref().is_some_and(seals));
            }
            // Skips the lines that a reader from the start of the ledger skips too.
            if let Order::Behind(seq) = sequence.order(bytes, trailer.as_ref(), || !bytes.contains(&0))
                && !sequence.fills(seq)
            {
                return;
            }
            if bytes.is_empty()
                || seq.is_some_and(is_repeated) && trailer.as_ref().is_some_and(seals)
                || superseded.has_copy(block.segment, piece.offset, bytes)
            {
                return;
            }
            match record(bytes) {
                Ok(record) => self.records.extend(take(record)),
                Err(error) => self.malformed.push((self.lines, piece.offset, error)),
            }
            if self.records.len() > wanted {
                self.records.pop_front();
            }
        })
    }
}

//! Reads the lines of the next file.

use chrono::NaiveDate;
use uuid::Uuid;

use super::claim::Claim;
use super::file::FileWriter;
use super::footer::Footer;
use super::options::ShipperOptions;
use super::schema::Row;
use crate::error::{Error, ErrorKind, Result, Skipped};
use crate::journal::format::line;
use crate::journal::read::{Gap, Gaps};
use crate::journal::{Followed, Follower, Place};
use crate::metrics::ExecutionMetrics;

/// Where the next file ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum Until<'c> {
    /// Before the first line of the active segment, or at one of the other cuts.
    Active,
    /// At the last line of the ledger, or at one of the cuts.
    End,
    /// At the end of the claim.
    Claim(&'c Claim),
}

/// The lines of a file.
#[derive(Debug)]
pub(super) struct Range {
    pub(super) date: NaiveDate,
    pub(super) footer: Footer,
    pub(super) end: Place,
    pub(super) file: Vec<u8>,
}

/// The result of reading.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The next file, or `None` if no file is due.
    pub(super) range: Option<Range>,
    /// True if lines remain that are not due yet: those of the active segment, or those after a missing line that a
    /// writer may still restore.
    pub(super) is_more: bool,
    /// The lines that were skipped.
    pub(super) skipped: Skipped,
}

/// The lines that were read so far.
struct Reading<'o> {
    options: &'o ShipperOptions,
    ledger: Uuid,
    first: u64,
    prev_hash: String,
    writer: Option<FileWriter>,
    date: Option<NaiveDate>,
    first_hash: Option<String>,
    /// The line with the highest number.
    end: Option<Place>,
    records: u64,
    bytes: u64,
    /// The number of lines between `first` and `end` that were not found yet and that the next segment repeats.
    missing: u64,
    skipped: Skipped,
    /// The skipped lines after `end`. They belong to the next file, unless another line of this file follows.
    pending: Skipped,
}

/// Reads the lines after `after` until a file is due. `ledger` must have resumed there, and `gaps` must have been read
/// before. A file ends:
///
/// - before the first line of another segment;
/// - before a line whose execution started on a later day than all earlier ones of the file;
/// - when it has enough bytes.
///
/// A file has at least one record. The lines before a missing line are due, and the lines after it only if no writer can
/// restore the missing line any more. If the next segment repeats the missing line, the file ends after it.
pub(super) fn read(
    ledger: &mut Follower,
    after: Option<&Place>,
    until: Until<'_>,
    gaps: &Gaps,
    options: &ShipperOptions,
) -> Result<Found> {
    let sealed = match until {
        Until::Active => ledger.last_sealed()?,
        Until::End | Until::Claim(_) => u64::MAX,
    };
    let mut reading = Reading {
        options,
        ledger: ledger.id(),
        first: after.map_or(1, |after| after.seq.saturating_add(1)),
        prev_hash: after.map_or_else(|| "0".repeat(64), |after| after.hash.clone()),
        writer: None,
        date: None,
        first_hash: None,
        end: None,
        records: 0,
        bytes: 0,
        missing: 0,
        skipped: Skipped::default(),
        pending: Skipped::default(),
    };
    let mut is_cut = false;
    let mut is_more = false;
    while let Some(Followed { line, seq, .. }) = ledger.next_line()? {
        if line.bytes.is_empty() {
            continue;
        }
        let Some(seq) = seq else {
            reading.pending.add(
                line.locate(
                    Error::new(ErrorKind::Malformed, "ship a record")
                        .detail("found a line that does not match its hash; expected the line that was written"),
                ),
            );
            continue;
        };
        if let Until::Claim(claim) = until
            && seq > claim.last
        {
            break;
        }
        if seq < reading.first {
            // A new segment repeats the line, and it was shipped.
            continue;
        }
        // The first lines of the active segment may repeat lines that the segment before it has lost.
        if line.segment > sealed && seq > reading.highest() {
            (is_cut, is_more) = (true, true);
            break;
        }
        if after.is_none() && reading.end.is_none() && seq > 1 && line.segment > 1 {
            return Err(line.locate(Error::new(ErrorKind::Diverged, "ship the ledger")).detail(format!(
                "found line {seq} as the first line; expected line 1. The lines before it were moved away before they \
                 were shipped; `events.jsonl` says to which archive. Ship the archive to this store first"
            )));
        }
        let text = std::str::from_utf8(line.bytes);
        let record = text.map_err(|source| Error::new(ErrorKind::Malformed, "ship a record").source(source));
        let record = record.and_then(ExecutionMetrics::from_json);
        let day = record.as_ref().ok().map(|record| record.timestamp_start.to_chrono().date_naive());
        let is_claimed = matches!(until, Until::Claim(_));
        if !is_claimed && reading.is_cut(seq, line.segment, day) {
            is_cut = true;
            break;
        }
        let mut missing = seq.saturating_sub(reading.highest() + 1);
        if !is_claimed && missing > 0 {
            match gaps.judge(seq - 1, line.segment)? {
                Gap::Open => {
                    (is_cut, is_more) = (reading.missing == 0, true);
                    break;
                }
                Gap::Repeated => {}
                Gap::Lost => missing = 0,
            }
        }
        match (record, line::trailer(line.bytes)) {
            (Ok(record), Some(trailer)) => {
                let redacted = trailer.redacted.as_ref().and_then(|hash| std::str::from_utf8(hash).ok());
                reading.push(&Row {
                    record: &record,
                    seq,
                    prev: std::str::from_utf8(&trailer.prev).unwrap_or_default(),
                    hash: trailer.link.hash_str(),
                    redacted,
                    machine: options.machine.as_deref(),
                    user: options.user.as_deref(),
                })?;
            }
            (Err(error), _) => reading.skipped.add(line.locate(error)),
            (Ok(_), None) => {}
        }
        reading.bytes += line.bytes.len() as u64 + 1;
        let place = Place::new(seq, String::new(), line.segment, line.offset, line.number);
        let hash = line::trailer(line.bytes).map(|trailer| trailer.link.hash_str().to_owned());
        reading.reach(Place { hash: hash.unwrap_or_default(), ..place }, missing);
        reading.date = reading.date.max(day);
    }
    let is_due = match until {
        Until::Claim(_) => true,
        Until::Active => is_cut,
        Until::End => is_cut || reading.missing == 0,
    };
    is_more |= reading.missing > 0;
    let mut skipped = std::mem::take(&mut reading.skipped);
    let pending = std::mem::take(&mut reading.pending);
    let range = if is_due { reading.finish()? } else { None };
    if range.is_none() {
        // The next call reads these lines again.
        skipped.merge(pending);
    }
    Ok(Found { range, is_more, skipped })
}

impl Reading<'_> {
    /// Returns true if the file ends before the line `seq`.
    fn is_cut(&self, seq: u64, segment: u64, day: Option<NaiveDate>) -> bool {
        let Some(end) = self.end.as_ref().filter(|end| self.records > 0 && seq > end.seq) else { return false };
        let is_later = day.is_some() && self.date < day;
        let is_full = self.bytes >= self.options.file_bytes;
        segment != end.segment || (self.missing == 0 && (is_later || is_full))
    }

    fn push(&mut self, row: &Row<'_>) -> Result<()> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(FileWriter::new()?),
        };
        writer.push(row);
        self.records += 1;
        if self.first_hash.is_none() {
            self.first_hash = Some(row.hash.to_owned());
        }
        Ok(())
    }

    /// The highest number of a line so far.
    fn highest(&self) -> u64 {
        self.end.as_ref().map_or(self.first - 1, |end| end.seq)
    }

    /// Notes that a line was read. `missing` is the number of lines before it that the next segment repeats.
    fn reach(&mut self, place: Place, missing: u64) {
        self.skipped.merge(std::mem::take(&mut self.pending));
        if place.seq > self.highest() {
            self.missing += missing;
            self.end = Some(place);
        } else {
            self.missing = self.missing.saturating_sub(1);
        }
    }

    fn finish(self) -> Result<Option<Range>> {
        let (Some(writer), Some(date), Some(end)) = (self.writer, self.date, self.end) else { return Ok(None) };
        let footer = Footer {
            ledger: self.ledger,
            first: self.first,
            first_hash: self.first_hash.unwrap_or_default(),
            last: end.seq,
            last_hash: end.hash.clone(),
            prev_hash: self.prev_hash,
            records: self.records,
        };
        let file = writer.finish(footer.clone())?;
        Ok(Some(Range { date, footer, end, file }))
    }
}

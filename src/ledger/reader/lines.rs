//! Writes the lines of a ledger to a file or a pipe, exactly as they are stored.

use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use serde::de::IgnoredAny;

use super::{ArchivedLines, LedgerReader};
use crate::disk::{Stat, Storage};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::format::line::{self, Trailer};
use crate::journal::format::{Layout, identity};
use crate::journal::read::{Missing, moved};
use crate::journal::{Cursor, Line, Lines};

const READ: &str = "read the lines of the ledger";

/// The result of [`LedgerReader::write_lines`].
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct WrittenLines {
    /// The number of lines that were written.
    pub lines: u64,
    /// The number of bytes that were written, including the line feeds.
    pub bytes: u64,
    /// The lines that were moved to an archive. They come before the first line that was written. `None` if no lines
    /// were moved.
    pub archived: Option<ArchivedLines>,
    /// The number of problems, such as damaged bytes, missing lines, truncated segments, files that this process has no
    /// permission to read, and lines that were moved to an archive before they were read.
    pub damage_count: u64,
    /// An error for each of the first problems; at most [`DAMAGE_MAX`](Self::DAMAGE_MAX).
    ///
    /// Each error has the path of a file. If the problem concerns one line, the error has the position of that line
    /// too. The errors about missing lines and truncated segments come last.
    pub damage: Vec<Error>,
}

impl WrittenLines {
    /// The maximum number of errors in `damage`. `damage_count` counts all problems.
    pub const DAMAGE_MAX: usize = 20;

    fn add(&mut self, error: Error) {
        self.damage_count += 1;
        if self.damage.len() < Self::DAMAGE_MAX {
            self.damage.push(error);
        }
    }
}

impl LedgerReader {
    /// Writes the lines of all segments to `out` as they are stored, the oldest line first. Each line ends with a line
    /// feed.
    ///
    /// The output is the content of all sealed segments (files that get no further lines), followed by the content of
    /// the active segment, with these exceptions. A writer that could not sync a segment repeats lines in a new
    /// segment, but the output has each line only once. Damaged bytes, empty lines, an unfinished last line, and
    /// segments that this process has no permission to read are left out.
    ///
    /// No line is written twice, even if another process appends lines, or seals or archives segments, during the call.
    /// The lines that were in the ledger when the call began are written. If they were moved to an archive before they
    /// were read, they are reported instead. The call does not wait for later lines. It holds one line and 256 KiB of
    /// the ledger in memory. `out` should be buffered.
    ///
    /// If a line was changed and is still JSON, it is written and reported. Bytes that are not JSON are left out and
    /// reported, so that any program that reads JSON lines can read the output. Empty lines are left out and not
    /// reported.
    ///
    /// ```
    /// use runledger::{Ledger, Skill};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("execution_metrics.jsonl");
    /// let ledger = Ledger::open(&path)?;
    /// assert!(ledger.begin(Skill::new("parse", "1.0.0")).succeed().is_durable());
    ///
    /// let mut out = Vec::new();
    /// let written = ledger.reader().write_lines(&mut out)?;
    /// assert_eq!((written.lines, written.bytes, written.damage_count), (1, out.len() as u64, 0));
    /// assert_eq!(out, std::fs::read(&path)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if `out` fails, or if the disk fails. Damage is not an error.
    pub fn write_lines(&self, mut out: impl Write) -> Result<WrittenLines> {
        let (storage, layout) = (&*self.storage, &self.layout);
        // Other processes may append lines during the call. So read the end and the truncations before the lines. If
        // the end were read again during the loop, a busy writer could keep the call from ending.
        let end = End::now(storage, layout)?;
        let truncations = self.truncations();
        let mut lines = Lines::from_start(Arc::clone(&self.storage), layout.clone()).passing_unreadable();
        let mut writing = Writing::new(storage, layout);
        while !end.is_before(lines.cursor()) {
            match lines.next_line() {
                Ok(Some(line)) => writing.line(&line, &mut out)?,
                Ok(None) => {
                    if end.is_cut(storage, layout)? {
                        let error = Error::new(ErrorKind::Malformed, READ).path(layout.active());
                        writing.written.add(error.detail("the file became shorter while it was read. Read it again"));
                    }
                    break;
                }
                Err(error) => {
                    if !lines.has_passed() {
                        return Err(error);
                    }
                    writing.written.add(error);
                }
            }
        }
        out.flush().map_err(failed)?;
        let mut written = writing.end();
        match truncations {
            Ok(truncations) => truncations.into_iter().for_each(|fault| {
                written.add(Error::new(ErrorKind::Malformed, READ).path(&fault.path).detail(fault.found));
            }),
            // The commit area, a file with copies of the last lines, could not be examined.
            Err(error) => written.add(error),
        }
        Ok(written)
    }
}

/// The position at which the call stops reading: the end of the ledger when the call began, or a later position if the
/// segment was sealed in the meantime.
struct End {
    segment: u64,
    /// The active segment, if there was one.
    active: Option<Stat>,
}

impl End {
    fn now(storage: &dyn Storage, layout: &Layout) -> Result<Self> {
        // If the active segment is sealed between the next two calls, `segment` becomes too high by one. This does no
        // harm: the call then reads more lines.
        let active = stat(storage, layout.active())?;
        let sealed = layout.sealed_segments(storage)?.last().copied().unwrap_or(0);
        Ok(Self { segment: sealed.saturating_add(1), active })
    }

    fn len(&self) -> u64 {
        self.active.as_ref().map_or(0, |active| active.len)
    }

    fn is_before(&self, cursor: Cursor) -> bool {
        (self.segment, self.len()) <= (cursor.segment, cursor.offset)
    }

    /// Returns true if the active segment is still the same file but has become shorter. This can happen while a
    /// process repairs the ledger: the process removes the last bytes, and then writes them again.
    fn is_cut(&self, storage: &dyn Storage, layout: &Layout) -> Result<bool> {
        let Some(then) = &self.active else { return Ok(false) };
        Ok(stat(storage, layout.active())?.is_some_and(|now| now.id == then.id && now.len < then.len))
    }
}

fn stat(storage: &dyn Storage, path: &Path) -> Result<Option<Stat>> {
    storage.stat(path).map_err(|source| Error::io("examine a segment", path, source))
}

fn failed(source: io::Error) -> Error {
    Error::new(ErrorKind::Io, "write the lines of the ledger").source(source)
}

/// The state of one call.
struct Writing<'l> {
    storage: &'l dyn Storage,
    layout: &'l Layout,
    /// True if there is an identity, which is the file `ledger.json` with the ledger's id. A file of plain JSON lines
    /// and a copy of one segment have no identity.
    is_ledger: bool,
    /// The segment and the number of the line with the highest number so far. `None` before the first line.
    last: Option<(u64, u64)>,
    missing: Missing,
    /// Each range of missing numbers, with an error that has the position of the line after the range.
    gaps: Vec<(RangeInclusive<u64>, Error)>,
    written: WrittenLines,
}

/// The maximum number of ranges of missing lines whose position is stored. A crash leaves far fewer. Further ranges are
/// reported without a position.
const GAPS_MAX: usize = 1024;

impl<'l> Writing<'l> {
    fn new(storage: &'l dyn Storage, layout: &'l Layout) -> Self {
        // If the identity exists but cannot be read, this is a ledger too.
        let is_ledger = !matches!(identity::read(storage, layout), Ok(None));
        let (missing, gaps, written) = (Missing::default(), Vec::new(), WrittenLines::default());
        Self { storage, layout, is_ledger, last: None, missing, gaps, written }
    }

    fn line(&mut self, line: &Line<'_>, out: &mut impl Write) -> Result<()> {
        if line.bytes.is_empty() {
            return Ok(());
        }
        let malformed = |detail: &str| line.locate(Error::new(ErrorKind::Malformed, READ)).detail(detail);
        match line::check(line.bytes) {
            Some(trailer) => self.count(line, &trailer)?,
            None if serde_json::from_slice::<IgnoredAny>(line.bytes).is_err() => {
                self.written.add(malformed("found bytes that are not JSON; left out"));
                return Ok(());
            }
            None => {
                // A line without a number is from another program, and has no hash.
                if let Some(seq) = line.seq {
                    self.written.add(malformed("found a line that does not match its hash; written as it is stored"));
                    // The number of a changed line is trusted only if it is the expected number.
                    if self.before(line.segment, seq)?.checked_add(1) == Some(seq) {
                        self.last = Some((line.segment, seq));
                    }
                }
            }
        }
        out.write_all(line.bytes).and_then(|()| out.write_all(b"\n")).map_err(failed)?;
        self.written.lines += 1;
        self.written.bytes += line.bytes.len() as u64 + 1;
        Ok(())
    }

    /// Takes note of the number of a line that matches its hash, and of the missing lines before that line.
    fn count(&mut self, line: &Line<'_>, trailer: &Trailer) -> Result<()> {
        let seq = trailer.link.seq;
        let before = self.before(line.segment, seq)?;
        if seq <= before {
            self.missing.take(seq);
            return Ok(());
        }
        let gone = self.last.and_then(|last| moved::missing_between(last, (line.segment, seq)));
        match gone {
            Some(gone) if moved::is_moved_up_to(self.storage, self.layout, line.segment)? => {
                let error = Error::new(ErrorKind::Archived, READ).path(line.path);
                self.written.add(error.detail(format!(
                    "lines {} to {} were moved away before they were read. `events.jsonl` says to which archive",
                    gone.start(),
                    gone.end()
                )));
            }
            _ if before + 1 < seq => {
                self.missing.add_between(before, seq);
                if self.gaps.len() < GAPS_MAX {
                    self.gaps.push((before + 1..=seq - 1, line.locate(Error::new(ErrorKind::Malformed, READ))));
                }
            }
            _ => {}
        }
        self.last = Some((line.segment, seq));
        Ok(())
    }

    /// Returns the highest number of a line so far. Before the first line, returns the number of the last archived
    /// line, or 0 if there is none. For a copy of one segment, returns `seq` − 1.
    fn before(&mut self, segment: u64, seq: u64) -> Result<u64> {
        match self.last {
            Some((_, last)) => Ok(last),
            None if self.is_ledger => self.archived_before(segment),
            // A copy of one segment may begin with any line.
            None => Ok(seq.saturating_sub(1)),
        }
    }

    /// Returns the number of the last line that was archived before this segment, or 0 if there is none.
    fn archived_before(&mut self, segment: u64) -> Result<u64> {
        let before = moved::moved_before(self.storage, self.layout, segment)?;
        self.written.archived = before.map(|before| ArchivedLines {
            segment: before.segment,
            seq: before.link.seq,
            hash: before.link.hash_str().to_owned(),
            to: before.to,
            heads: 0,
        });
        Ok(self.written.archived.as_ref().map_or(0, |archived| archived.seq))
    }

    fn end(mut self) -> WrittenLines {
        for range in self.missing.ranges() {
            let (first, last) = (range.start(), range.end());
            let gap = self.gaps.iter().find(|(gap, _)| gap.contains(first));
            let (error, place) = match gap {
                Some((_, error)) => (error.clone(), " before this line"),
                None => (Error::new(ErrorKind::Malformed, READ).path(self.layout.active()), ""),
            };
            self.written.add(error.detail(if first == last {
                format!("line {first} of the ledger is missing{place}")
            } else {
                format!("lines {first} to {last} of the ledger are missing{place}")
            }));
        }
        self.written
    }
}

//! Reads the records of one block.

use std::marker::PhantomData;

use super::numbers::Numbers;
use crate::error::{Error, Result, Skipped};
use crate::journal::format::line::{self, Trailer};
use crate::journal::read::blocks::TakeLines;
use crate::journal::read::workers::Sharing;
use crate::journal::read::{LINE_BYTES_MAX, Piece};
use crate::ledger::reader::line_record::record;
use crate::metrics::{ExecutionMetrics, Fields, Timestamp};

/// The size of the blocks of a pass over a whole ledger, and how threads share the blocks. The blocks are so large that
/// creating and merging their values takes a negligible time.
pub(super) const WHOLE: (u64, Sharing) = (4 * 1024 * 1024, Sharing { blocks_alone: 1, threads: None });

/// Like [`WHOLE`], but for a pass over the lines that were appended since the previous pass. The blocks are small, so
/// that several threads can share even a few lines.
pub(super) const TAIL: (u64, Sharing) = (256 * 1024, Sharing { blocks_alone: 2, threads: None });

/// The result that a thread gets from reading one block.
pub(super) struct Part<A> {
    pub(super) value: A,
    pub(super) lines: u64,
    /// The end of the last line; `None` if there was none.
    pub(super) end: Option<u64>,
    /// The number of lines that are not records.
    pub(super) skipped: u64,
    /// The errors of the first few lines that are not records. Each error has the number of the line in the block,
    /// counting from 1, and the offset of the line's first byte in the file.
    pub(super) errors: Vec<(u64, u64, Error)>,
}

impl<A> Part<A> {
    /// Counts the line that was just read as a line that is not a record. The line begins at `offset`.
    fn skip(&mut self, offset: u64, error: Error) {
        self.skipped += 1;
        if self.errors.len() < Skipped::ERRORS_MAX {
            self.errors.push((self.lines, offset, error));
        }
    }
}

/// A block that is being read. `take` adds a record to the value of the block. If `take` fails for a record, the line
/// of the record is skipped, like a line that is not a record.
pub(super) struct Reading<'t, F, A, T> {
    pub(super) part: Part<A>,
    pub(super) numbers: Numbers,
    /// True if the block belongs to the active segment.
    pub(super) is_active: bool,
    /// The sorted offsets of lines that are ignored, because a later line has the same execution.
    pub(super) superseded: &'t [u64],
    pub(super) take: &'t T,
    pub(super) form: PhantomData<F>,
}

/// The form in which a record is read: the whole record, or only its [`Fields`].
pub(super) trait Form {
    type Of<'l>;

    /// Reads the record at the start of `bytes`. Returns the record, and the offset at which its members (its keys and
    /// values) end. Returns `None` if the record must be read by `serde_json`.
    fn ahead(bytes: &[u8]) -> Option<(Self::Of<'_>, usize)>;

    /// Returns when the execution of the record started.
    fn start(record: &Self::Of<'_>) -> Timestamp;

    /// Reads the record of a line. If the line has a trailer, the record's members end where the trailer begins.
    fn of<'l>(line: &'l [u8], trailer: Option<&Trailer>) -> Result<Self::Of<'l>>;
}

impl Form for Fields<'_> {
    type Of<'l> = Fields<'l>;

    fn ahead(bytes: &[u8]) -> Option<(Fields<'_>, usize)> {
        Fields::ahead(bytes)
    }

    fn start(record: &Fields<'_>) -> Timestamp {
        record.timestamp_start
    }

    fn of<'l>(line: &'l [u8], trailer: Option<&Trailer>) -> Result<Fields<'l>> {
        match trailer {
            Some(trailer) => Fields::from_sealed(line, trailer.payload_end),
            None => Fields::from_line(line),
        }
    }
}

/// The fields of a record, and the line that holds it.
pub(in crate::ledger::reader) struct Seen<'l> {
    pub(in crate::ledger::reader) fields: Fields<'l>,
    /// The line, which may be followed by its line feed and other lines.
    bytes: &'l [u8],
    /// The length of the part of the line that has the record's members.
    members: usize,
}

impl<'l> Seen<'l> {
    /// Returns the JSON of the record, perhaps without its closing brace.
    pub(in crate::ledger::reader) fn text(&self) -> &'l [u8] {
        &self.bytes[..self.members]
    }

    /// Returns the line without its line feed.
    pub(in crate::ledger::reader) fn line(&self) -> &'l [u8] {
        self.bytes.split(|byte| *byte == b'\n').next().unwrap_or_default()
    }
}

impl Form for Seen<'_> {
    type Of<'l> = Seen<'l>;

    fn ahead(bytes: &[u8]) -> Option<(Seen<'_>, usize)> {
        Fields::ahead(bytes).map(|(fields, members)| (Seen { fields, bytes, members }, members))
    }

    fn start(record: &Seen<'_>) -> Timestamp {
        record.fields.timestamp_start
    }

    fn of<'l>(line: &'l [u8], trailer: Option<&Trailer>) -> Result<Seen<'l>> {
        let members = trailer.map_or(line.len(), |trailer| trailer.payload_end);
        Ok(Seen { fields: <Fields<'_> as Form>::of(line, trailer)?, bytes: line, members })
    }
}

impl Form for ExecutionMetrics {
    type Of<'l> = Self;

    fn ahead(_: &[u8]) -> Option<(Self, usize)> {
        None
    }

    fn start(record: &Self) -> Timestamp {
        record.timestamp_start
    }

    fn of(line: &[u8], _: Option<&Trailer>) -> Result<Self> {
        record(line)
    }
}

impl<F, A, T> Reading<'_, F, A, T> {
    /// Returns false if a later line has the same execution as the line at `offset`.
    fn is_used(&self, offset: u64) -> bool {
        self.superseded.binary_search(&offset).is_err()
    }
}

impl<F: Form, A, T: Fn(&mut A, u64, &F::Of<'_>) -> Result<()>> TakeLines for Reading<'_, F, A, T> {
    fn line_ahead(&mut self, offset: u64, ahead: &[u8]) -> Option<usize> {
        let record = F::ahead(ahead);
        // Borrow the record, because moving such a large value takes time.
        let (record, members) = record.as_ref()?;
        let rest = &ahead[*members..];
        // A line of another program has no number.
        let plain = rest.starts_with(b"}\n").then_some((None, 2));
        let (seq, end) = plain.or_else(|| line::trailer_ahead(rest).map(|(seq, len)| (Some(seq), len)))?;
        let len = members + end;
        if len > LINE_BYTES_MAX || seq.is_some_and(|seq| !self.numbers.follow(seq)) {
            return None;
        }
        self.part.lines += 1;
        self.part.end = Some(offset + len as u64);
        if self.is_used(offset)
            && let Err(error) = (self.take)(&mut self.part.value, offset, record)
        {
            self.part.skip(offset, error);
        }
        Some(len)
    }

    fn piece(&mut self, piece: Piece, line: &[u8]) {
        let part = &mut self.part;
        // A writer may still be writing the last line of the active segment.
        if piece.unfinished && self.is_active {
            return;
        }
        part.lines += 1;
        part.end = Some(piece.end());
        if line.is_empty() {
            return;
        }
        let trailer = line::trailer(line);
        let record = F::of(line, trailer.as_ref());
        // JSON cannot contain a NUL. So if the line was read as a record, it does not have to be searched for NULs.
        let is_new = self.numbers.add(line, trailer.as_ref(), || record.is_ok() || !line.contains(&0));
        if !is_new || !self.is_used(piece.offset) {
            return;
        }
        if let Err(error) = record.and_then(|record| (self.take)(&mut self.part.value, piece.offset, &record)) {
            self.part.skip(piece.offset, error);
        }
    }
}

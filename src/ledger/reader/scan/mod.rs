//! One pass over the records of a ledger by all cores, for what is computed of all of them.
//!
//! The segments are cut into blocks ([`journal::blocks`](crate::journal::blocks)), which the threads take in turn. A thread
//! reads the fields of a block's records in place and folds them into a value of the block's own; the values are merged
//! in the order of the ledger. So what a fold makes of a ledger is the same for any number of threads.
//!
//! Only one thing depends on what stands before a block: a line that a writer repeated in a new segment is given once,
//! by its sequence number, as [`Lines`](crate::journal::Lines) gives it. A block is read as if no line of it stood before
//! it. That is right if its first number is higher than all before, and within it each is higher than the one before, which
//! is known when its turn to be merged comes. Else the block is read once more, by what is known then: where a ledger is
//! damaged, or a sync had failed.
//!
//! Nor is a line searched for: the walk through a record's JSON, which checks it as it goes, comes to the line feed by
//! itself. Only a line that is not as our writer writes it is looked for by its line feed and read by `serde_json`.

#[cfg(test)]
mod tests;

use std::io;
use std::marker::PhantomData;
use std::sync::Arc;

use super::LedgerReader;
use super::records::record;
use crate::disk::Storage;
use crate::error::{Error, Result, Skipped};
use crate::journal::Cursor;
use crate::journal::format::Layout;
use crate::journal::format::line::{self, Trailer};
use crate::journal::read::blocks::{Block, Blocks, TakeLines};
use crate::journal::read::workers::{Sharing, in_order};
use crate::journal::read::{LINE_BYTES_MAX, Order, Piece, Sequence};
use crate::metrics::{ExecutionMetrics, Fields};

/// Large enough that making a value for each block and merging it costs nothing.
const WHOLE: (u64, Sharing) = (4 * 1024 * 1024, Sharing { blocks_alone: 1, threads: None });

/// For what was appended since, which is shared out too, even if it is little.
const TAIL: (u64, Sharing) = (256 * 1024, Sharing { blocks_alone: 2, threads: None });

/// A pass over the records of a ledger: [`fold`](Self::fold), [`fold_records`](Self::fold_records).
///
/// It sees the records that [`Records`](crate::Records) gives, and passes over the same lines, but one thing: of a record
/// only its [`Fields`] are looked at, so a line whose fault lies elsewhere counts ([`Fields::from_line`] says which). It
/// takes no lock and disturbs no writer.
///
/// ```
/// use runledger::{Ledger, Skill};
///
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("log.jsonl");
/// let ledger = Ledger::open(&path)?;
/// for skill in ["publish", "publish", "summarise"] {
///     ledger.begin(Skill::new(skill, "1.0.0")).succeed();
/// }
/// let publish = ledger.reader().scan().fold(
///     || 0,
///     |count, fields| *count += u64::from(fields.skill_name == "publish"),
///     |count, later| *count += later,
/// )?;
/// assert_eq!((publish.value, publish.skipped.count()), (2, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Scan {
    storage: Arc<dyn Storage>,
    layout: Layout,
    start: Cursor,
}

/// What a pass came to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Scanned<A> {
    /// What the fold made of all records.
    pub value: A,
    /// The lines that are no records: all are counted, the first of each file are named. And the segments that this
    /// process may not read.
    pub skipped: Skipped,
    /// Where the next line will begin, to continue there with [`Scan::after`].
    pub end: Cursor,
}

/// How far a pass has come, and what it passed over: all that a later one must know to give what a single one would.
#[derive(Debug)]
pub(super) struct Progress {
    /// Where the next line will begin, without the sequence number.
    pub(super) cursor: Cursor,
    pub(super) sequence: Sequence,
    /// How many were passed, of all segments.
    pub(super) bytes: u64,
    /// Lines that are no records, in the segments before this one.
    pub(super) skipped_before: Skipped,
    /// In this one. Apart, since it is named after another path once it is sealed, and so in another order.
    pub(super) skipped: Skipped,
}

/// What a thread made of a block.
struct Part<A> {
    value: A,
    lines: u64,
    /// Where the last line ended; `None`: there was none.
    end: Option<u64>,
    /// Lines that are no records.
    skipped: u64,
    /// The first of them: the number in the block, from 1, the byte in the file.
    errors: Vec<(u64, u64, Error)>,
}

impl LedgerReader {
    /// A pass over the fields of all records, on all cores.
    pub fn scan(&self) -> Scan {
        Scan { storage: Arc::clone(&self.storage), layout: self.layout.clone(), start: Cursor::START }
    }
}

impl Scan {
    /// The pass over what comes after `cursor`, the [`end`](Scanned::end) of an earlier one.
    #[must_use]
    pub fn after(self, cursor: Cursor) -> Self {
        Self { start: cursor, ..self }
    }

    /// Folds the fields of all records that are there now.
    ///
    /// Several threads do, up to 16, each from values of its own: `init` makes one, `take` takes a record into it, and
    /// `merge` takes in what comes directly after in the ledger. The result is that of one thread if taking records into a
    /// fresh value and merging that is the same as taking them one by one.
    ///
    /// However long the ledger is, at most eight values a thread wait to be merged, and a thread holds 256 KiB of the
    /// ledger; where a line is longer, that line.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) when a segment cannot be read;
    /// [`ErrorKind::Abandoned`](crate::ErrorKind::Abandoned) when `init`, `take` or `merge` panicked on a thread that was
    /// started for them.
    pub fn fold<A: Send>(
        &self,
        init: impl Fn() -> A + Sync,
        take: impl Fn(&mut A, &Fields<'_>) + Sync,
        merge: impl FnMut(&mut A, A) + Send,
    ) -> Result<Scanned<A>> {
        self.fold_in::<Fields<'_>, _>(WHOLE, init, take, merge)
    }

    /// Folds whole records, as [`fold`](Self::fold) does their fields, which takes some fifteen times as long.
    ///
    /// # Errors
    /// As [`fold`](Self::fold).
    pub fn fold_records<A: Send>(
        &self,
        init: impl Fn() -> A + Sync,
        take: impl Fn(&mut A, &ExecutionMetrics) + Sync,
        merge: impl FnMut(&mut A, A) + Send,
    ) -> Result<Scanned<A>> {
        self.fold_in::<ExecutionMetrics, _>(WHOLE, init, take, merge)
    }

    /// As [`fold`](Self::fold), from what an earlier pass came to.
    pub(super) fn go_on<A: Send>(
        &self,
        so_far: (&mut Progress, &mut A),
        init: impl Fn() -> A + Sync,
        take: impl Fn(&mut A, &Fields<'_>) + Sync,
        merge: impl FnMut(&mut A, A) + Send,
    ) -> Result<()> {
        let blocks = if so_far.0.cursor == Cursor::START { WHOLE } else { TAIL };
        self.go_on_in::<Fields<'_>, _>(blocks, so_far, init, take, merge)
    }

    fn fold_in<F: Form, A: Send>(
        &self,
        blocks: (u64, Sharing),
        init: impl Fn() -> A + Sync,
        take: impl Fn(&mut A, &F::Of<'_>) + Sync,
        merge: impl FnMut(&mut A, A) + Send,
    ) -> Result<Scanned<A>> {
        let mut progress = Progress::at(self.start);
        let mut value = init();
        self.go_on_in::<F, _>(blocks, (&mut progress, &mut value), init, take, merge)?;
        let end = progress.end();
        Ok(Scanned { value, skipped: progress.into_skipped(), end })
    }

    fn go_on_in<F: Form, A: Send>(
        &self,
        (block_bytes, sharing): (u64, Sharing),
        (progress, value): (&mut Progress, &mut A),
        init: impl Fn() -> A + Sync,
        take: impl Fn(&mut A, &F::Of<'_>) + Sync,
        mut merge: impl FnMut(&mut A, A) + Send,
    ) -> Result<()> {
        let blocks = match Blocks::after(&*self.storage, &self.layout, progress.end(), block_bytes) {
            Ok(blocks) => blocks,
            // A ledger that has lost its only segment has no records.
            Err(error) if error.io_kind() == Some(io::ErrorKind::NotFound) => return Ok(()),
            Err(error) => return Err(error),
        };
        let active = blocks.active_number();
        let read = |block: &Block, buffer: &mut Vec<u8>, numbers| {
            let part = Part { value: init(), lines: 0, end: None, skipped: 0, errors: Vec::new() };
            let active = block.segment == active;
            let mut reading = Reading { part, numbers, active, take: &take, form: PhantomData::<F> };
            block.read_lines(buffer, &mut reading)?;
            Ok((reading.part, reading.numbers))
        };
        let work = |block: &Block, buffer: &mut Vec<u8>| read(block, buffer, Numbers::default());
        let mut buffer = Vec::new();
        let join = |block: &Block, (mut part, numbers): (Part<A>, Numbers)| {
            progress.sequence = match numbers.come_after(std::mem::take(&mut progress.sequence)) {
                Ok(all) => all,
                Err(before) => {
                    let (again, numbers) = read(block, &mut buffer, Numbers::after(before))?;
                    part = again;
                    numbers.sequence
                }
            };
            progress.pass(block, &mut part);
            merge(value, part.value);
            Ok(())
        };
        let unreadable = in_order(blocks, sharing, work, join)?;
        progress.skipped_before.add_unreadable(unreadable);
        Ok(())
    }
}

impl Progress {
    pub(super) fn at(cursor: Cursor) -> Self {
        Self {
            cursor,
            sequence: Sequence::after(cursor.seq),
            bytes: 0,
            skipped_before: Skipped::default(),
            skipped: Skipped::default(),
        }
    }

    pub(super) fn end(&self) -> Cursor {
        Cursor { seq: self.sequence.seq(), ..self.cursor }
    }

    pub(super) fn into_skipped(mut self) -> Skipped {
        self.skipped_before.merge(self.skipped);
        self.skipped_before
    }

    /// Takes in what a block came to, but its value.
    fn pass<A>(&mut self, block: &Block, part: &mut Part<A>) {
        let place = &mut self.cursor;
        if block.start() == 0 {
            *place = Cursor { segment: block.segment, ..Cursor::START };
            self.skipped_before.merge(std::mem::take(&mut self.skipped));
        }
        let unnamed = part.skipped - part.errors.len() as u64;
        for (line, byte, error) in part.errors.drain(..) {
            self.skipped.add(error.path(block.path()).at(place.lines + line, byte));
        }
        self.skipped.add_unnamed(unnamed);
        place.lines += part.lines;
        let end = part.end.unwrap_or(place.offset);
        self.bytes += end - place.offset;
        place.offset = end;
    }
}

/// A block that is being read.
struct Reading<'t, F, A, T> {
    part: Part<A>,
    numbers: Numbers,
    /// Whether the block is of the active segment.
    active: bool,
    take: &'t T,
    form: PhantomData<F>,
}

/// What is read of a line: a whole record, or its fields.
trait Form {
    type Of<'l>;

    /// That of the line that `bytes` begin with, and where its members end, if that can be told at once.
    fn ahead(bytes: &[u8]) -> Option<(Self::Of<'_>, usize)>;

    /// That of a line, whose members end where its trailer begins if it has one.
    fn of<'l>(line: &'l [u8], trailer: Option<&Trailer>) -> Result<Self::Of<'l>>;
}

impl Form for Fields<'_> {
    type Of<'l> = Fields<'l>;

    fn ahead(bytes: &[u8]) -> Option<(Fields<'_>, usize)> {
        Fields::ahead(bytes)
    }

    fn of<'l>(line: &'l [u8], trailer: Option<&Trailer>) -> Result<Fields<'l>> {
        match trailer {
            Some(trailer) => Fields::from_sealed(line, trailer.payload_end),
            None => Fields::from_line(line),
        }
    }
}

impl Form for ExecutionMetrics {
    type Of<'l> = Self;

    fn ahead(_: &[u8]) -> Option<(Self, usize)> {
        None
    }

    fn of(line: &[u8], _: Option<&Trailer>) -> Result<Self> {
        record(line)
    }
}

impl<F: Form, A, T: Fn(&mut A, &F::Of<'_>)> TakeLines for Reading<'_, F, A, T> {
    fn line_ahead(&mut self, offset: u64, ahead: &[u8]) -> Option<usize> {
        let record = F::ahead(ahead);
        // In place: it is large enough for copies to count.
        let (record, members) = record.as_ref()?;
        let rest = &ahead[*members..];
        // Without a number, as others write it.
        let plain = rest.starts_with(b"}\n").then_some((None, 2));
        let (seq, end) = plain.or_else(|| line::trailer_ahead(rest).map(|(seq, len)| (Some(seq), len)))?;
        let len = members + end;
        if len > LINE_BYTES_MAX || seq.is_some_and(|seq| !self.numbers.follow(seq)) {
            return None;
        }
        (self.part.lines, self.part.end) = (self.part.lines + 1, Some(offset + len as u64));
        (self.take)(&mut self.part.value, record);
        Some(len)
    }

    fn piece(&mut self, piece: Piece, line: &[u8]) {
        let part = &mut self.part;
        // A writer may be at it.
        if piece.unfinished && self.active {
            return;
        }
        (part.lines, part.end) = (part.lines + 1, Some(piece.end()));
        if line.is_empty() {
            return;
        }
        let trailer = line::trailer(line);
        let record = F::of(line, trailer.as_ref());
        // JSON has no NUL.
        if !self.numbers.give(line, trailer.as_ref(), || record.is_ok() || !line.contains(&0)) {
            return;
        }
        match record {
            Ok(record) => (self.take)(&mut part.value, &record),
            Err(error) => {
                part.skipped += 1;
                if part.errors.len() < Skipped::ERRORS_MAX {
                    part.errors.push((part.lines, piece.offset, error));
                }
            }
        }
    }
}

/// The numbers of a block's lines.
#[derive(Debug, Default)]
struct Numbers {
    sequence: Sequence,
    /// Whether `sequence` knows the lines before the block.
    exact: bool,
    /// Of the lines in the block, where it does not.
    first: Option<u64>,
    /// Whether it depends on those lines which of the block's are given.
    depends: bool,
}

impl Numbers {
    /// After the lines of `sequence`.
    fn after(sequence: Sequence) -> Self {
        Self { sequence, exact: true, ..Self::default() }
    }

    /// Whether a line of this number, without NULs, is given since it just follows another.
    fn follow(&mut self, seq: u64) -> bool {
        (self.exact || self.first.is_some()) && self.sequence.follows(seq)
    }

    /// Whether a line is given, for all that is known.
    fn give(&mut self, line: &[u8], trailer: Option<&Trailer>, without_nul: impl FnOnce() -> bool) -> bool {
        match trailer {
            Some(trailer) if !self.exact && self.first.is_none() => {
                let seq = trailer.link.seq;
                (self.first, self.sequence) = (Some(seq), Sequence::after(seq));
                self.depends = !trailer.seals(line);
            }
            _ => {
                if let Order::Behind(seq) = self.sequence.order(line, trailer, without_nul) {
                    self.depends = true;
                    return self.exact && self.sequence.fills(seq);
                }
            }
        }
        true
    }

    /// Goes on where `before` ends, if every line was given that is to be given there; or gives it back.
    fn come_after(self, mut before: Sequence) -> std::result::Result<Sequence, Sequence> {
        let Some(first) = self.first else { return Ok(before) };
        if self.depends || !before.extend(first, self.sequence) {
            return Err(before);
        }
        Ok(before)
    }
}

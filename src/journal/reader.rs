//! Reading lines back: whole lines only, in order, over all segments.

use std::collections::VecDeque;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::line::{self, PAYLOAD_BYTES_MAX, TRAILER_BYTES_MAX, Trailer};
use super::segment::Layout;
use crate::disk::name::Seen;
use crate::disk::{Access, Stat, Storage, StorageFile, read_full_at};
use crate::error::{Error, Result};

/// Small enough to stay in a core's own cache from the read to what is done with it, large enough that a read costs little.
pub(super) const CHUNK_BYTES: usize = 256 * 1024;

/// How much is read at a time beyond the end of a stretch, for the rest of its last line.
const REST_BYTES: u64 = 4 * 1024;

/// The longest line, without its line feed. What is longer is given in parts of this length, none of which is a record.
pub(crate) const LINE_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + TRAILER_BYTES_MAX;

/// How long the first piece of `bytes` is, and whether a line feed ends it; `None`: that takes more bytes to tell. In the
/// first `searched` bytes there is no line feed.
///
/// So what a file is split into depends on nothing but its bytes, and what follows a piece on nothing before it.
fn first_piece(bytes: &[u8], searched: usize) -> Option<(usize, bool)> {
    let bytes = &bytes[..bytes.len().min(LINE_BYTES_MAX + 1)];
    match line_feed(&bytes[searched..]) {
        Some(at) => Some((searched + at, true)),
        None => (bytes.len() > LINE_BYTES_MAX).then_some((LINE_BYTES_MAX, false)),
    }
}

/// Where the first line feed is. Many bytes are looked at together, twice as many as the standard library does.
fn line_feed(bytes: &[u8]) -> Option<usize> {
    let is_one = |byte: &u8| *byte == b'\n';
    let (chunks, _) = bytes.as_chunks::<64>();
    let without = chunks.iter().take_while(|chunk| !chunk.iter().fold(false, |any, byte| any | is_one(byte))).count();
    let at = without * 64;
    bytes[at..].iter().position(is_one).map(|place| at + place)
}

/// A stretch of a file that ends at a line feed, or at the end of what is there. Valid until the next one is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
    /// Where it begins in the file.
    pub(crate) offset: u64,
    /// Whether it ends at the end of what is there, without a line feed: it may grow.
    pub(crate) unfinished: bool,
    /// Whether a line feed ends it.
    pub(super) whole: bool,
    /// Where it begins in the buffer that holds it, and its length there without the line feed.
    pub(super) start: usize,
    pub(crate) len: usize,
}

impl Piece {
    /// The offset just after the piece and its line feed.
    pub(crate) fn end(&self) -> u64 {
        self.offset + self.len as u64 + u64::from(self.whole)
    }
}

/// Splits a file into lines, with a buffer that grows to the longest line and not beyond the longest valid one.
#[derive(Debug)]
pub(crate) struct Splitter {
    file: Arc<dyn StorageFile>,
    buffer: Vec<u8>,
    start: usize,
    filled: usize,
    /// Offset in the file of `buffer[start]`.
    offset: u64,
    /// Up to where much is read at a time.
    end: u64,
}

impl Splitter {
    pub(crate) fn new(file: Arc<dyn StorageFile>, offset: u64) -> Self {
        Self { file, buffer: Vec::new(), start: 0, filled: 0, offset, end: u64::MAX }
    }

    /// Reads little beyond `end`, into the memory of `buffer`.
    pub(super) fn of_stretch(file: Arc<dyn StorageFile>, offset: u64, end: u64, buffer: Vec<u8>) -> Self {
        Self { file, buffer, start: 0, filled: 0, offset, end }
    }

    /// Goes on after the next line feed; false if that is not before the end of the stretch.
    pub(super) fn skip_line(&mut self) -> io::Result<bool> {
        while self.offset < self.end {
            let ahead = &self.buffer[self.start..self.filled];
            let found = line_feed(ahead);
            let skipped = found.map_or(ahead.len(), |at| at + 1);
            (self.start, self.offset) = (self.start + skipped, self.offset + skipped as u64);
            if found.is_some() {
                return Ok(self.offset < self.end);
            }
            if self.fill()? == 0 {
                break;
            }
        }
        Ok(false)
    }

    /// Where the next piece begins.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// What was read from there on.
    pub(super) fn ahead(&self) -> &[u8] {
        &self.buffer[self.start..self.filled]
    }

    /// Goes on after the first `len` bytes of what is [ahead](Self::ahead): a line and its line feed.
    pub(super) fn pass(&mut self, len: usize) {
        (self.start, self.offset) = (self.start + len, self.offset + len as u64);
    }

    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// The bytes of the piece that was given last, without the line feed.
    pub(crate) fn bytes(&self, piece: Piece) -> &[u8] {
        &self.buffer[piece.start..piece.start + piece.len]
    }

    /// The next piece, `None` at the end of the file. Does not consume a last piece without a line feed: asked again
    /// after the file has grown, it is given with what was added.
    pub(crate) fn next_piece(&mut self) -> io::Result<Option<Piece>> {
        let mut searched = 0;
        loop {
            let ahead = &self.buffer[self.start..self.filled];
            if let Some((len, whole)) = first_piece(ahead, searched) {
                return Ok(Some(self.take(len, whole)));
            }
            searched = ahead.len();
            if self.fill()? == 0 {
                let piece =
                    Piece { offset: self.offset, unfinished: true, whole: false, start: self.start, len: searched };
                return Ok((searched > 0).then_some(piece));
            }
        }
    }

    /// Forgets what was read and not given, so that it is read again: what stands there may have been cut off since.
    fn forget(&mut self) {
        self.filled = self.start;
    }

    /// Goes on after `piece`, although no line feed ended it.
    pub(crate) fn skip(&mut self, piece: Piece) {
        self.start = piece.start + piece.len;
        self.offset = piece.end();
    }

    fn take(&mut self, len: usize, whole: bool) -> Piece {
        let piece = Piece { offset: self.offset, unfinished: false, whole, start: self.start, len };
        self.start += len + usize::from(whole);
        self.offset = piece.end();
        piece
    }

    /// Reads more bytes behind those that are there, and says how many.
    fn fill(&mut self) -> io::Result<usize> {
        let kept = self.start..self.filled;
        (self.start, self.filled) = (0, kept.len());
        self.buffer.copy_within(kept, 0);
        let at = self.offset + self.filled as u64;
        // Of a long line as much again as is there, or it would be read in very many pieces.
        let rest = REST_BYTES.max(self.filled as u64).min(CHUNK_BYTES as u64);
        let wanted = self.end.saturating_sub(at).clamp(rest, CHUNK_BYTES as u64) as usize;
        if self.buffer.len() < self.filled + wanted {
            self.buffer.resize(self.filled + wanted, 0);
        }
        let read = read_full_at(&*self.file, &mut self.buffer[self.filled..self.filled + wanted], at)?;
        self.filled += read;
        Ok(read)
    }
}

/// A place in a journal up to which a reader has read.
///
/// It does not say which lines were missing before it: a reader that goes on from here passes over a line that a segment
/// had lost and the next one repeats, if its number is below `seq`. With a `seq` of 0 it gives every line after the
/// place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Number of the segment, from 1.
    pub segment: u64,
    /// Bytes of it that were read.
    pub offset: u64,
    /// Lines of it that were read.
    pub lines: u64,
    /// The highest sequence number that was read.
    pub seq: u64,
}

/// A line of a journal, whole but not yet understood.
#[derive(Debug)]
pub struct Line<'b> {
    /// The line without its line feed: the record's JSON with the chain's three keys at its end.
    pub bytes: &'b [u8],
    /// The sequence number that it says it has; `None` if it has no trailer, so that no writer of ours can have written
    /// it.
    pub seq: Option<u64>,
    /// Its number in its file, from 1.
    pub number: u64,
    /// Its first byte in its file.
    pub offset: u64,
    /// Number of its segment, from 1.
    pub segment: u64,
    /// The file.
    pub path: &'b Path,
}

impl Line<'_> {
    /// `error`, with this line as its place.
    pub(crate) fn locate(&self, error: Error) -> Error {
        error.path(self.path).at(self.number, self.offset)
    }
}

/// Numbers of lines that were missing between two that were read. A segment that was left behind after a failed sync may
/// have lost a line and kept a later one; the next segment begins with both.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Missing(VecDeque<RangeInclusive<u64>>);

impl Missing {
    /// More than any crash leaves; of a file with more holes the first are forgotten.
    const RANGES_MAX: usize = 1024;

    /// Remembers the numbers after `last` and before `next`.
    pub(crate) fn add_between(&mut self, last: u64, next: u64) {
        self.add(last.saturating_add(1)..=next.saturating_sub(1));
    }

    fn add(&mut self, range: RangeInclusive<u64>) {
        if range.is_empty() {
            return;
        }
        if self.0.len() >= Self::RANGES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(range);
    }

    /// Whether line `seq` was missing; it is not any longer.
    pub(crate) fn take(&mut self, seq: u64) -> bool {
        let Some(index) = self.0.iter().position(|range| range.contains(&seq)) else { return false };
        if let Some(range) = self.0.remove(index) {
            let (first, last) = range.into_inner();
            if first < seq {
                self.add(first..=seq - 1);
            }
            if seq < last {
                self.add(seq + 1..=last);
            }
        }
        true
    }
}

/// The numbers of the lines that were read, so that a line that a writer repeated in a new segment is given once.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Sequence {
    /// The highest.
    seq: u64,
    missing: Missing,
}

/// What the number of a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// It comes after all others, or there is no number that can be believed: the line is given.
    Next,
    /// Of a line that is whole: no higher than another's before it.
    Behind(u64),
}

impl Sequence {
    /// After a line with the number `seq`.
    pub(crate) fn after(seq: u64) -> Self {
        Self { seq, missing: Missing::default() }
    }

    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    /// Whether `seq` is the number of a line without NULs that just follows: it is given.
    pub(crate) fn follows(&mut self, seq: u64) -> bool {
        let follows = self.seq.checked_add(1) == Some(seq);
        self.seq += u64::from(follows);
        follows
    }

    /// Looks at the next line and its trailer; `without_nul` says whether it holds none.
    pub(crate) fn order(
        &mut self,
        line: &[u8],
        trailer: Option<&Trailer>,
        without_nul: impl FnOnce() -> bool,
    ) -> Order {
        let Some(trailer) = trailer else { return Order::Next };
        let seq = trailer.link.seq;
        // A lost page reads as NULs, which no JSON has.
        if self.seq.checked_add(1) == Some(seq) && without_nul() {
            self.seq = seq;
        // Any other number is believed only of a line whose hash is right: a damaged one would hide the lines that it
        // seems to be before or after.
        } else if trailer.seals(line) {
            if seq <= self.seq {
                return Order::Behind(seq);
            }
            self.missing.add_between(self.seq, seq);
            self.seq = seq;
        }
        Order::Next
    }

    /// Whether line `seq`, which is behind, was missing; it is not any longer.
    pub(crate) fn fills(&mut self, seq: u64) -> bool {
        self.missing.take(seq)
    }

    /// Goes on with the lines after these, of which the first that has a number is `first`; none of them was behind
    /// another. False, and unchanged, if the first is behind.
    pub(crate) fn extend(&mut self, first: u64, later: Self) -> bool {
        if first <= self.seq {
            return false;
        }
        self.missing.add_between(self.seq, first);
        later.missing.0.into_iter().for_each(|range| self.missing.add(range));
        self.seq = later.seq;
        true
    }
}

/// The lines of a journal in order, over its sealed segments and the active one. Reading takes no lock and disturbs no
/// writer; lines appended meanwhile are seen too.
///
/// A line that a writer has repeated in a new segment, because the old one could not be synced, is given once; if a power
/// cut took it from the old one, it may come after lines of higher numbers. A line still being written is not given.
#[derive(Debug)]
pub struct Lines {
    storage: Arc<dyn Storage>,
    layout: Layout,
    open: Option<Open>,
    /// Without the sequence number.
    cursor: Cursor,
    sequence: Sequence,
    denied: Denied,
}

/// What becomes of the reading at a sealed segment that may not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Denied {
    /// It stops there.
    Stop,
    /// The next call goes on after it.
    Pass,
    /// As `Pass`, and the last call did so.
    Passed,
}

#[derive(Debug)]
struct Open {
    splitter: Splitter,
    path: PathBuf,
    id: (u64, u64),
    sealed: bool,
    /// Of the active segment.
    seen: Seen,
}

impl Open {
    /// Whether another file has the active segment's name now.
    fn is_replaced(&mut self, storage: &dyn Storage, layout: &Layout) -> Result<bool> {
        let path = layout.active();
        let mut look = || -> io::Result<bool> {
            let now = Seen::now(storage, layout.parent())?;
            Ok(!self.seen.still(now, storage, path, self.id)? && storage.stat(path)?.is_some())
        };
        look().map_err(|source| Error::io("examine a segment", path, source))
    }
}

impl Cursor {
    /// Before the first line.
    pub(crate) const START: Self = Self { segment: 0, offset: 0, lines: 0, seq: 0 };
}

impl Lines {
    /// Reads from the first segment that is there.
    pub(crate) fn from_start(storage: Arc<dyn Storage>, layout: Layout) -> Self {
        Self::resume(storage, layout, Cursor::START)
    }

    /// Reads on from where another reader stopped.
    pub(crate) fn resume(storage: Arc<dyn Storage>, layout: Layout, cursor: Cursor) -> Self {
        Self { storage, layout, open: None, cursor, sequence: Sequence::after(cursor.seq), denied: Denied::Stop }
    }

    /// A sealed segment that may not be read is one error, and the next call goes on after it.
    pub(crate) fn passing_unreadable(self) -> Self {
        Self { denied: Denied::Pass, ..self }
    }

    /// Whether the last call failed at a segment after which the next one goes on.
    pub(crate) fn has_passed(&self) -> bool {
        self.denied == Denied::Passed
    }

    /// What it reads.
    pub(crate) fn source(&self) -> (&dyn Storage, &Layout) {
        (&*self.storage, &self.layout)
    }

    /// Where the next line begins.
    pub fn cursor(&self) -> Cursor {
        Cursor { seq: self.sequence.seq, ..self.cursor }
    }

    /// The next line, or `None` when all lines that were there have been read; later calls give those appended since.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) when a segment cannot be read.
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>> {
        if self.denied == Denied::Passed {
            self.denied = Denied::Pass;
        }
        let (piece, seq, number) = loop {
            if self.open.is_none() && !self.open_segment()? {
                return Ok(None);
            }
            let Some(open) = &mut self.open else { return Ok(None) };
            let piece = open.splitter.next_piece().map_err(|e| Error::io("read a segment", &open.path, e))?;
            match piece {
                Some(piece) if !piece.unfinished || open.sealed => {
                    if piece.unfinished {
                        // The torn end of a sealed segment: nobody will finish it.
                        open.splitter.skip(piece);
                    }
                    self.cursor.offset = piece.end();
                    self.cursor.lines += 1;
                    let line = open.splitter.bytes(piece);
                    let trailer = line::trailer(line);
                    if let Order::Behind(seq) = self.sequence.order(line, trailer.as_ref(), || !line.contains(&0))
                        && !self.sequence.fills(seq)
                    {
                        continue;
                    }
                    let seq = trailer.map(|trailer| trailer.link.seq);
                    break (piece, seq, self.cursor.lines);
                }
                None if open.sealed => {
                    self.open = None;
                    self.cursor = Cursor { segment: self.cursor.segment + 1, offset: 0, lines: 0, ..self.cursor };
                }
                _ => {
                    open.splitter.forget();
                    let path = self.layout.sealed_segment(self.cursor.segment);
                    let sealed = self.storage.stat(&path).map_err(|e| Error::io("look for a segment", &path, e))?;
                    match sealed {
                        // Rotated since it was opened: it may have grown until then, and its end is final now.
                        Some(sealed) if sealed.id == open.id => (open.sealed, open.path) = (true, path),
                        None if !open.is_replaced(&*self.storage, &self.layout)? => return Ok(None),
                        // Deleted or replaced by a stranger: the writers have gone on in another file.
                        _ => self.open = None,
                    }
                }
            }
        };
        let Some(open) = &self.open else { return Ok(None) };
        Ok(Some(Line {
            bytes: open.splitter.bytes(piece),
            seq,
            number,
            offset: piece.offset,
            segment: self.cursor.segment,
            path: &open.path,
        }))
    }

    /// Opens the segment that the cursor names, or the first one after it; false if none is there.
    fn open_segment(&mut self) -> Result<bool> {
        // The active file is opened before the sealed ones are listed: if it is rotated between, it is found in the
        // list under its number, and this handle still reads it.
        let active = self.open_file(self.layout.active());
        let sealed = self.layout.sealed_segments(&*self.storage)?;
        let next = sealed.iter().copied().find(|&segment| segment >= self.cursor.segment);
        let after_last = sealed.last().map_or(1, |last| last + 1);
        let (segment, file, path, is_sealed) = match next {
            Some(segment) => {
                let path = self.layout.sealed_segment(segment);
                match self.open_file(&path).inspect_err(|error| self.pass(segment, error))? {
                    Some(file) => (segment, file, path, true),
                    // Moved to an archive since it was listed: the next one comes after it.
                    None if self.is_gone(&path)? => return self.open_segment(),
                    None => return Ok(false),
                }
            }
            None => match active? {
                Some(file) => (after_last, file, self.layout.active().to_owned(), false),
                None => return Ok(false),
            },
        };
        let Stat { len, id, .. } = file.stat().map_err(|source| Error::io("examine a segment", &path, source))?;
        if segment != self.cursor.segment || self.cursor.offset > len {
            // Another segment, or one that lost its unsynced end since the cursor was made.
            self.cursor = Cursor { segment, offset: 0, lines: 0, ..self.cursor };
        }
        let splitter = Splitter::new(file, self.cursor.offset);
        self.open = Some(Open { splitter, path, id, sealed: is_sealed, seen: Seen::default() });
        Ok(true)
    }

    /// Goes on after segment `segment` the next time, if `error` says that it may not be read and the reading is to.
    fn pass(&mut self, segment: u64, error: &Error) {
        if self.denied == Denied::Pass && error.is_denied() {
            self.cursor = Cursor { segment: segment + 1, offset: 0, lines: 0, ..self.cursor };
            self.denied = Denied::Passed;
        }
    }

    fn is_gone(&self, path: &Path) -> Result<bool> {
        let there = self.storage.stat(path).map_err(|source| Error::io("look for a segment", path, source))?;
        Ok(there.is_none())
    }

    fn open_file(&self, path: &Path) -> Result<Option<Arc<dyn StorageFile>>> {
        match self.storage.open(path, Access::Read) {
            Ok(file) => Ok(Some(Arc::from(file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("open a segment to read", path, error)),
        }
    }
}

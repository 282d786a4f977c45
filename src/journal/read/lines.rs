//! Reads lines in order, over all segments.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cursor::Cursor;
use super::last::before_last;
use super::sequence::{Order, Sequence};
use super::splitter::{Splitter, begins_line};
use crate::disk::name::Seen;
use crate::disk::{Access, Stat, Storage, StorageFile, if_there};
use crate::error::{Error, Result};
use crate::journal::format::{Layout, line};

/// A line of a journal that has not been parsed yet. The last line of a sealed segment can be incomplete, and a line
/// that is too long for a record is returned in parts.
#[derive(Debug)]
pub struct Line<'b> {
    /// The line without its line feed. If this crate wrote the line, it is a JSON object whose last keys are `seq`,
    /// `prev` and `hash`. In a redacted line, the key `redacted` follows.
    pub bytes: &'b [u8],
    /// The sequence number that the line states, or `None` if the line does not end like a line that this crate wrote.
    pub seq: Option<u64>,
    /// The number of the line in its file, counting from 1.
    pub number: u64,
    /// The offset of the line's first byte in its file.
    pub offset: u64,
    /// The number of the line's segment, counting from 1.
    pub segment: u64,
    /// The path of the line's file.
    pub path: &'b Path,
}

impl Line<'_> {
    /// Adds the position of this line to `error`.
    pub(crate) fn locate(&self, error: Error) -> Error {
        error.path(self.path).at(self.number, self.offset)
    }
}

/// The lines of a journal in order: first the lines of the sealed segments, which get no more lines, and then the
/// lines of the active segment.
///
/// Reading takes no lock and does not disturb writers. Lines that are appended during the reading are returned too. A
/// line that is still being written is not returned.
///
/// If a segment could not be synced, a writer repeats the last lines of that segment in a new one. A repeated line is
/// returned only once. If a power cut removed such a line from the old segment, the line may be returned after lines
/// with higher numbers.
#[derive(Debug)]
pub struct Lines {
    storage: Arc<dyn Storage>,
    layout: Layout,
    open: Option<Open>,
    /// The position of the next line. The field `seq` is not used here, because `sequence` has the current number.
    cursor: Cursor,
    /// `cursor.lines` does not include the lines before this offset of the segment, because they were not read.
    uncounted: u64,
    sequence: Sequence,
    denied: Denied,
}

/// What happens at a sealed segment that this process has no permission to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Denied {
    /// Every call fails.
    Stop,
    /// One call fails, and the next call continues after the segment.
    Pass,
    /// Like `Pass`, and the last call failed at such a segment.
    Passed,
}

#[derive(Debug)]
struct Open {
    splitter: Splitter,
    path: PathBuf,
    id: (u64, u64),
    sealed: bool,
    /// The modification time of the active segment's directory at the last check.
    seen: Seen,
}

impl Open {
    /// Returns true if the path of the active segment now names another file.
    fn is_replaced(&mut self, storage: &dyn Storage, layout: &Layout) -> Result<bool> {
        let path = layout.active();
        let mut look = || -> io::Result<bool> {
            let now = Seen::now(storage, layout.parent())?;
            Ok(!self.seen.still(now, storage, path, self.id)? && storage.stat(path)?.is_some())
        };
        look().map_err(|source| Error::io("examine a segment", path, source))
    }
}

impl Lines {
    /// Reads from the first segment that exists.
    pub(crate) fn from_start(storage: Arc<dyn Storage>, layout: Layout) -> Self {
        Self::resume(storage, layout, Cursor::START)
    }

    /// Continues where another reader stopped.
    pub(crate) fn resume(storage: Arc<dyn Storage>, layout: Layout, cursor: Cursor) -> Self {
        let sequence = Sequence::after(cursor.seq);
        Self { storage, layout, open: None, cursor, uncounted: 0, sequence, denied: Denied::Stop }
    }

    /// Starts before the last `count` lines for which `counts` returns true. `counts` gets a line's segment number, its
    /// offset in the segment and its bytes, and is not called for empty lines. Earlier lines of the first segment are
    /// not read. So the line numbers in that segment are too low until [`count_before`](Self::count_before) is called.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if there is no journal, or if a segment cannot be read.
    pub(crate) fn from_last(
        storage: Arc<dyn Storage>,
        layout: Layout,
        count: usize,
        counts: impl Fn(u64, u64, &[u8]) -> bool,
    ) -> Result<Self> {
        let cursor = before_last(&*storage, &layout, count, counts)?;
        Ok(Self { uncounted: cursor.offset, ..Self::resume(storage, layout, cursor) })
    }

    /// Counts the lines of the open segment that [`from_last`](Self::from_last) did not read. Returns their number, and
    /// adds it to the numbers of all later lines.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the segment cannot be read.
    pub(crate) fn count_before(&mut self) -> Result<u64> {
        let Some(open) = self.open.as_ref().filter(|_| self.uncounted > 0) else { return Ok(0) };
        let count = open.splitter.count_before(self.uncounted);
        let count = count.map_err(|source| Error::io("read a segment", &open.path, source))?;
        self.cursor.lines += count;
        self.uncounted = 0;
        Ok(count)
    }

    /// Makes [`next_line`](Self::next_line) fail only once at each sealed segment that this process has no permission
    /// to read. The next call continues after that segment.
    pub(crate) fn passing_unreadable(self) -> Self {
        Self { denied: Denied::Pass, ..self }
    }

    /// Returns true if the last call failed because this process has no permission to read a segment. The next call
    /// then continues after that segment.
    pub(crate) fn has_passed(&self) -> bool {
        self.denied == Denied::Passed
    }

    /// Returns the disk and the paths of the files that are read.
    pub(crate) fn source(&self) -> (&dyn Storage, &Layout) {
        (&*self.storage, &self.layout)
    }

    /// Skips the next `lines` lines, which are all in the open segment. The last of them has the number `seq` and ends
    /// at `offset`.
    pub(crate) fn jump(&mut self, lines: u64, seq: u64, offset: u64) {
        if let Some(open) = &mut self.open {
            open.splitter.move_to(offset);
        }
        self.cursor.offset = offset;
        self.cursor.lines += lines;
        self.sequence.jump(seq);
    }

    /// Returns the position at which the next line begins.
    pub fn cursor(&self) -> Cursor {
        Cursor { seq: self.sequence.seq(), ..self.cursor }
    }

    /// Returns the next line, or `None` if all lines have been read. Later calls return lines that were appended in the
    /// meantime.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if a segment cannot be read.
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
                        // No writer will complete this last line, because its segment is sealed.
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
                    self.move_to(self.cursor.segment + 1);
                }
                _ => {
                    open.splitter.forget();
                    let path = self.layout.sealed_segment(self.cursor.segment);
                    let sealed = self.storage.stat(&path).map_err(|e| Error::io("look for a segment", &path, e))?;
                    match sealed {
                        // The segment was sealed after this reader opened it. Read the lines that were appended before
                        // the sealing. No more lines will follow.
                        Some(sealed) if sealed.id == open.id => {
                            open.sealed = true;
                            open.path = path;
                        }
                        None if !open.is_replaced(&*self.storage, &self.layout)? => return Ok(None),
                        // Another program deleted or replaced the file. Writers continue in another file, so open that
                        // file next.
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

    /// Opens the segment that the cursor names. If that segment does not exist, opens the next segment that exists.
    /// Returns false if no segment can be opened.
    fn open_segment(&mut self) -> Result<bool> {
        // Open the active segment before listing the sealed segments. If the active segment is sealed in between, the
        // list contains that segment, so no segment is missed.
        let active = self.open_file(self.layout.active());
        let sealed = self.layout.sealed_segments(&*self.storage)?;
        let next = sealed.iter().copied().find(|&segment| segment >= self.cursor.segment);
        let after_last = sealed.last().map_or(1, |last| last + 1);
        let (segment, file, path, is_sealed) = match next {
            Some(segment) => {
                let path = self.layout.sealed_segment(segment);
                match self.open_file(&path).inspect_err(|error| self.pass(segment, error))? {
                    Some(file) => (segment, file, path, true),
                    // The segment was moved to an archive after it was listed. Continue with the next segment.
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
        let begins = |offset| begins_line(&*file, offset, len).map_err(|e| Error::io("read a segment", &path, e));
        if segment != self.cursor.segment || self.cursor.offset > len || !begins(self.cursor.offset)? {
            // Read the segment from its start, for one of three reasons: the cursor is in an earlier segment; the
            // segment lost its unsynced end after the cursor was made; or a line became longer when it was redacted.
            // Lines that were read before are skipped by their numbers.
            self.move_to(segment);
        }
        let splitter = Splitter::new(file, self.cursor.offset);
        self.open = Some(Open { splitter, path, id, sealed: is_sealed, seen: Seen::default() });
        Ok(true)
    }

    /// Moves the cursor to the start of `segment`.
    fn move_to(&mut self, segment: u64) {
        self.cursor = Cursor { segment, offset: 0, lines: 0, ..self.cursor };
        self.uncounted = 0;
    }

    /// If this reader skips segments that it has no permission to read, and `error` is a missing permission, lets the
    /// next call continue after `segment`.
    fn pass(&mut self, segment: u64, error: &Error) {
        if self.denied == Denied::Pass && error.is_denied() {
            self.move_to(segment + 1);
            self.denied = Denied::Passed;
        }
    }

    fn is_gone(&self, path: &Path) -> Result<bool> {
        let there = self.storage.stat(path).map_err(|source| Error::io("look for a segment", path, source))?;
        Ok(there.is_none())
    }

    fn open_file(&self, path: &Path) -> Result<Option<Arc<dyn StorageFile>>> {
        let file = if_there(self.storage.open(path, Access::Read));
        Ok(file.map_err(|source| Error::io("open a segment to read", path, source))?.map(Arc::from))
    }
}

//! Divides a journal into blocks: parts of its segments that threads can read independently. New lines go to the active
//! segment. Sealed segments get no more lines.
//!
//! A line belongs to the block in which it begins. So each line is in exactly one block, however the segment is
//! divided. A reader needs only the byte before a block to know whether a line begins at the start of the block.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::cursor::Cursor;
use super::splitter::{Piece, Splitter, begins_line};
use crate::disk::{Access, Storage, StorageFile};
use crate::error::{Error, Result};
use crate::journal::format::Layout;

/// Receives the lines of a block.
pub(crate) trait TakeLines {
    /// Offers the next line, which begins at `offset` in the segment, before the reader searches for its end. `ahead`
    /// holds the bytes from `offset` on that were already read. They may end in the middle of the line. To take the
    /// line, an implementation returns the length of the line, including the line feed. If it returns `None`, the
    /// reader passes the line to [`piece`](Self::piece).
    fn line_ahead(&mut self, _offset: u64, _ahead: &[u8]) -> Option<usize> {
        None
    }

    /// Takes a piece, which is a line or a part of a very long line. `bytes` are the bytes of the piece without the
    /// line feed.
    fn piece(&mut self, piece: Piece, bytes: &[u8]);
}

/// Takes every line as a piece.
struct Pieces<F>(F);

impl<F: FnMut(Piece, &[u8])> TakeLines for Pieces<F> {
    fn piece(&mut self, piece: Piece, bytes: &[u8]) {
        self.0(piece, bytes);
    }
}

/// A part of a segment, and the lines that begin in this part.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    /// The number of the segment, counting from 1.
    pub(crate) segment: u64,
    /// True if the segment was the active one when it was opened.
    pub(crate) is_active: bool,
    path: Arc<Path>,
    file: Arc<dyn StorageFile>,
    start: u64,
    end: u64,
}

impl Block {
    /// Returns the path of the segment.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the offset at which the block begins in the segment. The first line of the block may begin later.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    /// Returns the offset at which the block ends in the segment.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Returns the number of bytes of the block.
    pub(crate) fn len(&self) -> u64 {
        self.end - self.start
    }

    /// Returns the open file of the segment.
    pub(crate) fn file(&self) -> &Arc<dyn StorageFile> {
        &self.file
    }

    /// Returns the part of the block from offset `start` to offset `end`. Both offsets are counted from the start of
    /// the segment.
    pub(crate) fn part(&self, start: u64, end: u64) -> Self {
        let end = end.min(self.end);
        Self { start: start.clamp(self.start, end.max(self.start)), end, ..self.clone() }
    }

    /// Returns a block from the start of the segment to the end of this block.
    pub(crate) fn with_start(&self) -> Self {
        Self { start: 0, ..self.clone() }
    }

    /// Removes the last `bytes` bytes from the block and returns them as a separate block. Returns `None` if the
    /// separate block would be empty.
    pub(crate) fn cut_last(&mut self, bytes: u64) -> Option<Self> {
        let start = self.end.saturating_sub(bytes).max(self.start);
        let last = (start < self.end).then(|| Self { start, ..self.clone() });
        self.end = start;
        last
    }

    /// Calls `each` with every piece and its bytes without the line feed.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the segment cannot be read.
    pub(crate) fn read(&self, buffer: &mut Vec<u8>, each: impl FnMut(Piece, &[u8])) -> Result<()> {
        self.read_lines(buffer, &mut Pieces(each))
    }

    /// Passes the lines to `take` in order. Only the last piece of a segment can be `unfinished`. The lines are read
    /// into `buffer`, which grows with the longest line. The size of `buffer` is at most the maximum length of a valid
    /// line plus the size of one read.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the segment cannot be read.
    pub(crate) fn read_lines(&self, buffer: &mut Vec<u8>, take: &mut impl TakeLines) -> Result<()> {
        self.split(buffer, take).map_err(|source| Error::io("read a segment", &self.path, source))
    }

    fn split(&self, buffer: &mut Vec<u8>, take: &mut impl TakeLines) -> io::Result<()> {
        // A line begins after a line feed, or at the beginning of the file.
        let before = self.start.saturating_sub(1);
        let mut splitter = Splitter::of_stretch(Arc::clone(&self.file), before, self.end, std::mem::take(buffer));
        let found = self.start == 0 || splitter.skip_line()?;
        let mut begins = true;
        // If a line is so long that it is returned in parts, all parts belong to the block in which the line begins.
        while found && (!begins || splitter.offset() < self.end) {
            if begins && let Some(len) = take.line_ahead(splitter.offset(), splitter.ahead()) {
                splitter.pass(len);
                continue;
            }
            let Some(piece) = splitter.next_piece()? else { break };
            take.piece(piece, splitter.bytes(piece));
            if piece.unfinished {
                break;
            }
            begins = piece.whole;
        }
        *buffer = splitter.into_buffer();
        Ok(())
    }
}

/// The blocks of all segments that a journal has at one moment, in order.
#[derive(Debug)]
pub(crate) struct Blocks<'j> {
    storage: &'j dyn Storage,
    layout: &'j Layout,
    block_bytes: u64,
    /// The sealed segments that have not been opened yet.
    sealed: VecDeque<u64>,
    /// The file of the active segment. `None` once this segment was reached. It is also `None` if a segment was just
    /// sealed and the next segment does not exist yet.
    active: Option<Box<dyn StorageFile>>,
    /// The error if this process has no permission to read the active segment.
    denied: Option<Error>,
    /// An error for each segment reached so far that this process has no permission to read.
    unreadable: Vec<Error>,
    active_number: u64,
    cursor: Cursor,
    /// Where the lines to read end: a segment and an offset in it.
    until: (u64, u64),
    /// The part of the current segment that has not been returned in blocks yet.
    open: Option<Block>,
}

impl<'j> Blocks<'j> {
    /// Returns the blocks of the whole journal.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the segments cannot be examined, or if the journal has neither
    /// segments nor an identity.
    pub(crate) fn of(storage: &'j dyn Storage, layout: &'j Layout, block_bytes: u64) -> Result<Self> {
        Self::after(storage, layout, Cursor::START, block_bytes)
    }

    /// Returns the blocks after `cursor`. The blocks include the whole segment that the cursor names if this segment is
    /// shorter than the cursor's offset, or if the cursor is in the middle of a line. A cursor can be in the middle of
    /// a line if earlier lines of the segment have become longer.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the segments cannot be examined, or if the journal has neither
    /// segments nor an identity.
    pub(crate) fn after(
        storage: &'j dyn Storage,
        layout: &'j Layout,
        cursor: Cursor,
        block_bytes: u64,
    ) -> Result<Self> {
        let failed = |source| Error::io("examine a segment", layout.active(), source);
        // Open the active segment, then list the sealed segments. If the active segment is sealed in between, repeat
        // both steps. Without the repetition, that segment would be read twice, and the new active segment would be
        // missed.
        let (mut active, sealed, denied) = loop {
            let active = storage.open(layout.active(), Access::Read);
            let sealed = layout.sealed_segments(storage)?;
            let active = match active {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied && !sealed.is_empty() => {
                    break (None, sealed, Some(Error::io("open a segment", layout.active(), error)));
                }
                Ok(file) => Some(file),
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
                // A ledger that lost its only segment still has its identity. Such a ledger is read as a ledger without
                // lines. Without an identity, there is no ledger, which is an error.
                Err(error) if sealed.is_empty() && storage.stat(&layout.identity()).map_err(failed)?.is_none() => {
                    return Err(failed(error));
                }
                Err(_) => None,
            };
            let opened = active.as_ref().map(|file| file.stat()).transpose().map_err(failed)?;
            let there = storage.stat(layout.active()).map_err(failed)?;
            if there.map(|there| there.id) == opened.map(|opened| opened.id) {
                break (active, sealed, None);
            }
        };
        let last = sealed.last().copied();
        if let Some(last) = last
            && let Some(last) = storage.stat(&layout.sealed_segment(last)).map_err(failed)?
        {
            // After a crash during sealing, the last sealed segment and the active segment may be the same file. Read
            // this file only once.
            active = active.filter(|file| file.stat().is_ok_and(|stat| stat.id != last.id));
        }
        let active_number = last.map_or(1, |last| last + 1);
        let mut sealed = VecDeque::from(sealed);
        sealed.retain(|&segment| segment >= cursor.segment);
        Ok(Self {
            storage,
            layout,
            block_bytes,
            sealed,
            active,
            denied,
            unreadable: Vec::new(),
            active_number,
            cursor,
            until: (u64::MAX, u64::MAX),
            open: None,
        })
    }

    /// Limits the blocks to the lines before `end`, which is a segment and an offset in it. The limit has no effect on
    /// a segment that was opened already.
    pub(crate) fn until(self, end: (u64, u64)) -> Self {
        Self { until: end, ..self }
    }

    /// Divides `block` into blocks of `block_bytes`.
    pub(crate) fn within(storage: &'j dyn Storage, layout: &'j Layout, block: Block, block_bytes: u64) -> Self {
        Self {
            storage,
            layout,
            block_bytes,
            sealed: VecDeque::new(),
            active: None,
            denied: None,
            unreadable: Vec::new(),
            active_number: block.segment + u64::from(!block.is_active),
            cursor: Cursor::START,
            until: (u64::MAX, u64::MAX),
            open: Some(block),
        }
    }

    /// Returns an error for each segment reached so far that this process has no permission to read. Such a segment has
    /// no blocks.
    pub(crate) fn into_unreadable(self) -> Vec<Error> {
        self.unreadable
    }

    /// Returns the number of the active segment. It is also the number of segments that the journal has had so far.
    pub(crate) fn active_number(&self) -> u64 {
        self.active_number
    }

    /// Returns the number of the next segment to open. If no sealed segment is left, returns the number of the active
    /// segment.
    pub(crate) fn first_number(&self) -> u64 {
        self.sealed.front().copied().unwrap_or(self.active_number)
    }

    /// Returns the next block, or `None` at the end of the journal. Leaves out lines that are appended to a segment
    /// after its first block was returned.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if a segment cannot be opened.
    pub(crate) fn next_block(&mut self) -> Result<Option<Block>> {
        loop {
            match &mut self.open {
                Some(left) if left.start < left.end => {
                    let end = left.end.min(left.start.saturating_add(self.block_bytes));
                    let block = Block { end, ..left.clone() };
                    left.start = end;
                    return Ok(Some(block));
                }
                _ => match self.next_segment()? {
                    Some(segment) => self.open = Some(segment),
                    None => return Ok(None),
                },
            }
        }
    }

    /// Returns the next segment that this process may read, as one block. Leaves out lines that are appended after this
    /// call.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the segment cannot be opened.
    pub(crate) fn next_segment(&mut self) -> Result<Option<Block>> {
        let (file, segment, path) = loop {
            let Some(number) = self.sealed.pop_front() else {
                self.unreadable.extend(self.denied.take());
                match self.active.take() {
                    Some(file) => break (file, self.active_number, self.layout.active().to_owned()),
                    None => return Ok(None),
                }
            };
            let path = self.layout.sealed_segment(number);
            let file = self.storage.open(&path, Access::Read);
            match file.map_err(|source| Error::io("open a segment", &path, source)) {
                Ok(file) => break (file, number, path),
                Err(error) if error.is_denied() => self.unreadable.push(error),
                Err(error) => return Err(error),
            }
        };
        let len = file.length().map_err(|source| Error::io("examine a segment", &path, source))?;
        let begun = segment == self.cursor.segment
            && self.cursor.offset <= len
            && begins_line(&*file, self.cursor.offset, len)
                .map_err(|source| Error::io("read a segment", &path, source))?;
        let start = if begun { self.cursor.offset } else { 0 };
        let end = match segment.cmp(&self.until.0) {
            Ordering::Less => len,
            Ordering::Equal => len.min(self.until.1).max(start),
            Ordering::Greater => return Ok(None),
        };
        let is_active = segment == self.active_number;
        Ok(Some(Block { segment, is_active, path: path.into(), file: file.into(), start, end }))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::super::splitter::{CHUNK_BYTES, LINE_BYTES_MAX};
    use super::*;
    use crate::disk::{Disk, append_all};

    /// Creates a journal with the given `segments` in `directory`. The last one is the active segment.
    pub(crate) fn write_segments<'s>(directory: &Path, segments: impl IntoIterator<Item = &'s [u8]>) -> Layout {
        let layout = Layout::new(&directory.join("log.jsonl"));
        Disk.create_dir(&layout.sealed()).unwrap();
        for old in layout.sealed_segments(&Disk).unwrap() {
            Disk.remove(&layout.sealed_segment(old)).unwrap();
        }
        let segments: Vec<_> = segments.into_iter().collect();
        for (number, bytes) in (1..).zip(&segments) {
            let path = layout.sealed_segment(number);
            append_all(&*Disk.open(&path, Access::AppendNew).unwrap(), bytes).unwrap();
            if number == segments.len() as u64 {
                Disk.rename(&path, layout.active()).unwrap();
            }
        }
        layout
    }

    /// The offset and the length of a piece, whether a line feed ends the piece, and whether the piece is unfinished.
    type Seen = (u64, usize, bool, bool);

    fn seen(piece: Piece) -> Seen {
        (piece.offset, piece.len, piece.whole, piece.unfinished)
    }

    fn by_splitter(path: &Path) -> Vec<Seen> {
        let mut splitter = Splitter::new(Arc::from(Disk.open(path, Access::Read).unwrap()), 0);
        let mut found = Vec::new();
        while let Some(piece) = splitter.next_piece().unwrap() {
            found.push(seen(piece));
            if piece.unfinished {
                splitter.skip(piece);
            }
        }
        found
    }

    fn by_blocks(layout: &Layout, block_bytes: u64) -> Vec<Seen> {
        let mut blocks = Blocks::of(&Disk, layout, block_bytes).unwrap();
        let (mut found, mut buffer, mut end) = (Vec::new(), Vec::new(), 0);
        while let Some(block) = blocks.next_block().unwrap() {
            assert_eq!(block.start, end);
            assert!(block.end <= end + block_bytes);
            end = block.end;
            block
                .read(&mut buffer, |piece, bytes| {
                    assert_eq!(bytes.len(), piece.len);
                    found.push(seen(piece));
                })
                .unwrap();
            assert!(buffer.len() <= LINE_BYTES_MAX + 1 + CHUNK_BYTES);
        }
        found
    }

    proptest! {
        #[test]
        fn blocks_have_the_pieces_of_the_file(text in "[a\n]{0,60}", block_bytes in 1..70_u64) {
            let directory = tempfile::tempdir().unwrap();
            let layout = write_segments(directory.path(), [text.as_bytes()]);
            prop_assert_eq!(by_blocks(&layout, block_bytes), by_splitter(layout.active()));
        }
    }

    /// Tests lines whose length is near the maximum. A longer line is returned in parts. The last line has no line
    /// feed.
    #[test]
    fn blocks_return_long_lines_in_the_same_parts_as_the_splitter() {
        let directory = tempfile::tempdir().unwrap();
        let lines = [2 * LINE_BYTES_MAX, LINE_BYTES_MAX, LINE_BYTES_MAX + 1, 5];
        let whole = lines.map(|len| [vec![b'x'; len], b"\n".to_vec()].concat()).concat();
        let layout = write_segments(directory.path(), [&*[whole, vec![b'x'; LINE_BYTES_MAX]].concat()]);
        let found = by_splitter(layout.active());
        let parts: Vec<_> = found.iter().map(|&(_, len, whole, unfinished)| (len, whole, unfinished)).collect();
        let part = (LINE_BYTES_MAX, false, false);
        assert_eq!(
            parts,
            [
                part,
                (LINE_BYTES_MAX, true, false),
                (LINE_BYTES_MAX, true, false),
                part,
                (1, true, false),
                (5, true, false),
                (LINE_BYTES_MAX, false, true),
            ]
        );
        for block_bytes in [100_001, 2 * LINE_BYTES_MAX as u64] {
            assert_eq!(by_blocks(&layout, block_bytes), found, "blocks of {block_bytes} bytes");
        }
    }

    #[test]
    fn blocks_return_all_segments_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let layout = write_segments(directory.path(), [b"a\nb\nc".as_slice(), b"", b"d\n"]);
        let mut blocks = Blocks::of(&Disk, &layout, 2).unwrap();
        assert_eq!(blocks.active_number(), 3);
        let mut found = Vec::new();
        while let Some(block) = blocks.next_block().unwrap() {
            block
                .read(&mut Vec::new(), |piece, bytes| {
                    found.push((block.segment, piece.offset, bytes.to_owned(), piece.unfinished));
                })
                .unwrap();
        }
        let expected = [(1, 0, "a", false), (1, 2, "b", false), (1, 4, "c", true), (3, 0, "d", false)];
        assert_eq!(found, expected.map(|(segment, offset, bytes, end)| (segment, offset, bytes.into(), end)));
    }
}

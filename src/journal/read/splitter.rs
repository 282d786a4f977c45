//! Splits a file into lines.

use std::io;
use std::sync::Arc;

use crate::disk::{StorageFile, read_full_at};
use crate::journal::format::line::{self, Link, PAYLOAD_BYTES_MAX, TRAILER_BYTES_MAX};

/// The number of bytes that are read at a time. It is small enough for the bytes to stay in a core's own cache until
/// they are processed, and large enough to need few reads.
pub(super) const CHUNK_BYTES: usize = 256 * 1024;

/// A read beyond `Splitter::end`, which only completes the last line, asks for at least this number of bytes.
const REST_BYTES: u64 = 4 * 1024;

/// The maximum length of a line without its line feed. A longer line is returned in parts of this length. Such a part
/// is never a record.
pub(crate) const LINE_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + TRAILER_BYTES_MAX;

/// Returns the length of the first piece of `bytes`, and whether a line feed ends that piece. A piece is a line, or a
/// part of a line that is too long. Returns `None` if the piece does not end within `bytes`. The caller has already
/// searched the first `searched` bytes, which contain no line feed.
///
/// The pieces of a file depend only on the bytes of the file, and not on how many bytes are read at a time.
fn first_piece(bytes: &[u8], searched: usize) -> Option<(usize, bool)> {
    let bytes = &bytes[..bytes.len().min(LINE_BYTES_MAX + 1)];
    match line_feed(&bytes[searched..]) {
        Some(at) => Some((searched + at, true)),
        None => (bytes.len() > LINE_BYTES_MAX).then_some((LINE_BYTES_MAX, false)),
    }
}

/// Returns the position of the first line feed. Examines 64 bytes at a time, so that the compiler can use SIMD
/// instructions.
fn line_feed(bytes: &[u8]) -> Option<usize> {
    let is_one = |byte: &u8| *byte == b'\n';
    let (chunks, _) = bytes.as_chunks::<64>();
    let without = chunks.iter().take_while(|chunk| !chunk.iter().fold(false, |any, byte| any | is_one(byte))).count();
    let at = without * 64;
    bytes[at..].iter().position(is_one).map(|place| at + place)
}

/// Returns the line that begins at `offset`, without its line feed. Returns `None` if no whole line begins there.
pub(crate) fn line_at(file: &Arc<dyn StorageFile>, offset: u64) -> io::Result<Option<Vec<u8>>> {
    let before = offset.saturating_sub(1);
    let mut splitter = Splitter::of_stretch(Arc::clone(file), before, before, Vec::new());
    if offset > 0 {
        // A line begins after a line feed.
        match splitter.next_piece()? {
            Some(Piece { whole: true, len: 0, .. }) => {}
            _ => return Ok(None),
        }
    }
    let piece = splitter.next_piece()?.filter(|piece| piece.whole);
    Ok(piece.map(|piece| splitter.bytes(piece).to_vec()))
}

/// Returns false if `offset` is in the middle of a line of `file`, which is `len` bytes long.
pub(crate) fn begins_line(file: &dyn StorageFile, offset: u64, len: u64) -> io::Result<bool> {
    let mut before = [b'\n'];
    if (1..len).contains(&offset) {
        read_full_at(file, &mut before, offset - 1)?;
    }
    Ok(before == *b"\n")
}

/// Returns the number and the hash of the line that ends at `offset`, or `None` if no line ends there. Reads only the
/// end of the line, so the hash is not checked.
pub(crate) fn link_before(file: &dyn StorageFile, offset: u64) -> io::Result<Option<Link>> {
    let mut bytes = [0; TRAILER_BYTES_MAX];
    let start = offset.saturating_sub(TRAILER_BYTES_MAX as u64);
    let wanted = &mut bytes[..(offset - start) as usize];
    let read = read_full_at(file, wanted, start)?;
    let line = wanted.strip_suffix(b"\n").filter(|_| read == wanted.len());
    Ok(line.and_then(line::trailer).map(|trailer| trailer.link))
}

/// A line without its line feed, or a part of a line that is longer than [`LINE_BYTES_MAX`]. The bytes of a piece are
/// valid until the next piece is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
    /// The offset at which the piece begins in the file.
    pub(crate) offset: u64,
    /// True if the piece ends at the end of the file without a line feed. The piece may then grow when the file grows.
    pub(crate) unfinished: bool,
    /// True if a line feed ends the piece.
    pub(super) whole: bool,
    /// The index at which the piece begins in the buffer.
    pub(super) start: usize,
    /// The length without the line feed.
    pub(crate) len: usize,
}

impl Piece {
    /// Returns the offset after the piece. If a line feed ends the piece, the offset is after the line feed.
    pub(crate) fn end(&self) -> u64 {
        self.offset + self.len as u64 + u64::from(self.whole)
    }
}

/// Splits a file into lines. The buffer grows with the longest line. Its size is at most the maximum length of a valid
/// line plus the size of one read.
#[derive(Debug)]
pub(crate) struct Splitter {
    file: Arc<dyn StorageFile>,
    buffer: Vec<u8>,
    start: usize,
    filled: usize,
    /// The offset in the file of `buffer[start]`.
    offset: u64,
    /// Up to this offset, large chunks are read. After this offset, only the rest of the last line is read.
    end: u64,
}

impl Splitter {
    pub(crate) fn new(file: Arc<dyn StorageFile>, offset: u64) -> Self {
        Self { file, buffer: Vec::new(), start: 0, filled: 0, offset, end: u64::MAX }
    }

    /// Creates a splitter for the lines that begin between `offset` and `end`. It reads beyond `end` only to complete
    /// the last of these lines. Reuses the memory of `buffer`.
    pub(super) fn of_stretch(file: Arc<dyn StorageFile>, offset: u64, end: u64, buffer: Vec<u8>) -> Self {
        Self { file, buffer, start: 0, filled: 0, offset, end }
    }

    /// Skips the bytes up to and including the next line feed. Returns true if there is a line feed, and the offset
    /// after it is below `end`.
    pub(super) fn skip_line(&mut self) -> io::Result<bool> {
        while self.offset < self.end {
            let ahead = &self.buffer[self.start..self.filled];
            let found = line_feed(ahead);
            let skipped = found.map_or(ahead.len(), |at| at + 1);
            self.pass(skipped);
            if found.is_some() {
                return Ok(self.offset < self.end);
            }
            if self.fill()? == 0 {
                break;
            }
        }
        Ok(false)
    }

    /// Returns the number of pieces of the file that begin before the offset `end`.
    pub(super) fn count_before(&self, end: u64) -> io::Result<u64> {
        let mut before = Self::of_stretch(Arc::clone(&self.file), 0, end, Vec::new());
        let mut count = 0;
        while before.offset < end && before.next_piece()?.is_some_and(|piece| !piece.unfinished) {
            count += 1;
        }
        Ok(count)
    }

    /// Returns the offset at which the next piece begins.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the bytes from [`offset`](Self::offset) on that are already in the buffer.
    pub(super) fn ahead(&self) -> &[u8] {
        &self.buffer[self.start..self.filled]
    }

    /// Skips the first `len` bytes of [`ahead`](Self::ahead), which must be a line with its line feed.
    pub(super) fn pass(&mut self, len: usize) {
        self.start += len;
        self.offset += len as u64;
    }

    /// Continues at `offset`, and discards the bytes in the buffer.
    pub(super) fn move_to(&mut self, offset: u64) {
        (self.offset, self.start, self.filled) = (offset, 0, 0);
    }

    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// Returns the bytes of the last piece, without the line feed.
    pub(crate) fn bytes(&self, piece: Piece) -> &[u8] {
        &self.buffer[piece.start..piece.start + piece.len]
    }

    /// Returns the next piece, or `None` at the end of the file. A last piece without a line feed is not consumed:
    /// after the file has grown, the next call returns it with the added bytes.
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

    /// Discards bytes that were read but not returned, so that they are read again. The file may have been truncated
    /// after the first read.
    pub(super) fn forget(&mut self) {
        self.filled = self.start;
    }

    /// Continues after `piece`, which must be unfinished. The piece is then not returned again.
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

    /// Reads more bytes after the buffered ones, and returns their number.
    fn fill(&mut self) -> io::Result<usize> {
        let kept = self.start..self.filled;
        self.start = 0;
        self.filled = kept.len();
        self.buffer.copy_within(kept, 0);
        let at = self.offset + self.filled as u64;
        // While a long line is incomplete, double the number of bytes of each read. With reads of constant size, the
        // line would need very many reads.
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

//! A journal in blocks: stretches of whole lines that can be worked on apart from each other.
//!
//! A block ends where a line ends, so that what its bytes say does not depend on how the file was cut: the pieces of all
//! blocks are the pieces that a [`Splitter`](super::reader::Splitter) gives.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;

use super::reader::{LINE_BYTES_MAX, Piece, first_piece};
use super::segment::Layout;
use super::storage::{Access, Storage, StorageFile, read_full_at};
use crate::error::{Error, Result};

/// Small enough to stay in a core's own cache from the read to the hash, large enough that handing it over costs nothing.
pub(crate) const BLOCK_BYTES: usize = 256 * 1024;

/// Whole lines of one segment, one after the other.
#[derive(Debug)]
pub(crate) struct Block {
    /// Number of the segment, from 1.
    pub(crate) segment: u64,
    /// Where the block begins in the segment.
    offset: u64,
    /// Longer than the block if it held a longer one before.
    buffer: Vec<u8>,
    len: usize,
    /// Whether the segment ends with it.
    last: bool,
}

impl Block {
    /// Its pieces in order; `unfinished` can be the last of a segment only.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Piece> {
        let mut start = 0;
        std::iter::from_fn(move || {
            let rest = &self.buffer[start..self.len];
            if rest.is_empty() {
                return None;
            }
            // Reading from memory cannot fail.
            let first = first_piece(rest, 0).ok().flatten();
            let (len, whole) = first.unwrap_or((rest.len(), false));
            let unfinished = first.is_none() && self.last;
            let piece = Piece { offset: self.offset + start as u64, unfinished, whole, start, len };
            start += len + usize::from(whole);
            Some(piece)
        })
    }

    /// The bytes of one of its pieces, without the line feed.
    pub(crate) fn bytes(&self, piece: Piece) -> &[u8] {
        &self.buffer[piece.start..piece.start + piece.len]
    }

    /// The memory, for another block.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }
}

/// The blocks of all segments that a journal has at one moment, in order.
#[derive(Debug)]
pub(crate) struct Blocks<'j> {
    storage: &'j dyn Storage,
    layout: &'j Layout,
    block_bytes: usize,
    /// The sealed segments that have not been opened yet.
    sealed: VecDeque<u64>,
    /// The active segment until its turn comes; `None` also while there is none: sealed, and the next not begun yet.
    active: Option<Box<dyn StorageFile>>,
    active_number: u64,
    open: Option<Open>,
}

/// The segment that is being read.
#[derive(Debug)]
struct Open {
    file: Box<dyn StorageFile>,
    number: u64,
    path: PathBuf,
    /// Where the next block begins.
    offset: u64,
    /// What was read of it already.
    rest: Vec<u8>,
}

impl<'j> Blocks<'j> {
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) when there is no active segment, nor a sealed one, or they cannot be
    /// examined.
    pub(crate) fn of(storage: &'j dyn Storage, layout: &'j Layout, block_bytes: usize) -> Result<Self> {
        let failed = |source| Error::io("examine a segment", layout.active(), source);
        // Again if a segment was sealed between: the one that was opened would be found twice, and the new one missed.
        let (mut active, sealed) = loop {
            let active = storage.open(layout.active(), Access::Read);
            let sealed = layout.sealed_segments(storage)?;
            let active = match active {
                Ok(file) => Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound && !sealed.is_empty() => None,
                Err(error) => return Err(failed(error)),
            };
            let opened = active.as_ref().map(|file| file.stat()).transpose().map_err(failed)?;
            let there = storage.stat(layout.active()).map_err(failed)?;
            if there.map(|there| there.id) == opened.map(|opened| opened.id) {
                break (active, sealed);
            }
        };
        let last = sealed.last().copied();
        if let Some(last) = last
            && let Some(last) = storage.stat(&layout.sealed_segment(last)).map_err(failed)?
        {
            // A crash may leave a file that was being sealed under both names.
            active = active.filter(|file| file.stat().is_ok_and(|stat| stat.id != last.id));
        }
        let active_number = last.map_or(1, |last| last + 1);
        Ok(Self { storage, layout, block_bytes, sealed: sealed.into(), active, active_number, open: None })
    }

    /// Number of the active segment: how many there are.
    pub(crate) fn active_number(&self) -> u64 {
        self.active_number
    }

    /// The next block, in the memory of an earlier one; `None` at the end of the journal. Reads
    /// [`block_bytes`](Self::of) at a time, and more only where a line is longer: `buffer` grows by the longest valid
    /// line at most.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) when a segment cannot be read.
    pub(crate) fn next_block(&mut self, mut buffer: Vec<u8>) -> Result<Option<Block>> {
        loop {
            let Some(open) = &mut self.open else {
                match self.open_next()? {
                    Some(open) => self.open = Some(open),
                    None => return Ok(None),
                }
                continue;
            };
            let read = open.fill(&mut buffer, self.block_bytes);
            let (len, last) = read.map_err(|source| Error::io("read a segment", &open.path, source))?;
            let (segment, offset) = (open.number, open.offset);
            open.offset += len as u64;
            if last {
                self.open = None;
            }
            if len > 0 {
                return Ok(Some(Block { segment, offset, buffer, len, last }));
            }
        }
    }

    fn open_next(&mut self) -> Result<Option<Open>> {
        let (file, number, path) = match self.sealed.pop_front() {
            Some(number) => {
                let path = self.layout.sealed_segment(number);
                let file = self.storage.open(&path, Access::Read);
                (file.map_err(|source| Error::io("open a segment", &path, source))?, number, path)
            }
            None => match self.active.take() {
                Some(file) => (file, self.active_number, self.layout.active().to_owned()),
                None => return Ok(None),
            },
        };
        Ok(Some(Open { file, number, path, offset: 0, rest: Vec::new() }))
    }
}

impl Open {
    /// Fills `buffer` with the next block, and says how long it is and whether the segment ends with it.
    fn fill(&mut self, buffer: &mut Vec<u8>, block_bytes: usize) -> io::Result<(usize, bool)> {
        let mut filled = self.rest.len();
        if buffer.len() < filled {
            buffer.resize(filled, 0);
        }
        buffer[..filled].copy_from_slice(&self.rest);
        loop {
            let wanted = filled + block_bytes;
            if buffer.len() < wanted {
                buffer.resize(wanted, 0);
            }
            let read = read_full_at(&*self.file, &mut buffer[filled..wanted], self.offset + filled as u64)?;
            let line_feed = buffer[filled..filled + read].iter().rposition(|&byte| byte == b'\n');
            let end = line_feed.map(|at| filled + at + 1);
            filled += read;
            if filled < wanted {
                return Ok((filled, true));
            }
            // Without a line feed: the parts of what is longer than any line.
            let end = end.or_else(|| (filled > LINE_BYTES_MAX).then(|| (filled - 1) / LINE_BYTES_MAX * LINE_BYTES_MAX));
            if let Some(end) = end {
                self.rest.clear();
                self.rest.extend_from_slice(&buffer[end..filled]);
                return Ok((end, false));
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::journal::reader::Splitter;
    use crate::journal::storage::{Disk, append_all};

    /// Makes `segments` the segments of the journal in `directory`, the last the active one.
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

    /// Offset, length, whether a line feed ends it, whether it is unfinished.
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

    fn by_blocks(layout: &Layout, block_bytes: usize) -> Vec<Seen> {
        let mut blocks = Blocks::of(&Disk, layout, block_bytes).unwrap();
        let (mut found, mut buffer, mut end) = (Vec::new(), Vec::new(), 0);
        while let Some(block) = blocks.next_block(buffer).unwrap() {
            assert_eq!(block.offset, end);
            end += block.len as u64;
            found.extend(block.pieces().map(seen));
            buffer = block.into_buffer();
            assert!(buffer.len() <= LINE_BYTES_MAX + 2 * block_bytes);
        }
        found
    }

    proptest! {
        #[test]
        fn blocks_have_the_pieces_of_the_file(text in "[a\n]{0,60}", block_bytes in 1..70_usize) {
            let directory = tempfile::tempdir().unwrap();
            let layout = write_segments(directory.path(), [text.as_bytes()]);
            prop_assert_eq!(by_blocks(&layout, block_bytes), by_splitter(layout.active()));
        }
    }

    /// Around the length from which on a line is given in parts, with and without a line feed at the end of the file.
    #[test]
    fn what_is_longer_than_any_line_has_the_same_parts() {
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
        for block_bytes in [100_001, 2 * LINE_BYTES_MAX] {
            assert_eq!(by_blocks(&layout, block_bytes), found, "blocks of {block_bytes} bytes");
        }
    }

    #[test]
    fn the_blocks_of_all_segments_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let layout = write_segments(directory.path(), [b"a\nb\nc".as_slice(), b"", b"d\n"]);
        let mut blocks = Blocks::of(&Disk, &layout, 2).unwrap();
        assert_eq!(blocks.active_number(), 3);
        let mut found = Vec::new();
        while let Some(block) = blocks.next_block(Vec::new()).unwrap() {
            let piece = block.pieces().next().unwrap();
            found.push((block.segment, piece.offset, block.bytes(piece).to_owned(), piece.unfinished));
        }
        let expected = [(1, 0, "a", false), (1, 2, "b", false), (1, 4, "c", true), (3, 0, "d", false)];
        assert_eq!(found, expected.map(|(segment, offset, bytes, end)| (segment, offset, bytes.into(), end)));
    }
}

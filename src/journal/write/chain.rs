//! Following the chain of lines through bytes that a crash may have left.

use std::io;
use std::sync::Arc;

use crate::disk::StorageFile;
use crate::journal::format::line::{self, Link};
use crate::journal::read::Splitter;

/// The one with the higher number.
pub(super) fn later(a: Link, b: Link) -> Link {
    if b.seq > a.seq { b } else { a }
}

/// The lines of a file that have a right hash.
pub(super) struct Last {
    /// The offset after the last of them.
    pub(super) end: u64,
    /// Its place in the chain.
    pub(super) link: Link,
    /// The place of the one with the highest number: another, if somebody put an older line or file there.
    pub(super) highest: Link,
    /// The number of a damaged line after that: readers take its word, and would take a new line of this number for an
    /// old one repeated.
    damaged_seq: u64,
}

impl Last {
    /// What a line in another segment is chained to, so that its number is new.
    pub(super) fn unused(&self) -> Link {
        Link { seq: self.highest.seq.max(self.damaged_seq), ..self.highest }
    }
}

/// Finds the last valid lines of `file`, whose first line is chained to `before`.
pub(super) fn last_valid(file: Arc<dyn StorageFile>, before: Link) -> io::Result<Last> {
    let mut last = Last { end: 0, link: before, highest: before, damaged_seq: 0 };
    let mut lines = Splitter::new(file, 0);
    while let Some(piece) = lines.next_piece()? {
        let bytes = lines.bytes(piece);
        match line::trailer(bytes) {
            Some(trailer) if !piece.unfinished && line::check(bytes).is_some() => {
                last.end = piece.end();
                last.link = trailer.link;
                last.highest = later(last.highest, trailer.link);
            }
            Some(trailer) if last.unused().seq.checked_add(1) == Some(trailer.link.seq) => {
                last.damaged_seq = trailer.link.seq;
            }
            _ => {}
        }
        if piece.unfinished {
            break;
        }
    }
    Ok(last)
}

/// The bytes of the active segment from the base on, as they should be.
pub(super) struct Merged {
    pub(super) bytes: Vec<u8>,
    pub(super) link: Link,
}

/// Follows the chain from `link` on, at each place through the segment or, where that is torn, through the area.
pub(super) fn merge(segment: &[u8], area: &[u8], mut link: Link) -> Merged {
    let mut bytes = Vec::new();
    while let Some((line, next)) =
        line_after(segment, bytes.len(), &link).or_else(|| line_after(area, bytes.len(), &link))
    {
        bytes.extend_from_slice(line);
        link = next;
    }
    Merged { bytes, link }
}

/// The last line of the chain that begins with the first byte; `None` if no line does.
pub(super) fn chain_from_start(bytes: &[u8]) -> Option<Link> {
    let end = bytes.iter().position(|&byte| byte == b'\n')?;
    let first = line::check(&bytes[..end])?;
    let before = Link { seq: first.link.seq.checked_sub(1)?, hash: first.prev };
    Some(merge(bytes, &[], before).link)
}

/// The line of `bytes` at `at`, with its line feed, if it is the one after `link`.
fn line_after<'b>(bytes: &'b [u8], at: usize, link: &Link) -> Option<(&'b [u8], Link)> {
    let rest = bytes.get(at..).filter(|rest| rest.starts_with(b"{"))?;
    let end = rest.iter().position(|&byte| byte == b'\n')?;
    let trailer = line::check(&rest[..end])?;
    trailer.follows(link).then_some((&rest[..=end], trailer.link))
}

/// How many of the `repeated` bytes at a segment's beginning the line `link` does not end: all or none. A damaged segment
/// may have had a higher number than the last line that could be repeated.
pub(super) fn unchained(repeated: &[u8], link: &Link) -> u64 {
    let last = repeated.strip_suffix(b"\n").and_then(line::trailer);
    if last.is_some_and(|last| last.link == *link) { 0 } else { repeated.len() as u64 }
}

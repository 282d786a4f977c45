//! Follows the hash chain of lines through the bytes that a crash has left.

use std::io;
use std::sync::Arc;

use crate::disk::StorageFile;
use crate::journal::format::line::{self, Link};
use crate::journal::read::Splitter;

/// Returns the link with the higher number.
pub(super) fn later(a: Link, b: Link) -> Link {
    if b.seq > a.seq { b } else { a }
}

/// The last valid lines of a file. A line is valid if its hash is correct.
pub(super) struct Last {
    /// The offset after the last valid line.
    pub(super) end: u64,
    /// The number and the hash of the last valid line.
    pub(super) link: Link,
    /// The valid line with the highest number. It differs from `link` if an older line or file was copied into this
    /// file.
    pub(super) highest: Link,
    /// The number of a damaged line that follows them, or 0. Readers trust this number. They would mistake a new line
    /// with the same number for a repetition of the damaged one.
    damaged_seq: u64,
}

impl Last {
    /// Returns the link that the first line of the next segment must follow, so that it gets an unused number.
    pub(super) fn unused(&self) -> Link {
        Link { seq: self.highest.seq.max(self.damaged_seq), ..self.highest }
    }
}

/// Finds the last valid lines of `file`. Its first line should follow `before`.
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

/// The bytes that the active segment should have after the base, and the link of their last line.
pub(super) struct Merged {
    pub(super) bytes: Vec<u8>,
    pub(super) link: Link,
}

/// Follows the chain from `link` on. Takes each line from the segment or, if it is damaged there, from the area.
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

/// Returns the last line of the chain that begins with the first byte, or `None` if no line begins there.
pub(super) fn chain_from_start(bytes: &[u8]) -> Option<Link> {
    let end = bytes.iter().position(|&byte| byte == b'\n')?;
    let first = line::check(&bytes[..end])?;
    let before = Link { seq: first.link.seq.checked_sub(1)?, hash: first.prev };
    Some(merge(bytes, &[], before).link)
}

/// Returns the line of `bytes` at `at`, with its line feed, if it directly follows `link`.
fn line_after<'b>(bytes: &'b [u8], at: usize, link: &Link) -> Option<(&'b [u8], Link)> {
    let rest = bytes.get(at..).filter(|rest| rest.starts_with(b"{"))?;
    let end = rest.iter().position(|&byte| byte == b'\n')?;
    let trailer = line::check(&rest[..end])?;
    trailer.follows(link).then_some((&rest[..=end], trailer.link))
}

/// Returns the `stray` value of the header for a segment that begins with the `repeated` lines. It is 0 if the last of
/// them is `link`, and otherwise their length. The last one has a lower number than `link` if a damaged segment had
/// higher numbers than the lines that could be repeated.
pub(super) fn stray_bytes(repeated: &[u8], link: &Link) -> u64 {
    let last = repeated.strip_suffix(b"\n").and_then(line::trailer);
    if last.is_some_and(|last| last.link == *link) { 0 } else { repeated.len() as u64 }
}

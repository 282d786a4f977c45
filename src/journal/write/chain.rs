//! Follows the hash chain of lines through the bytes that a crash has left. A [`Link`] is the number and the hash of a
//! line.

use std::io;
use std::sync::Arc;

use crate::disk::StorageFile;
use crate::journal::format::line::{self, Link};
use crate::journal::read::Splitter;

/// Returns the link with the higher number.
pub(super) fn later(a: Link, b: Link) -> Link {
    if b.seq > a.seq { b } else { a }
}

/// What [`last_valid`] has found out about the last lines of a file. A line is valid if its hash is correct.
pub(super) struct Last {
    /// The offset after the last valid line.
    pub(super) end: u64,
    /// The number and the hash of the last valid line.
    pub(super) link: Link,
    /// The number and the hash of the valid line with the highest number. It differs from `link` if another program
    /// copied earlier lines to the end of this file.
    pub(super) highest: Link,
    /// The number of a damaged line that comes after the valid lines and continues their numbers, or 0 if there is no
    /// such line. Readers trust the number of the damaged line. If a new line got the same number, readers would
    /// mistake the new line for a repetition of the damaged line.
    damaged_seq: u64,
}

impl Last {
    /// Returns the link that the first line of the next segment must follow, so that this line gets an unused number.
    pub(super) fn unused(&self) -> Link {
        Link { seq: self.highest.seq.max(self.damaged_seq), ..self.highest }
    }
}

/// Finds the last valid lines of `file`. `before` is the link of the line before the first line of the file.
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

/// The bytes that the active segment should have after the base, and the link of the last line in these bytes. The base
/// is the offset after which the commit area, another file, has a copy of the segment's bytes.
pub(super) struct Merged {
    pub(super) bytes: Vec<u8>,
    pub(super) link: Link,
}

/// Returns the lines that continue the chain after `link`. Takes each line from `segment`. If the line is damaged or
/// missing there, takes the line from `area`. `segment` and `area` both begin at the base.
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

/// Follows the chain that begins with the line at the first byte, and returns the link of the last line in it. Returns
/// `None` if there is no valid line at the first byte.
pub(super) fn chain_from_start(bytes: &[u8]) -> Option<Link> {
    let end = bytes.iter().position(|&byte| byte == b'\n')?;
    let first = line::check(&bytes[..end])?;
    let before = Link { seq: first.link.seq.checked_sub(1)?, hash: first.prev };
    Some(merge(bytes, &[], before).link)
}

/// Returns the line that begins at offset `at` of `bytes`, with its line feed, and the link of this line. Returns
/// `None` if there is no valid line at `at`, or if the line does not directly follow `link`.
fn line_after<'b>(bytes: &'b [u8], at: usize, link: &Link) -> Option<(&'b [u8], Link)> {
    let rest = bytes.get(at..).filter(|rest| rest.starts_with(b"{"))?;
    let end = rest.iter().position(|&byte| byte == b'\n')?;
    let trailer = line::check(&rest[..end])?;
    trailer.follows(link).then_some((&rest[..=end], trailer.link))
}

/// Returns the value of `Header::stray` for a new segment that consists of the `repeated` lines. This value is the
/// number of bytes before the base that do not belong to the chain. The next line of the segment will follow `link`.
///
/// If `link` is the link of the last repeated line, or if there are no repeated lines, the value is 0. Otherwise the
/// previous segment has lines with higher numbers than the repeated lines, and `link` has the highest of these numbers.
/// The value is then the length of the repeated lines.
pub(super) fn stray_bytes(repeated: &[u8], link: &Link) -> u64 {
    let last = repeated.strip_suffix(b"\n").and_then(line::trailer);
    if last.is_some_and(|last| last.link == *link) { 0 } else { repeated.len() as u64 }
}

//! The file that stores which indexes were compared with each other.
//!
//! An execution can have lines in several segments. To find such executions, a reader compares the indexes of the
//! segments. If ids are random, the reader needs all pages of all indexes. So it stores the result in this file. The
//! file is derived data: it is never synced, and can be deleted at any time.

use std::io;
use std::path::PathBuf;

use uuid::Uuid;

use super::part::Part;
use super::sources::Source;
use crate::disk::{Access, Storage, if_there, read_between};
use crate::journal::derived::NewFile;
use crate::journal::format::checksum;
use crate::journal::format::{Layout, identity};
use crate::journal::read::link_before;
use crate::ledger::places::Places;

/// The first bytes of the file, with its version.
const BEGINNING: &[u8; 16] = b"rl-compared\0\0\0\0\x01";
/// The largest file that is read or written. It has room for four million superseded lines.
const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The file is written only if the indexes cover at least this many bytes of the segments. Comparing smaller indexes
/// takes only a few milliseconds.
const COVERED_MIN: u64 = 16 * 1024 * 1024;

/// The content of the file: the parts of segments that were compared with each other, and the result.
#[derive(Debug, Default)]
pub(super) struct Compared {
    parts: Vec<Part>,
    /// The segment and the offset of each line that this comparison found to be superseded, sorted.
    pub(super) superseded: Vec<(u64, u64)>,
}

impl Compared {
    /// Reads the file. Returns a value without parts if there is no file, or if the file does not match `sources`,
    /// which are the segments of the ledger.
    pub(super) fn read(storage: &dyn Storage, layout: &Layout, sources: &[Source<'_>]) -> Self {
        let read = || -> io::Result<Option<Self>> {
            let Some(file) = if_there(storage.open(&path(layout), Access::Read))? else { return Ok(None) };
            let bytes = read_between(&*file, 0, file.length()?.min(BYTES_MAX))?;
            Ok(id(storage, layout).and_then(|id| Self::decode(&bytes, id)))
        };
        let found = read().ok().flatten().unwrap_or_default();
        if found.parts.iter().all(|part| is_there(part, sources)) { found } else { Self::default() }
    }

    /// Returns true if `part` was compared with the other parts.
    pub(super) fn has(&self, part: &Part) -> bool {
        self.parts.contains(part)
    }

    /// Writes the file. Does nothing if there is only one part, or if the parts are too small. Does nothing if the file
    /// would be too large, or if another process is writing it.
    pub(super) fn write(storage: &dyn Storage, layout: &Layout, parts: Vec<Part>, superseded: Vec<(u64, u64)>) {
        let bytes = parts.iter().map(|part| part.end).sum::<u64>();
        let Some(id) = id(storage, layout).filter(|_| bytes >= COVERED_MIN && parts.len() > 1) else { return };
        let bytes = Self { parts, superseded }.encode(id);
        if bytes.len() as u64 > BYTES_MAX {
            return;
        }
        let path = path(layout);
        // A failure is ignored, because the next reader then compares the indexes again.
        if let Ok(Some(new)) = NewFile::open(storage, path.with_extension("new")) {
            let _ = new.replace(&path, [bytes]);
        }
    }

    fn encode(&self, ledger: Uuid) -> Vec<u8> {
        let mut bytes = BEGINNING.to_vec();
        bytes.extend(ledger.as_bytes());
        bytes.extend((self.parts.len() as u64).to_le_bytes());
        for Part { segment, end, hash } in &self.parts {
            bytes.extend(segment.to_le_bytes());
            bytes.extend(end.to_le_bytes());
            bytes.extend(hash);
        }
        for (segment, offset) in &self.superseded {
            bytes.extend(segment.to_le_bytes());
            bytes.extend(offset.to_le_bytes());
        }
        bytes.extend(checksum(&bytes).to_le_bytes());
        bytes
    }

    /// Reads the content from `bytes`. Returns `None` if the file is damaged, or if it belongs to another ledger.
    fn decode(bytes: &[u8], ledger: Uuid) -> Option<Self> {
        let (all, sum) = bytes.split_last_chunk()?;
        if checksum(all).to_le_bytes() != *sum {
            return None;
        }
        let rest = all.strip_prefix(BEGINNING)?.strip_prefix(ledger.as_bytes())?;
        let (count, mut rest) = rest.split_first_chunk()?;
        let mut parts = Vec::new();
        for _ in 0..u64::from_le_bytes(*count) {
            let ((segment, end), after) = two_numbers(rest)?;
            let (hash, after) = after.split_first_chunk()?;
            parts.push(Part { segment, end, hash: *hash });
            rest = after;
        }
        let mut superseded = Vec::new();
        while !rest.is_empty() {
            let (line, after) = two_numbers(rest)?;
            superseded.push(line);
            rest = after;
        }
        Some(Self { parts, superseded })
    }
}

fn two_numbers(bytes: &[u8]) -> Option<((u64, u64), &[u8])> {
    let (one, rest) = bytes.split_first_chunk()?;
    let (other, rest) = rest.split_first_chunk()?;
    Some(((u64::from_le_bytes(*one), u64::from_le_bytes(*other)), rest))
}

/// Returns true if the lines of `part` are still in the ledger, or were moved to an archive. Lines that were moved are
/// earlier than all remaining lines, so they supersede no remaining line.
fn is_there(part: &Part, sources: &[Source<'_>]) -> bool {
    if sources.first().is_none_or(|first| part.segment < first.segment) {
        return true;
    }
    let same = sources.iter().find(|source| source.segment == part.segment);
    same.is_some_and(|source| {
        let Some(now) = source.part() else { return false };
        let link = || link_before(&*source.file, part.end).ok().flatten();
        now == *part || now.end > part.end && link().is_some_and(|link| link.hash == part.hash)
    })
}

fn path(layout: &Layout) -> PathBuf {
    layout.compared()
}

fn id(storage: &dyn Storage, layout: &Layout) -> Option<Uuid> {
    identity::read(storage, layout).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_reads_back_and_a_changed_byte_is_noticed() {
        let part = Part { segment: 3, end: 77, hash: [b'a'; 64] };
        let compared = Compared { parts: vec![part, Part { segment: 4, ..part }], superseded: vec![(1, 2), (3, 4)] };
        let bytes = compared.encode(Uuid::from_u128(7));
        let read = Compared::decode(&bytes, Uuid::from_u128(7)).unwrap();
        assert_eq!((read.parts, read.superseded), (compared.parts, compared.superseded));
        assert!(Compared::decode(&bytes, Uuid::from_u128(8)).is_none());
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert!(Compared::decode(&other, Uuid::from_u128(7)).is_none(), "byte {at}");
            assert!(Compared::decode(&bytes[..at], Uuid::from_u128(7)).is_none(), "{at} bytes");
        }
    }
}

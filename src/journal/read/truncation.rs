//! Finds out whether a ledger was truncated. The internal files prove that certain lines existed, and the code in this
//! file checks whether these lines are still there.
//!
//! The commit area is a file with a copy of the active segment's last bytes. Its header names the segment, and the
//! offset at which these bytes begin (the base). A sealed segment is a file that gets no more lines. It can be moved to
//! an archive, which is another journal. The header and other sources show what existed, and allow these conclusions:
//!
//! | source | what it states | conclusion |
//! |---|---|---|
//! | `base` in the header of the commit area | how many bytes of the segment were synced | if the segment is shorter or missing, it was truncated |
//! | `segment` in the header | all segments with lower numbers were sealed | if one of them is missing and was not moved to an archive, it was removed |
//! | `seq` in the header | line `seq` − 1 was written | if the ledger ends before that line, it was truncated; only a verification checks this, since only a verification reads all lines |
//! | `rotated` in `events.jsonl` | the number and the length of a sealed segment | if the segment is shorter, it was truncated; if it is missing and was not moved to an archive, it was removed |
//! | `damaged`, `abandoned` in `events.jsonl` | the number of a sealed segment | if it is missing and was not moved to an archive, it was removed |
//! | a line after the base that only the commit area has | nothing | none: a writer writes to the area first, and the line is restored when the ledger is next opened |
//! | data that a reader stored about the lines | nothing | none: the reader may have read lines before they were synced, so the reader checks its data itself |
//! | a copy elsewhere | a line that was copied | if the line is missing, the next copy is refused, because a [`Follower`](super::Follower) first looks for the last copied line |
//!
//! A writer moves the base only after it has synced the segment up to the new base. So the header is read first. If the
//! segment is then shorter than the base in that header, the segment was truncated. All sources are read before the
//! lines. In the opposite order, a line that is appended in between would seem to be missing.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use uuid::Uuid;

use super::{events, moved};
use crate::disk::Storage;
use crate::error::{Error, Result};
use crate::journal::format::header::Header;
use crate::journal::format::{Layout, identity};

/// A file that is missing or too short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Truncation {
    /// The path of the file.
    pub(crate) path: PathBuf,
    /// The number of the last line that is known to have existed, or `None` if that number is unknown.
    pub(crate) seq: Option<u64>,
    /// What remains of the file.
    pub(crate) found: String,
    /// The number of a segment. If a verification reads a line of this segment or of a later one, it finds the gap in
    /// the numbers itself. It then does not report this truncation separately.
    pub(crate) shown_from: u64,
}

/// What the internal files say about lines and segments that existed.
#[derive(Debug)]
pub(crate) struct Known {
    header: Option<Header>,
    /// The error if the commit area exists but could not be read.
    unreadable: Option<Error>,
    /// The segments that were sealed according to the events, each with its length if that is known.
    sealed: BTreeMap<u64, Option<u64>>,
}

impl Known {
    /// Reads only the header of the commit area. This is one small read.
    pub(crate) fn from_area(storage: &dyn Storage, layout: &Layout) -> Self {
        let mut known = Self { header: None, unreadable: None, sealed: BTreeMap::new() };
        known.header = known.read_area(storage, layout);
        known
    }

    /// Reads the header of the commit area and all events.
    pub(crate) fn from_all(storage: &dyn Storage, layout: &Layout) -> Self {
        // Read the area before the events. A segment may be sealed and moved to an archive between the two reads, and
        // then the events say so.
        let area = Self::from_area(storage, layout);
        Self { sealed: events::sealed(storage, layout).unwrap_or_default(), ..area }
    }

    /// Returns the error if the commit area exists but could not be read. The area then proves nothing, and a
    /// truncation may be missed.
    pub(crate) fn unreadable(&self) -> Option<&Error> {
        self.unreadable.as_ref()
    }

    fn read_area(&mut self, storage: &dyn Storage, layout: &Layout) -> Option<Header> {
        let header = Header::read(storage, layout);
        header.unwrap_or_else(|source| {
            self.unreadable = Some(Error::io("read the commit area", &layout.commit(), source));
            None
        })
    }

    /// Returns the number of the last line before the base. Returns `None` if there is no area, or if the area does not
    /// belong to the ledger `id`.
    pub(crate) fn last_seq(&self, id: Option<Uuid>) -> Option<u64> {
        let header = self.header.filter(|header| id.is_none_or(|id| header.ledger == id))?;
        Some(header.link.seq)
    }

    /// Returns the files that are missing or too short.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if a segment cannot be examined.
    pub(crate) fn truncations(&mut self, storage: &dyn Storage, layout: &Layout) -> Result<Vec<Truncation>> {
        let found = self.look(storage, layout)?;
        let id = if found.is_empty() { None } else { identity::read(storage, layout).ok().flatten() };
        if id.is_none() || self.header.is_none() || self.last_seq(id).is_some() {
            return Ok(found);
        }
        // The area belongs to another ledger, so its header proves nothing about this ledger.
        self.header = None;
        self.look(storage, layout)
    }

    fn look(&mut self, storage: &dyn Storage, layout: &Layout) -> Result<Vec<Truncation>> {
        let mut found = self.look_at_sealed(storage, layout)?;
        found.extend(self.look_at_end(storage, layout)?);
        Ok(found)
    }

    fn look_at_sealed(&self, storage: &dyn Storage, layout: &Layout) -> Result<Vec<Truncation>> {
        let before = self.header.map_or(0, |header| header.segment.saturating_sub(1));
        let last = before.max(self.sealed.keys().next_back().copied().unwrap_or(0));
        if last == 0 {
            return Ok(Vec::new());
        }
        let there = layout.sealed_segments(storage)?;
        let mut found = Vec::new();
        let gone = gone(&there, last);
        if !gone.is_empty() {
            // The segments were listed first, and the events are read only now. A segment that is moved to an archive
            // is removed only after the event of the move was written. So the events explain every moved segment.
            let moved = moved::moved_before(storage, layout, last.saturating_add(1));
            let moved = moved.ok().flatten().map_or(0, |moved| moved.segment);
            for range in gone {
                let (first, last) = ((*range.start()).max(moved + 1), *range.end());
                if first <= last {
                    let path = layout.sealed_segment(first);
                    let found_none = format!("{}, nor in an archive", segments_gone(first, last));
                    found.push(Truncation { path, seq: None, found: found_none, shown_from: first });
                }
            }
        }
        for (&segment, &bytes) in self.sealed.iter().filter(|(segment, _)| there.binary_search(segment).is_ok()) {
            let path = layout.sealed_segment(segment);
            let stat = storage.stat(&path).map_err(|source| Error::io("examine a segment", &path, source))?;
            if let (Some(stat), Some(bytes)) = (stat, bytes)
                && stat.len < bytes
            {
                let found_bytes = of_bytes(stat.len, bytes);
                found.push(Truncation { path, seq: None, found: found_bytes, shown_from: segment.saturating_add(1) });
            }
        }
        Ok(found)
    }

    /// Checks the segment that the header of the area names.
    fn look_at_end(&mut self, storage: &dyn Storage, layout: &Layout) -> Result<Option<Truncation>> {
        let len = |path: &PathBuf| {
            let stat = storage.stat(path).map_err(|source| Error::io("examine a segment", path, source))?;
            Ok(stat.map(|stat| stat.len))
        };
        // If the header changes in the meantime, a writer is active, and the check is repeated.
        const TRIES: usize = 8;
        for _ in 0..TRIES {
            let Some(header) = self.header else { return Ok(None) };
            let (active, sealed) = (layout.active().to_owned(), layout.sealed_segment(header.segment));
            let there = len(&active)?;
            if there.unwrap_or(0) >= header.base {
                return Ok(None);
            }
            // If this segment was sealed in the meantime, the active file is already the next segment.
            let (path, there) = match len(&sealed)? {
                Some(there) => (sealed, Some(there)),
                None => (active, there),
            };
            let is_shorter = there.unwrap_or(0) < header.base;
            let now = self.read_area(storage, layout);
            if now != self.header {
                self.header = now;
                continue;
            }
            let moved = moved::moved_before(storage, layout, header.segment.saturating_add(1));
            let is_moved = moved.ok().flatten().is_some_and(|moved| moved.segment >= header.segment);
            return Ok((is_shorter && !is_moved).then(|| Truncation {
                path,
                seq: Some(header.link.seq),
                found: of_bytes(there.unwrap_or(0), header.base),
                shown_from: u64::MAX,
            }));
        }
        Ok(None)
    }
}

/// Returns the numbers from 1 to `last` that are not in `there`, which must be in ascending order.
fn gone(there: &[u64], last: u64) -> Vec<RangeInclusive<u64>> {
    let mut gone = Vec::new();
    let mut next = 1;
    for &segment in there.iter().take_while(|segment| **segment <= last) {
        if next < segment {
            gone.push(next..=segment - 1);
        }
        next = segment.saturating_add(1);
    }
    if next <= last {
        gone.push(next..=last);
    }
    gone
}

/// Returns the statement that the sealed segments `first` to `last` are missing.
pub(crate) fn segments_gone(first: u64, last: u64) -> String {
    if first == last {
        format!("segment {last} is not there")
    } else {
        format!("segments {first} to {last} are not there")
    }
}

fn of_bytes(there: u64, synced: u64) -> String {
    format!("{there} of {synced} synced bytes are there")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_missing_segments_are_returned_as_ranges() {
        assert_eq!(gone(&[], 0), []);
        assert_eq!(gone(&[1, 2, 3], 3), []);
        assert_eq!(gone(&[2, 5, 9], 7), [1..=1, 3..=4, 6..=7]);
        assert_eq!(gone(&[1], u64::MAX), [2..=u64::MAX]);
    }
}

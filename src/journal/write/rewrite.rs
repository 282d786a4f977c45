//! Prepares the journal for a change of lines that were already written, such as taking a text out of them.
//!
//! Only lines of sealed segments are changed. So the active segment is sealed first, if necessary. The commit area,
//! which is a file with a copy of the active segment's last bytes, is overwritten.

use super::payloads::Payloads;
use super::state::Tail;
use crate::error::{Error, ErrorKind, Result};
use crate::journal::format::event::Event;

/// The maximum number of times that the active segment is sealed. After a failed sync, the next active segment begins
/// with copies of lines, and has to be sealed too.
const SEALS_MAX: usize = 4;

/// A journal whose lock is held, so that its sealed segments can be changed.
#[derive(Debug)]
pub(crate) struct Rewriting<'t> {
    tail: &'t mut Tail,
}

impl<'t> Rewriting<'t> {
    pub(super) fn new(tail: &'t mut Tail) -> Self {
        Self { tail }
    }

    /// Seals the active segment, so that the active segment has no lines afterwards.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if the disk refuses an operation.
    pub(crate) fn seal(&mut self) -> Result<()> {
        for _ in 0..SEALS_MAX {
            let sealed = self.tail.end;
            if sealed.len == 0 {
                return Ok(());
            }
            self.tail.sync_segment()?;
            // If the sync failed, the segment was sealed, and the new one begins with copies of its last lines.
            if self.tail.end.segment == sealed.segment {
                self.tail.begin_segment(&[])?;
                self.tail.record(&Event::Rotated { segment: sealed.segment, bytes: sealed.len });
            }
        }
        Err(Error::new(ErrorKind::Io, "seal the segment").path(self.tail.layout.active()).detail("its syncs fail"))
    }

    /// Syncs the segment, so that the commit area is no longer needed. Then overwrites the copies of lines in the area.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if the area cannot be overwritten.
    pub(crate) fn clear_area(&mut self) -> Result<()> {
        self.tail.rebase(0)?;
        // Sync the new header first. Otherwise a power cut could leave the old header, with an earlier base, in an area
        // that no longer has the lines after that base.
        let cleared = self.tail.area.as_ref().map_or(Ok(()), |area| area.file.sync().and_then(|()| area.clear()));
        cleared.map_err(|source| {
            self.tail.needs_recovery = true;
            Error::io("overwrite the commit area", &self.tail.layout.commit(), source)
        })
    }

    /// Appends `payload`, and syncs the segment. Returns the number of the line.
    ///
    /// # Errors
    /// Like [`Journal::append`](crate::journal::Journal::append).
    pub(crate) fn append(&mut self, payload: &[u8]) -> Result<u64> {
        let mut payloads = Payloads::default();
        payloads.push(payload);
        let (before, ..) = self.tail.append_locked(&payloads)?;
        self.tail.rebase(0)?;
        Ok(before.link.seq.saturating_add(1))
    }
}

//! Recognises a line that another program copied into a segment.
//!
//! A copied line has a valid hash, but its number belongs to another line. Readers skip such a line, and `verify` reports
//! it. So an execution that has only such a line has no record yet.

use std::io;
use std::sync::Arc;

use uuid::Uuid;

use super::json::id_of;
use super::known::KnownIds;
use crate::disk::{Access, StorageFile, if_there};
use crate::error::{Error, Result};
use crate::journal::format::line;
use crate::journal::read::{line_at, link_before};
use crate::journal::write::LinePlace;
use crate::journal::{Cursor, Lines};

impl KnownIds {
    /// Returns true if `line` at `place` follows the line before it, or if readers find another line of the execution
    /// `id` in the segment. The segment is read only if the line does not follow the line before it.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the segment cannot be read.
    pub(super) fn has_own_number(&self, place: LinePlace, id: Uuid, line: &[u8]) -> Result<bool> {
        let sealed = self.layout.sealed_segment(place.segment);
        let mut first = 0;
        for path in [&*sealed, self.layout.active()] {
            let failed = |source| Error::io("read a segment", path, source);
            let Some(file) = if_there(self.storage.open(path, Access::Read)).map_err(failed)? else { continue };
            if place.offset == 0 || follows(&*file, place.offset, line).map_err(failed)? {
                return Ok(true);
            }
            let start = line_at(&file.into(), 0).map_err(failed)?;
            first = start.as_deref().and_then(line::trailer).map_or(0, |trailer| trailer.link.seq);
            break;
        }
        // Lines of other segments are not read, so their numbers must not count as missing.
        let cursor = Cursor { segment: place.segment, offset: 0, lines: 0, seq: first.saturating_sub(1) };
        let mut lines = Lines::resume(Arc::clone(&self.storage), self.layout.clone(), cursor);
        while let Some(line) = lines.next_line()?.filter(|line| line.segment == place.segment) {
            if id_of(line.bytes) == Some(id) && line::check(line.bytes).is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn follows(file: &dyn StorageFile, offset: u64, line: &[u8]) -> io::Result<bool> {
    let before = link_before(file, offset)?;
    Ok(before.zip(line::trailer(line)).is_some_and(|(before, trailer)| trailer.follows(&before)))
}

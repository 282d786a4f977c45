//! Reads a journal for a program that copies the lines elsewhere, such as into a database. Returns an error if the
//! journal was truncated or rewritten before the last copied line.

use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use super::cursor::Cursor;
use super::lines::{Line, Lines};
use super::moved;
use crate::disk::{Disk, Storage};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::format::line::{self, Link};
use crate::journal::format::{Layout, identity};

/// The number, hash and position of a line. A [`Follower`] can continue after that line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The line's sequence number, counting from 1.
    pub seq: u64,
    /// The line's hash in 64 lower-case hex digits.
    pub hash: String,
    /// The number of the line's segment, counting from 1.
    pub segment: u64,
    /// The offset of the line's first byte in the segment.
    pub byte: u64,
    /// The line's number in the segment, counting from 1.
    pub line: u64,
}

impl Place {
    /// Creates a `Place` from stored values.
    pub fn new(seq: u64, hash: impl Into<String>, segment: u64, byte: u64, line: u64) -> Self {
        Self { seq, hash: hash.into(), segment, byte, line }
    }

    /// Returns the cursor before the line. The `seq` of the cursor is 0, so that the line is read again, whatever its
    /// number is.
    fn cursor(&self) -> Cursor {
        Cursor { segment: self.segment, offset: self.byte, lines: self.line.saturating_sub(1), seq: 0 }
    }
}

/// Reads a journal for a program that copies its lines elsewhere. Returns an error if the journal no longer contains
/// the last copied line.
///
/// A follower only reads. It takes no lock and does not disturb writers. The first lines of a segment may repeat lines
/// of the segment before it. After a [`resume`](Self::resume), a follower may return a repeated line a second time, so
/// the program must tolerate duplicates.
#[derive(Debug)]
pub struct Follower {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) layout: Layout,
    id: Uuid,
    lines: Lines,
    /// The line with the highest number of all lines returned so far. After [`resume`](Self::resume), this is at first
    /// the line after which reading resumed.
    last: Option<Place>,
}

/// A line that a [`Follower`] returns.
#[derive(Debug)]
#[non_exhaustive]
pub struct Followed<'b> {
    /// The line.
    pub line: Line<'b>,
    /// The number of the line if its hash is valid. `None` if the line is incomplete, edited or written by another
    /// program.
    pub seq: Option<u64>,
}

impl Follower {
    /// Opens the journal whose active segment is `path`, and starts at its first line.
    ///
    /// # Errors
    /// - [`ErrorKind::Io`] if there is no journal, or its identity cannot be read.
    /// - [`ErrorKind::Malformed`] if its identity cannot be parsed.
    /// - [`ErrorKind::Newer`] if a newer version of this crate wrote the journal.
    /// - [`ErrorKind::Unsuitable`] if its internal directory belongs to another journal.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::on(Arc::new(Disk), Layout::new(path.as_ref()))
    }

    /// Like [`open`](Self::open), but for a journal on any disk.
    pub(crate) fn on(storage: Arc<dyn Storage>, layout: Layout) -> Result<Self> {
        let id = identity::read(&*storage, &layout)?.ok_or_else(|| {
            Error::new(ErrorKind::Io, "follow the ledger")
                .path(layout.active())
                .detail("found no internal directory next to it; expected the file of a ledger")
        })?;
        let lines = Lines::from_start(Arc::clone(&storage), layout.clone());
        Ok(Self { storage, layout, id, lines, last: None })
    }

    /// Returns the journal's id.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Returns the line with the highest number of all lines returned so far. After [`resume`](Self::resume), this is
    /// at first the line after which reading resumed. Returns `None` if no line with a valid hash was returned yet.
    pub fn last(&self) -> Option<&Place> {
        self.last.as_ref()
    }

    /// Continues after `last`, the last line that was copied, or from the start if `last` is `None`.
    ///
    /// Reads the line `last` again. The hash of this line depends on all earlier lines, so it shows whether the journal
    /// was truncated or rewritten up to this line. Does not check the hashes of the earlier lines, but
    /// [`verify`](crate::LedgerReader::verify) does.
    ///
    /// # Errors
    /// - [`ErrorKind::Diverged`] if the journal does not contain the line `last`. The error text states that line and
    ///   the line that was found instead.
    /// - [`ErrorKind::Io`] if a segment cannot be read.
    pub fn resume(&mut self, last: Option<&Place>) -> Result<()> {
        self.lines = match last {
            None => self.lines_from(Cursor::START),
            Some(last) => {
                let mut lines = self.lines_from(last.cursor());
                let there = lines.next_line()?.and_then(|line| line::check(line.bytes));
                if there.is_some_and(|trailer| is(&trailer.link, last)) { lines } else { self.find(last)? }
            }
        };
        self.last = last.cloned();
        Ok(())
    }

    fn lines_from(&self, cursor: Cursor) -> Lines {
        Lines::resume(Arc::clone(&self.storage), self.layout.clone(), cursor)
    }

    /// Searches the whole journal for `last`, and returns the lines after it. A recovery may have moved `last` to
    /// another position. If the segment of `last` was removed, the `prev` of the next line proves that `last` existed.
    fn find(&self, last: &Place) -> Result<Lines> {
        let mut lines = self.lines_from(Cursor::START);
        let mut end: Option<Link> = None;
        loop {
            let before = Cursor { seq: 0, ..lines.cursor() };
            let Some(line) = lines.next_line()? else { break };
            let Some(trailer) = line::check(line.bytes) else { continue };
            if is(&trailer.link, last) {
                return Ok(lines);
            }
            if last.seq.checked_add(1) == Some(trailer.link.seq) && trailer.prev == *last.hash.as_bytes() {
                return Ok(self.lines_from(before));
            }
            if trailer.link.seq == last.seq {
                end = Some(trailer.link);
                break;
            }
            end = Some(trailer.link);
        }
        Err(self.diverged(last, end.as_ref()))
    }

    /// Returns the error for a journal that does not have the line `last`. `found` is the line with the same number. If
    /// no line has this number, `found` is the last line of the journal.
    fn diverged(&self, last: &Place, found: Option<&Link>) -> Error {
        let found = match found {
            Some(link) if link.seq >= last.seq => format!("has line {} with hash {}", link.seq, link.hash_str()),
            Some(link) => format!("ends with line {} with hash {}", link.seq, link.hash_str()),
            None => "has no line".to_owned(),
        };
        Error::new(ErrorKind::Diverged, "follow the ledger").path(self.layout.active()).detail(format!(
            "it was truncated or rewritten: the last copied line is line {} with hash {}, but ledger {} {found}",
            last.seq, last.hash, self.id
        ))
    }

    /// Returns the next line, or `None` if all lines have been returned. A later call returns lines that were appended
    /// in the meantime.
    ///
    /// # Errors
    /// - [`ErrorKind::Diverged`] if the line after [`last`](Self::last) states another hash for `last`. The same error
    ///   occurs if lines were moved to an archive (another journal) before this follower has returned them. Any other
    ///   gap in the numbers is not an error.
    /// - [`ErrorKind::Io`] if a segment cannot be read.
    pub fn next_line(&mut self) -> Result<Option<Followed<'_>>> {
        let Some(line) = self.lines.next_line()? else { return Ok(None) };
        let Some(trailer) = line::check(line.bytes) else { return Ok(Some(Followed { line, seq: None })) };
        let link = trailer.link;
        if let Some(last) = &self.last
            && last.seq.checked_add(1) == Some(link.seq)
            && trailer.prev != *last.hash.as_bytes()
        {
            return Err(line.locate(Error::new(ErrorKind::Diverged, "follow the ledger")).detail(format!(
                "it was rewritten: the last copied line is line {} with hash {}, but line {} follows another line",
                last.seq, last.hash, link.seq
            )));
        }
        if let Some(last) = &self.last
            && let Some(gone) = moved::missing_between((last.segment, last.seq), (line.segment, link.seq))
            && moved::is_moved_up_to(&*self.storage, &self.layout, line.segment)?
        {
            return Err(line.locate(Error::new(ErrorKind::Diverged, "follow the ledger")).detail(format!(
                "lines {} to {} were moved away before they were copied; `events.jsonl` says to which archive",
                gone.start(),
                gone.end()
            )));
        }
        if self.last.as_ref().is_none_or(|last| last.seq < link.seq) {
            self.last = Some(Place::new(link.seq, link.hash_str(), line.segment, line.offset, line.number));
        }
        Ok(Some(Followed { line, seq: Some(link.seq) }))
    }

    /// Returns the bytes of line `seq` of a segment, without the line feed. A program that copied the line earlier uses
    /// this function after the line was [redacted](crate::Ledger::redact). Reads the segment up to the line. Returns
    /// `None` if the segment does not have the line, for example because it was moved to an archive.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the segment cannot be read.
    pub fn line(&self, segment: u64, seq: u64) -> Result<Option<Vec<u8>>> {
        let mut lines = self.lines_from(Cursor { segment, ..Cursor::START });
        while let Some(line) = lines.next_line()?.filter(|line| line.segment == segment) {
            if line::check(line.bytes).is_some_and(|trailer| trailer.link.seq == seq) {
                return Ok(Some(line.bytes.to_vec()));
            }
        }
        Ok(None)
    }
}

fn is(link: &Link, place: &Place) -> bool {
    link.seq == place.seq && link.hash_str() == place.hash
}

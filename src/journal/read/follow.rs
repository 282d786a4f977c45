//! Following a journal from elsewhere: what was copied of it is compared with what it holds now.

use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use super::cursor::Cursor;
use super::lines::{Line, Lines};
use super::moved;
use crate::disk::Disk;
use crate::error::{Error, ErrorKind, Result};
use crate::journal::format::line::{self, Link};
use crate::journal::format::{Layout, identity};

/// A line of a journal: its number and hash, and its position, so that a follower can continue behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The line's sequence number, from 1.
    pub seq: u64,
    /// The line's hash, 64 lower-case hex digits.
    pub hash: String,
    /// Number of its segment, from 1.
    pub segment: u64,
    /// Its first byte in the segment.
    pub byte: u64,
    /// Its number in the segment, from 1.
    pub line: u64,
}

impl Place {
    /// The place that was taken apart to be stored.
    pub fn new(seq: u64, hash: impl Into<String>, segment: u64, byte: u64, line: u64) -> Self {
        Self { seq, hash: hash.into(), segment, byte, line }
    }

    /// Before the line, whatever its number: it is looked at again.
    fn cursor(&self) -> Cursor {
        Cursor { segment: self.segment, offset: self.byte, lines: self.line.saturating_sub(1), seq: 0 }
    }
}

/// Reads a journal line by line for a copier, and reports when what was copied is not there any more.
///
/// Reads only, takes no lock and disturbs no writer. After a [`resume`](Self::resume) a line that a segment had lost and
/// the next one repeats is given again, so a copier must take one line twice without harm.
#[derive(Debug)]
pub struct Follower {
    layout: Layout,
    id: Uuid,
    lines: Lines,
    /// The line of the highest number that was given, or resumed behind.
    last: Option<Place>,
}

/// A line that a [`Follower`] gives.
#[derive(Debug)]
#[non_exhaustive]
pub struct Followed<'b> {
    /// The line.
    pub line: Line<'b>,
    /// Its number, if its bytes have the hash that it states: a writer of ours wrote it. `None` if it is torn, edited or
    /// another program's.
    pub seq: Option<u64>,
}

impl Follower {
    /// Of the journal whose active segment is `path`, from its first line on.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if there is none, [`ErrorKind::Malformed`] and [`ErrorKind::Newer`] when its identity cannot
    /// be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let layout = Layout::new(path.as_ref());
        let id = identity::read(&Disk, &layout)?.ok_or_else(|| {
            Error::new(ErrorKind::Io, "follow the ledger")
                .path(layout.active())
                .detail("there is no ledger of this name")
        })?;
        let lines = Lines::from_start(Arc::new(Disk), layout.clone());
        Ok(Self { layout, id, lines, last: None })
    }

    /// The journal's id.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The line of the highest number that was given, or resumed behind; `None` before the first.
    pub fn last(&self) -> Option<&Place> {
        self.last.as_ref()
    }

    /// Continues behind `last`, which was copied; from the start if it is `None`.
    ///
    /// Looks at the line itself, so it is noticed when the journal was cut or rewritten before it: an older line cannot
    /// change without all later ones, as long as the hashes hold. [`verify`](crate::LedgerReader::verify) checks the hashes.
    ///
    /// # Errors
    /// [`ErrorKind::Diverged`] if the journal does not contain that line, with both in the text; [`ErrorKind::Io`] if
    /// a segment cannot be read.
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
        Lines::resume(Arc::new(Disk), self.layout.clone(), cursor)
    }

    /// The lines behind `last`, which is not where it was: a recovery may have moved it, or its segment was taken away.
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

    /// `found`: the line of the same number, or the last one that is there.
    fn diverged(&self, last: &Place, found: Option<&Link>) -> Error {
        let found = match found {
            Some(link) if link.seq >= last.seq => format!("has line {} with hash {}", link.seq, link.hash_str()),
            Some(link) => format!("ends with line {} with hash {}", link.seq, link.hash_str()),
            None => "has no line".to_owned(),
        };
        Error::new(ErrorKind::Diverged, "follow the ledger").path(self.layout.active()).detail(format!(
            "it was cut or rewritten: copied up to line {} with hash {}, and ledger {} {found}",
            last.seq, last.hash, self.id
        ))
    }

    /// Returns the next line, or `None` if all lines have been given; later calls give those appended since.
    ///
    /// # Errors
    /// [`ErrorKind::Diverged`] if the line follows another one than the one that was given before it, or lines between
    /// them were moved elsewhere meanwhile;
    /// [`ErrorKind::Io`] if a segment cannot be read.
    pub fn next_line(&mut self) -> Result<Option<Followed<'_>>> {
        let Some(line) = self.lines.next_line()? else { return Ok(None) };
        let Some(trailer) = line::check(line.bytes) else { return Ok(Some(Followed { line, seq: None })) };
        let link = trailer.link;
        if let Some(last) = &self.last
            && last.seq.checked_add(1) == Some(link.seq)
            && trailer.prev != *last.hash.as_bytes()
        {
            return Err(line.locate(Error::new(ErrorKind::Diverged, "follow the ledger")).detail(format!(
                "it was rewritten: copied up to line {} with hash {}, and line {} follows another one",
                last.seq, last.hash, link.seq
            )));
        }
        if let Some(last) = &self.last
            && let Some(gone) = moved::missing_between((last.segment, last.seq), (line.segment, link.seq))
            && moved::is_moved_up_to(&Disk, &self.layout, line.segment)?
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
}

fn is(link: &Link, place: &Place) -> bool {
    link.seq == place.seq && link.hash_str() == place.hash
}

//! The end of the active segment: appending a batch of lines to it under the lock, and making them durable.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::area::Area;
use super::mark::Mark;
use super::payloads::{Payloads, Run};
use super::place::open_active;
use super::state::Tail;
use super::sync::{Synced, Unsynced};
use crate::disk::lock::LockFile;
use crate::disk::{Access, append_all, if_there};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::JournalOptions;
use crate::journal::format::event::Event;
use crate::journal::format::header::Header;
use crate::journal::format::line::{self, Link};
use crate::journal::format::{Layout, identity};

/// Buffers larger than this are given back after the batch that needed them.
const BUFFER_BYTES_KEPT: usize = 1024 * 1024;

impl Tail {
    /// Opens the files, recovers what a crash left, and trusts the end only after it is synced.
    pub(crate) fn open(layout: Layout, options: JournalOptions, known: Option<Uuid>) -> Result<Self> {
        let mut lock = LockFile::open(Arc::clone(&options.storage), layout.lock())?;
        let locked = lock.acquire(options.lock_deadline)?;
        let id = match known {
            Some(id) => id,
            None => identity::read_or_make(&*options.storage, &layout, (options.clock)())?,
        };
        let file = open_active(&*options.storage, &layout)?;
        let mut tail = Self::unrecovered(layout, options, lock, id, file)?;
        tail.recover()?;
        drop(locked);
        Ok(tail)
    }

    /// Opens the files of a journal that exists, without its lock: the first append recovers what a crash left. Returns
    /// `None` if the journal has no identity or no active segment: then the lock is needed to make them.
    ///
    /// Until then the end is one that the journal had before: up to the commit area's base nothing is ever cut off.
    pub(crate) fn open_without_lock(layout: Layout, options: JournalOptions, id: Uuid) -> Result<Option<Self>> {
        let storage = Arc::clone(&options.storage);
        let file = if_there(storage.open(layout.active(), Access::Append));
        let file = file.map_err(|source| Error::io("open the ledger", layout.active(), source))?;
        let Some(file) = file.map(Arc::from) else { return Ok(None) };
        let lock = LockFile::open(Arc::clone(&storage), layout.lock())?;
        let mut tail = Self::unrecovered(layout, options, lock, id, file)?;
        let header = Header::read(&*storage, &tail.layout)
            .map_err(|source| Error::io("read the commit area", &tail.layout.commit(), source))?;
        tail.end = match header.filter(|header| header.ledger == id) {
            Some(header) => Mark { segment: header.segment, len: header.base, link: Link::START },
            None => {
                let sealed = tail.layout.sealed_segments(&*storage)?;
                Mark { segment: sealed.last().map_or(1, |last| last + 1), len: 0, link: Link::START }
            }
        };
        Ok(Some(tail))
    }

    /// Empty payloads that have memory already.
    pub(super) fn take_spare(&mut self) -> Payloads {
        std::mem::take(&mut self.spare)
    }

    /// Keeps the memory of `payloads`, unless it has grown out of proportion.
    pub(super) fn give_spare(&mut self, mut payloads: Payloads) {
        if payloads.capacity() <= BUFFER_BYTES_KEPT {
            payloads.clear();
            self.spare = payloads;
        }
        if self.buffer.capacity() > BUFFER_BYTES_KEPT {
            self.buffer = Vec::new();
        }
    }

    /// The end of the journal, looked up under the lock.
    pub(super) fn end(&mut self) -> Result<Mark> {
        let _locked = self.lock()?;
        self.catch_up()?;
        Ok(self.end)
    }

    /// Appends a line for each payload, not synced. Returns the place before the first line, and what to sync.
    ///
    /// Under a limit of file sizes the lines go to as many segments as they need; all but the last are synced. On an
    /// error none of the lines is in the journal, or, under such a limit, the first of them may be.
    pub(super) fn append(&mut self, payloads: &Payloads) -> Result<(Mark, Unsynced)> {
        let _locked = self.lock()?;
        self.catch_up()?;
        let runs = match self.storage.file_bytes_max() {
            None => vec![payloads.all()],
            Some(limit) => payloads.runs(limit),
        };
        let mut before = None;
        let mut in_area = false;
        for run in runs {
            self.rotate_if_due(run)?;
            before.get_or_insert(self.end);
            in_area = self.write(run)?;
        }
        let before = before.unwrap_or(self.end);
        let unsynced = Unsynced {
            end: self.end,
            area: self.area.as_ref().filter(|_| in_area).map(|area| area.file().clone()),
            segment: self.file.clone(),
            segment_id: self.file_id,
        };
        Ok((before, unsynced))
    }

    /// Learns what other processes have done since: cheap when that is nothing.
    pub(super) fn catch_up(&mut self) -> Result<()> {
        if self.doubtful || !self.active_is_still_there()? {
            return self.recover();
        }
        if self.area.is_none() && !self.area_failed && self.active_len()? == self.end.len {
            // None could be made, and nothing else has changed; the next write tries again.
            return Ok(());
        }
        if !self.refresh_area()? {
            return self.recover();
        }
        let len = self.active_len()?;
        if len == self.end.len {
            return Ok(());
        }
        // Lines of another process: the last one's trailer says where the chain ends.
        match self.last_link(len)? {
            Some(link) if len > self.end.len && link.seq > self.end.link.seq && self.area_ends_as_segment(len)? => {
                self.end = Mark { len, link, ..self.end };
                Ok(())
            }
            _ => self.recover(),
        }
    }

    /// Writes a line for each payload to the commit area and to the segment; true if the area has them all.
    ///
    /// The area first: then it always has at least what the segment has, wherever the process dies.
    fn write(&mut self, payloads: Run<'_>) -> Result<bool> {
        self.buffer.clear();
        let mut link = self.end.link;
        if link.seq.checked_add(payloads.count() as u64).is_none() {
            // No journal grows to so many lines; a line with this number was written by hand.
            return Err(Error::new(ErrorKind::Overflow, "append to the ledger")
                .path(self.layout.active())
                .detail(format!("its last line has the number {}, after which there is none", link.seq)));
        }
        for payload in payloads.iter() {
            link = line::seal(payload, &link, &mut self.buffer);
        }
        let bytes = self.buffer.len() as u64;
        if !self.area_fits(bytes) {
            self.rebase(0)?;
        }
        // A segment that could not be synced has been left for a new one, in which the chain runs on at another offset.
        let mut in_area = self.area_fits(bytes) && self.write_area();
        if !in_area && self.area_fits(bytes) {
            self.replace_area()?;
            in_area = self.area_fits(bytes) && self.write_area();
        }
        let at = self.end.len;
        if let Err(error) = append_all(&**self.file, &self.buffer) {
            return Err(self.roll_back(at, error));
        }
        if let Err(error) = self.check_place(at + bytes, link) {
            self.withdraw(at);
            self.doubtful = true;
            return Err(error);
        }
        self.end = Mark { segment: self.end.segment, len: at + bytes, link };
        Ok(in_area)
    }

    /// Whether the batch, whose last line is `link`, ends at `end`: a program without the lock may have appended just
    /// before it. Then the next writer's recovery moves it all to quarantine.
    fn check_place(&self, end: u64, link: Link) -> Result<()> {
        let len = self.active_len()?;
        if len == end || (len > end && self.last_link(end)? == Some(link)) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Io, "append to the ledger")
            .path(self.layout.active())
            .detail(format!("another program wrote to it meanwhile: expected {end} bytes, found {len}")))
    }

    fn write_area(&self) -> bool {
        self.area.as_ref().is_some_and(|area| area.write(&self.buffer, self.end.len).is_ok())
    }

    /// Takes a partly written batch back.
    fn roll_back(&mut self, len: u64, error: io::Error) -> Error {
        self.withdraw(len);
        // Other writers are kept out by the lock, so what follows `len` is this batch alone.
        if self.file.truncate(len).is_err() {
            self.doubtful = true;
        }
        Error::io("append to the ledger", self.layout.active(), error)
    }

    /// Takes the batch at `at` out of the area, so that no recovery brings back what was answered with an error. If that
    /// fails, one may.
    fn withdraw(&self, at: u64) {
        if let Some(area) = self.area.as_ref().filter(|area| area.fits(at, 1)) {
            // No line begins with NUL, and those after it are not reached.
            let _ = area.write(&[0], at);
        }
    }

    fn rotate_if_due(&mut self, next: Run<'_>) -> Result<()> {
        let header = self.area.as_ref().and_then(Area::header);
        let large = self.options.rotate_bytes.is_some_and(|limit| self.end.len >= limit);
        let next = next.line_bytes_max();
        let full = self.storage.file_bytes_max().is_some_and(|limit| next <= limit && self.end.len + next > limit);
        let old = self.options.rotate_daily && header.is_some_and(|header| header.day < self.day());
        if self.end.len == 0 || !(large || full || old) {
            return Ok(());
        }
        let sealed = self.end;
        self.sync_segment()?;
        if self.end.segment != sealed.segment {
            // It could not be synced, and so is sealed already.
            return Ok(());
        }
        if let Err(error) = self.begin_segment(&[]) {
            // Refused where a file may not be renamed (`chattr +a`): then the lines go on in the segment that is there.
            self.warn(&error);
            return self.recover();
        }
        self.record(&Event::Rotated { segment: sealed.segment, bytes: sealed.len });
        Ok(())
    }

    /// Leaves nothing behind the base, so that the next opener has nothing to write again. Where others are at it, or
    /// anything is not as it was left, that is theirs to do.
    pub(super) fn close(&mut self) {
        // A lock that could not be acquired just now is not waited for again.
        let deadline = if self.lock_missed { Duration::ZERO } else { self.options.lock_deadline };
        if self.doubtful {
            return;
        }
        let Ok(_locked) = self.lock_within(deadline) else { return };
        // The last one that leaves does it for all.
        if self.area.as_ref().is_none_or(|area| !area.leave()) {
            return;
        }
        let closed = self.is_as_left().and_then(|as_left| if as_left { self.rebase(0) } else { Ok(()) });
        if let Err(error) = closed {
            self.warn(&error);
        }
    }

    /// Whether the base can be moved to the end: there is something between, and it is what was written there. Only the
    /// area could say so later.
    fn is_as_left(&mut self) -> Result<bool> {
        if !self.active_is_still_there()? || !self.refresh_area()? || self.active_len()? != self.end.len {
            return Ok(false);
        }
        let Some(area) = self.area.as_ref() else { return Ok(false) };
        let Some(base) = area.header().map(|header| header.base).filter(|&base| base < self.end.len) else {
            return Ok(false);
        };
        let failed = |source| Error::io("read the commit area", &self.layout.commit(), source);
        Ok(!area.fits(base, self.end.len - base)
            || area.holds(&self.read_from(base, self.end.len)?, base).map_err(failed)?)
    }

    /// Learns how the sync of `unsynced` ended, unless it went as it should. Says whether the lines are durable after
    /// all.
    pub(super) fn synced(&mut self, unsynced: &Unsynced, synced: Synced) -> Result<()> {
        match synced {
            Synced::Area => Ok(()),
            Synced::Segment { area } => {
                if let Some(error) = area {
                    // The next append makes a new one.
                    self.warn(&Error::io("sync the commit area", &self.layout.commit(), error));
                }
                if unsynced.segment_id == self.file_id && self.durable.segment == unsynced.end.segment {
                    self.durable.len = self.durable.len.max(unsynced.end.len);
                }
                Ok(())
            }
            Synced::Nothing(error) => self.sync_failed(unsynced, error),
        }
    }

    fn sync_failed(&mut self, unsynced: &Unsynced, error: io::Error) -> Result<()> {
        let _locked = self.lock()?;
        if unsynced.segment_id == self.file_id && self.active_is_still_there()? {
            return self.abandon_segment(&error);
        }
        // The process that sealed the segment meanwhile has synced it, or repeated its tail in the next one.
        let path = self.layout.sealed_segment(unsynced.end.segment);
        let sealed = self.storage.stat(&path).map_err(|source| Error::io("examine a sealed segment", &path, source))?;
        if sealed.is_some_and(|sealed| sealed.id == unsynced.segment_id) {
            return self.catch_up();
        }
        Err(Error::io("sync the ledger", self.layout.active(), error))
    }
}

//! Appends batches of lines to the active segment while the lock is held, and handles the outcome of their syncs. The
//! commit area is a file with a copy of the segment's bytes after an offset, the base.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::area::Area;
use super::mark::Mark;
use super::payloads::{Payloads, Run, Skipped};
use super::refusals::open_active;
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

/// Buffers larger than this are freed after the batch that needed them.
const BUFFER_BYTES_KEPT: usize = 1024 * 1024;

impl Tail {
    /// Opens the files, repairs any damage from a crash, and makes all existing lines durable. `known` is the journal's
    /// id if it was read already.
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

    /// Opens the files of an existing journal without its lock. The first append then repairs any damage from a crash.
    /// Returns `None` if there is no active segment, since creating one requires the lock.
    ///
    /// Until the first append, `end` is the base of the commit area. Up to this offset, the segment is known to be
    /// synced. If there is no area, `end` is the start of the active segment. The journal cannot end before `end`,
    /// because bytes before the base are never removed.
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

    /// Returns empty payloads that reuse the memory of an earlier batch.
    pub(super) fn take_spare(&mut self) -> Payloads {
        std::mem::take(&mut self.spare)
    }

    /// Keeps the memory of `payloads` for the next batch. Frees it if it has grown too large.
    pub(super) fn give_spare(&mut self, mut payloads: Payloads) {
        if payloads.capacity() <= BUFFER_BYTES_KEPT {
            payloads.clear();
            self.spare = payloads;
        }
        if self.buffer.capacity() > BUFFER_BYTES_KEPT {
            self.buffer = Vec::new();
        }
    }

    /// Returns the end of the journal, determined while the lock is held.
    pub(super) fn end(&mut self) -> Result<Mark> {
        let _locked = self.lock()?;
        self.catch_up()?;
        Ok(self.end)
    }

    /// Appends a line for each payload, but skips a payload if a line already has its key. Returns the position before
    /// the first new line, the skipped payloads, and the files that the caller must sync. The caller syncs even if all
    /// payloads were skipped. Another process may have written the lines that have these keys, and not synced them yet.
    ///
    /// If there is a file-size limit, the lines may need several segments. All of these segments except the last one
    /// are synced here. If this function fails, the journal normally has none of the lines. There are two exceptions:
    ///
    /// - If several segments were necessary, the journal may have the lines of the first ones.
    /// - After a failed write, this function removes the lines again: it invalidates them in the commit area and
    ///   truncates the segment. If one of these two steps fails too, a later recovery may keep the lines.
    pub(super) fn append(&mut self, payloads: &Payloads) -> Result<(Mark, Skipped, Unsynced)> {
        let _locked = self.lock()?;
        self.catch_up()?;
        self.append_locked(payloads)
    }

    /// Like [`append`](Self::append), but the caller holds the lock and has [caught up](Self::catch_up).
    pub(super) fn append_locked(&mut self, payloads: &Payloads) -> Result<(Mark, Skipped, Unsynced)> {
        let skipped = payloads.skipped(self.end);
        let kept;
        let runs = if skipped.is_empty() {
            payloads.runs(self.storage.file_bytes_max())
        } else {
            kept = payloads.without(&skipped);
            kept.runs(self.storage.file_bytes_max())
        };
        let mut before = None;
        let mut in_area = false;
        for run in runs {
            self.rotate_if_due(run)?;
            before.get_or_insert(self.end);
            in_area = self.write(run)?;
        }
        if let Some(before) = before.filter(|_| skipped.is_empty()) {
            payloads.written(&self.starts, before, self.end);
        }
        let before = before.unwrap_or(self.end);
        let unsynced = Unsynced {
            end: self.end,
            // If a payload was skipped, the segment must be synced. The area may lack the existing line with the key of
            // that payload.
            area: self.area.as_ref().filter(|_| in_area && skipped.is_empty()).map(|area| area.file.clone()),
            segment: self.file.clone(),
            segment_id: self.file_id,
        };
        Ok((before, skipped, unsynced))
    }

    /// Catches up with the changes that other processes made since the last call. Without changes, this takes only a
    /// few system calls.
    pub(super) fn catch_up(&mut self) -> Result<()> {
        if self.needs_recovery || !self.active_is_still_there()? {
            return self.recover();
        }
        if self.area.is_none() && !self.area_failed && self.active_len()? == self.end.len {
            // No area could be created earlier, and the segment still ends where this process last saw its end. The
            // next write tries again to create an area.
            return Ok(());
        }
        if !self.refresh_area()? {
            return self.recover();
        }
        let len = self.active_len()?;
        if len == self.end.len {
            return Ok(());
        }
        if self.advance_to(len)? { Ok(()) } else { self.recover() }
    }

    /// Moves the end to `len` after another process has appended lines. Returns false if the last of these lines cannot
    /// be a later line of the chain.
    fn advance_to(&mut self, len: u64) -> Result<bool> {
        // The end of a line, its trailer, has the number and the hash of the line.
        match self.last_link(len)? {
            Some(link) if len > self.end.len && link.seq > self.end.link.seq && self.area_ends_as_segment(len)? => {
                self.end = Mark { len, link, ..self.end };
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Writes a line for each payload to the commit area and to the segment. Returns true if the area has all of these
    /// lines.
    ///
    /// If the lines fit into the area, the area is written first. So no matter when the process dies, the area has all
    /// of these lines that the segment has.
    fn write(&mut self, payloads: Run<'_>) -> Result<bool> {
        self.buffer.clear();
        self.starts.clear();
        let mut link = self.end.link;
        if link.seq.checked_add(payloads.count() as u64).is_none() {
            // No journal grows to this number of lines, so a line with this number was written by hand.
            return Err(Error::new(ErrorKind::Overflow, "append to the ledger")
                .path(self.layout.active())
                .detail(format!("its last line has number {}, the highest possible", link.seq)));
        }
        for payload in payloads.iter() {
            self.starts.push(self.buffer.len() as u64);
            link = line::seal(payload, &link, &mut self.buffer);
        }
        let bytes = self.buffer.len() as u64;
        if !self.area_fits(bytes) {
            self.rebase(0)?;
        }
        // If `rebase` could not sync the segment, it has begun a new segment. The new lines continue the chain there,
        // but at another offset.
        let mut in_area = self.area_fits(bytes) && self.write_area();
        if !in_area && self.area_fits(bytes) {
            self.replace_area()?;
            in_area = self.area_fits(bytes) && self.write_area();
        }
        let at = self.end.len;
        self.starts.iter_mut().for_each(|start| *start += at);
        if let Err(error) = append_all(&**self.file, &self.buffer) {
            return Err(self.roll_back(at, error));
        }
        if let Err(error) = self.check_batch_end(at + bytes, link) {
            self.withdraw(at);
            self.needs_recovery = true;
            return Err(error);
        }
        self.end = Mark { segment: self.end.segment, len: at + bytes, link };
        Ok(in_area)
    }

    /// Checks that the batch ends at the offset `end`. `link` is the number and the hash of the batch's last line.
    ///
    /// A program that ignores the lock may append bytes immediately before this process writes the batch. The batch
    /// then ends at a higher offset than `end`, and this function fails. The next recovery moves those bytes and the
    /// batch to `quarantine/`.
    fn check_batch_end(&self, end: u64, link: Link) -> Result<()> {
        let len = self.active_len()?;
        if len == end || (len > end && self.last_link(end)? == Some(link)) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Io, "append to the ledger")
            .path(self.layout.active())
            .detail(format!("another program wrote to it in the meantime: found {len} bytes; expected {end}")))
    }

    fn write_area(&self) -> bool {
        self.area.as_ref().is_some_and(|area| area.write(&self.buffer, self.end.len).is_ok())
    }

    /// Removes a partially written batch.
    fn roll_back(&mut self, len: u64, error: io::Error) -> Error {
        self.withdraw(len);
        let cut = self.quarantine_foreign(len).is_ok() && self.file.truncate(len).is_ok();
        self.needs_recovery |= !cut;
        Error::io("append to the ledger", self.layout.active(), error)
    }

    /// Saves the bytes after `len` in `quarantine/`, unless they are a part of the batch that was being written. A
    /// program that ignores the lock may have appended bytes before or after them.
    fn quarantine_foreign(&self, len: u64) -> Result<()> {
        let there = self.read_from(len, self.active_len()?)?;
        if !self.buffer.starts_with(&there) {
            self.quarantine(self.end.segment, len, &there)?;
            let (segment, cut_bytes) = (self.end.segment, there.len() as u64);
            self.record(&Event::Recovered { segment, healed_bytes: 0, cut_bytes });
        }
        Ok(())
    }

    /// Removes the batch at `at` from the area, so that no recovery restores lines for which the caller got an error.
    /// If the area cannot be written, a recovery may restore these lines.
    fn withdraw(&self, at: u64) {
        if let Some(area) = self.area.as_ref().filter(|area| area.fits(at, 1)) {
            // No line begins with a NUL, so recovery stops at the NUL and restores no line of the batch.
            let _ = area.write(&[0], at);
        }
    }

    /// Seals the segment and begins a new one if the segment is too large or too old. Does the same if the lines of
    /// `next` would make the segment longer than the file-size limit of this process.
    fn rotate_if_due(&mut self, next: Run<'_>) -> Result<()> {
        let header = self.area.as_ref().and_then(Area::header);
        let large = self.options.rotate_bytes.is_some_and(|limit| self.end.len >= limit);
        let next = next.line_bytes_max();
        let full = self.storage.file_bytes_max().is_some_and(|limit| next <= limit && self.end.len + next > limit);
        let old = self.options.rotate_daily && header.is_some_and(|header| header.day < self.day());
        if self.end.len == 0 && old {
            // Store the new day. Otherwise the segment would be sealed after its first line.
            self.set_header(0);
        }
        if self.end.len == 0 || !(large || full || old) {
            return Ok(());
        }
        let sealed = self.end;
        self.sync_segment()?;
        if self.end.segment != sealed.segment {
            // The segment could not be synced, so `sync_segment` has already sealed it.
            return Ok(());
        }
        if let Err(error) = self.begin_segment(&[]) {
            // An append-only file (`chattr +a`) cannot be renamed. The journal then continues in the same segment.
            self.warn(&error);
            return self.recover();
        }
        self.record(&Event::Rotated { segment: sealed.segment, bytes: sealed.len });
        Ok(())
    }

    /// Moves the base to the end of the segment. This saves work for the next process that opens the journal, because
    /// its recovery writes all lines after the base again. Leaves the base unchanged if other processes use the journal
    /// or hold its lock, or if the files are not in the expected state.
    pub(super) fn close(&mut self) {
        // Do not wait for the lock if the last attempt to acquire it timed out.
        let deadline = if self.lock_missed { Duration::ZERO } else { self.options.lock_deadline };
        if self.needs_recovery {
            return;
        }
        let Ok(_locked) = self.lock_within(deadline) else { return };
        // The last process that closes the journal moves the base.
        if self.area.as_ref().is_some_and(Area::leave) {
            let closed = self.matches_area().and_then(|matches| if matches { self.rebase(0) } else { Ok(()) });
            closed.unwrap_or_else(|error| self.warn(&error));
        }
        // Release the lock on the area before the journal's lock. Otherwise a process that opens the journal at this
        // moment could find that this process still uses the area.
        self.area = None;
    }

    /// Returns true if [`close`](Self::close) may move the base to the end of the segment. The segment must have bytes
    /// after the base. If the commit area has room for all of these bytes, it must have the same bytes as the segment.
    /// If the bytes differ, recovery needs the area to repair the segment, so the base must not move.
    fn matches_area(&mut self) -> Result<bool> {
        if !self.active_is_still_there()? || !self.refresh_area()? {
            return Ok(false);
        }
        let len = self.active_len()?;
        if len != self.end.len && !self.advance_to(len)? {
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

    /// Handles the outcome of the sync of `unsynced`. If no sync succeeded, tries to make the lines durable in a new
    /// segment. Fails if that does not succeed either.
    pub(super) fn synced(&mut self, unsynced: &Unsynced, synced: Synced) -> Result<()> {
        match synced {
            Synced::Area => Ok(()),
            Synced::Segment { area } => {
                if let Some(error) = area {
                    // The next append creates a new area.
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
        // Another process may have sealed the segment in the meantime. If so, that process has synced the segment, or
        // has repeated the unsynced lines in the next segment.
        let path = self.layout.sealed_segment(unsynced.end.segment);
        let sealed = self.storage.stat(&path).map_err(|source| Error::io("examine a sealed segment", &path, source))?;
        if sealed.is_some_and(|sealed| sealed.id == unsynced.segment_id) {
            return self.catch_up();
        }
        Err(Error::io("sync the ledger", self.layout.active(), error))
    }
}

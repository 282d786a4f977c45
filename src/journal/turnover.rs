//! Leaving what is full, or cannot be believed any more: the commit area's base moves on, the area is replaced, the segment
//! is sealed and the next one begun. Under the lock.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::area::{Area, Header};
use super::events::Event;
use super::line::{self, Link};
use super::sync::{SyncFile, Synced, Unsynced};
use super::tail::{Mark, Run, Tail, stat_id};
use crate::disk::{Access, StorageFile, append_all, unless_missing};
use crate::error::{Error, Result};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

impl Tail {
    pub(super) fn rotate_if_due(&mut self, next: Run<'_>) -> Result<()> {
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
        self.tell(&Event::Rotated { segment: sealed.segment, bytes: sealed.len });
        Ok(())
    }

    fn day(&self) -> i64 {
        (self.options.clock)().div_euclid(DAY_MS)
    }

    /// Moves the area's base to the end of the segment. `stray` bytes before it are no lines.
    pub(super) fn rebase(&mut self, stray: u64) -> Result<()> {
        let segment = self.end.segment;
        self.sync_segment()?;
        if self.end.segment == segment {
            self.set_header(stray);
        }
        Ok(())
    }

    /// Syncs the segment, so that the area is free for what comes next.
    fn sync_segment(&mut self) -> Result<()> {
        match self.file.sync() {
            Ok(()) => {
                self.durable = self.end;
                Ok(())
            }
            Err(error) => self.abandon_segment(&error),
        }
    }

    /// As [`Tail::rebase`], on a segment that is synced to its end. Without an area the journal goes on: every batch
    /// then syncs the segment itself, until one can be made.
    pub(super) fn set_header(&mut self, stray: u64) {
        let day = match self.area.as_ref().and_then(Area::header) {
            Some(header) if header.segment == self.end.segment => header.day,
            _ => self.day(),
        };
        let Mark { segment, len, link } = self.end;
        let header = Header { ledger: self.id, segment, base: len, stray, day, link };
        if self.area.as_mut().is_some_and(|area| area.rebase(header).is_ok()) {
            return;
        }
        // Another process may still know the old one. Nothing in it is needed, since the segment is synced; without a
        // header it is not used.
        if let Ok(Some(old)) = Area::open(&*self.storage, &self.layout) {
            old.invalidate();
        }
        let made = Area::create(&*self.storage, &self.layout).and_then(|mut area| area.rebase(header).map(|()| area));
        match made {
            Ok(area) => (self.area, self.area_failed) = (Some(area), false),
            Err(error) => {
                self.area = None;
                let path = self.layout.commit();
                self.warn(&Error::io("make the commit area", &path, error));
                match unless_missing(self.storage.remove(&path)) {
                    // It is not in the way any more, and need not be looked for with each append.
                    Ok(()) => self.area_failed = false,
                    Err(error) => self.warn(&Error::io("remove the commit area", &path, error)),
                }
            }
        }
    }

    /// Puts a new area in the place of one that failed.
    pub(super) fn replace_area(&mut self) -> Result<()> {
        self.area = None;
        self.area_failed = true;
        self.rebase(0)
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
        // Whoever sealed the segment meanwhile has synced it, or repeated its tail in the next one.
        let path = self.layout.sealed_segment(unsynced.end.segment);
        let sealed = self.storage.stat(&path).map_err(|source| Error::io("examine a sealed segment", &path, source))?;
        if sealed.is_some_and(|sealed| sealed.id == unsynced.segment_id) {
            return self.catch_up();
        }
        Err(Error::io("sync the ledger", self.layout.active(), error))
    }

    /// After a failed sync the pages of the segment read back as written, yet may never reach the disk; a second sync
    /// would say that all is well. So the segment is finished, and what is not known to be durable is repeated in a new
    /// one, to the byte: the chain runs on, and readers give each line once.
    fn abandon_segment(&mut self, error: &io::Error) -> Result<()> {
        let segment = self.end.segment;
        let from = if self.durable.segment == segment { self.durable.len } else { 0 };
        let len = self.active_len()?.max(self.end.len);
        let suspect = self.read_from(from, len)?;
        if len != self.end.len
            && let Some(link) = self.last_link(len)?
        {
            self.end.link = link;
        }
        self.begin_segment(&suspect)?;
        self.tell(&Event::Abandoned { segment, repeated_bytes: suspect.len() as u64, error: error.to_string() });
        Ok(())
    }

    /// Seals the active segment as it is, and begins the next with `repeated` lines, synced.
    ///
    /// Each step can be the last one before a crash: a segment that is sealed while the next does not exist is an empty
    /// active segment, and until the area has the new segment's header, recovery repeats the lines itself.
    pub(super) fn begin_segment(&mut self, repeated: &[u8]) -> Result<()> {
        let sealed = self.layout.sealed_segment(self.end.segment);
        let active = self.layout.active().to_owned();
        let failed = |source| Error::io("begin a new segment", &active, source);
        self.doubtful = true;
        self.storage.rename(&active, &sealed).map_err(|e| Error::io("seal the segment", &sealed, e))?;
        self.storage.sync_dir(&self.layout.sealed()).map_err(failed)?;
        let file: Arc<dyn StorageFile> = Arc::from(self.storage.open(&active, Access::AppendNew).map_err(failed)?);
        append_all(&*file, repeated).and_then(|()| file.sync()).map_err(failed)?;
        self.storage.sync_dir(self.layout.parent()).map_err(failed)?;
        self.file_id = stat_id(&*file, &self.layout)?;
        self.file = SyncFile::new(file);
        self.end = Mark { segment: self.end.segment + 1, len: repeated.len() as u64, link: self.end.link };
        self.durable = self.end;
        self.set_header(unchained(repeated, &self.end.link));
        self.doubtful = false;
        Ok(())
    }
}

/// How many of the `repeated` bytes at a segment's beginning the line `link` does not end: all or none. A damaged segment
/// may have had a higher number than the last line that could be repeated.
pub(super) fn unchained(repeated: &[u8], link: &Link) -> u64 {
    let last = repeated.strip_suffix(b"\n").and_then(line::trailer);
    if last.is_some_and(|last| last.link == *link) { 0 } else { repeated.len() as u64 }
}

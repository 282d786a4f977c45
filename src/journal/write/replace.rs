//! Replaces files that are full or can no longer be trusted, while the caller holds the lock.
//!
//! The commit area is a file with a copy of the active segment's bytes after an offset, the base.
//!
//! - If the area is full, the base moves to the end of the segment, and the area is filled again from its start.
//! - If a write to the area or a sync of it failed, a new area replaces it.
//! - If the segment is full or too old, or if it could not be synced, it is sealed and a new segment begins.

use std::io;
use std::sync::Arc;

use super::area::Area;
use super::chain::stray_bytes;
use super::mark::Mark;
use super::state::{Tail, stat_id};
use super::sync::SyncFile;
use crate::disk::{Access, StorageFile, append_all, unless_missing};
use crate::error::{Error, Result};
use crate::journal::format::event::Event;
use crate::journal::format::header::Header;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

impl Tail {
    pub(super) fn day(&self) -> i64 {
        (self.options.clock)().div_euclid(DAY_MS)
    }

    /// Syncs the segment and moves the area's base to the end of the segment. `stray` is the value of [`Header::stray`]
    /// in the new header.
    pub(super) fn rebase(&mut self, stray: u64) -> Result<()> {
        let segment = self.end.segment;
        self.sync_segment()?;
        if self.end.segment == segment {
            self.set_header(stray);
        }
        Ok(())
    }

    /// Syncs the segment. Afterwards the copy of its lines in the area is no longer needed. If the sync fails, seals
    /// the segment and begins a new one.
    pub(super) fn sync_segment(&mut self) -> Result<()> {
        match self.file.sync() {
            Ok(()) => {
                self.durable = self.end;
                Ok(())
            }
            Err(error) => self.abandon_segment(&error),
        }
    }

    /// Like [`Tail::rebase`], but the segment must already be synced up to its end. If the segment has no lines yet, its
    /// day becomes today. If no area can be created, the journal continues without an area. Every batch then syncs the
    /// segment itself.
    pub(super) fn set_header(&mut self, stray: u64) {
        let day = match self.area.as_ref().and_then(Area::header) {
            Some(header) if header.segment == self.end.segment && self.end.len > 0 => header.day,
            _ => self.day(),
        };
        let Mark { segment, len, link } = self.end;
        let header = Header { ledger: self.id, segment, base: len, stray, day, link };
        if self.area.as_mut().is_some_and(|area| area.rebase(header).is_ok()) {
            return;
        }
        // Another process may still use the old area. Overwrite the header of the old area, so that no process uses
        // this area again. The content of the area is not needed, because the segment is synced.
        if let Ok(Some(old)) = Area::open(&*self.storage, &self.layout) {
            old.invalidate();
        }
        let made = Area::create(&*self.storage, &self.layout).and_then(|mut area| area.rebase(header).map(|()| area));
        match made {
            Ok(area) => {
                self.area = Some(area);
                self.area_failed = false;
            }
            Err(error) => {
                self.area = None;
                let path = self.layout.commit();
                self.warn(&Error::io("create the commit area", &path, error));
                match unless_missing(self.storage.remove(&path)) {
                    // The area that failed was removed, so the next append need not recover.
                    Ok(()) => self.area_failed = false,
                    Err(error) => self.warn(&Error::io("remove the commit area", &path, error)),
                }
            }
        }
    }

    /// Replaces an area that could not be written or synced.
    pub(super) fn replace_area(&mut self) -> Result<()> {
        self.area = None;
        self.area_failed = true;
        self.rebase(0)
    }

    /// Seals the segment after a failed sync, and begins a new segment with a copy of the bytes that may not be
    /// durable.
    ///
    /// After a failed sync, the bytes can still be read from the cache, but they may never reach the disk. A second
    /// sync would report success anyway. The copy has the same line numbers and hashes, so the chain continues, and
    /// readers return each line only once.
    pub(super) fn abandon_segment(&mut self, error: &io::Error) -> Result<()> {
        let segment = self.end.segment;
        let from = if self.durable.segment == segment { self.durable.len } else { 0 };
        let len = self.active_len()?.max(self.end.len);
        let unsynced = self.read_from(from, len)?;
        if len != self.end.len
            && let Some(link) = self.last_link(len)?
        {
            self.end.link = link;
        }
        self.begin_segment(&unsynced)?;
        self.record(&Event::Abandoned { segment, repeated_bytes: unsynced.len() as u64, error: error.to_string() });
        Ok(())
    }

    /// Seals the active segment unchanged, begins the next segment with the `repeated` lines, and syncs the new
    /// segment.
    ///
    /// A crash can happen between any two steps. If the next segment does not exist after the crash, recovery creates
    /// it. If the header of the area still names the sealed segment, the `repeated` lines may be missing, so recovery
    /// writes them to the next segment.
    pub(super) fn begin_segment(&mut self, repeated: &[u8]) -> Result<()> {
        let sealed = self.layout.sealed_segment(self.end.segment);
        let active = self.layout.active().to_owned();
        let failed = |source| Error::io("begin a new segment", &active, source);
        self.needs_recovery = true;
        self.storage.rename(&active, &sealed).map_err(|e| Error::io("seal the segment", &sealed, e))?;
        self.storage.sync_dir(&self.layout.sealed()).map_err(failed)?;
        let file: Arc<dyn StorageFile> = Arc::from(self.storage.open(&active, Access::AppendNew).map_err(failed)?);
        append_all(&*file, repeated).and_then(|()| file.sync()).map_err(failed)?;
        self.storage.sync_dir(self.layout.parent()).map_err(failed)?;
        self.file_id = stat_id(&*file, &self.layout)?;
        self.file = SyncFile::new(file);
        self.end = Mark { segment: self.end.segment + 1, len: repeated.len() as u64, link: self.end.link };
        self.durable = self.end;
        self.set_header(stray_bytes(repeated, &self.end.link));
        self.needs_recovery = false;
        Ok(())
    }
}

//! Replaces files that are full or no longer trusted. This file moves the commit area's base, replaces the area, or
//! seals the segment and starts the next one. The caller holds the lock.

use std::io;
use std::sync::Arc;

use super::area::Area;
use super::chain::unchained;
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

    /// Moves the area's base to the end of the segment. The `stray` bytes before it are not lines.
    pub(super) fn rebase(&mut self, stray: u64) -> Result<()> {
        let segment = self.end.segment;
        self.sync_segment()?;
        if self.end.segment == segment {
            self.set_header(stray);
        }
        Ok(())
    }

    /// Syncs the segment, so that the area is free for new lines.
    pub(super) fn sync_segment(&mut self) -> Result<()> {
        match self.file.sync() {
            Ok(()) => {
                self.durable = self.end;
                Ok(())
            }
            Err(error) => self.abandon_segment(&error),
        }
    }

    /// Like [`Tail::rebase`], but the segment must be synced to its end already. Without an area the journal continues,
    /// and every batch syncs the segment itself until an area can be created.
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
        // Another process may still use the old area. Nothing in it is needed, since the segment is synced, and an area
        // without a header is not used.
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
                    // The file is not in the way any more, so appends need not look for it.
                    Ok(()) => self.area_failed = false,
                    Err(error) => self.warn(&Error::io("remove the commit area", &path, error)),
                }
            }
        }
    }

    /// Replaces an area that failed.
    pub(super) fn replace_area(&mut self) -> Result<()> {
        self.area = None;
        self.area_failed = true;
        self.rebase(0)
    }

    /// Seals the segment after a failed sync, and repeats in a new one the bytes that are not known to be durable.
    ///
    /// After a failed sync the pages of the segment read back as written, yet may never reach the disk, and a second
    /// sync would report success. The bytes are repeated exactly, so the chain continues, and readers return each line
    /// once.
    pub(super) fn abandon_segment(&mut self, error: &io::Error) -> Result<()> {
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
        self.record(&Event::Abandoned { segment, repeated_bytes: suspect.len() as u64, error: error.to_string() });
        Ok(())
    }

    /// Seals the active segment unchanged, and begins the next one with the `repeated` lines, synced.
    ///
    /// A crash may follow each step. If a segment is sealed and the next one does not exist, the active segment is
    /// treated as empty. Until the area has the new segment's header, recovery repeats the lines itself.
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

//! The end of the journal as this process last saw it, and checks of the files that this process has open.
//!
//! Three other files contain most changes of this state: [`replace`](super::replace), [`recovery`](super::recovery) and
//! [`tail`](super::tail). Each of them calls only functions of this file and of the files before it in this list.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::area::Area;
use super::events;
use super::mark::Mark;
use super::payloads::Payloads;
use super::sync::SyncFile;
use crate::disk::lock::{LockFile, Locked};
use crate::disk::name::Seen;
use crate::disk::{Storage, StorageFile, read_between, read_full_at};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::JournalOptions;
use crate::journal::format::Layout;
use crate::journal::format::event::Event;
use crate::journal::format::line::{self, Link, TRAILER_BYTES_MAX};

/// The end of the journal as this process last saw it. This end is trusted only after a call of [`Tail::catch_up`], and
/// only while the lock is held.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) layout: Layout,
    pub(crate) id: Uuid,
    pub(super) options: JournalOptions,
    pub(super) lock: LockFile,
    /// The active segment.
    pub(super) file: SyncFile,
    /// The device and the inode of `file`.
    pub(super) file_id: (u64, u64),
    /// The commit area, which has a copy of the active segment's last bytes. `None` if there is no area that can be
    /// written.
    pub(super) area: Option<Area>,
    /// What the last check found out about the name of the active segment. While the directory does not change, the
    /// next check is cheap.
    pub(super) active_seen: Seen,
    /// Like `active_seen`, but for the commit area.
    pub(super) area_seen: Seen,
    /// True if writing or syncing the area failed, so that a new area must replace it.
    pub(super) area_failed: bool,
    /// The position after the last line.
    pub(super) end: Mark,
    /// Everything before this mark is known to be synced in the segment itself. A sync of the area is not enough,
    /// because later lines overwrite the area.
    pub(super) durable: Mark,
    /// True if `end` may be wrong, so that the next call must recover first.
    pub(super) needs_recovery: bool,
    /// True if the last attempt to acquire the lock timed out.
    pub(super) lock_missed: bool,
    /// The lines of the batch that is being written. The memory is reused.
    pub(super) buffer: Vec<u8>,
    /// For each line in `buffer`, its offset in the segment. The memory is reused.
    pub(super) starts: Vec<u64>,
    /// The payloads of the previous batch. The memory is reused.
    pub(super) spare: Payloads,
}

impl Tail {
    /// Returns the state of a process that has opened the active segment, `file`, but has not recovered yet.
    pub(super) fn unrecovered(
        layout: Layout,
        options: JournalOptions,
        lock: LockFile,
        id: Uuid,
        file: Arc<dyn StorageFile>,
    ) -> Result<Self> {
        let storage = Arc::clone(&options.storage);
        let file_id = stat_id(&*file, &layout)?;
        let start = Mark { segment: 1, len: 0, link: Link::START };
        Ok(Self {
            storage,
            layout,
            id,
            options,
            lock,
            file: SyncFile::new(file),
            file_id,
            area: None,
            active_seen: Seen::default(),
            area_seen: Seen::default(),
            area_failed: false,
            end: start,
            durable: start,
            needs_recovery: true,
            lock_missed: false,
            buffer: Vec::new(),
            starts: Vec::new(),
            spare: Payloads::default(),
        })
    }

    pub(super) fn lock(&mut self) -> Result<Locked> {
        self.lock_within(self.options.lock_deadline)
    }

    pub(super) fn lock_within(&mut self, deadline: Duration) -> Result<Locked> {
        let locked = self.lock.acquire(deadline);
        self.lock_missed = locked.as_ref().is_err_and(|error| error.kind() == ErrorKind::Timeout);
        locked
    }

    /// Returns true if the file that this process appends to is still the active segment.
    pub(super) fn active_is_still_there(&mut self) -> Result<bool> {
        let path = self.layout.active();
        let still = Seen::now(&*self.storage, self.layout.parent())
            .and_then(|now| self.active_seen.still(now, &*self.storage, path, self.file_id));
        still.map_err(|source| Error::io("examine the ledger", path, source))
    }

    pub(super) fn active_len(&self) -> Result<u64> {
        self.file.length().map_err(|source| Error::io("examine the ledger", self.layout.active(), source))
    }

    /// Reads the area's header again. Returns false if there is no area, or if the area must not be used. An area must
    /// not be used if a sync of it failed, its path names another file, or its header is invalid. It must not be used
    /// either if its header names another segment or ledger.
    pub(super) fn refresh_area(&mut self) -> Result<bool> {
        let path = self.layout.commit();
        let Some(area) = &mut self.area else { return Ok(false) };
        if area.file.has_failed() {
            return Ok(false);
        }
        // The area and the lock are in the same directory, and acquiring the lock has just examined this directory.
        let still = self.area_seen.still(self.lock.directory_seen(), &*self.storage, &path, area.id);
        if !still.map_err(|source| Error::io("examine the commit area", &path, source))? {
            return Ok(false);
        }
        let header = area.refresh().map_err(|source| Error::io("read the commit area", &path, source))?;
        let Some(header) = header.filter(|header| header.segment == self.end.segment && header.ledger == self.id)
        else {
            return Ok(false);
        };
        // The area holds the segment's bytes after the offset `base`. The process that wrote the header has synced the
        // segment up to this offset.
        if self.durable.segment == header.segment && self.durable.len < header.base {
            self.durable = Mark { segment: header.segment, len: header.base, link: header.link };
        }
        Ok(true)
    }

    /// Returns the number and the hash of the line that ends at `len`, or `None` if no line ends there. Reads only the
    /// end of the line, which has the number and the hash.
    pub(super) fn last_link(&self, len: u64) -> Result<Option<Link>> {
        let wanted = len.min(TRAILER_BYTES_MAX as u64 + 1);
        let mut bytes = vec![0; wanted as usize];
        let read = read_full_at(&**self.file, &mut bytes, len - wanted)
            .map_err(|source| Error::io("read the end of the ledger", self.layout.active(), source))?;
        let line = bytes[..read].strip_suffix(b"\n");
        Ok(line.and_then(line::trailer).map(|trailer| trailer.link))
    }

    /// Compares the last bytes before `len` in the area and in the segment. Returns true if these bytes are equal, or
    /// if the area does not have the byte just before `len`. The bytes differ if another program copied a line to the
    /// end of the segment. Returns false if there is no area.
    pub(super) fn area_ends_as_segment(&self, len: u64) -> Result<bool> {
        let Some(area) = &self.area else { return Ok(false) };
        let Some(from) = area.held_from(len.saturating_sub(TRAILER_BYTES_MAX as u64), len) else { return Ok(true) };
        let there = self.read_from(from, len)?;
        area.holds(&there, from).map_err(|source| Error::io("read the commit area", &self.layout.commit(), source))
    }

    pub(super) fn read_from(&self, offset: u64, len: u64) -> Result<Vec<u8>> {
        read_between(&**self.file, offset, len)
            .map_err(|source| Error::io("read the end of the ledger", self.layout.active(), source))
    }

    pub(super) fn area_fits(&self, bytes: u64) -> bool {
        self.area.as_ref().is_some_and(|area| area.fits(self.end.len, bytes))
    }

    /// Writes `event` to `events.jsonl`. A failure only causes a warning, so that the append can succeed.
    pub(super) fn record(&self, event: &Event) {
        if let Err(error) = events::record(&*self.storage, &self.layout, (self.options.clock)(), event) {
            self.warn(&error);
        }
    }

    pub(super) fn warn(&self, error: &Error) {
        (self.options.warn)(error);
    }
}

pub(super) fn stat_id(file: &dyn StorageFile, layout: &Layout) -> Result<(u64, u64)> {
    Ok(file.stat().map_err(|source| Error::io("examine the ledger", layout.active(), source))?.id)
}

//! The end of the active segment: appending a batch of lines to it under the lock, and making them durable.

use std::io;
use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use super::Options;
use super::area::{Area, Header};
use super::events::{self, Event};
use super::line::{self, Link, TRAILER_BYTES_MAX};
use super::lock::{LockFile, Locked};
use super::segment::Layout;
use super::storage::{Access, Storage, StorageFile, append_all, read_full_at};
use super::sync::{SyncFile, Synced, Unsynced};
use crate::error::{Error, ErrorKind, Result};

/// Buffers larger than this are given back after the batch that needed them.
const BUFFER_BYTES_KEPT: usize = 1024 * 1024;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// A place in a segment, and the line that ends there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) segment: u64,
    pub(super) len: u64,
    pub(super) link: Link,
}

/// Where this process believes the journal's end to be. Believed only after [`Tail::catch_up`], under the lock.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) layout: Layout,
    pub(super) id: Uuid,
    pub(super) options: Options,
    lock: LockFile,
    pub(super) file: SyncFile,
    pub(super) file_id: (u64, u64),
    /// `None` when there is none that can be written.
    pub(super) area: Option<Area>,
    /// When a name in the active segment's directory last changed, at the last look.
    active_seen: Option<(i64, i64)>,
    /// When a name in the area's directory last changed, as seen when the area was found to be at its path.
    area_seen: Option<(i64, i64)>,
    /// Set when the area's file failed: a new one takes its place.
    pub(super) area_failed: bool,
    pub(super) end: Mark,
    /// Everything before it is known to be synced in the segment itself. What only the area has is not: the area is
    /// begun anew with the next segment.
    pub(super) durable: Mark,
    /// Set when the file was left in a state that `end` does not describe.
    pub(super) doubtful: bool,
    /// Lines of the batch that is written; kept for its memory.
    buffer: Vec<u8>,
    /// Payloads of the batch before; kept for its memory.
    spare: Payloads,
}

/// One line for each payload: where the payloads end in a buffer that holds them one after the other.
#[derive(Debug, Default)]
pub(super) struct Payloads {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Payloads {
    pub(super) fn push(&mut self, payload: &[u8]) {
        self.bytes.extend_from_slice(payload);
        self.ends.push(self.bytes.len());
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end])
    }

    fn line_bytes_max(&self) -> u64 {
        (self.bytes.len() + self.ends.len() * TRAILER_BYTES_MAX) as u64
    }
}

impl Tail {
    /// Opens the files, recovers what a crash left, and believes the end only after it is synced.
    pub(super) fn open(layout: Layout, options: Options) -> Result<Self> {
        let storage = Arc::clone(&options.storage);
        let mut lock = LockFile::open(Arc::clone(&storage), layout.lock())?;
        let locked = lock.acquire(options.lock_deadline)?;
        let id = super::identity::read_or_make(&*storage, &layout, (options.clock)())?;
        let file = super::recovery::open_active(&*storage, &layout)?;
        let file_id = stat_id(&*file, &layout)?;
        let start = Mark { segment: 1, len: 0, link: Link::START };
        let mut tail = Self {
            storage,
            layout,
            id,
            options,
            lock,
            file: SyncFile::new(file),
            file_id,
            area: None,
            active_seen: None,
            area_seen: None,
            area_failed: false,
            end: start,
            durable: start,
            doubtful: true,
            buffer: Vec::new(),
            spare: Payloads::default(),
        };
        tail.recover()?;
        drop(locked);
        Ok(tail)
    }

    /// Empty payloads that have memory already.
    pub(super) fn take_spare(&mut self) -> Payloads {
        std::mem::take(&mut self.spare)
    }

    /// Keeps the memory of `payloads`, unless it has grown out of proportion.
    pub(super) fn give_spare(&mut self, mut payloads: Payloads) {
        if payloads.bytes.capacity() <= BUFFER_BYTES_KEPT {
            payloads.bytes.clear();
            payloads.ends.clear();
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
    /// On an error none of them is in the journal.
    pub(super) fn append(&mut self, payloads: &Payloads) -> Result<(Mark, Unsynced)> {
        let _locked = self.lock()?;
        self.catch_up()?;
        self.rotate_if_due(payloads)?;
        let before = self.end;
        let in_area = self.write(payloads)?;
        let unsynced = Unsynced {
            end: self.end,
            area: self.area.as_ref().filter(|_| in_area).map(|area| area.file().clone()),
            segment: self.file.clone(),
            segment_id: self.file_id,
        };
        Ok((before, unsynced))
    }

    /// Leaves nothing behind the base, so that the next opener has nothing to write again. Where others are at it, or
    /// anything is not as it was left, that is theirs to do.
    pub(super) fn close(&mut self) {
        let Ok(_locked) = self.lock() else { return };
        let closed = self.is_as_left().and_then(|as_left| if as_left { self.rebase(0) } else { Ok(()) });
        if let Err(error) = closed {
            self.warn(&error);
        }
    }

    /// Whether the base can be moved to the end: there is something between, and it is what was written there. Only the
    /// area could say so later.
    fn is_as_left(&mut self) -> Result<bool> {
        if self.doubtful
            || !self.active_is_still_there()?
            || !self.refresh_area()?
            || self.active_len()? != self.end.len
        {
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

    fn lock(&mut self) -> Result<Locked> {
        self.lock.acquire(self.options.lock_deadline)
    }

    /// Learns what other processes have done since: cheap when that is nothing.
    fn catch_up(&mut self) -> Result<()> {
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
        // Lines of another process: the last one's trailer says where the chain stands.
        match self.last_link(len)? {
            Some(link) if len > self.end.len && link.seq > self.end.link.seq && self.area_ends_as_segment(len)? => {
                self.end = Mark { len, link, ..self.end };
                Ok(())
            }
            _ => self.recover(),
        }
    }

    /// Whether the file that this process appends to is still the active segment. As long as no name in its directory
    /// changes, it is; a look at the file itself would make the next sync dearer, see [`StorageFile::length`].
    fn active_is_still_there(&mut self) -> Result<bool> {
        let failed = |path: &Path, source| Error::io("examine the ledger", path, source);
        let (path, directory) = (self.layout.active(), self.layout.parent());
        let changed = self.storage.stat(directory).map_err(|source| failed(directory, source))?;
        let changed = changed.map(|directory| directory.changed);
        if changed.is_some() && changed == self.active_seen {
            return Ok(true);
        }
        let there = self.storage.stat(path).map_err(|source| failed(path, source))?;
        let is_there = there.is_some_and(|there| there.id == self.file_id);
        // Whoever fails to go on from here looks again.
        self.active_seen = changed.filter(|_| is_there);
        Ok(is_there)
    }

    pub(super) fn active_len(&self) -> Result<u64> {
        self.file.length().map_err(|source| Error::io("examine the ledger", self.layout.active(), source))
    }

    /// Reads the area's header again; false when the area is not the one that this process knows.
    fn refresh_area(&mut self) -> Result<bool> {
        let path = self.layout.commit();
        let Some(area) = &mut self.area else { return Ok(false) };
        if area.file().has_failed() {
            return Ok(false);
        }
        let changed = self.lock.directory_changed();
        if changed.is_none() || changed != self.area_seen {
            let there =
                self.storage.stat(&path).map_err(|source| Error::io("examine the commit area", &path, source))?;
            if there.is_none_or(|there| there.id != area.id) {
                return Ok(false);
            }
            self.area_seen = changed;
        }
        let header = area.refresh().map_err(|source| Error::io("read the commit area", &path, source))?;
        let Some(header) = header.filter(|header| header.segment == self.end.segment && header.ledger == self.id)
        else {
            return Ok(false);
        };
        // Whoever moved the base has synced the segment up to there.
        if self.durable.segment == header.segment && self.durable.len < header.base {
            self.durable = Mark { segment: header.segment, len: header.base, link: header.link };
        }
        Ok(true)
    }

    /// The place in the chain of the line that ends at `len`, by its trailer.
    pub(super) fn last_link(&self, len: u64) -> Result<Option<Link>> {
        let wanted = len.min(TRAILER_BYTES_MAX as u64 + 1);
        let mut bytes = vec![0; wanted as usize];
        let read = read_full_at(&**self.file, &mut bytes, len - wanted)
            .map_err(|source| Error::io("read the end of the ledger", self.layout.active(), source))?;
        let line = bytes[..read].strip_suffix(b"\n");
        Ok(line.and_then(line::trailer).map(|trailer| trailer.link))
    }

    /// Whether the area has the segment's last bytes before `len` at the same distance, as far as it has any: a line that
    /// a stranger copied to the end of the segment is not there.
    fn area_ends_as_segment(&self, len: u64) -> Result<bool> {
        let Some(area) = &self.area else { return Ok(false) };
        let Some(from) = area.held_from(len.saturating_sub(TRAILER_BYTES_MAX as u64), len) else { return Ok(true) };
        let there = self.read_from(from, len)?;
        area.holds(&there, from).map_err(|source| Error::io("read the commit area", &self.layout.commit(), source))
    }

    fn day(&self) -> i64 {
        (self.options.clock)().div_euclid(DAY_MS)
    }

    fn rotate_if_due(&mut self, next: &Payloads) -> Result<()> {
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

    /// Writes a line for each payload to the commit area and to the segment; true if the area has them all.
    ///
    /// The area first: then it always has at least what the segment has, wherever the process dies.
    fn write(&mut self, payloads: &Payloads) -> Result<bool> {
        self.buffer.clear();
        let mut link = self.end.link;
        if link.seq.checked_add(payloads.ends.len() as u64).is_none() {
            // Nobody writes so many lines; a line that says so was made by hand.
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

    /// Whether the batch, whose last line is `link`, ends at `end`: somebody without the lock may have appended just
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

    fn area_fits(&self, bytes: u64) -> bool {
        self.area.as_ref().is_some_and(|area| area.fits(self.end.len, bytes))
    }

    fn write_area(&self) -> bool {
        self.area.as_ref().is_some_and(|area| area.write(&self.buffer, self.end.len).is_ok())
    }

    /// Takes a partly written batch back.
    fn roll_back(&mut self, len: u64, error: io::Error) -> Error {
        self.withdraw(len);
        // Other writers are kept out by the lock, so what stands after `len` is this batch alone.
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

    /// Syncs the segment, so that the area is free for what comes next.
    pub(super) fn sync_segment(&mut self) -> Result<()> {
        match self.file.sync() {
            Ok(()) => {
                self.durable = self.end;
                Ok(())
            }
            Err(error) => self.abandon_segment(&error),
        }
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

    /// Puts a new area in the place of one that failed.
    fn replace_area(&mut self) -> Result<()> {
        self.area = None;
        self.area_failed = true;
        self.rebase(0)
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
                match self.storage.remove(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        self.warn(&Error::io("remove the commit area", &path, error));
                    }
                    // It is not in the way any more, and need not be looked for with each append.
                    _ => self.area_failed = false,
                }
            }
        }
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

    /// Writes `event` to `events.jsonl`. An event that cannot be written is a warning: it must not fail the append.
    pub(super) fn tell(&self, event: &Event) {
        if let Err(error) = events::record(&*self.storage, &self.layout, (self.options.clock)(), event) {
            self.warn(&error);
        }
    }

    fn warn(&self, error: &Error) {
        (self.options.warn)(error);
    }
}

/// How many of the `repeated` bytes at a segment's beginning the line `link` does not end: all or none. A damaged segment
/// may have had a higher number than the last line that could be repeated.
pub(super) fn unchained(repeated: &[u8], link: &Link) -> u64 {
    let last = repeated.strip_suffix(b"\n").and_then(line::trailer);
    if last.is_some_and(|last| last.link == *link) { 0 } else { repeated.len() as u64 }
}

pub(super) fn stat_id(file: &dyn StorageFile, layout: &Layout) -> Result<(u64, u64)> {
    Ok(file.stat().map_err(|source| Error::io("examine the ledger", layout.active(), source))?.id)
}

//! The end of the active segment: appending a batch of lines to it under the lock, and making them durable.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::Options;
use super::area::{Area, Header};
use super::events::{self, Event};
use super::identity;
use super::line::{self, Link, TRAILER_BYTES_MAX};
use super::recovery;
use super::segment::Layout;
use super::sync::{SyncFile, Unsynced};
use crate::disk::lock::{LockFile, Locked};
use crate::disk::name::Seen;
use crate::disk::{Access, Storage, StorageFile, append_all, read_full_at};
use crate::error::{Error, ErrorKind, Result};

/// Buffers larger than this are given back after the batch that needed them.
const BUFFER_BYTES_KEPT: usize = 1024 * 1024;

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
    active_seen: Seen,
    area_seen: Seen,
    /// Set when the area's file failed: a new one takes its place.
    pub(super) area_failed: bool,
    pub(super) end: Mark,
    /// Everything before it is known to be synced in the segment itself. What only the area has is not: the area is
    /// begun anew with the next segment.
    pub(super) durable: Mark,
    /// Set when the file was left in a state that `end` does not describe.
    pub(super) doubtful: bool,
    /// Set when the last wait for the lock ended at its deadline.
    pub(super) lock_missed: bool,
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

    pub(super) fn count(&self) -> usize {
        self.ends.len()
    }

    /// All of them.
    fn all(&self) -> Run<'_> {
        Run { bytes: &self.bytes, begin: 0, ends: &self.ends }
    }

    /// All of them, in runs whose lines fit into a file of `limit` bytes. One that does not is a run of its own.
    fn runs(&self, limit: u64) -> Vec<Run<'_>> {
        let mut runs = Vec::new();
        let mut rest = self.all();
        while !rest.ends.is_empty() {
            let fits = |count: usize| Run { ends: &rest.ends[..count], ..rest }.line_bytes_max() <= limit;
            let count = (2..=rest.ends.len()).take_while(|&count| fits(count)).last().unwrap_or(1);
            let (now, later) = rest.ends.split_at(count);
            runs.push(Run { ends: now, ..rest });
            rest = Run { begin: now[count - 1], ends: later, ..rest };
        }
        runs
    }
}

/// Some of the payloads, one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run<'p> {
    bytes: &'p [u8],
    begin: usize,
    ends: &'p [usize],
}

impl<'p> Run<'p> {
    fn iter(self) -> impl Iterator<Item = &'p [u8]> {
        let starts = std::iter::once(self.begin).chain(self.ends.iter().copied());
        starts.zip(self.ends).map(move |(start, &end)| &self.bytes[start..end])
    }

    /// More bytes than the lines will have.
    pub(super) fn line_bytes_max(self) -> u64 {
        let payload_bytes = self.ends.last().map_or(0, |end| end - self.begin);
        (payload_bytes + self.ends.len() * TRAILER_BYTES_MAX) as u64
    }
}

impl Tail {
    /// Opens the files, recovers what a crash left, and believes the end only after it is synced.
    pub(super) fn open(layout: Layout, options: Options) -> Result<Self> {
        let mut lock = LockFile::open(Arc::clone(&options.storage), layout.lock())?;
        let locked = lock.acquire(options.lock_deadline)?;
        let id = identity::read_or_make(&*options.storage, &layout, (options.clock)())?;
        let file = recovery::open_active(&*options.storage, &layout)?;
        let mut tail = Self::unrecovered(layout, options, lock, id, file)?;
        tail.recover()?;
        drop(locked);
        Ok(tail)
    }

    /// Opens the files of a journal that exists, without its lock: the first append recovers what a crash left. Returns
    /// `None` if the journal has no identity or no active segment: then the lock is needed to make them.
    ///
    /// Until then the end is one that the journal had before: up to the commit area's base nothing is ever cut off.
    pub(super) fn open_without_lock(layout: Layout, options: Options) -> Result<Option<Self>> {
        let storage = Arc::clone(&options.storage);
        let Some(id) = identity::read(&*storage, &layout)? else { return Ok(None) };
        let file = match storage.open(layout.active(), Access::Append) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => Arc::from(opened.map_err(|source| Error::io("open the ledger", layout.active(), source))?),
        };
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

    fn unrecovered(
        layout: Layout,
        options: Options,
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
            doubtful: true,
            lock_missed: false,
            buffer: Vec::new(),
            spare: Payloads::default(),
        })
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

    pub(super) fn lock(&mut self) -> Result<Locked> {
        self.lock_within(self.options.lock_deadline)
    }

    pub(super) fn lock_within(&mut self, deadline: Duration) -> Result<Locked> {
        let locked = self.lock.acquire(deadline);
        self.lock_missed = locked.as_ref().is_err_and(|error| error.kind() == ErrorKind::Timeout);
        locked
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
        // Lines of another process: the last one's trailer says where the chain stands.
        match self.last_link(len)? {
            Some(link) if len > self.end.len && link.seq > self.end.link.seq && self.area_ends_as_segment(len)? => {
                self.end = Mark { len, link, ..self.end };
                Ok(())
            }
            _ => self.recover(),
        }
    }

    /// Whether the file that this process appends to is still the active segment.
    pub(super) fn active_is_still_there(&mut self) -> Result<bool> {
        let path = self.layout.active();
        let still = Seen::now(&*self.storage, self.layout.parent())
            .and_then(|now| self.active_seen.still(now, &*self.storage, path, self.file_id));
        still.map_err(|source| Error::io("examine the ledger", path, source))
    }

    pub(super) fn active_len(&self) -> Result<u64> {
        self.file.length().map_err(|source| Error::io("examine the ledger", self.layout.active(), source))
    }

    /// Reads the area's header again; false when the area is not the one that this process knows.
    pub(super) fn refresh_area(&mut self) -> Result<bool> {
        let path = self.layout.commit();
        let Some(area) = &mut self.area else { return Ok(false) };
        if area.file().has_failed() {
            return Ok(false);
        }
        // The area is in the lock's directory.
        let still = self.area_seen.still(self.lock.directory_seen(), &*self.storage, &path, area.id);
        if !still.map_err(|source| Error::io("examine the commit area", &path, source))? {
            return Ok(false);
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

    /// Writes a line for each payload to the commit area and to the segment; true if the area has them all.
    ///
    /// The area first: then it always has at least what the segment has, wherever the process dies.
    fn write(&mut self, payloads: Run<'_>) -> Result<bool> {
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

    /// Writes `event` to `events.jsonl`. An event that cannot be written is a warning: it must not fail the append.
    pub(super) fn tell(&self, event: &Event) {
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

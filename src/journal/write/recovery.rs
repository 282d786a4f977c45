//! Recovery: finds the last line of the journal after a crash, and makes the active segment end there. New lines go to
//! the active segment. Sealed segments get no more lines.
//!
//! A process normally recovers when it opens the journal, and again when it finds the files in a state that it does not
//! expect. During recovery the process holds the journal's lock.
//!
//! The commit area is a file with a copy of the segment's bytes after an offset, the base. Everything before the base
//! is synced in the segment. Recovery restores the lines after the base one by one. If the segment has a line intact,
//! recovery takes that line from the segment, and otherwise from the area. The lines end where neither file has the
//! next line. Recovery moves all other bytes after the base from the segment to `quarantine/`, unless all of them are
//! NULs.
//!
//! A crash can also interrupt recovery. The next recovery then finds the same last line, whichever step was
//! interrupted.

use std::io;
use std::sync::Arc;

use super::area::{AREA_BYTES, Area, Held};
use super::chain::{Merged, chain_from_start, last_valid, later, merge, stray_bytes};
use super::mark::Mark;
use super::refusals::{finish_sealing, open_active};
use super::state::{Tail, stat_id};
use super::sync::SyncFile;
use crate::disk::{Access, append_all, read_between, write_all_at};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::format::event::Event;
use crate::journal::format::header::Header;
use crate::journal::format::line::Link;
use crate::journal::read::truncation::segments_gone;
use crate::journal::read::{LINE_BYTES_MAX, is_reported_damaged};

/// Recovery first reads as many bytes of the area as the segment has after the base, plus this number. If the area has
/// further lines, recovery reads the whole area.
const PEEK_BYTES: usize = 4096;

impl Tail {
    /// Finds the last line of the journal, makes the active segment end there, and moves the base to that end.
    pub(super) fn recover(&mut self) -> Result<()> {
        self.needs_recovery = true;
        finish_sealing(&*self.storage, &self.layout)?;
        let file = open_active(&*self.storage, &self.layout)?;
        let id = stat_id(&*file, &self.layout)?;
        // If `file` is still the same file as before, remember whether a sync of it has failed.
        self.file = if id == self.file_id { self.file.reopened(file) } else { SyncFile::new(file) };
        self.file_id = id;
        let sealed = self.layout.sealed_segments(&*self.storage)?;
        let after_sealed = sealed.last().map_or(1, |last| last + 1);
        let len = self.active_len()?;
        let area = Area::open(&*self.storage, &self.layout)
            .map_err(|source| Error::io("open the commit area", &self.layout.commit(), source))?;
        let held = area.as_ref().and_then(Area::held);
        self.area_failed |= self.area.as_ref().is_some_and(|area| area.file.has_failed());
        // If a sync of the area failed, this recovery still reads the area, but does not write to it.
        self.area = area.filter(|_| !self.area_failed);
        let held = held.filter(|held| held.header.ledger == self.id);
        // If another program removed the last sealed segments, only the header of the area still states the number of
        // the active segment. The active segment keeps this number, because segment numbers are never reused.
        let segment = held.as_ref().map_or(after_sealed, |held| after_sealed.max(held.header.segment));
        if segment > after_sealed {
            self.report_gone(after_sealed, segment - 1)?;
        }
        // Before a process writes a header that names a new segment, it syncs the ledger's directories. So the
        // directories need a sync only if the area has no header, or if its header names another segment.
        if held.as_ref().is_none_or(|held| held.header.segment != segment) {
            self.sync_names()?;
        }
        match held {
            Some(held) if held.header.segment == segment => self.recover_from_area(&held, len)?,
            Some(held) if held.header.segment + 1 == segment => self.recover_new_segment(&held, &sealed, len)?,
            held => {
                self.recover_without_area(segment, &sealed, len, held.map_or(Link::START, |held| held.header.link))?
            }
        }
        self.needs_recovery = false;
        Ok(())
    }

    /// Reports that the sealed segments `first` to `last` are missing, unless an event already says so.
    fn report_gone(&self, first: u64, last: u64) -> Result<()> {
        if is_reported_damaged(&*self.storage, &self.layout, last)? {
            return Ok(());
        }
        self.report_damage(last, segments_gone(first, last));
        Ok(())
    }

    fn report_damage(&self, segment: u64, found: String) {
        self.warn(
            &Error::new(ErrorKind::Diverged, "continue the ledger's last line").path(self.layout.active()).detail(
                format!("it was truncated or changed: {found}. `runledger verify` reports whether lines are missing"),
            ),
        );
        self.record(&Event::Damaged { segment, found });
    }

    /// Syncs the ledger's directories. A process may have created or removed files in these directories just before it
    /// died. The next lines are durable only if these changes are durable.
    fn sync_names(&self) -> Result<()> {
        let directories = [self.layout.parent(), self.layout.machinery(), &self.layout.sealed()];
        directories.into_iter().try_for_each(|directory| {
            self.storage
                .sync_dir(directory)
                .map_err(|source| Error::io("sync the names of the ledger's files", directory, source))
        })
    }

    /// Completes a [`Tail::begin_segment`] that was interrupted. The header of the area then still names the last
    /// sealed segment.
    ///
    /// `begin_segment` seals a segment and then repeats lines at the beginning of the next one. If it was interrupted
    /// before it synced the repeated lines, perhaps only the area has these lines. So recovery writes all lines after
    /// the area's base to the new segment. Repeating a line that the sealed segment also has is harmless.
    fn recover_new_segment(&mut self, held: &Held, sealed: &[u64], len: u64) -> Result<()> {
        let segment = held.header.segment + 1;
        let path = self.layout.sealed_segment(held.header.segment);
        let failed = |source| Error::io("read a sealed segment", &path, source);
        let file = self.storage.open(&path, Access::Read).map_err(failed)?;
        let sealed_len = file.length().map_err(failed)?;
        let repeated = self.merge(held, &read_between(&*file, held.header.base, sealed_len).map_err(failed)?)?;
        let last = last_valid(Arc::clone(&self.file), Link::START)
            .map_err(|source| Error::io("read the ledger", self.layout.active(), source))?;
        // If the active segment begins with the repeated lines and has further lines after them, `begin_segment` was
        // complete. Check both conditions, because a power cut can keep the further lines and lose the repeated lines.
        let begins = self.read_from(0, len.min(repeated.bytes.len().max(LINE_BYTES_MAX + 1) as u64))?;
        let has_them = chain_from_start(&begins).is_some_and(|link| link.seq >= repeated.link.seq);
        if repeated.bytes.is_empty() || (has_them && last.highest.seq > repeated.link.seq) {
            return self.recover_without_area(segment, sealed, len, held.header.link);
        }
        // The sealed segment may have lines after a damaged line. Recovery does not repeat these lines. But the next
        // line must have a higher number than theirs, because line numbers are never reused.
        let link = later(repeated.link, self.link_of_sealed(sealed)?);
        let there = self.read_from(0, len)?;
        let same = there.iter().zip(&repeated.bytes).take_while(|(a, b)| a == b).count();
        self.quarantine(segment, same as u64, &there[same..])?;
        // Write the lines again even if the segment has them. An earlier sync may have failed. Without a new write, the
        // next sync would report success, although the lines are not on the disk.
        self.file = SyncFile::new(Arc::clone(&self.file));
        let emptied = if len > 0 { self.file.truncate(0) } else { Ok(()) };
        emptied
            .and_then(|()| append_all(&**self.file, &repeated.bytes))
            .and_then(|()| self.file.sync())
            .map_err(|source| Error::io("repeat lines in a new segment", self.layout.active(), source))?;
        let len = repeated.bytes.len() as u64;
        self.end = Mark { segment, len, link };
        self.durable = self.end;
        self.set_header(stray_bytes(&repeated.bytes, &link));
        let cut_bytes = (there.len() - same) as u64;
        self.record(&Event::Recovered { segment, healed_bytes: len, cut_bytes });
        Ok(())
    }

    /// Recovers with the area, whose header names the active segment.
    fn recover_from_area(&mut self, held: &Held, len: u64) -> Result<()> {
        let header = held.header;
        let base = Mark { segment: header.segment, len: header.base, link: header.link };
        self.durable = base;
        if let Some(found) = self.damage_before(&header, len)? {
            // Seal the damaged segment unchanged, and continue with the lines of the area in a new segment.
            let merged = self.merge(held, &[])?;
            let last = last_valid(Arc::clone(&self.file), merged.link)
                .map_err(|source| Error::io("read the ledger", self.layout.active(), source))?;
            self.end = Mark { link: later(merged.link, last.unused()), ..base };
            self.begin_segment(&merged.bytes)?;
            self.report_damage(base.segment, found);
            return Ok(());
        }
        let there = self.read_from(header.base, len)?;
        let merged = self.merge(held, &there)?;
        let same = there.iter().zip(&merged.bytes).take_while(|(a, b)| a == b).count();
        let (healed, cut) = (merged.bytes.len() - same, there.len() - same);
        let end = Mark { len: header.base + merged.bytes.len() as u64, link: merged.link, ..base };
        self.end = end;
        if merged.bytes.is_empty() && cut == 0 {
            return if self.area.is_none() { self.rebase(header.stray) } else { Ok(()) };
        }
        self.quarantine(header.segment, header.base + same as u64, &there[same..])?;
        let written = if merged.bytes.is_empty() {
            Ok(())
        } else if self.area.as_ref().is_some_and(|area| area.alone) {
            self.rewrite(header, &merged.bytes)
        } else {
            self.write_in_place(&merged.bytes, header.base)
        };
        match written {
            Ok(()) => self.finish_at(end, self.active_len()?)?,
            // An append-only file (`chattr +a`) cannot be overwritten. If no bytes have to be restored, overwriting is
            // not necessary.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && healed == 0 => self.finish_at(end, len)?,
            Err(error) => {
                if self.area.as_ref().is_some_and(|area| area.file.has_failed()) {
                    self.area = None;
                    self.area_failed = true;
                }
                // The segment is sealed next. Try to remove the bytes after its last complete line, so that the sealed
                // segment ends with a complete line. The new segment repeats all lines after the base.
                let whole = merged.bytes[..same].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at as u64 + 1);
                if self.active_len()? > header.base + whole {
                    let _ = self.file.truncate(header.base + whole);
                }
                self.begin_segment(&merged.bytes)?;
                let repeated_bytes = merged.bytes.len() as u64;
                self.record(&Event::Abandoned { segment: base.segment, repeated_bytes, error: error.to_string() });
            }
        }
        if healed + cut > 0 {
            let (healed_bytes, cut_bytes) = (healed as u64, cut as u64);
            self.record(&Event::Recovered { segment: base.segment, healed_bytes, cut_bytes });
        }
        Ok(())
    }

    /// Replaces all bytes of the segment after the base with `bytes`, even if the segment already has `bytes` there.
    ///
    /// Another process may have failed to sync these bytes and then died. Without a new write, a sync by this process
    /// would report success, although the bytes never reached the disk.
    ///
    /// This function truncates and appends instead of overwriting, because of a behaviour observed on ext4. If the
    /// first write to a block fails, ext4 keeps the block marked as unwritten. If the cached page of this block is then
    /// overwritten, a sync reports success. But once the page leaves the cache, the block reads as NULs. Overwriting
    /// the area is safe, because the blocks of the area were synced when the area was created. Between the truncation
    /// and the append, only the area has the bytes.
    ///
    /// If other processes use the journal, or if this process has the commit area open already, [`write_in_place`] is
    /// called instead. That function never truncates, so it does not disturb readers. A failed sync is then always
    /// noticed, because the system reports the failure to every process that has the file open.
    ///
    /// [`write_in_place`]: Self::write_in_place
    fn rewrite(&mut self, header: Header, bytes: &[u8]) -> io::Result<()> {
        let Some(area) = &mut self.area else { return Ok(()) };
        let base = header.base;
        if !area.fits(base, bytes.len() as u64) {
            return Err(io::Error::other("the commit area has no room for all that was appended"));
        }
        // Write the header too, because it says which bytes of the segment the area has.
        area.rebase(header)?;
        area.write(bytes, base)?;
        area.file.sync()?;
        self.file.truncate(base)?;
        append_all(&**self.file, bytes)
    }

    /// Like [`Tail::rewrite`], but overwrites the bytes in the segment and never truncates it.
    fn write_in_place(&self, bytes: &[u8], base: u64) -> io::Result<()> {
        // `self.file` can only append, so open the segment again.
        write_all_at(&*self.storage.open(self.layout.active(), Access::Write)?, bytes, base)
    }

    /// Returns the bytes that the segment should have after the base. `there` holds the bytes that the segment actually
    /// has there.
    fn merge(&self, held: &Held, there: &[u8]) -> Result<Merged> {
        // The segment nearly always has all lines of the area. So the first read of the area has only a few bytes more
        // than the segment has after the base.
        let mut wanted = there.len() + PEEK_BYTES;
        loop {
            let area =
                held.read(wanted).map_err(|source| Error::io("read the commit area", &self.layout.commit(), source))?;
            let merged = merge(there, &area, held.header.link);
            let rest = area.get(merged.bytes.len()..).unwrap_or_default();
            let next_is_cut_short = rest.is_empty() || (rest.starts_with(b"{") && !rest.contains(&b'\n'));
            if area.len() < wanted || !next_is_cut_short {
                return Ok(merged);
            }
            wanted = AREA_BYTES as usize + 1;
        }
    }

    /// Recovers without the area, because there is none, or because its header names an earlier segment. The journal
    /// then ends after the last line with a valid hash. `known` is the link (number and hash) in that header, or
    /// [`Link::START`] if there is no area.
    fn recover_without_area(&mut self, segment: u64, sealed: &[u64], len: u64, known: Link) -> Result<()> {
        let before = later(self.link_of_sealed(sealed)?, known);
        let last = last_valid(Arc::clone(&self.file), before)
            .map_err(|source| Error::io("read the ledger", self.layout.active(), source))?;
        self.durable = Mark { segment, len: 0, link: before };
        let end = Mark { segment, len: last.end, link: last.link };
        if last.link.seq < last.highest.seq {
            // Another program copied earlier lines into the segment. The next line needs a higher number than all lines
            // of the segment, because line numbers are never reused.
            self.end = Mark { len, link: last.highest, ..end };
            self.begin_segment(&[])?;
            let found = format!(
                "its last line has number {}, but an earlier line has number {}",
                last.link.seq, last.highest.seq
            );
            self.report_damage(segment, found);
            return Ok(());
        }
        if end.len == len {
            self.end = end;
            return self.rebase(0);
        }
        let rest = self.read_from(end.len, len)?;
        self.quarantine(segment, end.len, &rest)?;
        self.finish_at(end, len)?;
        self.record(&Event::Recovered { segment, healed_bytes: 0, cut_bytes: rest.len() as u64 });
        Ok(())
    }

    /// Truncates the segment, which has `len` bytes, to `end`, and moves the base to the end of the segment.
    fn finish_at(&mut self, end: Mark, len: u64) -> Result<()> {
        let mut stray = 0;
        if len > end.len && self.file.truncate(end.len).is_err() {
            // An append-only file (`chattr +a`) cannot be truncated, so the bytes after `end` stay in the segment. A
            // line feed is appended, which makes these bytes a separate, invalid line. The next line begins after it.
            append_all(&**self.file, b"\n")
                .map_err(|source| Error::io("end a torn line", self.layout.active(), source))?;
            stray = len + 1 - end.len;
        }
        self.end = Mark { len: end.len + stray, ..end };
        self.rebase(stray)
    }

    /// Checks the part of the segment before the base, where every byte was synced. This part must be complete, and
    /// must end with the line that the header states. Returns a description of the damage, or `None` if there is none.
    fn damage_before(&self, header: &Header, len: u64) -> Result<Option<String>> {
        if len < header.base {
            return Ok(Some(format!("it has {len} bytes, but {} bytes had been synced", header.base)));
        }
        let end = header.base.saturating_sub(header.stray);
        if end == 0 || self.last_link(end)? == Some(header.link) {
            return Ok(None);
        }
        Ok(Some(format!("line {} should end at byte {end}, but does not", header.link.seq)))
    }

    /// Saves bytes in `quarantine/` before they are removed or overwritten. Bytes that are all NULs come from a lost
    /// write and are not saved.
    pub(super) fn quarantine(&self, segment: u64, offset: u64, bytes: &[u8]) -> Result<()> {
        if bytes.iter().all(|&byte| byte == 0) {
            return Ok(());
        }
        let directory = self.layout.quarantine();
        let hash = crate::hash_bytes(bytes);
        let path = directory.join(format!("{segment:06}-{offset}-{}.bytes", &hash[..16]));
        let write = || -> io::Result<()> {
            let file = match self.storage.open(&path, Access::WriteNew) {
                // An interrupted recovery left this file.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    self.storage.open(&path, Access::Write)?
                }
                opened => opened?,
            };
            write_all_at(&*file, bytes, 0)?;
            file.sync()?;
            self.storage.sync_dir(&directory)
        };
        write().map_err(|source| Error::io("quarantine a torn fragment", &path, source))
    }

    /// Returns the link that the first line of the active segment must follow. Normally, this is the link of the last
    /// line in the sealed segments. If damaged lines have higher numbers, the link has the highest of them.
    fn link_of_sealed(&self, sealed: &[u64]) -> Result<Link> {
        let last = |segment: u64, before: Link| {
            let path = self.layout.sealed_segment(segment);
            let read = || last_valid(Arc::from(self.storage.open(&path, Access::Read)?), before);
            read().map_err(|source| Error::io("read a sealed segment", &path, source))
        };
        // Find the last segment that has a valid line. The segments after it may still have damaged lines, whose
        // numbers must not be used again. So read these segments too, from the first to the last.
        let mut link = Link::START;
        let mut without_line = sealed.len();
        for (at, &segment) in sealed.iter().enumerate().rev() {
            let last = last(segment, Link::START)?;
            if last.end > 0 {
                link = last.unused();
                break;
            }
            without_line = at;
        }
        for &segment in &sealed[without_line..] {
            link = last(segment, link)?.unused();
        }
        Ok(link)
    }
}

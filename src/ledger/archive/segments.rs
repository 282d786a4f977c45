//! Moves sealed segments, which are files of a ledger that get no further lines, to an archive.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::copy;
use crate::disk::lock::LockFile;
use crate::disk::{Access, Storage, absolute, make_directory};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::format::Layout;
use crate::journal::format::identity;
use crate::journal::format::line::{self, Link};
use crate::journal::read::Splitter;
use crate::journal::read::moved::{self, Boundary};
use crate::journal::write::{events, refusals};
use crate::ledger::event::LedgerEvent;
use crate::ledger::index::Place;
use crate::ledger::pending::detached;
use crate::ledger::places::Places;
use crate::ledger::{Ledger, LedgerReader};
use crate::metrics::{Fields, Timestamp};

/// A sealed segment of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SealedSegment {
    /// The number of the segment, counting from 1.
    pub number: u64,
    /// The path of the segment's file.
    pub path: PathBuf,
    /// The length of the segment's file, in bytes.
    pub bytes: u64,
    /// The latest time in UTC at which an execution of this segment started or ended. `None` if a line of the segment
    /// is not a record, or if the segment was not read because it has to stay anyway. If a line is damaged, only the
    /// lines before it count.
    pub latest: Option<Timestamp>,
    /// Why the segment has to stay in the ledger. `None` if it can be moved to an archive, together with all earlier
    /// segments.
    pub stays: Option<String>,
    /// The number and the hash of the segment's last line.
    end: Link,
    /// True if a text was taken out of a line of the segment.
    has_redacted: bool,
}

impl SealedSegment {
    /// Returns the number of the segment's last line. If the segment [stays](Self::stays), it may not have been read.
    /// The result is then the number of an earlier line.
    pub fn last_seq(&self) -> u64 {
        self.end.seq
    }
}

impl LedgerReader {
    /// Returns the sealed segments, the oldest first.
    ///
    /// A segment can be moved to an archive only as a whole, and only together with all earlier segments. The last
    /// sealed segment always stays, because a recovery after a crash needs it to find the number of the next line.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if the disk fails, or if a segment is moved away during the call.
    pub fn segments(&self) -> Result<Vec<SealedSegment>> {
        sealed_on(&*self.storage, &self.layout)
    }
}

fn sealed_on(storage: &dyn Storage, layout: &Layout) -> Result<Vec<SealedSegment>> {
    let numbers = layout.sealed_segments(storage)?;
    let archived = moved::moved_before(storage, layout, numbers.first().copied().unwrap_or(1))?;
    let mut before = archived.map_or(Link::START, |archived| archived.link);
    let mut segments: Vec<SealedSegment> = Vec::new();
    let mut blocked = None;
    // The completion of a detached execution may have been interrupted. The next attempt to complete it searches the
    // ledger for its record, from the position `since` on. So the segments from that position on have to stay.
    let mut denied = Vec::new();
    let unsettled = detached::all(storage, layout, &mut denied)?.into_iter();
    if let Some(error) = denied.pop() {
        return Err(error);
    }
    let unsettled: Vec<_> =
        unsettled.filter_map(|state| Some((state.since?.segment, state.record.execution_id))).collect();
    for (at, &number) in numbers.iter().enumerate() {
        let path = layout.sealed_segment(number);
        let stat = storage.stat(&path).map_err(|source| Error::io("examine a segment", &path, source))?;
        let bytes = stat.map_or(0, |stat| stat.len);
        let (mut latest, mut end, mut has_redacted) = (None, before, false);
        let unsettled = unsettled.iter().find(|(since, _)| *since <= number).map(|(_, id)| {
            format!(
                "completing the execution {id} was interrupted, and this segment may hold the record. Complete the \
                 execution again"
            )
        });
        let stays = match (&blocked, unsettled, numbers.get(at + 1)) {
            (Some(first), ..) => Some(format!("the earlier segment {first} stays")),
            (None, Some(unsettled), _) => Some(unsettled),
            (None, None, None) => {
                Some("it is the last sealed segment, where a recovery reads the number of the next line".to_owned())
            }
            (None, None, Some(&next)) => {
                let walked = walk(storage, &path, before, u64::MAX)?;
                latest = walked.latest;
                end = walked.end;
                has_redacted = walked.has_redacted;
                match walked.fault {
                    Some(fault) => Some(format!("it does not verify: {fault}")),
                    None => walk(storage, &layout.sealed_segment(next), end, 1)?
                        .fault
                        .map(|_| format!("segment {next} does not continue the chain of this segment")),
                }
            }
        };
        if stays.is_some() && blocked.is_none() {
            blocked = Some(number);
        }
        segments.push(SealedSegment { number, path, bytes, latest, stays, end, has_redacted });
        before = end;
    }
    Ok(segments)
}

/// The result of reading a segment.
struct Walked {
    end: Link,
    latest: Option<Timestamp>,
    /// True if a text was taken out of a line.
    has_redacted: bool,
    /// The first error in the chain of the lines, or `None` if the chain is intact.
    fault: Option<String>,
}

/// Reads at most `lines_max` lines of a segment, and checks that they continue the chain after the line `before`.
fn walk(storage: &dyn Storage, path: &Path, before: Link, lines_max: u64) -> Result<Walked> {
    let failed = |source| Error::io("read a sealed segment", path, source);
    let mut lines = Splitter::new(Arc::from(storage.open(path, Access::Read).map_err(failed)?), 0);
    let mut walked = Walked { end: before, latest: None, has_redacted: false, fault: None };
    let (mut number, mut unknown) = (0, false);
    while number < lines_max
        && let Some(piece) = lines.next_piece().map_err(failed)?
    {
        number += 1;
        let bytes = lines.bytes(piece);
        let follows = line::check(bytes).filter(|trailer| trailer.follows(&walked.end));
        let Some(trailer) = follows.filter(|_| !piece.unfinished) else {
            let expected = walked.end.seq.saturating_add(1);
            walked.fault =
                Some(format!("line {number} of the file (byte {}) is not line {expected} of the ledger", piece.offset));
            break;
        };
        walked.end = trailer.link;
        walked.has_redacted |= trailer.redacted.is_some();
        match Fields::from_sealed(bytes, trailer.payload_end) {
            Ok(fields) => walked.latest = walked.latest.max(Some(fields.timestamp_start)).max(fields.timestamp_end),
            Err(_) => unknown = true,
        }
    }
    if number == 0 {
        walked.fault = Some("it has no lines".to_owned());
    }
    walked.latest = walked.latest.filter(|_| !unknown);
    Ok(walked)
}

impl Ledger {
    /// Returns the sealed segments of this ledger, like [`LedgerReader::segments`].
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if the disk fails, or if a segment is moved away during the call.
    pub fn sealed_segments(&self) -> Result<Vec<SealedSegment>> {
        sealed_on(self.storage(), self.shared.journal.layout())
    }

    /// Moves the sealed segments up to number `last` to the archive in `directory`, and returns the segments that were
    /// moved. Creates the directory if it does not exist.
    ///
    /// No record is deleted. The archive is a ledger of the same name, so every reader can read and verify it. Do not
    /// open the archive for writing. [`Verification::archived`] says which line is the last one in the archive.
    ///
    /// Other threads and processes can append during the move. A [`Records`](crate::ledger::Records) iterator may be
    /// reading a segment that is moved. In that case, the iterator reports the lines that it misses, and continues
    /// after the segment. A [`Scan`](crate::ledger::Scan) or a verification fails if it reaches a segment that was
    /// moved in the meantime.
    ///
    /// [`Verification::archived`]: crate::ledger::Verification::archived
    ///
    /// # Errors
    /// Segments that were moved before the error stay in the archive and are complete.
    /// - [`ErrorKind::Invalid`] if a segment [has to stay](SealedSegment::stays). Nothing is moved then.
    /// - [`ErrorKind::Unsuitable`] if the archive's path has another ledger or another file, or if the archive was
    ///   opened for writing. Also if every user may replace the archive's files.
    /// - [`ErrorKind::Timeout`] if another process is archiving, or holds the ledger's lock for too long.
    /// - [`ErrorKind::Io`] if a disk fails.
    pub fn archive_segments(&self, last: u64, directory: impl AsRef<Path>) -> Result<Vec<SealedSegment>> {
        let (options, layout) = (&self.shared.options.journal, self.shared.journal.layout());
        let mut lock = LockFile::open(Arc::clone(&options.storage), layout.archive_lock())?;
        let _locked = lock.acquire(options.lock_deadline)?;
        let mut segments = self.sealed_segments()?;
        segments.retain(|segment| segment.number <= last);
        let refuse = |error: Error, segment: &SealedSegment| match &segment.stays {
            Some(why) => error.detail(format!("segment {}: {why}", segment.number)),
            None => error,
        };
        let error = Error::new(ErrorKind::Invalid, "archive segments").path(layout.active());
        let error = segments.iter().fold(error, refuse);
        if !error.details().is_empty() {
            return Err(error);
        }
        let Some(first) = segments.first() else { return Ok(segments) };
        let archive = self.open_archive(directory.as_ref(), first.number)?;
        if segments.iter().any(|segment| segment.has_redacted) {
            self.name_ledger(&archive)?;
        }
        for segment in &segments {
            self.archive_segment(segment, &archive)?;
        }
        Ok(segments)
    }

    fn archive_segment(&self, segment: &SealedSegment, archive: &Layout) -> Result<()> {
        let copied = copy::verified(self.storage(), &segment.path, &archive.sealed_segment(segment.number))?;
        let to = archive.active().display().to_string();
        let event =
            LedgerEvent::archived(Boundary { segment: segment.number, bytes: copied.bytes, link: segment.end, to });
        let (storage, layout) = (self.storage(), self.shared.journal.layout());
        let index = Place { storage, layout, ledger: self.shared.journal.id(), segment: segment.number };
        // If the index of the segment cannot be copied, the first reader of the archive builds it again.
        let _ = index.copy_to(archive);
        // Remove the index before the segment, so that a crash leaves no index without a segment. A reader may build
        // the index again in between, so remove the index once more after the segment. A failure is harmless, because
        // no reader opens an index without its segment.
        let _ = index.remove();
        self.shared.journal.under_lock(|| self.record_and_remove(&event, &segment.path))?;
        let _ = index.remove();
        Ok(())
    }

    /// Creates the internal directory of the archive in `directory`, and returns the layout of the archive, which has
    /// all paths. `first` is the number of the first segment that will be moved to the archive.
    fn open_archive(&self, directory: &Path, first: u64) -> Result<Layout> {
        let (storage, layout) = (self.storage(), self.shared.journal.layout());
        let name = layout.active().file_name().unwrap_or_default();
        let archive = Layout::new(&absolute(directory).join(name));
        let unsuitable =
            |detail: &str| Error::new(ErrorKind::Unsuitable, "open the archive").path(archive.active()).detail(detail);
        let examine = |path: &Path| storage.stat(path).map_err(|source| Error::io("examine the archive", path, source));
        make_directory(storage, archive.machinery())?;
        refusals::check_directories(storage, &archive)?;
        // The dot makes `examine` follow a symbolic link.
        let id = |layout: &Layout| Ok(examine(&layout.machinery().join("."))?.map(|stat| stat.id));
        if id(&archive)? == id(layout)? {
            return Err(unsuitable("found the ledger itself; expected an archive. Choose another directory"));
        }
        if examine(archive.active())?.is_some() {
            return Err(unsuitable(
                "found an active segment, because the archive was opened for writing; expected only sealed ones. \
                 Choose another directory",
            ));
        }
        self.begin_archive(&archive, first)?;
        match identity::read(storage, &archive)? {
            Some(id) if id == self.shared.journal.id() => {}
            Some(_) => {
                return Err(unsuitable(
                    "found the archive of another ledger; expected that of this ledger. Choose another directory",
                ));
            }
            None => _ = copy::verified(storage, &layout.identity(), &archive.identity())?,
        }
        make_directory(storage, &archive.sealed())?;
        Ok(archive)
    }

    /// Prepares the archive for segment `first`. If the archive has no segments yet and `first` is not 1, copies the
    /// event about the move of segment `first` − 1 to the archive. From this event, a reader of the archive learns
    /// which line comes before the first line of the archive.
    fn begin_archive(&self, archive: &Layout, first: u64) -> Result<()> {
        let (storage, layout) = (self.storage(), self.shared.journal.layout());
        if let Some(&last) = archive.sealed_segments(storage)?.last() {
            // The archive may already have segment `first` or a later one. A crash can leave a copy of a segment in the
            // archive while the ledger still has this segment.
            return match last.checked_add(1) {
                Some(next) if next >= first => Ok(()),
                _ => Err(Error::new(ErrorKind::Unsuitable, "open the archive").path(archive.active()).detail(format!(
                    "found segment {last} as the last one; expected segment {}. Choose the latest archive, or a new \
                     directory",
                    first.saturating_sub(1)
                ))),
            };
        }
        if let Some(before) = moved::moved_before(storage, layout, first)?
            && moved::moved_before(storage, archive, first)?.is_none()
        {
            let event = LedgerEvent::archived(before);
            events::record(storage, archive, (self.shared.options.journal.clock)(), &event)?;
        }
        Ok(())
    }

    /// Writes the path of this ledger to the events of the archive, so that a verification of the archive can find the
    /// statements about its redacted lines.
    fn name_ledger(&self, archive: &Layout) -> Result<()> {
        let (storage, layout) = (self.storage(), self.shared.journal.layout());
        let event = LedgerEvent::RedactedBefore { ledger: layout.active().display().to_string() };
        events::record(storage, archive, (self.shared.options.journal.clock)(), &event)?;
        let machinery = archive.machinery();
        storage.sync_dir(machinery).map_err(|source| Error::io("record an event", machinery, source))
    }

    /// Durably writes `event`, which reports that the file at `path` is moved or deleted. Then removes the file.
    pub(super) fn record_and_remove(&self, event: &LedgerEvent, path: &Path) -> Result<()> {
        let (storage, layout) = (self.storage(), self.shared.journal.layout());
        events::record(storage, layout, (self.shared.options.journal.clock)(), event)?;
        // The events file may be new, so sync its directory too.
        let machinery = layout.machinery();
        storage.sync_dir(machinery).map_err(|source| Error::io("record an event", machinery, source))?;
        let remove = || storage.remove(path).and_then(|()| storage.sync_dir(path.parent().unwrap_or(Path::new(""))));
        remove().map_err(|source| Error::io("remove an archived or deleted file", path, source))
    }

    pub(in crate::ledger) fn storage(&self) -> &dyn Storage {
        &*self.shared.options.journal.storage
    }
}

//! Builds, extends and examines the indexes of all segments. With an index, a reader finds lines without reading the
//! whole segment.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::LedgerReader;
use super::scan::superseded;
use super::segments::Segments;
use crate::disk::unless_missing;
use crate::error::{Error, ErrorKind, Result};
use crate::journal::format::identity;
use crate::journal::read::blocks::Blocks;
use crate::ledger::index::{Place, State};

/// The result of [`LedgerReader::rebuild_index`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RebuiltIndex {
    /// The number of segments whose index was built.
    pub segments: u64,
    /// The size of these indexes in bytes.
    pub bytes: u64,
    /// The numbers of the segments that an index cannot cover completely, for example because a line is not a record.
    /// Readers scan these segments, but appends use their indexes.
    pub unclean: Vec<u64>,
    /// The numbers of the segments whose index was not built, because another process was building it, or because the
    /// segment changed in the meantime.
    pub busy: Vec<u64>,
}

/// [`extend_index`](LedgerReader::extend_index) extends the index of the active segment if the index lacks at least
/// this many bytes of the segment. Scanning fewer bytes takes a few milliseconds.
const EXTEND_BYTES: u64 = 512 * 1024;

/// The bytes of a ledger that no index covers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnindexedBytes {
    /// The bytes that an index does not cover yet. [`extend_index`](LedgerReader::extend_index) reduces them to less
    /// than 512 KiB.
    pub missing: u64,
    /// The bytes of segments that an index cannot cover completely, for example because a line is not a record. Readers
    /// scan these segments. Appends use the index nevertheless.
    pub unclean: u64,
}

impl LedgerReader {
    /// Builds the index of each segment again, even if the segment has an index. Removes each index whose segment no
    /// longer exists.
    ///
    /// This call is never necessary, because each call that needs an index builds the index if it is missing. After
    /// this call, the next such call is fast.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if a segment cannot be read, or an index cannot be written; [`ErrorKind::Unsuitable`] if the
    /// ledger has no `ledger.json`, the file with its id. For example, a file of plain JSON lines has none.
    pub fn rebuild_index(&self) -> Result<RebuiltIndex> {
        let (storage, layout) = (&*self.storage, &self.layout);
        let ledger = identity::read(storage, layout)?.ok_or_else(|| {
            Error::new(ErrorKind::Unsuitable, "build the index")
                .path(layout.active())
                .detail("found no ledger id; expected a ledger with its internal directory, which stores the id")
        })?;
        let mut rebuilt = RebuiltIndex::default();
        let mut blocks = Blocks::of(storage, layout, u64::MAX)?;
        while let Some(segment) = blocks.next_segment()? {
            let number = segment.segment;
            let place = Place { storage, layout, ledger, segment: number };
            let Some(bytes) = place.build(&segment, None)? else {
                rebuilt.busy.push(number);
                continue;
            };
            rebuilt.segments += 1;
            rebuilt.bytes += bytes;
            let failed = |source| Error::io("read an index", &layout.sealed(), source);
            if State::of(place, &segment).map_err(failed)? == State::Unclean {
                rebuilt.unclean.push(number);
            }
        }
        let active = blocks.active_number();
        if let Some(error) = blocks.into_unreadable().pop() {
            return Err(error);
        }
        self.remove_orphans(active)?;
        // Compare the indexes with each other now, so that the next reader does not have to do this.
        superseded(storage, layout);
        Ok(rebuilt)
    }

    /// Builds the indexes that are missing, and extends the index of the active segment if it lacks 512 KiB or more.
    /// Skips an index that another process is building.
    ///
    /// Other calls that use the indexes do the same, but extend an index only if it lacks 2 MiB or more.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if a segment cannot be read, or the index of the active segment cannot be written. If the
    /// index of a sealed segment cannot be written, readers scan this segment.
    pub fn extend_index(&self) -> Result<()> {
        let Some(mut segments) = Segments::of(&*self.storage, &self.layout)? else { return Ok(()) };
        while let Some(segment) = segments.next()? {
            segment.extend(EXTEND_BYTES)?;
        }
        Ok(())
    }

    /// Returns the number of bytes that no index covers. Calls that use the indexes have to read these bytes. This call
    /// builds no index.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if the segments or their indexes cannot be examined.
    pub fn unindexed(&self) -> Result<UnindexedBytes> {
        let (storage, layout) = (&*self.storage, &self.layout);
        let failed = |source| Error::io("read an index", &layout.sealed(), source);
        let (ledger, mut bytes) = (identity::read(storage, layout)?, UnindexedBytes::default());
        let mut blocks = Blocks::of(storage, layout, u64::MAX)?;
        while let Some(segment) = blocks.next_segment()? {
            let place = ledger.map(|ledger| Place { storage, layout, ledger, segment: segment.segment });
            let index = place.map(|place| place.open(&segment)).transpose().map_err(failed)?;
            match index.and_then(std::result::Result::ok).map(|index| index.covers()) {
                Some(Some((_, end))) => bytes.missing += segment.end().saturating_sub(end),
                Some(None) => bytes.unclean += segment.end(),
                None => bytes.missing += segment.end(),
            }
        }
        Ok(bytes)
    }

    /// Removes each index whose segment no longer exists. `active` is the number of the active segment.
    fn remove_orphans(&self, active: u64) -> Result<()> {
        let (storage, sealed) = (&*self.storage, self.layout.sealed());
        let names = storage.list(&sealed).map_err(|source| Error::io("list the indexes", &sealed, source))?;
        let is_index = |name: &&OsString| Path::new(name).extension() == Some(OsStr::new("index"));
        for name in names.iter().filter(is_index) {
            let path = sealed.join(name);
            let segment = path.with_extension("jsonl");
            let exists = |number| number == active || names.iter().any(|other| segment.ends_with(other));
            let is_alone = self.layout.number_of_sealed(&segment).is_some_and(|number| !exists(number));
            if is_alone {
                unless_missing(storage.remove(&path)).map_err(|source| Error::io("remove an index", &path, source))?;
            }
        }
        Ok(())
    }
}

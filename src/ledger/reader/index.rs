//! Builds the indexes of all segments.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::LedgerReader;
use super::scan::superseded;
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
    /// The numbers of the segments that are not clean. They are always scanned.
    pub unclean: Vec<u64>,
    /// The numbers of the segments whose index was not built, because another process was building it.
    pub busy: Vec<u64>,
}

impl LedgerReader {
    /// Builds the index of each segment again, even if there is one. Removes indexes whose segment is gone.
    ///
    /// This is never necessary, because each call that uses an index builds it if it is missing. It makes the next of
    /// these calls fast.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if a segment cannot be read, or an index cannot be written; [`ErrorKind::Unsuitable`] if the
    /// ledger has no identity, like plain JSON lines.
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
        // Compares the indexes with each other, so that the next call does not have to.
        superseded(storage, layout);
        Ok(rebuilt)
    }

    /// Removes the indexes whose segment is gone. `active` is the number of the active segment.
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

//! Builds the indexes of all sealed segments.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::LedgerReader;
use crate::disk::{Access, unless_missing};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::format::identity;
use crate::ledger::index::{Place, State};

/// The result of [`LedgerReader::rebuild_index`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RebuiltIndex {
    /// The number of sealed segments whose index was built.
    pub segments: u64,
    /// The size of these indexes in bytes.
    pub bytes: u64,
    /// The numbers of the segments that are not clean. They are always scanned.
    pub unclean: Vec<u64>,
    /// The numbers of the segments whose index was not built, because another process was building it.
    pub busy: Vec<u64>,
}

impl LedgerReader {
    /// Builds the index of each sealed segment again, even if there is one. Removes indexes whose segment is gone.
    ///
    /// This is never necessary, because [`find`](Self::find), [`find_prefix`](Self::find_prefix) and [`run`](Self::run)
    /// build each index that is missing. It makes the next of these calls fast.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if a segment cannot be read or an index cannot be written; [`ErrorKind::Unsuitable`] if the
    /// ledger has no identity, like plain JSON lines.
    pub fn rebuild_index(&self) -> Result<RebuiltIndex> {
        let (storage, layout) = (&*self.storage, &self.layout);
        let ledger = identity::read(storage, layout)?.ok_or_else(|| {
            Error::new(ErrorKind::Unsuitable, "build the index")
                .path(layout.active())
                .detail("found no ledger id; expected a ledger with its internal directory, which stores the id")
        })?;
        let mut rebuilt = RebuiltIndex::default();
        for segment in layout.sealed_segments(storage)? {
            let place = Place { storage, layout, ledger, segment };
            let Some(bytes) = place.build()? else {
                let path = layout.sealed_segment(segment);
                storage.open(&path, Access::Read).map_err(|source| Error::io("open a segment", &path, source))?;
                rebuilt.busy.push(segment);
                continue;
            };
            rebuilt.segments += 1;
            rebuilt.bytes += bytes;
            let state = State::of(place).map_err(|source| Error::io("read an index", &layout.sealed(), source))?;
            if state == State::Unclean {
                rebuilt.unclean.push(segment);
            }
        }
        self.remove_orphans()?;
        Ok(rebuilt)
    }

    /// Removes the indexes whose segment is gone.
    fn remove_orphans(&self) -> Result<()> {
        let (storage, sealed) = (&*self.storage, self.layout.sealed());
        let names = storage.list(&sealed).map_err(|source| Error::io("list the indexes", &sealed, source))?;
        let is_index = |name: &&OsString| Path::new(name).extension() == Some(OsStr::new("index"));
        for name in names.iter().filter(is_index) {
            let path = sealed.join(name);
            let segment = path.with_extension("jsonl");
            let is_alone =
                self.layout.number_of_sealed(&segment).is_some() && !names.iter().any(|other| segment.ends_with(other));
            if is_alone {
                unless_missing(storage.remove(&path)).map_err(|source| Error::io("remove an index", &path, source))?;
            }
        }
        Ok(())
    }
}

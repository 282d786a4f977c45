//! What a program that ships whole segments asks a follower.

use super::follow::Follower;
use crate::disk::{Access, if_there};
use crate::error::{Error, Result};

impl Follower {
    /// Returns the number of the last sealed segment, or 0 if no segment is sealed.
    pub(crate) fn last_sealed(&self) -> Result<u64> {
        Ok(self.layout.sealed_segments(&*self.storage)?.last().copied().unwrap_or(0))
    }

    /// Syncs a segment if it is the active one, so that a power cut does not remove lines that this follower has returned.
    /// A sealed segment was synced before, or another segment repeats its last lines.
    pub(crate) fn sync(&self, segment: u64) -> Result<()> {
        if segment <= self.last_sealed()? {
            return Ok(());
        }
        let path = self.layout.active();
        let sync = || if_there(self.storage.open(path, Access::Read))?.map_or(Ok(()), |file| file.sync());
        sync().map_err(|source| Error::io("sync the active segment", path, source))
    }
}

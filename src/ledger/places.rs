//! The paths of the ledger's own files. The paths of its journal are in [`Layout`].

use std::path::PathBuf;

use crate::journal::format::Layout;

/// The paths in the ledger's internal directory that the journal does not use.
pub(super) trait Places {
    /// The lock that is held while the executions of dead processes are recorded.
    fn sweep_lock(&self) -> PathBuf;
    /// The lock that is held while segments are moved to an archive.
    fn archive_lock(&self) -> PathBuf;
    fn inflight(&self) -> PathBuf;
    fn spill(&self) -> PathBuf;
    /// The checkpoint (stored intermediate results) of the baselines that are grouped by `by`, such as `skill`.
    fn baseline_checkpoint(&self, by: &str) -> PathBuf;
    /// The file that says which indexes were compared with each other.
    fn compared(&self) -> PathBuf;
}

impl Places for Layout {
    fn sweep_lock(&self) -> PathBuf {
        self.machinery().join("sweep")
    }

    fn archive_lock(&self) -> PathBuf {
        self.machinery().join("archiving")
    }

    fn inflight(&self) -> PathBuf {
        self.machinery().join("inflight")
    }

    fn spill(&self) -> PathBuf {
        self.machinery().join("spill")
    }

    fn baseline_checkpoint(&self, by: &str) -> PathBuf {
        self.machinery().join(format!("baseline-{by}.checkpoint"))
    }

    fn compared(&self) -> PathBuf {
        self.machinery().join("compared.checkpoint")
    }
}

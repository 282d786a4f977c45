//! Where the files of a ledger are, beside those of its journal.

use std::path::PathBuf;

use crate::journal::format::Layout;

/// The names in the directory of the machinery that are the ledger's.
pub(super) trait Places {
    /// Held while the executions of dead processes are recorded.
    fn sweep_lock(&self) -> PathBuf;
    /// Held while segments are moved to an archive.
    fn archive_lock(&self) -> PathBuf;
    fn inflight(&self) -> PathBuf;
    fn spill(&self) -> PathBuf;
    /// What is kept of the baselines of a grouping.
    fn baseline_checkpoint(&self, by: &str) -> PathBuf;
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
}

//! Searches the bytes of all segments on all cores, for example for secrets.

use std::path::{Path, PathBuf};

use super::LedgerReader;
use crate::error::{Error, Result};
use crate::journal::read::blocks::{Block, Blocks};
use crate::journal::read::workers::{Sharing, in_order};
use crate::ledger::redact::{archives_of, files_beside};

/// The length of a block. Its findings are in memory until those of the earlier blocks were taken.
const BLOCK_BYTES: u64 = 256 * 1024;

/// What a [search](LedgerReader::search) did not search.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct SearchedLines {
    /// An error for each segment that this process has no permission to read.
    pub unreadable: Vec<Error>,
    /// The archives to which segments were moved. Each archive is a separate ledger, and may no longer be at this path.
    pub archives: Vec<PathBuf>,
    /// Files that can have texts that no segment has: files with damaged bytes, begin marks or spilled records, the
    /// events, the journal of alerts, and the journals next to the ledger.
    pub files_beside: Vec<PathBuf>,
}

impl LedgerReader {
    /// Calls `find` with each line of each segment, on up to 16 cores. Calls `take` with the path of the segment and
    /// each result of `find`, in ledger order. `find` also gets lines that a later line replaces, copies of lines, and
    /// damaged lines. A line is passed without its line feed. Each thread holds 256 KiB of a segment in memory, or one
    /// longer line.
    ///
    /// # Errors
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the disk fails.
    /// - [`ErrorKind::Abandoned`](crate::ErrorKind::Abandoned) if `find` or `take` panicked on a thread that this call
    ///   started.
    ///
    /// ```
    /// use runledger::{Ledger, Skill};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// let ledger = Ledger::open(directory.path().join("execution_metrics.jsonl"))?;
    /// ledger.begin(Skill::new("parse", "1.0.0")).succeed();
    /// let mut lengths = Vec::new();
    /// ledger.reader().search(|line| vec![line.len()], |_, length| lengths.push(length))?;
    /// assert_eq!(lengths.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn search<T: Send>(
        &self,
        find: impl Fn(&[u8]) -> Vec<T> + Sync,
        mut take: impl FnMut(&Path, T) + Send,
    ) -> Result<SearchedLines> {
        let (storage, layout) = (&*self.storage, &self.layout);
        let archives = archives_of(storage, layout)?.into_iter().collect();
        let files_beside = files_beside(storage, layout)?;
        let blocks = Blocks::of(storage, layout, BLOCK_BYTES)?;
        let work = |block: &_, buffer: &mut _| {
            let mut found = Vec::new();
            Block::read(block, buffer, |_, line| found.extend(find(line)))?;
            Ok(found)
        };
        let unreadable = in_order(blocks, Sharing::default(), work, |block, found| {
            found.into_iter().for_each(|one| take(block.path(), one));
            Ok(())
        })?;
        Ok(SearchedLines { unreadable, archives, files_beside })
    }
}

//! The read side of a ledger. Its queries do not need the ledger's lock.

mod checkpoint;
mod doctor;
mod escalate;
mod find;
mod gate;
mod in_flight;
mod index;
mod intact;
mod last;
mod line_record;
mod lines;
mod losses;
mod records;
mod repeated;
mod scan;
mod search;
pub(super) mod segments;
mod starts;
mod verify;

use std::path::Path;
use std::sync::Arc;

pub use checkpoint::LedgerBaselines;
pub use doctor::{Check, Level};
pub use escalate::{Escalated, EscalatedWindows};
pub use find::FoundRecords;
pub(in crate::ledger) use find::has;
pub use gate::Gated;
pub use in_flight::{InFlight, InFlightExecutions, SpilledRecords};
pub use index::{RebuiltIndex, UnindexedBytes};
pub use intact::UnindexedVerification;
pub use last::LastRecords;
pub use lines::WrittenLines;
pub use losses::LostRecords;
pub use records::Records;
pub use repeated::RepeatedExecution;
pub use scan::{Scan, Scanned};
pub use search::SearchedLines;
pub use verify::{ArchivedLines, Fault, FaultKind, RedactedLine, Verification};

use crate::disk::{Disk, Storage};
use crate::error::Result;
use crate::journal::Follower;
use crate::journal::format::Layout;

/// Answers questions about a ledger: its records, the executions in flight, and results that are computed from them.
///
/// A reader does not acquire the ledger's lock, repairs nothing and disturbs no writer. So other processes may write to
/// the ledger at the same time. The result of a call may or may not include the records that are appended during the
/// call. The only files that a reader writes are [indexes](crate::docs::index) and checkpoints, which can be deleted at
/// any time. A file of plain JSON lines that another program wrote can be read too. A reader is cheap to clone.
///
/// ```
/// use runledger::{Ledger, LedgerReader, Skill};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("execution_metrics.jsonl");
/// let ledger = Ledger::open(&path)?;
/// assert!(ledger.begin(Skill::new("parse", "1.0.0")).succeed().is_durable());
/// let publish = ledger.begin(Skill::new("publish", "1.0.0"));
///
/// let reader = LedgerReader::open(&path)?;
/// let records = reader.records().collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(records.len(), 1);
/// assert_eq!(reader.in_flight()?.executions[0].record.execution_id, publish.id());
/// assert!(reader.verify(&[])?.is_clean());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct LedgerReader {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) layout: Layout,
}

impl LedgerReader {
    /// Creates a reader of the ledger at `path`, which is the file to which new lines are appended (the active
    /// segment).
    ///
    /// # Errors
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if there is neither a file at `path` nor a ledger of that name, or if
    ///   the path cannot be examined.
    /// - [`ErrorKind::Unsuitable`](crate::ErrorKind::Unsuitable) if `path` is a directory, a symbolic link, a FIFO or a
    ///   device.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self::new(Arc::new(Disk), Layout::to_read(path.as_ref())?))
    }

    /// Follows the ledger line by line, for example to copy it.
    ///
    /// # Errors
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the ledger has no `ledger.json`, the file with its id. For example,
    ///   a file of plain JSON lines has none.
    /// - [`ErrorKind::Malformed`](crate::ErrorKind::Malformed) if `ledger.json` cannot be read.
    /// - [`ErrorKind::Newer`](crate::ErrorKind::Newer) if a newer version of this crate wrote the ledger.
    pub fn follow(&self) -> Result<Follower> {
        Follower::on(Arc::clone(&self.storage), self.layout.clone())
    }

    pub(super) fn new(storage: Arc<dyn Storage>, layout: Layout) -> Self {
        Self { storage, layout }
    }
}

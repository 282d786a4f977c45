//! Finds the problems in a ledger that somebody must be notified of. Such a problem is called an escalation.

use super::LedgerReader;
use crate::error::{Error, Result, Skipped};
use crate::governance::{EscalationReport, Escalations};
use crate::metrics::{Status, Timestamp};

/// The result of [`LedgerReader::escalate`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Escalated {
    /// The report with all escalations.
    pub report: EscalationReport,
    /// The lines that are not records, and the segments that this process has no permission to read.
    pub skipped: Skipped,
    /// An error for each file, except segments, that this process has no permission to read.
    pub unreadable: Vec<Error>,
}

impl LedgerReader {
    /// Adds everything that the ledger contains to `escalations`: its records, the executions in flight at `now`, and
    /// its [losses](Self::losses). An execution whose process is dead counts as interrupted.
    ///
    /// Reads the records first, and then the executions in flight. So an execution that ends between these two steps is
    /// missed. The next call finds its record.
    ///
    /// # Errors
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the disk fails, or if no record was found and this process has no
    ///   permission to read some segments.
    /// - [`ErrorKind::Archived`](crate::ErrorKind::Archived) if lines are moved to an archive while they are read.
    /// - [`ErrorKind::Overflow`](crate::ErrorKind::Overflow) if a sum of costs exceeds the range of
    ///   [`Usd`](crate::Usd).
    pub fn escalate(&self, mut escalations: Escalations, now: Timestamp) -> Result<Escalated> {
        let mut skipped = Skipped::default();
        self.records().each(&mut skipped, |record| escalations.add(&record))?;
        let begun = self.in_flight()?;
        for mut begun in begun.executions {
            if begun.owner_alive == Some(false) {
                // The next process that opens the ledger records the execution as interrupted.
                begun.record.set_status(Status::Interrupted);
                escalations.add(&begun.record)?;
            } else {
                escalations.add_in_flight(&begun.record, now);
            }
        }
        let mut unreadable = begun.unreadable;
        match self.losses() {
            Err(error) if error.is_denied() => unreadable.push(error),
            losses => losses?.iter().for_each(|loss| escalations.add_lost(loss.at, loss.records)),
        }
        Ok(Escalated { report: escalations.finish(), skipped, unreadable })
    }
}

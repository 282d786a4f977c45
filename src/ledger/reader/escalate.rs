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
    /// Reads the records first, on all cores, and then the executions in flight. An execution that ends in between is found in
    /// neither. The next call finds its record.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the disk fails, or if no record was found and this process has no
    /// permission to read some segments;
    /// [`ErrorKind::Overflow`](crate::ErrorKind::Overflow) if a sum of costs exceeds the range of [`Usd`](crate::Usd).
    pub fn escalate(&self, mut escalations: Escalations, now: Timestamp) -> Result<Escalated> {
        let empty = || (Ok(escalations.empty()), 0_u64);
        let scanned = self.scan().fold_records(
            empty,
            |(part, records), record| {
                *records += 1;
                and_then(part, |part| part.add(record));
            },
            |(part, records), later| {
                *records += later.1;
                and_then(part, |part| part.merge(later.0?));
            },
        )?;
        let ((found, records), skipped) = (scanned.value, scanned.skipped);
        if records == 0
            && let Some(error) = skipped.unreadable().first()
        {
            return Err(error.clone());
        }
        escalations.merge(found?)?;
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

/// Calls `go_on` with the value in `all`, unless `all` is an error. If `go_on` fails, its error is stored in `all`.
fn and_then<A>(all: &mut Result<A>, go_on: impl FnOnce(&mut A) -> Result<()>) {
    if let Ok(value) = all
        && let Err(error) = go_on(value)
    {
        *all = Err(error);
    }
}

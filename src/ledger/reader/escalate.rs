//! Finds the escalations in a ledger. An escalation is a problem that somebody must be notified of.

use super::{LedgerReader, Scan};
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

/// The result of [`LedgerReader::escalate_each`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EscalatedWindows {
    /// The report of each window, in the order of the windows.
    pub reports: Vec<EscalationReport>,
    /// The lines that are not records, and the segments that this process has no permission to read.
    pub skipped: Skipped,
    /// An error for each file, except segments, that this process has no permission to read.
    pub unreadable: Vec<Error>,
}

impl LedgerReader {
    /// Adds the records, the executions in flight at `now` and the [losses](Self::losses) to `escalations`, and returns
    /// the report. If the process of an execution in flight is dead, the execution counts as interrupted.
    ///
    /// Reads the records first, on all cores, and then the executions in flight. If an execution ends between these two
    /// steps, this call does not find it, but the next call finds its record.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the disk fails, or if no record was found and this process has no
    /// permission to read some segments;
    /// [`ErrorKind::Overflow`](crate::ErrorKind::Overflow) if a sum of costs exceeds the range of [`Usd`](crate::Usd).
    pub fn escalate(&self, escalations: Escalations, now: Timestamp) -> Result<Escalated> {
        let empty = escalations.empty();
        let EscalatedWindows { mut reports, skipped, unreadable } =
            self.escalate_each(&self.scan(), vec![(escalations, now)])?;
        // There is one report for each window.
        let report = reports.pop().unwrap_or_else(|| empty.finish());
        Ok(Escalated { report, skipped, unreadable })
    }

    /// Like [`escalate`](Self::escalate), but examines several windows in one pass. Each window comes with the time
    /// that counts as now. Each window has a reference, the earlier period with which the window is compared. `scan`
    /// must include the records of all windows and of all references.
    ///
    /// # Errors
    /// The errors of [`escalate`](Self::escalate).
    pub fn escalate_each(&self, scan: &Scan, windows: Vec<(Escalations, Timestamp)>) -> Result<EscalatedWindows> {
        let (mut windows, times): (Vec<_>, Vec<_>) = windows.into_iter().unzip();
        let empty = || (Ok(windows.iter().map(Escalations::empty).collect::<Vec<_>>()), 0_u64);
        let scanned = scan.fold_records(
            empty,
            |(parts, records), record| {
                *records += 1;
                and_then(parts, |parts| parts.iter_mut().try_for_each(|part| part.add(record)));
            },
            |(parts, records), later| {
                *records += later.1;
                and_then(parts, |parts| merge(parts, later.0?));
            },
        )?;
        let ((found, records), skipped) = (scanned.value, scanned.skipped);
        if records == 0
            && let Some(error) = skipped.unreadable().first()
        {
            return Err(error.clone());
        }
        merge(&mut windows, found?)?;
        let begun = self.in_flight()?;
        for mut begun in begun.executions {
            let is_dead = begun.owner_alive == Some(false);
            if is_dead {
                // The next process that opens the ledger records the execution as interrupted.
                begun.record.set_status(Status::Interrupted);
            }
            for (window, now) in windows.iter_mut().zip(&times) {
                if is_dead { window.add(&begun.record)? } else { window.add_in_flight(&begun.record, *now) }
            }
        }
        let mut unreadable = begun.unreadable;
        let losses = match self.losses() {
            Err(error) if error.is_denied() => {
                unreadable.push(error);
                Vec::new()
            }
            losses => losses?,
        };
        for window in &mut windows {
            losses.iter().for_each(|loss| window.add_lost(loss.at, loss.records));
        }
        let reports = windows.into_iter().map(Escalations::finish).collect();
        Ok(EscalatedWindows { reports, skipped, unreadable })
    }
}

/// Adds the records of each part in `later` to the part in `parts` that belongs to the same window.
fn merge(parts: &mut [Escalations], later: Vec<Escalations>) -> Result<()> {
    parts.iter_mut().zip(later).try_for_each(|(part, later)| part.merge(later))
}

/// Calls `go_on` with the value in `all`, unless `all` is an error. If `go_on` fails, its error is stored in `all`.
fn and_then<A>(all: &mut Result<A>, go_on: impl FnOnce(&mut A) -> Result<()>) {
    if let Ok(value) = all
        && let Err(error) = go_on(value)
    {
        *all = Err(error);
    }
}

//! Judges whether a run is completely recorded. The judgement uses everything that the ledger contains about the run.

use super::intact::Intact;
use super::verify::ArchivedLines;
use super::{LedgerReader, LostRecords, SpilledRecords};
use crate::error::{Error, Result};
use crate::governance::{Gate, GateReport};
use crate::metrics::ExecutionMetrics;

/// The result of [`LedgerReader::gate`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Gated {
    /// The verdict, with every reason.
    pub report: GateReport,
    /// The lines that were moved to an archive, and are not judged; `None` if no lines were moved.
    pub archived: Option<ArchivedLines>,
    /// An error for each file, other than a segment, that this process has no permission to read. Each of these errors
    /// is also a reason for the verdict.
    pub unreadable: Vec<Error>,
}

impl LedgerReader {
    /// Judges the run of `gate` by everything that the ledger contains about this run. Spilled records, which are not
    /// in the ledger yet, count too.
    ///
    /// Reads the executions in flight first, then the spill, the losses and the records. In this order, an execution
    /// that ends during the call is still found. If this process has no permission to read a file, the run fails.
    ///
    /// The hash chain is verified with the help of the [indexes](Self::find), which are built only from verified lines.
    /// This call verifies the lines of the run, the lines that no index covers, and the links between segments. Other
    /// lines are verified again only if their segment has changed since its index was built. So two kinds of edits of
    /// these other lines are not noticed. The first is an edit in place in the active segment. The second is an edit of
    /// a sealed segment that preserves the segment's length, inode and time of the last change. With
    /// [`Gate::verify_every_line`], or if the indexes are not enough to show that the ledger is intact, this call reads
    /// and verifies all lines.
    ///
    /// Like [`Gate::judge`], the call holds the last record of each execution of the run in memory.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the disk fails; [`ErrorKind::Archived`](crate::ErrorKind::Archived)
    /// if lines are moved away while they are read; [`ErrorKind::Abandoned`](crate::ErrorKind::Abandoned) if a thread
    /// of the verification panicked.
    ///
    /// ```
    /// use runledger::governance::{Gate, GateVerdict};
    /// use runledger::metrics::RunIds;
    /// use runledger::{Ledger, Skill};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("execution_metrics.jsonl");
    /// let ledger = Ledger::open(path)?;
    /// let execution = ledger.begin(Skill::new("publish", "1.0.0").run(RunIds::new("run-7")));
    /// let report = ledger.reader().gate(&Gate::new("run-7"))?.report;
    /// assert_eq!((report.verdict, report.in_flight), (GateVerdict::Fail, 1));
    /// # execution.succeed();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn gate(&self, gate: &Gate) -> Result<Gated> {
        let begun = self.in_flight()?;
        let spilled = self.spilled()?;
        let mut unreadable = begun.unreadable;
        unreadable.extend(spilled.unreadable);
        let lost = match self.losses() {
            Err(error) if error.is_denied() => {
                unreadable.push(error);
                Vec::new()
            }
            lost => lost?,
        };
        let lost = lost.iter().map(|&LostRecords { at, records }| (at, records));
        let gate = gate.clone().spilled(spilled.records).lost(lost.collect());
        let begun: Vec<_> = begun.executions.into_iter().map(|begun| begun.record).collect();
        let damaged = spilled.damaged.then(|| SpilledRecords::DAMAGED.to_owned());
        if !gate.verifies_every_line()
            // An error is ignored here. If the disk has failed, the verification below returns the error. If this
            // process has reached its limit of open files, the verification can still succeed, because it opens one
            // segment at a time.
            && let Ok(Some(intact)) = Intact::of(self)
            && let Some(places) = intact.related(&gate, &begun)
        {
            let gate = gate.clone().unreadable(unreadable.clone());
            if let Ok(report) = gate.judge(&begun, intact.records(places), damaged.clone()) {
                return Ok(Gated { report, archived: intact.archived, unreadable });
            }
        }
        let found = self.verify(&[])?;

        let mut faults: Vec<String> = found.faults.iter().map(ToString::to_string).collect();
        if found.unlisted() > 0 {
            faults.push(format!("and {} more", found.unlisted()));
        }
        faults.extend(found.notes);
        faults.extend(damaged);
        // A file that the verification has already reported as a fault is not reported again.
        unreadable.retain(|error| !found.faults.iter().any(|fault| Some(fault.path.as_path()) == error.file()));
        let gate = gate.unreadable(unreadable.clone());
        let readable = |record: &Result<ExecutionMetrics>| !record.as_ref().is_err_and(Error::is_denied);
        let report = gate.judge(&begun, self.all_records().filter(readable), faults)?;
        Ok(Gated { report, archived: found.archived, unreadable })
    }
}

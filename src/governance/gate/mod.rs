//! Judges whether a run was logged completely.

mod attempts;
mod judge;
mod member;
mod reason;
mod report;

use std::fmt::Display;

pub use reason::{GateReason, Rule};
pub use report::{GateReport, GateVerdict, NotJudged};

use super::{Expectations, GatePolicy};
use crate::error::{Error, ErrorKind, Result, Skipped};
use crate::metrics::{ExecutionMetrics, Timestamp};
use judge::Run;

/// Checks one run, and returns PASS or FAIL with every reason.
///
/// PASS means that all records of the run in the ledger are complete. It does not mean that every execution has a
/// record. Only the caller knows which executions a run must have. For example, a record that
/// [`append`](crate::Ledger::append) refused as invalid leaves no trace in the ledger. Without
/// [`expected`](Self::expected), a run that has at least one execution can pass although others are missing. The
/// report then [says](GateReport::not_judged) that the gate did not judge whether executions are missing.
///
/// ```
/// use runledger::governance::{Expectations, Gate, GateVerdict, Rule};
/// use runledger::{ExecutionMetrics, Uuid};
///
/// let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "draw", "1.0.0", "2026-11-20T12:00:00Z".parse()?);
/// record.timestamp_end = Some("2026-11-20T12:00:07Z".parse()?);
/// record.set_status(runledger::metrics::Status::Success);
/// record.run.run_id = Some("run-7".to_owned());
/// record.model.name = Some("image-2".to_owned());
///
/// let expected = Expectations::from_json(r#"[{"skill": "draw"}, {"skill": "name-files"}]"#)?;
/// let report = Gate::new("run-7").expected(expected).judge(&[], [Ok(record)], [""; 0])?;
/// assert_eq!((report.verdict, report.executions), (GateVerdict::Fail, 1));
/// let rules: Vec<_> = report.reasons.iter().map(|reason| reason.rule).collect();
/// assert_eq!(rules, [Rule::MissingEntry, Rule::CostNotRecorded, Rule::TierUndocumented]);
/// assert_eq!(report.reasons[0].to_string(), r#"missing log entry: "name-files": expected 1 execution, found 0"#);
/// assert_eq!(report.reasons[1].executions, [Uuid::from_u128(1)]);
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Gate {
    run_id: String,
    policy: GatePolicy,
    expected: Expectations,
    spilled: Vec<ExecutionMetrics>,
    lost: Vec<(Timestamp, u64)>,
    unreadable: Vec<Error>,
    verifies_every_line: bool,
}

impl Gate {
    /// Creates the gate for a run, with the default policy and no expected executions.
    pub fn new(run_id: impl Into<String>) -> Self {
        Self {
            run_id: run_id.into(),
            policy: GatePolicy::default(),
            expected: Expectations::default(),
            spilled: Vec::new(),
            lost: Vec::new(),
            unreadable: Vec::new(),
            verifies_every_line: false,
        }
    }

    /// Sets the policy.
    #[must_use]
    pub fn policy(self, policy: GatePolicy) -> Self {
        Self { policy, ..self }
    }

    /// Lets [`LedgerReader::gate`](crate::LedgerReader::gate) verify every line of the ledger. By default, lines that
    /// were already verified when an index was built are skipped, but the lines of the run are verified. The
    /// documentation of `LedgerReader::gate` says which changes of other lines are then not noticed.
    #[must_use]
    pub fn verify_every_line(self) -> Self {
        Self { verifies_every_line: true, ..self }
    }

    /// Sets the executions that the run must have. Without expectations, the gate can notice a missing execution only
    /// if the execution left another trace. For example, a child names it as its parent.
    #[must_use]
    pub fn expected(self, expected: Expectations) -> Self {
        Self { expected, ..self }
    }

    /// Adds [spilled records](crate::LedgerReader::spilled): records of any run that could not be appended to the
    /// ledger so far. A record of the judged run counts as missing until it is in the ledger.
    ///
    /// Read the executions in flight (begun, but not ended) first, then these records, and then the records of the
    /// ledger. In any other order, the gate may miss an execution that ends between two of these reads, or a record
    /// that is appended between them.
    #[must_use]
    pub fn spilled(mut self, spilled: Vec<ExecutionMetrics>) -> Self {
        self.spilled.extend(spilled);
        self
    }

    /// Adds the times (UTC) at which the ledger [reported lost records](crate::LedgerReader::losses), each with the
    /// number of records. Nobody knows to which run a lost record belongs. So each report from the start of the judged
    /// run on is a reason to fail.
    #[must_use]
    pub fn lost(mut self, lost: Vec<(Timestamp, u64)>) -> Self {
        self.lost.extend(lost);
        self
    }

    /// Adds an error for each unreadable file that may contain records of the run. Each error is a reason to fail.
    #[must_use]
    pub fn unreadable(mut self, unreadable: Vec<Error>) -> Self {
        self.unreadable.extend(unreadable);
        self
    }

    pub(crate) fn verifies_every_line(&self) -> bool {
        self.verifies_every_line
    }

    pub(crate) fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Returns the records that [`spilled`](Self::spilled) added.
    pub(crate) fn spilled_records(&self) -> &[ExecutionMetrics] {
        &self.spilled
    }

    /// Judges the run from these sources:
    ///
    /// - `begun` are the executions in flight, of any run. Read them *before* the records, so that you do not miss an
    ///   execution that ends in the meantime. An execution that also has a record counts as ended.
    /// - `records` are the records of the ledger. You may leave out the records of other runs. But keep the records
    ///   of child runs and of the parents of the run's executions. Keep records without a `run_id` too, because their
    ///   parent may belong to the run.
    /// - `faults` are the texts of the faults that [`verify`](crate::LedgerReader::verify) found in the hash chain. If
    ///   the chain is intact, `faults` is empty.
    ///
    /// An execution belongs to the run if it has the run's `run_id`. An execution that has no `run_id`, but whose
    /// parent belongs to the run, is a reason to fail. Child runs, whose executions have this run as their
    /// `parent_run_id`, are listed in the report but not checked. Judge each child run separately.
    ///
    /// The gate keeps the last record of each execution of the run until all records are read. It also keeps the id of
    /// every other execution. If an execution has a parent but no run, the gate keeps its parent and its skill too.
    ///
    /// # Errors
    /// Returns the first error in `records` whose kind is not [`ErrorKind::Malformed`]: without the remaining
    /// records, no verdict is possible. An error of [`ErrorKind::Malformed`] reports a line that is not a record.
    /// Such a line is a reason to fail, and not an error of this function.
    pub fn judge(
        &self,
        begun: &[ExecutionMetrics],
        records: impl IntoIterator<Item = Result<ExecutionMetrics>>,
        faults: impl IntoIterator<Item = impl Display>,
    ) -> Result<GateReport> {
        let mut run = Run::new(self);
        let mut skipped = Skipped::default();
        for record in records {
            match record {
                Ok(record) => run.add(&record),
                Err(error) if error.kind() == ErrorKind::Malformed => skipped.add(error),
                Err(error) => return Err(error),
            }
        }
        run.add_last_records();
        run.add_spilled(&self.spilled);
        run.add_begun(begun);
        for fault in faults {
            run.wrong(Rule::BrokenIntegrity, fault.to_string());
        }
        for error in &self.unreadable {
            run.wrong(Rule::BrokenIntegrity, error.to_string());
        }
        for error in skipped.errors() {
            run.wrong(Rule::UnstructuredData, error.to_string());
        }
        let unnamed = skipped.count() - skipped.errors().len() as u64;
        match unnamed {
            0 => {}
            1 => run.wrong(Rule::UnstructuredData, "1 more line that is not a record".to_owned()),
            _ => run.wrong(Rule::UnstructuredData, format!("{unnamed} more lines that are not records")),
        }
        Ok(run.judge())
    }
}

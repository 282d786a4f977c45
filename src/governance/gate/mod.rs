//! Whether a run was logged as it should be.

mod attempts;
mod member;
mod report;
mod run;

use std::fmt::Display;

pub use report::{GateReason, GateReport, GateVerdict, Rule};

use super::{Expectations, GatePolicy};
use crate::error::{ErrorKind, Result, Skipped};
use crate::metrics::{ExecutionMetrics, Timestamp};
use run::Run;

/// Judges one run: PASS, or FAIL with every reason.
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
}

impl Gate {
    /// The gate for the run of that id, by the default policy, with nothing expected by name.
    pub fn new(run_id: impl Into<String>) -> Self {
        Self {
            run_id: run_id.into(),
            policy: GatePolicy::default(),
            expected: Expectations::default(),
            spilled: Vec::new(),
            lost: Vec::new(),
        }
    }

    /// Goes by another policy.
    #[must_use]
    pub fn policy(self, policy: GatePolicy) -> Self {
        Self { policy, ..self }
    }

    /// Expects these executions.
    #[must_use]
    pub fn expected(self, expected: Expectations) -> Self {
        Self { expected, ..self }
    }

    /// Adds records that the ledger does not have yet, of any run: those of its [spill](crate::LedgerReader::spilled), for
    /// instance. Each record of the run is a missing entry until the ledger has it.
    #[must_use]
    pub fn spilled(mut self, spilled: Vec<ExecutionMetrics>) -> Self {
        self.spilled.extend(spilled);
        self
    }

    /// Adds [losses](crate::LedgerReader::losses) of the ledger: when it reported them, UTC, and how many records they were.
    /// Their runs are unknown, so a loss is a missing entry of each run that had begun by then.
    #[must_use]
    pub fn lost(mut self, lost: Vec<(Timestamp, u64)>) -> Self {
        self.lost.extend(lost);
        self
    }

    /// Judges the run by all that there is:
    ///
    /// - `begun`: the executions in flight, of any run, read *before* the records, so that none can end unseen in between.
    ///   One that has a record has ended.
    /// - `records`: the whole ledger, so that a parent is found whose run is another one.
    /// - `faults`: what [`verify`](crate::LedgerReader::verify) found, each in words; none if the chain is whole.
    ///
    /// An execution belongs to the run if it has its `run_id`, or has none and its parent belongs to the run. The runs that
    /// it started, whose executions name it as their `parent_run_id`, are judged by gates of their own; the report names
    /// them. In memory are a few hundred bytes of each execution of the run, the id of every other, and of those without a
    /// run their parents and skills.
    ///
    /// # Errors
    /// The first error of `records` that is not of [`ErrorKind::Malformed`]: what could not be read may be anything. Lines
    /// that are no records are reasons.
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
        run.take_spilled(&self.spilled);
        run.take_begun(begun);
        for fault in faults {
            run.wrong(Rule::BrokenIntegrity, fault.to_string());
        }
        for error in skipped.errors() {
            run.wrong(Rule::UnstructuredData, error.with_source());
        }
        let unnamed = skipped.count() - skipped.errors().len() as u64;
        if unnamed > 0 {
            run.wrong(Rule::UnstructuredData, format!("{unnamed} more lines that are no records"));
        }
        Ok(run.judge())
    }
}

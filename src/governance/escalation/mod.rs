//! Finds problems in the log, and decides whom to notify of each problem.

mod costs;
mod judge;
mod merge;
mod misuse;
mod report;
mod results;

use std::collections::BTreeMap;

pub use report::{
    Association, Escalation, EscalationReport, Evidence, Recipient, Share, ShareTest, Statistic, Trigger, Unjudged,
};

use super::EscalationPolicy;
use crate::baseline::week_start;
use crate::error::Result;
use crate::metrics::{ExecutionMetrics, Kind, Status, Timestamp};
use costs::Costs;
use misuse::Misuse;
use results::{Counts, Results};

const HOUR_MS: i64 = 3_600_000;

/// Collects the executions that started in a time window, and decides whom to notify of which problem:
///
/// | recipient | trigger | condition |
/// |---|---|---|
/// | a human | repeated missing logs | at least `missing_logs_min` executions were interrupted or have been in flight for longer than `in_flight_hours_max`; or at least `missing_logs_min` records were lost |
/// | | cost discrepancies | the costs of a skill differ from their estimates by more than `cost_relative_max` and by at least `cost_difference_usd_min` |
/// | | model misuse | at least `misuse_min` executions of a skill used a model or tier that `allowed_models` does not allow |
/// | | QC failure rate spikes | a skill's quality controls accept a smaller share of artifacts than in the reference, an earlier period that is described below |
/// | the cost optimizer | drift correlated with a tier | the artifacts of a tier's models drift more often than the artifacts of all other tiers |
/// | the model router | models that underperform | a model's executions fail, or its artifacts are not accepted, more often than those of the skill's other models |
///
/// The last three triggers compare two shares with a z-test or, if expected counts are small, with Fisher's exact test.
/// They escalate if both of these conditions are met:
///
/// - The difference is at least `share_difference_min`.
/// - The p-value, adjusted by Holm's method for all tests of the trigger, is at most `alpha`.
///
/// If one of the two shares is computed from fewer than `samples_min` results, the report says that the shares were
/// not compared. A cost discrepancy is escalated without a test. The report still contains a paired t-test, which
/// shows whether the costs deviate systematically from their estimates.
///
/// **The reference** consists of the quality controls in the `reference_days` days before the week in which the window
/// begins. So all windows that begin in the same week have the same reference, as with [frozen
/// baselines](crate::baseline::FrozenBaselines). Frozen baselines themselves cannot serve as the reference, because
/// they record whether a control completed, but not the verdict of the control.
///
/// **Drift** is a deviation of an artifact from the request. Drift and acceptance of an artifact come from its quality
/// control. The tier and the model come from the execution that made the artifact.
///
/// - A control belongs to an execution if the two have the same `run_id` and `production.artifact`. If an artifact
///   has several controls, the last control with a verdict or a drift is used.
/// - If the record of the execution itself has an outcome or a drift, the controls of the artifact are ignored.
/// - An artifact with the outcome FIX (the artifact needs changes) counts as not accepted.
/// - If neither a control nor the execution has a recorded outcome or drift, the drift tests leave out the artifact.
///   The model tests then use only the success of the execution.
/// - The model tests leave out executions that were cancelled, and executions that used several models.
///
/// ```
/// use runledger::governance::{EscalationPolicy, Escalations, Trigger};
/// use runledger::metrics::Status;
/// use runledger::{ExecutionMetrics, Uuid};
///
/// let mut escalations = Escalations::new(EscalationPolicy::default(), "2026-11-16T00:00:00Z".parse()?, None)?;
/// for id in 1..=3 {
///     let mut record = ExecutionMetrics::new(Uuid::from_u128(id), "draw", "1.0.0", "2026-11-18T12:00:00Z".parse()?);
///     record.set_status(Status::Interrupted);
///     escalations.add(&record)?;
/// }
/// let report = escalations.finish();
/// assert_eq!(report.escalations[0].trigger, Trigger::RepeatedMissingLogs);
/// assert_eq!(report.escalations[0].why, "3 of 3 executions did not finish: 3 interrupted, 0 in flight for over 24 h");
/// assert_eq!(report.reference_until.to_string(), "2026-11-16T00:00:00.000Z");
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Debug)]
pub struct Escalations {
    policy: EscalationPolicy,
    since: Timestamp,
    until: Option<Timestamp>,
    reference: [Timestamp; 2],
    executions: u64,
    interrupted: u64,
    overdue: u64,
    lost: u64,
    /// The executions that did not finish.
    endless: Evidence,
    costs: BTreeMap<String, Costs>,
    misuse: Misuse,
    /// The quality controls of the reference and of the window, by skill.
    controls: BTreeMap<String, [Counts; 2]>,
    results: Results,
}

impl Escalations {
    /// Creates empty `Escalations` for the window from `since` (inclusive) to `until` (exclusive). If `until` is
    /// `None`, the window has no end.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Invalid`](crate::ErrorKind::Invalid), with one detail for each invalid value of the
    /// policy.
    pub fn new(policy: EscalationPolicy, since: Timestamp, until: Option<Timestamp>) -> Result<Self> {
        policy.validate()?;
        let reference_until = week_start(since);
        let span_ms = policy.reference_days as i64 * 24 * HOUR_MS;
        // A reference that would begin before the year 0 is empty, because no records can be from that time.
        let reference_since = Timestamp::from_unix_ms(reference_until.unix_ms() - span_ms).unwrap_or(reference_until);
        Ok(Self {
            since,
            until,
            reference: [reference_since, reference_until],
            executions: 0,
            interrupted: 0,
            overdue: 0,
            lost: 0,
            endless: Evidence::default(),
            costs: BTreeMap::new(),
            misuse: Misuse::new(&policy.allowed_models),
            controls: BTreeMap::new(),
            results: Results::default(),
            policy,
        })
    }

    /// Adds a record. Records outside the window and the reference are ignored, and so are
    /// [statements](ExecutionMetrics::is_statement) of redactions. Add each execution only once.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Overflow`](crate::ErrorKind::Overflow) if a sum of costs exceeds the range of
    /// [`Usd`](crate::Usd). Do not use these `Escalations` after an error.
    pub fn add(&mut self, record: &ExecutionMetrics) -> Result<()> {
        if record.is_statement() {
            return Ok(());
        }
        if self.contains(record.timestamp_start) {
            self.executions += 1;
            if record.status == Some(Status::Interrupted) {
                self.interrupted += 1;
                self.endless.add(record.execution_id);
            }
            self.add_control(record, 1);
            self.results.add(record);
            self.misuse.add(record);
            self.add_cost(record)?;
        } else if (self.reference[0]..self.reference[1]).contains(&record.timestamp_start) {
            self.add_control(record, 0);
        }
        Ok(())
    }

    /// Adds an execution that is in flight at `now`: it has begun, and does not have a record yet. The execution is
    /// counted only if it started in the window and has been in flight for longer than `in_flight_hours_max`.
    pub fn add_in_flight(&mut self, begun: &ExecutionMetrics, now: Timestamp) {
        let age_ms = now.unix_ms() - begun.timestamp_start.unix_ms();
        let longest_ms = i128::from(self.policy.in_flight_hours_max) * i128::from(HOUR_MS);
        if self.contains(begun.timestamp_start) && i128::from(age_ms) > longest_ms {
            self.overdue += 1;
            self.endless.add(begun.execution_id);
        }
    }

    /// Adds the number of records that the ledger [reported as lost](crate::LedgerReader::losses) at `at`.
    ///
    /// An execution whose record was lost may still be recorded as interrupted, or be in flight. Add such an
    /// execution too, with [`add`](Self::add) or [`add_in_flight`](Self::add_in_flight). The execution is not counted
    /// twice, because lost records and unfinished executions are counted separately.
    pub fn add_lost(&mut self, at: Timestamp, records: u64) {
        if self.contains(at) {
            self.lost = self.lost.saturating_add(records);
        }
    }

    fn contains(&self, time: Timestamp) -> bool {
        time >= self.since && self.until.is_none_or(|until| time < until)
    }

    fn add_control(&mut self, record: &ExecutionMetrics, side: usize) {
        let accepted = results::accepted(record.production.outcome.as_ref());
        if let (Kind::Qc, Some(accepted)) = (&record.kind, accepted) {
            self.controls.entry(record.skill_name.clone()).or_default()[side].add(record.execution_id, !accepted);
        }
    }

    fn add_cost(&mut self, record: &ExecutionMetrics) -> Result<()> {
        let (Some(estimated), Some(actual)) = (record.cost.estimated_usd, record.cost_usd) else { return Ok(()) };
        let costs = self.costs.entry(record.skill_name.clone()).or_default();
        costs.add(record.execution_id, estimated, actual, self.policy.cost_relative_max)
    }

    /// Returns the report, which says whom to notify of which problem.
    pub fn finish(self) -> EscalationReport {
        judge::judge(self)
    }
}

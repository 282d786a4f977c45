//! Computes the metrics of a production record by record.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::controls::Controls;
use super::shots::ShotMap;
use super::{Counted, DerivedMetrics, ModelOutcomes, Outcomes, SceneCost, Tally};
use crate::cost::{CostBy, Report};
use crate::error::{Error, Result, Skipped};
use crate::metrics::{ExecutionMetrics, Kind, QcOutcome};

/// Collects records in ledger order and computes their [`DerivedMetrics`].
///
/// Several threads can each read one section of a ledger into an accumulator. Merging these accumulators in ledger
/// order gives the same result as one pass over the ledger. [`Scan::fold_records`](crate::Scan::fold_records) collects
/// the records of a ledger on all cores.
///
/// ```
/// use runledger::governance::derived::MetricsAccumulator;
/// use runledger::{ExecutionMetrics, Uuid};
///
/// let start = "2026-11-20T12:00:00Z".parse()?;
/// let record = |id| ExecutionMetrics::new(Uuid::from_u128(id), "draw", "1.0.0", start);
/// let (mut first, mut second) = (MetricsAccumulator::new(), MetricsAccumulator::new());
/// first.add(&record(1))?;
/// second.add(&record(2))?;
/// first.merge(second)?;
/// assert_eq!(first.finish().executions, 2);
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Debug)]
pub struct MetricsAccumulator {
    executions: u64,
    shots: ShotMap,
    drift: Counts,
    scenes: Report,
    tiers: Counts,
    models: BTreeMap<Option<String>, Outcomes>,
    controls: Controls,
    qc_violations: Counts,
    skipped: Skipped,
}

impl Default for MetricsAccumulator {
    fn default() -> Self {
        Self::new()
    }
}

impl MetricsAccumulator {
    /// Creates an empty accumulator.
    pub fn new() -> Self {
        Self {
            executions: 0,
            shots: ShotMap::default(),
            drift: Counts::default(),
            scenes: Report::new(CostBy::Scene),
            tiers: Counts::default(),
            models: BTreeMap::new(),
            controls: Controls::default(),
            qc_violations: Counts::default(),
            skipped: Skipped::default(),
        }
    }

    /// Adds a record. Leaves out [statements](ExecutionMetrics::is_statement) of redactions.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Overflow`](crate::ErrorKind::Overflow) if a cost exceeds the range of
    /// [`Usd`](crate::Usd).
    pub fn add(&mut self, record: &ExecutionMetrics) -> Result<()> {
        if record.is_statement() {
            return Ok(());
        }
        let outcome = record.outcome();
        let production = &record.production;
        self.executions += 1;
        self.shots.add(production, outcome.as_ref());
        self.drift.add(production.drift_category.as_deref());
        self.scenes.add(record)?;
        if record.used_model() {
            self.tiers.add(record.tier());
        }
        self.add_to_model(record, outcome.as_ref());
        for violation in &production.qc_violations {
            self.qc_violations.add(Some(violation));
        }
        let objected = matches!(&outcome, Some(outcome) if [QcOutcome::Fail, QcOutcome::Fix].contains(outcome));
        if objected && production.qc_violations.is_empty() {
            self.qc_violations.add(None);
        }
        Ok(())
    }

    /// Adds the records of `later`. In the ledger, the records of `later` must come after all records of this
    /// accumulator.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Overflow`](crate::ErrorKind::Overflow) if a cost exceeds the range of
    /// [`Usd`](crate::Usd).
    pub fn merge(&mut self, later: Self) -> Result<()> {
        self.executions += later.executions;
        self.shots.merge(later.shots);
        self.drift.merge(later.drift);
        self.scenes.merge(later.scenes)?;
        self.tiers.merge(later.tiers);
        for (model, outcomes) in later.models {
            self.models.entry(model).or_default().merge(outcomes);
        }
        self.controls.merge(later.controls);
        self.qc_violations.merge(later.qc_violations);
        self.skipped.merge(later.skipped);
        Ok(())
    }

    /// Counts a line that is not a record. The errors of the first [`Skipped::ERRORS_MAX`] such lines are kept.
    pub fn skip(&mut self, error: Error) {
        self.skipped.add(error);
    }

    fn add_to_model(&mut self, record: &ExecutionMetrics, outcome: Option<&QcOutcome>) {
        let model = &record.model.name;
        match (record.kind == Kind::Qc, record.used_model()) {
            // The quality control called this model itself. If the control succeeded, the model gets PASS. The verdict
            // of the control does not matter here, because it is about the artifact of another execution.
            (true, true) if record.called_model() => {
                count(&mut self.models, model, record.success().map(QcOutcome::of_success).as_ref());
                self.controls.add(record);
            }
            (true, false) => self.controls.add(record),
            (true, true) => count(&mut self.models, model, outcome),
            (false, true) if !self.controls.add_made(record) => count(&mut self.models, model, outcome),
            _ => {}
        }
    }

    /// Returns the metrics of all records that were added.
    pub fn finish(mut self) -> DerivedMetrics {
        let controls_without_model = self.controls.settle(|model, outcome| count(&mut self.models, model, outcome));
        let scene = |(scene_id, group): (Option<&str>, &crate::cost::Group)| SceneCost {
            scene_id: scene_id.map(str::to_owned),
            executions: group.sum.executions,
            cost_usd: group.sum.cost,
            unpriced: group.sum.unpriced,
        };
        let model = |(model, outcomes): (_, Outcomes)| ModelOutcomes { model, outcomes: outcomes.with_rate() };
        let (shots, shot_types) = self.shots.measure();
        DerivedMetrics {
            executions: self.executions,
            shots,
            without_shot: self.shots.without_shot(),
            drift: self.drift.finish(),
            scenes: self.scenes.groups().map(scene).collect(),
            tiers: self.tiers.finish(),
            models: self.models.into_iter().map(model).collect(),
            controls_without_model,
            qc_violations: self.qc_violations.finish(),
            shot_types,
            skipped: self.skipped,
        }
    }
}

fn count(models: &mut BTreeMap<Option<String>, Outcomes>, model: &Option<String>, outcome: Option<&QcOutcome>) {
    models.entry(model.clone()).or_default().add(outcome);
}

impl Outcomes {
    pub(super) fn add(&mut self, outcome: Option<&QcOutcome>) {
        match outcome {
            Some(outcome) => {
                self.known += 1;
                self.failed += u64::from(*outcome == QcOutcome::Fail);
            }
            None => self.unknown += 1,
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.known += other.known;
        self.failed += other.failed;
        self.unknown += other.unknown;
    }

    pub(super) fn with_rate(self) -> Self {
        let failure_rate = (self.known > 0).then(|| self.failed as f64 / self.known as f64);
        Self { failure_rate, ..self }
    }
}

/// A [`Tally`] under construction.
#[derive(Debug, Default)]
struct Counts {
    by_name: BTreeMap<String, u64>,
    unknown: u64,
}

impl Counts {
    fn add(&mut self, name: Option<&str>) {
        match name {
            Some(name) => *self.by_name.entry(name.to_owned()).or_default() += 1,
            None => self.unknown += 1,
        }
    }

    fn merge(&mut self, other: Self) {
        for (name, count) in other.by_name {
            *self.by_name.entry(name).or_default() += count;
        }
        self.unknown += other.unknown;
    }

    fn finish(self) -> Tally {
        let total: u64 = self.by_name.values().sum();
        let counted = |(name, count)| Counted { name, count, share: count as f64 / total as f64 };
        let mut counts: Vec<_> = self.by_name.into_iter().map(counted).collect();
        // The sort is stable, so equally frequent names stay in alphabetical order.
        counts.sort_by_key(|counted| Reverse(counted.count));
        Tally { counts, unknown: self.unknown }
    }
}

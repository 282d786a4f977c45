//! Computes metrics of a production, such as a film that is generated shot by shot, from the records of its executions.
//! Examples are how often shots were generated again, the cost of each scene, and how often each model failed.

mod accumulator;
mod controls;
mod shots;

use serde::Serialize;

pub use self::accumulator::MetricsAccumulator;
pub use self::shots::{ShotType, Shots};
use crate::error::{ErrorKind, Result, Skipped};
use crate::metrics::{ExecutionMetrics, Usd};

/// Metrics of a production, computed from the executions of a run, a period, or a whole ledger. Unknown values never
/// count as 0. The number of executions that lack a value has its own field, such as `unknown`.
///
/// A **shot** (a clip of a scene) is identified by its `scene_id` and `shot_id`, across all runs. Its **regenerations**
/// are the attempts after the first one. The **outcome** of an execution is PASS, FAIL or FIX. A **tier** is a class of
/// models. A **quality control** is an execution that judges the artifact of another execution. Outcomes and tiers have
/// the same values as the columns `outcome` and `tier` of the [CSV export](crate::export::csv).
///
/// ```
/// use runledger::governance::derived::DerivedMetrics;
/// use runledger::metrics::QcOutcome;
/// use runledger::{ExecutionMetrics, Uuid};
///
/// let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "draw", "1.0.0", "2026-11-20T12:00:00Z".parse()?);
/// (record.production.scene_id, record.production.shot_id) = (Some("1".into()), Some("a".into()));
/// record.production.regen_count = Some(3);
/// record.production.outcome = Some(QcOutcome::Fail);
/// record.model.name = Some("video-1".into());
/// let mut other = record.clone();
/// other.production.shot_id = Some("b".into());
/// (other.production.regen_count, other.production.outcome) = (None, None);
///
/// let derived = DerivedMetrics::compute([Ok(record), Ok(other)])?;
/// assert_eq!(derived.shots.average_regenerations, Some(3.0)); // of the shot whose count is known
/// assert_eq!((derived.shots.shots, derived.shots.regenerations_unknown), (2, 1));
/// assert_eq!(derived.models[0].outcomes.failure_rate, Some(1.0));
/// assert_eq!((derived.scenes[0].cost_usd, derived.scenes[0].unpriced), (None, 2)); // unknown, not free
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct DerivedMetrics {
    /// The number of executions.
    pub executions: u64,
    /// The regenerations and failures of all shots together. Each type of shot is compared with these figures.
    pub shots: Shots,
    /// The number of executions with a regeneration count or a type of shot, but without a `shot_id`.
    pub without_shot: u64,
    /// How often each `drift_category` (a kind of deviation of an artifact from the request) was found. `unknown`
    /// counts the executions without a category. Some of their artifacts may have drifted.
    pub drift: Tally,
    /// The cost of each scene, sorted by the name of the scene.
    pub scenes: Vec<SceneCost>,
    /// The number of executions that used a model of each tier. `unknown` counts the executions that used a model but
    /// have no tier.
    pub tiers: Tally,
    /// How often each model failed, sorted by the name of the model. These rules decide which executions count for a
    /// model:
    ///
    /// - An execution that used a model counts for that model. If the execution has no `production.outcome` and did
    ///   not fail, the quality controls of its artifact decide the outcome. If several controls have a verdict, only
    ///   the control that started last is used. A control belongs to the artifact of an execution if the two have the
    ///   same `run_id` and `production.artifact`.
    /// - A quality control that called a model itself counts for that model: as PASS if the control succeeded, and as
    ///   FAIL if it failed. The control's verdict applies only to the execution that made the artifact.
    /// - A quality control that names a model without calling a model counts for the named model, with the control's
    ///   verdict. The verdict does not change the outcome of the execution that made the artifact.
    /// - An execution that only chooses a model, such as a routing decision, is counted only if it called a model
    ///   itself.
    pub models: Vec<ModelOutcomes>,
    /// The verdicts of the quality controls that could not be matched with an execution. A control is matched with an
    /// execution that made the controlled artifact, if that execution used a model and has no `production.outcome`. The
    /// verdicts of unmatched controls are not part of [`models`](Self::models). A control that counts for the model
    /// that it names is not matched, and its verdict is not counted here.
    pub controls_without_model: Outcomes,
    /// How often each entry of `qc_violations` was found. `unknown` counts the executions with the outcome FAIL or FIX
    /// that list no violation.
    pub qc_violations: Tally,
    /// The types of shots, sorted by name. Each entry says whether the type is risky.
    pub shot_types: Vec<ShotType>,
    #[serde(skip)]
    skipped: Skipped,
}

impl DerivedMetrics {
    /// The number of cases that are needed to decide whether a type of shot is risky. For regenerations, a case is a
    /// shot with known regenerations. For failures, a case is an execution with a known outcome.
    pub const HIGH_RISK_SAMPLE_MIN: u64 = 10;
    /// A type of shot is risky if its average number of regenerations is more than this many times the average of all
    /// shots. The same factor applies to its share of failures, compared with the share of all shots together.
    pub const HIGH_RISK_TIMES_AVERAGE: f64 = 1.5;

    /// Computes the metrics of `records` in one pass. Memory grows with the number of names, of shots, and of
    /// executions that name an artifact, not with the number of all records.
    ///
    /// An error of [`ErrorKind::Malformed`] in `records` reports a line that is not a record. The line is skipped and
    /// counted in [`skipped`](Self::skipped).
    ///
    /// # Errors
    /// - The first error in `records` whose kind is not [`ErrorKind::Malformed`].
    /// - [`ErrorKind::Overflow`] if a cost exceeds the range of [`Usd`].
    pub fn compute(records: impl IntoIterator<Item = Result<ExecutionMetrics>>) -> Result<Self> {
        let mut accumulator = MetricsAccumulator::new();
        for record in records {
            match record {
                Ok(record) => accumulator.add(&record)?,
                Err(error) if error.kind() == ErrorKind::Malformed => accumulator.skip(error),
                Err(error) => return Err(error),
            }
        }
        Ok(accumulator.finish())
    }

    /// Returns the lines that were skipped.
    pub fn skipped(&self) -> &Skipped {
        &self.skipped
    }
}

/// How often each of several names occurred.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct Tally {
    /// Each name and how often it occurred. The most frequent name comes first, and equally frequent names are in
    /// alphabetical order.
    pub counts: Vec<Counted>,
    /// The number of executions without a recorded name.
    pub unknown: u64,
}

/// A name and how often it occurred.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Counted {
    /// The name.
    pub name: String,
    /// How often the name occurred; at least 1.
    pub count: u64,
    /// The share of this name among all occurrences of any name, above 0 and up to 1.
    pub share: f64,
}

/// The cost of a scene, as in a [`cost::Report`](crate::cost::Report) by scene.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SceneCost {
    /// The scene, or `None` for the executions that name no scene.
    pub scene_id: Option<String>,
    /// The number of executions that used a model for the scene.
    pub executions: u64,
    /// The exact sum of the known costs, in US dollars, or `None` if no cost is known.
    pub cost_usd: Option<Usd>,
    /// The number of executions without a cost, or without the cost of one of their models.
    pub unpriced: u64,
}

/// How often a model failed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ModelOutcomes {
    /// The model, or `None` for the executions that used a model but do not name it.
    pub model: Option<String>,
    /// The outcomes that count for the model.
    #[serde(flatten)]
    pub outcomes: Outcomes,
}

/// The outcomes of executions.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct Outcomes {
    /// The number of executions with a known outcome.
    pub known: u64,
    /// The number of executions with the outcome FAIL.
    pub failed: u64,
    /// The share of failures among the known outcomes, from 0 to 1, or `None` if no outcome is known.
    pub failure_rate: Option<f64>,
    /// The number of executions whose outcome is unknown.
    pub unknown: u64,
}

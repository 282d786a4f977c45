//! The metrics that a production derives from its log: regenerations, drift, cost per scene, tiers, failures, violations,
//! risky types of shots.

mod accumulator;
mod controls;
mod shots;

use serde::Serialize;

pub use self::accumulator::MetricsAccumulator;
pub use self::shots::{ShotType, Shots};
use crate::error::{ErrorKind, Result, Skipped};
use crate::metrics::{ExecutionMetrics, Usd};

/// What the executions of a run, a time, or a whole ledger say about a production. Nothing unknown counts as 0: what an
/// execution does not tell is counted apart.
///
/// A **shot** is a `scene_id` with a `shot_id`, over all runs. Which **outcome** an execution had, and of which **tier** the
/// model was, is told as in a [run log](crate::export::csv).
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
/// assert_eq!(derived.shots.average_regenerations, Some(3.0)); // of the one that is known
/// assert_eq!((derived.shots.shots, derived.shots.regenerations_untold), (2, 1));
/// assert_eq!(derived.models[0].outcomes.failure_rate, Some(1.0));
/// assert_eq!((derived.scenes[0].cost_usd, derived.scenes[0].unpriced), (None, 2)); // unknown, not free
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct DerivedMetrics {
    /// How many executions there are.
    pub executions: u64,
    /// Regenerations and failures of all shots: the average that their types are measured against.
    pub shots: Shots,
    /// How many executions tell of a regeneration or a type of shot, but not of which shot.
    pub without_shot: u64,
    /// How often each `drift_category` was found; untold: the executions that name none, whether or not they drifted.
    pub drift: Tally,
    /// What each scene cost, by name.
    pub scenes: Vec<SceneCost>,
    /// How many executions used a model of each tier; untold: those that do not tell its tier.
    pub tiers: Tally,
    /// How often each model failed, by name. What decides on a model counts only if it called one itself.
    ///
    /// A quality control that names a model, and called none, counts to that. Any other one decides over the execution that
    /// made its artifact, if that succeeded and does not tell its own `production.outcome`: both are brought together by
    /// `run_id` and `production.artifact`, and the last control of an artifact counts. The model that it called itself has
    /// failed if the control did not come to its end, whatever it found.
    pub models: Vec<ModelOutcomes>,
    /// What those quality controls found whose artifact no model is known to have made: it counts to none of
    /// [`models`](Self::models).
    pub controls_without_model: Outcomes,
    /// How often each of `qc_violations` was found; untold: the executions whose outcome is FAIL or FIX and that name none.
    pub qc_violations: Tally,
    /// The types of shots, by name, and which of them are risky.
    pub shot_types: Vec<ShotType>,
    #[serde(skip)]
    skipped: Skipped,
}

impl DerivedMetrics {
    /// A type of shot is risky only if it has so many shots whose regenerations are known, or so many executions whose
    /// outcome is.
    pub const HIGH_RISK_SAMPLE_MIN: u64 = 10;
    /// A type of shot is risky when its regenerations a shot, or its failures, are more than this times the average of all
    /// shots.
    pub const HIGH_RISK_TIMES_AVERAGE: f64 = 1.5;

    /// The metrics of `records`, in one pass and in memory that grows with the names in them, the shots and the artifacts,
    /// not with the other records.
    ///
    /// An item that is an error of [`ErrorKind::Malformed`], a line that is no record, is passed over and counted in
    /// [`skipped`](Self::skipped).
    ///
    /// # Errors
    /// The first error of any other kind; [`ErrorKind::Overflow`] when a cost leaves the range of [`Usd`].
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

    /// The lines that were passed over.
    pub fn skipped(&self) -> &Skipped {
        &self.skipped
    }
}

/// How often each of several things came up.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct Tally {
    /// Each with how often it came up: the most frequent first, and of equally frequent ones by name.
    pub counts: Vec<Counted>,
    /// How many executions do not tell.
    pub untold: u64,
}

/// One thing and how often it came up.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Counted {
    /// What came up.
    pub name: String,
    /// How often, at least once.
    pub count: u64,
    /// Its share of all that was told, above 0 to 1.
    pub share: f64,
}

/// What a scene cost, as a [`cost::Report`](crate::cost::Report) by scene has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SceneCost {
    /// The scene; `None`: the executions that name none.
    pub scene_id: Option<String>,
    /// How many executions used a model for it.
    pub executions: u64,
    /// The exact cost of those that have one, in US dollars; `None`: none has.
    pub cost_usd: Option<Usd>,
    /// How many of them have no cost, or none for one of their models.
    pub unpriced: u64,
}

/// How often a model failed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ModelOutcomes {
    /// The model; `None`: the executions that used one and do not name it.
    pub model: Option<String>,
    /// How its executions ended.
    #[serde(flatten)]
    pub outcomes: Outcomes,
}

/// How executions ended.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct Outcomes {
    /// Of how many the outcome is known.
    pub known: u64,
    /// How many of them have the outcome FAIL.
    pub failed: u64,
    /// Their share of those whose outcome is known, 0–1; `None`: of none it is.
    pub failure_rate: Option<f64>,
    /// Of how many it is not known.
    pub unknown: u64,
}

//! The regenerations and failures of shots, and of types of shots. A shot is a clip of a scene. A regeneration is an
//! attempt after the first one.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{DerivedMetrics, Outcomes};
use crate::metrics::{Production, QcOutcome};

/// How often shots were regenerated, and how often their executions failed.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct Shots {
    /// The number of shots.
    pub shots: u64,
    /// The number of shots for which no execution gives a `regen_count`.
    pub regenerations_unknown: u64,
    /// The sum of the regenerations of the shots with a known count, or `None` if no count is known. The count of a
    /// shot is the highest `regen_count` of its executions.
    pub regenerations: Option<u128>,
    /// The average number of regenerations of the shots with a known count, or `None` if no count is known.
    pub average_regenerations: Option<f64>,
    /// The outcomes of the executions that worked on these shots.
    pub outcomes: Outcomes,
}

/// The shots of one type.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ShotType {
    /// The type of the shots, or `None` if it is unknown. The type of a shot comes from the first of its executions
    /// that has a `shot_type`.
    pub shot_type: Option<String>,
    /// How often the shots of this type were regenerated, and how often their executions failed.
    #[serde(flatten)]
    pub shots: Shots,
    /// Whether the shots were regenerated more than
    /// [`HIGH_RISK_TIMES_AVERAGE`](DerivedMetrics::HIGH_RISK_TIMES_AVERAGE) times as often as the average shot. `None`
    /// if there are too few shots, or if the type is unknown.
    pub risky_regenerations: Option<bool>,
    /// Whether the share of failed executions is more than
    /// [`HIGH_RISK_TIMES_AVERAGE`](DerivedMetrics::HIGH_RISK_TIMES_AVERAGE) times as large as for all shots together.
    /// `None` if there are too few executions, or if the type is unknown.
    pub risky_failures: Option<bool>,
    /// True if `risky_regenerations` or `risky_failures` is true, and false if both are false. Otherwise `None`,
    /// because at least one of the two is unknown.
    pub high_risk: Option<bool>,
}

impl ShotType {
    fn new(shot_type: Option<&str>, shots: Shots, average: &Shots) -> Self {
        let [regenerations, failures] = [0, 1].map(|at| shots.ratios()[at].is_risky(average.ratios()[at]));
        let [risky_regenerations, risky_failures] = [regenerations, failures].map(|risk| shot_type.and(risk));
        let high_risk = match (risky_regenerations, risky_failures) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        };
        let (shot_type, shots) = (shot_type.map(str::to_owned), shots.with_averages());
        Self { shot_type, shots, risky_regenerations, risky_failures, high_risk }
    }
}

/// The known values of each shot.
#[derive(Debug, Default)]
pub(super) struct ShotMap {
    /// The shots, by `scene_id` and `shot_id`.
    shots: BTreeMap<(Option<String>, String), Shot>,
    without_shot: u64,
}

#[derive(Debug, Default)]
struct Shot {
    shot_type: Option<String>,
    regenerations: Option<u64>,
    outcomes: Outcomes,
}

impl ShotMap {
    pub(super) fn add(&mut self, production: &Production, outcome: Option<&QcOutcome>) {
        let Production { scene_id, shot_id, shot_type, regen_count, .. } = production;
        let Some(shot_id) = shot_id else {
            self.without_shot += u64::from(shot_type.is_some() || regen_count.is_some());
            return;
        };
        let shot = self.shots.entry((scene_id.clone(), shot_id.clone())).or_default();
        if shot.shot_type.is_none() {
            shot.shot_type.clone_from(shot_type);
        }
        shot.regenerations = shot.regenerations.max(*regen_count);
        shot.outcomes.add(outcome);
    }

    /// Adds the executions of a later part of the ledger.
    pub(super) fn merge(&mut self, later: Self) {
        self.without_shot += later.without_shot;
        for (shot, Shot { shot_type, regenerations, outcomes }) in later.shots {
            let mine = self.shots.entry(shot).or_default();
            mine.shot_type = mine.shot_type.take().or(shot_type);
            mine.regenerations = mine.regenerations.max(regenerations);
            mine.outcomes.merge(outcomes);
        }
    }

    pub(super) fn without_shot(&self) -> u64 {
        self.without_shot
    }

    /// Returns the regenerations and failures of all shots together, and of each type of shot.
    pub(super) fn measure(&self) -> (Shots, Vec<ShotType>) {
        let mut all = Shots::default();
        let mut types: BTreeMap<Option<&str>, Shots> = BTreeMap::new();
        for shot in self.shots.values() {
            all.add(shot);
            types.entry(shot.shot_type.as_deref()).or_default().add(shot);
        }
        let types = types.into_iter().map(|(shot_type, shots)| ShotType::new(shot_type, shots, &all)).collect();
        (all.with_averages(), types)
    }
}

impl Shots {
    fn add(&mut self, shot: &Shot) {
        self.shots += 1;
        match shot.regenerations {
            // A `u128` cannot overflow here: memory cannot hold enough `u64` counts for that.
            Some(count) => self.regenerations = Some(self.regenerations.unwrap_or(0) + u128::from(count)),
            None => self.regenerations_unknown += 1,
        }
        self.outcomes.merge(shot.outcomes);
    }

    fn with_averages(self) -> Self {
        let known = (self.shots - self.regenerations_unknown) as f64;
        let average_regenerations = self.regenerations.map(|count| count as f64 / known);
        Self { average_regenerations, outcomes: self.outcomes.with_rate(), ..self }
    }

    /// Returns the regenerations per shot, and the failures per execution with a known outcome.
    fn ratios(&self) -> [Ratio; 2] {
        [
            Ratio { count: self.regenerations.unwrap_or(0), of: self.shots - self.regenerations_unknown },
            Ratio { count: self.outcomes.failed.into(), of: self.outcomes.known },
        ]
    }
}

/// The number of times that something happened, and the number of known cases.
#[derive(Debug, Clone, Copy)]
struct Ratio {
    count: u128,
    of: u64,
}

impl Ratio {
    /// Returns true if this ratio is more than [`DerivedMetrics::HIGH_RISK_TIMES_AVERAGE`] times `average`. Returns
    /// `None` if there are too few cases.
    fn is_risky(self, average: Self) -> Option<bool> {
        // Comparing products instead of quotients avoids rounding, because products up to 2⁵³ are exact.
        let times = |count: u128, of: u64| count as f64 * of as f64;
        let limit = DerivedMetrics::HIGH_RISK_TIMES_AVERAGE * times(average.count, self.of);
        (self.of >= DerivedMetrics::HIGH_RISK_SAMPLE_MIN).then(|| times(self.count, average.of) > limit)
    }
}

//! Regenerations and failures of shots, and of their types.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{DerivedMetrics, Outcomes};
use crate::metrics::{Production, QcOutcome};

/// How often shots were generated again, and failed.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct Shots {
    /// How many shots there are.
    pub shots: u64,
    /// Of how many of them no execution tells how often they were generated again.
    pub regenerations_untold: u64,
    /// How often the others were generated again, together; `None`: there are no others. Of a shot, the highest
    /// `regen_count` of its executions counts.
    pub regenerations: Option<u128>,
    /// How often they were on average.
    pub average_regenerations: Option<f64>,
    /// How the executions for these shots ended.
    pub outcomes: Outcomes,
}

/// The shots of one type.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ShotType {
    /// The type, as the first execution that tells it names that of a shot; `None`: the shots whose type none tells.
    pub shot_type: Option<String>,
    /// How often they were generated again, and failed.
    #[serde(flatten)]
    pub shots: Shots,
    /// Whether they were generated again more than [`HIGH_RISK_TIMES_AVERAGE`](DerivedMetrics::HIGH_RISK_TIMES_AVERAGE)
    /// times as often as shots are on average; `None`: there are too few to tell, or the type is unknown.
    pub risky_regenerations: Option<bool>,
    /// The same for the share of their executions that failed.
    pub risky_failures: Option<bool>,
    /// Whether the type is risky by one of them; `None`: not by what is known.
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

/// What is known of each shot.
#[derive(Debug, Default)]
pub(super) struct ShotMap {
    /// CostBy scene and shot.
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

    /// Takes in those of the executions that follow in the ledger.
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

    /// All shots together, and those of each type.
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
            // The shots that a memory holds cannot leave the range.
            Some(count) => self.regenerations = Some(self.regenerations.unwrap_or(0) + u128::from(count)),
            None => self.regenerations_untold += 1,
        }
        self.outcomes.merge(shot.outcomes);
    }

    fn with_averages(self) -> Self {
        let told = (self.shots - self.regenerations_untold) as f64;
        let average_regenerations = self.regenerations.map(|count| count as f64 / told);
        Self { average_regenerations, outcomes: self.outcomes.with_rate(), ..self }
    }

    /// Regenerations a shot, and failures an execution.
    fn ratios(&self) -> [Ratio; 2] {
        [
            Ratio { count: self.regenerations.unwrap_or(0), of: self.shots - self.regenerations_untold },
            Ratio { count: self.outcomes.failed.into(), of: self.outcomes.known },
        ]
    }
}

/// How often something happened, of how many times it could be told.
#[derive(Debug, Clone, Copy)]
struct Ratio {
    count: u128,
    of: u64,
}

impl Ratio {
    /// Whether it is so much above `average`; `None`: too few to tell.
    fn is_risky(self, average: Self) -> Option<bool> {
        // Crosswise, since these products are exact up to 2⁵³ and quotients are not.
        let times = |count: u128, of: u64| count as f64 * of as f64;
        let limit = DerivedMetrics::HIGH_RISK_TIMES_AVERAGE * times(average.count, self.of);
        (self.of >= DerivedMetrics::HIGH_RISK_SAMPLE_MIN).then(|| times(self.count, average.of) > limit)
    }
}

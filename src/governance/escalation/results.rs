//! The results of models: their executions, and the quality controls of their artifacts.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::report::Evidence;
use crate::governance::field;
use crate::metrics::{ExecutionMetrics, Kind, QcOutcome, Status, outcome};

/// Identifies an artifact by its run and its name.
type Artifact = (Option<String>, String);

/// An execution that used a model and may have made an artifact.
#[derive(Debug)]
struct Made {
    id: Uuid,
    skill: String,
    /// The model, or `None` if the record does not name exactly one model.
    model: Option<String>,
    tier: Option<String>,
    /// Whether the execution succeeded. `None` if the outcome is unknown, or if the execution was cancelled.
    succeeded: Option<bool>,
}

/// The result of the quality control of an artifact.
#[derive(Debug, Clone, Copy)]
struct Control {
    /// Whether the artifact was accepted, or `None` if there is no verdict.
    accepted: Option<bool>,
    drifted: bool,
}

impl Control {
    /// Returns what the record says about the artifact, or `None` if the record has no outcome and no drift category.
    fn of(record: &ExecutionMetrics) -> Option<Self> {
        let production = &record.production;
        let drifted = field::has_text(&production.drift_category);
        if production.outcome.is_none() && !drifted {
            return None;
        }
        Some(Self { accepted: accepted(production.outcome.as_ref()), drifted })
    }
}

/// Returns whether quality control accepted the artifact. An artifact with the outcome FIX is not accepted.
pub(super) fn accepted(outcome: Option<&QcOutcome>) -> Option<bool> {
    match outcome? {
        QcOutcome::Pass => Some(true),
        QcOutcome::Fail | QcOutcome::Fix => Some(false),
        QcOutcome::Other(_) => None,
    }
}

/// The number of results, and the executions with a bad result.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) whole: u64,
    pub(super) bad: Evidence,
}

impl Counts {
    pub(super) fn add(&mut self, id: Uuid, bad: bool) {
        self.whole += 1;
        if bad {
            self.bad.add(id);
        }
    }

    /// Adds the results of a later part of the ledger.
    pub(super) fn merge(&mut self, later: Self) {
        self.whole += later.whole;
        self.bad.merge(later.bad);
    }
}

/// The executions of a window that used a model, and the quality controls of their artifacts.
#[derive(Debug, Default)]
pub(super) struct Results {
    /// The artifacts that went through quality control, by tier. An artifact that drifted (deviates from the request)
    /// is a bad result.
    pub(super) drift: BTreeMap<String, Counts>,
    /// The executions with a known result, by skill and model. An execution that failed, or whose artifact was not
    /// accepted, is a bad result.
    pub(super) failures: BTreeMap<String, BTreeMap<String, Counts>>,
    /// The executions whose artifact may have a quality control in a record that has not been added yet.
    made: Vec<(Made, Artifact)>,
    /// The last control of each artifact.
    controls: HashMap<Artifact, Control>,
}

impl Results {
    pub(super) fn add(&mut self, record: &ExecutionMetrics) {
        let name = record.production.artifact.as_ref();
        let artifact = name.map(|name| (record.run.run_id.clone(), name.clone()));
        let control = Control::of(record);
        if record.kind == Kind::Qc {
            if let (Some(artifact), Some(control)) = (artifact, control) {
                self.controls.insert(artifact, control);
            }
        } else if record.used_model() {
            let made = Made {
                id: record.execution_id,
                skill: record.skill_name.clone(),
                model: one_model(record),
                tier: field::tier(record).map(str::to_owned),
                succeeded: outcome(record.execution_succeeded, record.execution_failed)
                    .filter(|_| record.status != Some(Status::Cancelled)),
            };
            match artifact {
                Some(artifact) if control.is_none() => self.made.push((made, artifact)),
                _ => self.count(made, control),
            }
        }
    }

    /// Adds the executions and controls of a later part of the ledger.
    pub(super) fn merge(&mut self, later: Self) {
        for (tier, counts) in later.drift {
            self.drift.entry(tier).or_default().merge(counts);
        }
        for (skill, models) in later.failures {
            let failures = self.failures.entry(skill).or_default();
            for (model, counts) in models {
                failures.entry(model).or_default().merge(counts);
            }
        }
        self.made.extend(later.made);
        self.controls.extend(later.controls);
    }

    /// Counts the executions in `made`. Call this method after the last record was added, because all controls are
    /// known only then.
    pub(super) fn settle(&mut self) {
        for (made, artifact) in std::mem::take(&mut self.made) {
            let control = self.controls.get(&artifact).copied();
            self.count(made, control);
        }
    }

    fn count(&mut self, made: Made, control: Option<Control>) {
        let Made { id, skill, model, tier, succeeded } = made;
        if let (Some(tier), Some(control)) = (tier, control) {
            self.drift.entry(tier).or_default().add(id, control.drifted);
        }
        let accepted = control.and_then(|control| control.accepted);
        let good = succeeded.map(|succeeded| succeeded && accepted != Some(false));
        if let (Some(model), Some(good)) = (model, good) {
            self.failures.entry(skill).or_default().entry(model).or_default().add(id, !good);
        }
    }
}

/// Returns the model that was used, or `None` if the record does not name exactly one.
fn one_model(record: &ExecutionMetrics) -> Option<String> {
    let calls = &record.trace.llm_calls;
    let Some(first) = calls.first() else {
        // A routing decision names a model that it chose, but did not use.
        return record.model.name.clone().filter(|_| record.kind != Kind::ModelRouting);
    };
    calls.iter().all(|call| call.model_name == first.model_name).then(|| first.model_name.clone())
}

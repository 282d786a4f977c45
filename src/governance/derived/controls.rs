//! Matches quality controls, which are executions that judge an artifact, with the executions that made the artifacts.
//! A control that names a model without calling it counts for that model and needs no match.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::Outcomes;
use crate::digest;
use crate::metrics::{ExecutionMetrics, QcOutcome, Timestamp};

/// Identifies an artifact by the first bytes of a hash of its run and its name. A production has many artifacts with
/// long names, so hashes need less memory than the names.
type Artifact = [u8; 16];

/// The start, the execution id and the outcome of a control.
type Verdict = (Timestamp, Uuid, QcOutcome);

/// Executions whose artifact may have a control, and the controls to match with them.
#[derive(Debug, Default)]
pub(super) struct Controls {
    /// The artifacts that each model made. The `bool` says whether the execution that made the artifact succeeded.
    made: BTreeMap<Option<String>, Vec<(Artifact, Option<bool>)>>,
    /// The last control with a verdict, by artifact.
    last: HashMap<Artifact, Verdict>,
    /// The outcomes of the controls, by artifact. Controls without an artifact are under `None`.
    outcomes: HashMap<Option<Artifact>, Outcomes>,
}

impl Controls {
    /// Adds an execution whose artifact may have a control. Returns false, and adds nothing, if the execution has no
    /// artifact or if its record has a `production.outcome`.
    pub(super) fn add_made(&mut self, record: &ExecutionMetrics) -> bool {
        let Some(artifact) = artifact(record).filter(|_| record.production.outcome.is_none()) else { return false };
        let made = (artifact, record.success());
        match self.made.get_mut(&record.model.name) {
            Some(all) => all.push(made),
            None => _ = self.made.insert(record.model.name.clone(), vec![made]),
        }
        true
    }

    /// Adds a control, which will be matched with the execution that made the controlled artifact.
    pub(super) fn add(&mut self, record: &ExecutionMetrics) {
        let (artifact, outcome) = (artifact(record), record.outcome());
        self.outcomes.entry(artifact).or_default().add(outcome.as_ref());
        if let (Some(artifact), Some(outcome)) = (artifact, outcome) {
            self.add_verdict(artifact, (record.timestamp_start, record.execution_id, outcome));
        }
    }

    fn add_verdict(&mut self, artifact: Artifact, this: Verdict) {
        match self.last.get_mut(&artifact) {
            Some(last) if (last.0, last.1) > (this.0, this.1) => {}
            Some(last) => *last = this,
            None => _ = self.last.insert(artifact, this),
        }
    }

    /// Adds the executions and controls of a later part of the ledger.
    pub(super) fn merge(&mut self, later: Self) {
        for (model, made) in later.made {
            self.made.entry(model).or_default().extend(made);
        }
        for (artifact, verdict) in later.last {
            self.add_verdict(artifact, verdict);
        }
        for (artifact, outcomes) in later.outcomes {
            self.outcomes.entry(artifact).or_default().merge(outcomes);
        }
    }

    /// Calls `count` once for each execution in `made`, with its model and its outcome. Returns the outcomes of the
    /// controls that could not be matched with an execution.
    pub(super) fn settle(mut self, mut count: impl FnMut(&Option<String>, Option<&QcOutcome>)) -> Outcomes {
        for (model, made) in &self.made {
            for (artifact, succeeded) in made {
                let own = succeeded.map(QcOutcome::of_success);
                let control = self.last.get(artifact).map(|(_, _, outcome)| outcome);
                count(model, control.filter(|_| *succeeded != Some(false)).or(own.as_ref()));
                self.outcomes.remove(&Some(*artifact));
            }
        }
        let mut rest = Outcomes::default();
        self.outcomes.into_values().for_each(|outcomes| rest.merge(outcomes));
        rest.with_rate()
    }
}

fn artifact(record: &ExecutionMetrics) -> Option<Artifact> {
    let name = record.production.artifact.as_ref().filter(|name| !name.is_empty())?;
    // The byte 0xff does not occur in UTF-8, so it separates the run from the artifact's name.
    let run = record.run.run_id.as_ref().map_or(vec![], |run| [run.as_bytes(), b"\xff"].concat());
    let hash = digest::sha256(&[run.as_slice(), name.as_bytes()].concat());
    Some(std::array::from_fn(|at| hash[at]))
}

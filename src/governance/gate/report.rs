//! What a gate answers.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;
use uuid::Uuid;

use crate::metrics::{ExecutionMetrics, shortened};

/// What a gate says of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum GateVerdict {
    /// Every rule is kept.
    Pass,
    /// At least one is broken.
    Fail,
}

impl fmt::Display for GateVerdict {
    /// `PASS` or `FAIL`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
        })
    }
}

/// What a run is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rule {
    /// Every execution has a record in the ledger: none was begun and never ended, none waits in the spill or may have been
    /// lost, none that is expected is absent, no attempt is left out, every parent that is named is there.
    MissingEntry,
    /// Every record has its times, the end not before the start.
    MissingTimestamp,
    /// Every cost is recorded.
    CostNotRecorded,
    /// Every tier is documented.
    TierUndocumented,
    /// Every artifact is recorded with its version.
    ArtifactVersionNotRecorded,
    /// Every attempt to generate something is counted, none with the number of another.
    RegenUntracked,
    /// Every outcome is recorded, and contradicts nothing.
    InconsistentOutcome,
    /// Every other field that the policy asks for is there, and none was left out because it was impossible.
    MissingField,
    /// A skill logs the same fields for every tier.
    InconsistentAcrossTiers,
    /// Executions name what started them, and those that do are of its run or name it.
    MissingParent,
    /// No execution has two records that differ.
    Overwritten,
    /// Every line of the ledger is a record.
    UnstructuredData,
    /// The chain of the whole ledger verifies: it was appended to and nothing else.
    BrokenIntegrity,
}

impl fmt::Display for Rule {
    /// What is wrong, such as `cost not recorded`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::MissingEntry => "missing log entry",
            Self::MissingTimestamp => "missing timestamp",
            Self::CostNotRecorded => "cost not recorded",
            Self::TierUndocumented => "tier undocumented",
            Self::ArtifactVersionNotRecorded => "artifact version not recorded",
            Self::RegenUntracked => "regeneration untracked",
            Self::InconsistentOutcome => "inconsistent outcome",
            Self::MissingField => "missing field",
            Self::InconsistentAcrossTiers => "inconsistent across tiers",
            Self::MissingParent => "missing parent",
            Self::Overwritten => "overwritten entry",
            Self::UnstructuredData => "unstructured data",
            Self::BrokenIntegrity => "broken integrity",
        })
    }
}

/// Why a run fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GateReason {
    /// The rule that is broken.
    pub rule: Rule,
    /// The skill concerned; `None`: it is about the run or the ledger as a whole.
    pub skill: Option<String>,
    /// What was found. Texts of records in it are quoted and escaped.
    pub found: String,
    /// All executions concerned, in the order of the ledger; empty where what is missing is an execution.
    pub executions: Vec<Uuid>,
}

impl fmt::Display for GateReason {
    /// In one line, without the executions: `cost not recorded: "draw": cost: cost_usd and cost.estimated_usd are null`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.rule)?;
        if let Some(skill) = &self.skill {
            write!(f, "{}: ", shortened(skill))?;
        }
        f.write_str(&self.found)
    }
}

/// What a gate found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GateReport {
    /// The run.
    pub run_id: String,
    /// Whether it passes.
    pub verdict: GateVerdict,
    /// How many executions of it have a record.
    pub executions: u64,
    /// How many of its executions are in flight.
    pub in_flight: u64,
    /// How many of its executions have a record that the ledger does not have yet.
    pub spilled: u64,
    /// The runs that it started, by name: each has a gate of its own.
    pub child_runs: Vec<String>,
    /// Every reason for which it fails, by rule in the order of [`Rule`]; empty if it passes.
    pub reasons: Vec<GateReason>,
}

/// The reasons found so far. Executions with the same one stand in it together.
#[derive(Default)]
pub(super) struct Reasons {
    reasons: Vec<GateReason>,
    places: HashMap<(Rule, Option<String>, String), usize>,
}

impl Reasons {
    /// Adds what is wrong with a record.
    pub(super) fn of(&mut self, record: &ExecutionMetrics, rule: Rule, found: String) {
        self.add(rule, Some(&record.skill_name), found, Some(record.execution_id));
    }

    pub(super) fn add(&mut self, rule: Rule, skill: Option<&str>, found: String, execution: Option<Uuid>) {
        let key = (rule, skill.map(str::to_owned), found);
        let place = match self.places.get(&key) {
            Some(&place) => place,
            None => {
                let (rule, skill, found) = key.clone();
                self.reasons.push(GateReason { rule, skill, found, executions: Vec::new() });
                self.places.insert(key, self.reasons.len() - 1);
                self.reasons.len() - 1
            }
        };
        self.reasons[place].executions.extend(execution);
    }

    pub(super) fn into_sorted(mut self) -> Vec<GateReason> {
        self.reasons.sort_by_key(|reason| reason.rule);
        self.reasons
    }
}

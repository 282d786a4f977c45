//! The reasons why a gate fails, and their texts.
//!
//! A reason consists of a rule and a finding. The text of a rule is fixed. The text of a finding comes from the module
//! that checks the rule: `judge`, `member`, `attempts`, or [`Field`](crate::governance::Field) for a missing field.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;
use uuid::Uuid;

use crate::metrics::{ExecutionMetrics, shortened};

/// A rule that a run must follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rule {
    /// Every execution has a record in the ledger:
    ///
    /// - Every execution has ended.
    /// - The ledger did not lose a record that may belong to the run.
    /// - None of the run's records is in the spill. The spill holds the records that could not be appended to the
    ///   ledger so far.
    /// - Every expected execution, every attempt at a shot, and every parent that an execution names has a record.
    MissingEntry,
    /// Every record has its times, and its end is not before its start.
    MissingTimestamp,
    /// Every cost is recorded.
    CostNotRecorded,
    /// Every tier is documented.
    TierUndocumented,
    /// Every artifact is recorded with its version.
    ArtifactVersionNotRecorded,
    /// Every attempt to generate something has a unique number.
    RegenUntracked,
    /// Every outcome is recorded, and does not contradict other fields of the record.
    InconsistentOutcome,
    /// Every required field is present, apart from the fields that have a rule of their own. A record from which an
    /// invalid value was left out breaks this rule too.
    MissingField,
    /// A skill logs the same fields for every tier.
    InconsistentAcrossTiers,
    /// Executions name their parents where the policy requires a parent. An execution belongs to the run of its parent,
    /// or names that run as its parent run.
    MissingParent,
    /// If an execution has several records, they are equal.
    Overwritten,
    /// Every line of the ledger is a record.
    UnstructuredData,
    /// The chain of hashes of the whole ledger is intact, which shows that lines were only appended.
    BrokenIntegrity,
}

impl fmt::Display for Rule {
    /// Writes what is wrong, such as `cost not recorded`.
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

/// A reason why a run fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GateReason {
    /// The rule that is broken.
    pub rule: Rule,
    /// The skill concerned; `None` if the reason is about the run or the ledger as a whole.
    pub skill: Option<String>,
    /// What was found. Texts from records are quoted and escaped.
    pub found: String,
    /// The executions concerned, in ledger order; empty if the reason is not about recorded executions.
    pub executions: Vec<Uuid>,
}

impl fmt::Display for GateReason {
    /// Writes one line without the executions, such as `cost not recorded: "draw": cost: cost_usd and
    /// cost.estimated_usd are null`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.rule)?;
        if let Some(skill) = &self.skill {
            write!(f, "{}: ", shortened(skill))?;
        }
        f.write_str(&self.found)
    }
}

/// The reasons found so far. Executions with the same reason share one entry.
#[derive(Default)]
pub(super) struct Reasons {
    reasons: Vec<GateReason>,
    places: HashMap<(Rule, Option<String>, String), usize>,
}

impl Reasons {
    /// Adds a reason about a record.
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

//! The reasons why a gate fails, and their texts.
//!
//! A reason consists of the rule that was broken, and of what was found. The text of a rule is fixed. The text of
//! what was found comes from the code that checks the rule. This code is in `judge`, `member` and `attempts`. For a
//! missing field, it is in [`Field`](crate::governance::Field).

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;
use uuid::Uuid;

use crate::governance::Field;
use crate::metrics::{ExecutionMetrics, shortened};

/// A rule that a run must follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rule {
    /// Every execution has a record in the ledger:
    ///
    /// - Every execution has ended. A tool of a coding agent also counts as ended if a hook (a command that the agent
    ///   calls) recorded the tool as interrupted. The reason is that the agent never reports the end of a tool that a
    ///   person stops.
    /// - The ledger did not lose a record that may belong to the run.
    /// - All records of the run are in the ledger itself, and not in the spill. The spill holds the records that could
    ///   not be appended to the ledger so far.
    /// - All expected executions, all parents that executions name, and all attempts to generate a shot are present.
    ///   The numbers of the attempts at a shot begin with 0 and have no gaps.
    MissingEntry,
    /// Every record says when its execution ended, and this time is not before the start.
    MissingTimestamp,
    /// Every record has a cost, if the policy requires a cost of this record.
    CostNotRecorded,
    /// Every record names the tier (class) of its model, if the policy requires a tier of this record.
    TierUndocumented,
    /// Every record names its artifact with a version, if the policy requires an artifact of this record.
    ArtifactVersionNotRecorded,
    /// Every record has a `regen_count`, if the policy requires one of this record. If a skill succeeds twice in
    /// generating the same shot, the two attempts must have different counts.
    RegenUntracked,
    /// Every record has an outcome, if the policy requires one of this record. The outcome does not contradict other
    /// fields.
    InconsistentOutcome,
    /// Every record has the other fields that the policy requires. A record with the tag `refused` breaks this rule
    /// too: the ledger left out fields of this record, because some of their values were invalid.
    MissingField,
    /// A skill logs the same fields for every tier (class of models).
    InconsistentAcrossTiers,
    /// Every record names its parent, if the policy requires a parent of this record. If the parent belongs to another
    /// run, the record also names a parent run. An execution whose parent belongs to the judged run names this run.
    MissingParent,
    /// All records of an execution are equal. Copies are allowed, because a new segment (file) of the ledger can repeat
    /// lines of the previous segment. A different record may follow in two cases. Either the earlier record says
    /// interrupted or paused, or the later record keeps all known values of the earlier one and adds others. The later
    /// record is then used. No record outside the run has the id of an execution of the run.
    Overwritten,
    /// Every line of the ledger is a record.
    UnstructuredData,
    /// The hash chain of the whole ledger is intact, which shows that lines were only appended. Every file of the
    /// ledger can be read.
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
    /// The skill concerned. `None` if the reason is about the run or the ledger as a whole.
    pub skill: Option<String>,
    /// The field that the policy requires and that is missing, or `None` for any other reason.
    pub field: Option<Field>,
    /// The finding in words. Texts from records are quoted and escaped.
    pub found: String,
    /// The executions concerned; empty if the reason is not about individual executions.
    pub executions: Vec<Uuid>,
}

impl fmt::Display for GateReason {
    /// Writes one line without the executions, such as `cost not recorded: "draw": cost: cost_usd and
    /// cost.estimated_usd are null`. A field is written as in a policy.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.rule)?;
        if let Some(skill) = &self.skill {
            write!(f, "{}: ", shortened(skill))?;
        }
        if let Some(field) = self.field {
            write!(f, "{}: ", field.name())?;
        }
        f.write_str(&self.found)
    }
}

/// Returns the rule that a record breaks if this field is missing.
fn broken_without(field: Field) -> Rule {
    match field {
        Field::Parent => Rule::MissingParent,
        Field::Tier => Rule::TierUndocumented,
        Field::Cost | Field::EstimatedCost | Field::ActualCost => Rule::CostNotRecorded,
        Field::Outcome => Rule::InconsistentOutcome,
        Field::RegenCount => Rule::RegenUntracked,
        Field::ArtifactOutput => Rule::ArtifactVersionNotRecorded,
        _ => Rule::MissingField,
    }
}

/// The reasons found so far. Executions with the same reason share one entry.
#[derive(Default)]
pub(super) struct Reasons {
    reasons: Vec<GateReason>,
    places: HashMap<(Rule, Option<String>, Option<Field>, String), usize>,
}

impl Reasons {
    /// Adds a reason about a record.
    pub(super) fn of(&mut self, record: &ExecutionMetrics, rule: Rule, found: String) {
        self.add(rule, Some(&record.skill_name), found, Some(record.execution_id));
    }

    /// Adds the reason that a record lacks a field that the policy requires.
    pub(super) fn missing(&mut self, record: &ExecutionMetrics, field: Field, found: String) {
        let key = (broken_without(field), Some(record.skill_name.clone()), Some(field), found);
        self.add_key(key, Some(record.execution_id));
    }

    pub(super) fn add(&mut self, rule: Rule, skill: Option<&str>, found: String, execution: Option<Uuid>) {
        self.add_key((rule, skill.map(str::to_owned), None, found), execution);
    }

    fn add_key(&mut self, key: (Rule, Option<String>, Option<Field>, String), execution: Option<Uuid>) {
        let place = match self.places.get(&key) {
            Some(&place) => place,
            None => {
                let (rule, skill, field, found) = key.clone();
                self.reasons.push(GateReason { rule, skill, field, found, executions: Vec::new() });
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

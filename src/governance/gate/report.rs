//! The report of a gate.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::reason::GateReason;
use crate::governance::Expectations;

/// The verdict of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum GateVerdict {
    /// The run breaks no rule. Questions that the gate did not answer are in [`not_judged`](GateReport::not_judged).
    Pass,
    /// The run breaks at least one rule.
    Fail,
}

impl fmt::Display for GateVerdict {
    /// Writes `PASS` or `FAIL`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
        })
    }
}

/// A question that a gate did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NotJudged {
    /// The gate did not judge whether an expected execution is missing, because it has no
    /// [expectations](super::Gate::expected).
    ExpectedExecutions,
    /// The gate did not judge the costs of the run, because they are unknown. A hook of a coding agent recorded the
    /// calls of tools, and no execution of the run has a cost. An import of the agent's turns would add the costs.
    Costs,
    /// The gate did not judge whether the child runs are fully logged, because each run needs a gate of its own.
    ChildRuns,
}

impl NotJudged {
    pub(super) fn of(expected: &Expectations, lacks_costs: bool, child_runs: &BTreeSet<String>) -> Vec<Self> {
        let mut not_judged = Vec::new();
        if expected.iter().next().is_none() {
            not_judged.push(Self::ExpectedExecutions);
        }
        if lacks_costs {
            not_judged.push(Self::Costs);
        }
        if !child_runs.is_empty() {
            not_judged.push(Self::ChildRuns);
        }
        not_judged
    }
}

/// The report of a gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GateReport {
    /// The id of the run.
    pub run_id: String,
    /// Whether the run passes.
    pub verdict: GateVerdict,
    /// The number of the run's executions that have a record.
    pub executions: u64,
    /// The number of the run's executions that are in flight.
    pub in_flight: u64,
    /// The number of the run's executions whose record could not be appended to the ledger so far.
    pub spilled: u64,
    /// The questions that the gate did not answer.
    pub not_judged: Vec<NotJudged>,
    /// The child runs of this run, sorted by name. The gate did not check them; judge each of them separately.
    pub child_runs: Vec<String>,
    /// Every reason why the run fails, in the order of [`Rule`](super::Rule); empty if the run passes.
    pub reasons: Vec<GateReason>,
}

//! The report of a gate.

use std::fmt;

use serde::Serialize;

use super::reason::GateReason;

/// The verdict of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum GateVerdict {
    /// The run follows every rule.
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

/// The report of a gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GateReport {
    /// The run.
    pub run_id: String,
    /// Whether the run passes.
    pub verdict: GateVerdict,
    /// The number of the run's executions that have a record.
    pub executions: u64,
    /// The number of the run's executions that are in flight.
    pub in_flight: u64,
    /// The number of the run's executions whose record could not be appended to the ledger so far.
    pub spilled: u64,
    /// The child runs of this run, sorted by name. The gate did not check them; judge each of them separately.
    pub child_runs: Vec<String>,
    /// Every reason why the run fails, in the order of [`Rule`](super::Rule); empty if the run passes.
    pub reasons: Vec<GateReason>,
}

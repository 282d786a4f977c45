//! The outcome of a command, as it is recorded.

use runledger::ExecutionMetrics;
use runledger::metrics::Status;

use crate::exit_code::ExitCode;

/// How the command ended.
pub(super) struct Outcome {
    pub(super) status: Status,
    pub(super) code: ExitCode,
    /// The reason why the command did not succeed. `None` if it succeeded.
    pub(super) error_reason: Option<String>,
    /// `None` if the output was not hashed.
    pub(super) output_hash: Option<String>,
    /// The calls and steps that a coding agent reported. `None` if the command is not a coding agent, or if the agent
    /// did not report any call.
    pub(super) agent: Option<ExecutionMetrics>,
}

//! How the command ended.

use runledger::metrics::Status;

use crate::exit_code::ExitCode;

/// How the command ended, for the record.
pub(super) struct Outcome {
    pub(super) status: Status,
    pub(super) code: ExitCode,
    /// Why the command did not succeed; `None` if it succeeded.
    pub(super) error_reason: Option<String>,
    /// `None` if the output was not hashed.
    pub(super) output_hash: Option<String>,
}

//! `runledger retention`

mod apply;
mod plan;
mod run_logs;
mod scope;

use std::io::Write;

use clap::Subcommand;

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;

/// Archive old segments, and archive or delete old run logs
///
/// Everything is kept for at least 30 days. After that, the result of a run decides what happens to its log:
///
/// - The run led to an improvement, which means that one of its records has the tag `improvement` with the value true.
///   The log is archived.
///
/// - The run succeeded without an improvement. The log is deleted.
///
/// - The run failed. The log is kept, or archived if the policy says so.
///
/// A run log with an open error is kept at any age, and so is a file that is not a run log. Whether an error is open is
/// stored in the error registry, which `runledger errors` shows. In a log that is not in the registry, an error is open
/// if its record has no resolution, or if the log lists it as PENDING. The registry's own files are never changed.
///
/// The ledger's records are never deleted. Its sealed segments (files that are complete) move to the archive, where
/// they form a ledger of their own. To verify that ledger, run `runledger verify --ledger
/// ARCHIVE/execution_metrics.jsonl`. Each change is recorded in events.jsonl before it is made.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example: print what would happen to each file, and why
  runledger retention plan")]
pub(crate) enum Command {
    Plan(plan::Args),
    Apply(apply::Args),
}

pub(crate) fn run(command: &Command, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    match command {
        Command::Plan(args) => plan::run(args, global, out),
        Command::Apply(args) => apply::run(args, global, out),
    }
}

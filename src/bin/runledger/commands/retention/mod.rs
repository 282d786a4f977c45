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
/// Everything is kept for at least 30 days. After that, the result of a run decides what happens to the log of the run:
///
/// - If the run led to an improvement, the log is archived. A run led to an improvement if one of its records has the
///   tag `improvement` with the value true.
///
/// - If the run succeeded without an improvement, the log is deleted.
///
/// - If the run failed, the log is kept, or archived if the policy says so.
///
/// - If it is unknown how the run ended, or whether a successful run led to an improvement, the log is kept.
///
/// A run log with an open error is kept at any age. A file that is not a run log is kept too. The error registry, which
/// `runledger errors` shows, stores whether an error is open. The files of the registry are never changed. For a log
/// that the registry does not list, an error is open in two cases:
///
/// - The records of the run contain no resolution of the error.
///
/// - The log lists the error as PENDING.
///
/// The records of the ledger are never deleted. Sealed segments, which are files of the ledger that get no more lines,
/// are moved to the archive. In the archive, they form a ledger of their own. `runledger verify --ledger
/// ARCHIVE/execution_metrics.jsonl` verifies that ledger. Before the command changes something, it records the change
/// in events.jsonl, an internal file of the ledger.
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

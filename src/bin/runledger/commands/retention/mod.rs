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
/// Everything is kept for at least 30 days. After that, a run log is archived if its run led to an improvement, which
/// means that a record of the run has the tag `improvement` with the value true. It is deleted if its run was a routine
/// success, and kept if the run failed, unless the policy says otherwise. A run log with an open error is kept at any
/// age, and so is a file that is not a run log. The registry decides whether an error is open (`runledger errors`), and
/// its own files are never touched. For a log the registry does not know, an error counts as open if its entry has no
/// resolution, or if the log lists it as PENDING.
///
/// The ledger's records are never deleted. Its sealed segments move to the archive as whole files, where they form a
/// ledger that can be verified: `runledger verify --ledger ARCHIVE/execution_metrics.jsonl`. Each change is written to
/// events.jsonl before it is made.
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

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

/// Keep, archive and delete what is old: run logs, and sealed segments of the ledger
///
/// Everything is kept for 30 days at least. After that a run log is archived if its run led to an improvement (a record of
/// it has the tag `improvement` with the value true), deleted if its run was a routine success, and kept if it failed,
/// unless the policy says otherwise. One that is linked to an open error is kept whatever its age, and so is a file that
/// cannot be understood. The files of the registry of errors are none of these. Whether an error is open, the registry
/// says (`runledger errors`). Of a log that it does not know, one
/// is if its record does not say how it was mended, or a table of the log calls it PENDING.
///
/// The ledger's records are never deleted. Its sealed segments move to the archive whole, where they are a ledger of their
/// own: `runledger verify --ledger ARCHIVE/execution_metrics.jsonl`. Each change is told in events.jsonl before it is done.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example: what would happen to which file, and why?
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

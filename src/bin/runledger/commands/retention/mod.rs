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
/// Everything is kept for at least 30 days. After that, a run log is archived if its run led to an improvement: one of
/// its records has the tag `improvement` with the value true. It is deleted if its run succeeded without an
/// improvement, and kept if the run failed, unless the policy says otherwise. A run log with an open error is kept at
/// any age, and so is a file that is not a run log. The error registry (`runledger errors`) states whether an error is
/// open; the registry's own files are never changed. In a log that the registry does not contain, an error is open if
/// its entry has no resolution, or if the log lists it as PENDING.
///
/// The ledger's records are never deleted. Its sealed segments move to the archive as whole files, where they form a
/// ledger that can be verified: `runledger verify --ledger ARCHIVE/execution_metrics.jsonl`. Each change is recorded in
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

//! `runledger retention`

use std::path::PathBuf;

use clap::Subcommand;

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
pub(crate) enum Retention {
    Plan(RetentionPlan),
    Apply(RetentionApply),
}

/// Say what would be kept, archived and deleted, and why; nothing is changed
///
/// With --json, each line is one segment or one file.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: what would be deleted?
  runledger retention plan --json | jq 'select(.action == \"delete\")'")]
pub(crate) struct RetentionPlan {
    #[command(flatten)]
    pub(crate) scope: RetentionScope,
}

/// Archive and delete what is due
///
/// Each line is printed when it is done. With --json, each line is one segment or one file.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: in a job that runs every night
  runledger retention apply --archive /mnt/archive --policy retention.json")]
pub(crate) struct RetentionApply {
    #[command(flatten)]
    pub(crate) scope: RetentionScope,
}

/// What is looked at, and by which policy.
#[derive(Debug, clap::Args)]
pub(crate) struct RetentionScope {
    /// Where the run logs are; `run-logs` beside the ledger if it is not told
    #[arg(long, value_name = "DIR")]
    pub(crate) run_logs: Option<PathBuf>,
    /// Where to archive; `archive` beside the ledger if it is not told
    #[arg(long, value_name = "DIR")]
    pub(crate) archive: Option<PathBuf>,
    /// The policy, a JSON object: {"min_days": 30, "failed": "keep"} if it is not told; "failed", what becomes of the
    /// logs of failed runs, may be "archive" too
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// For how many days everything is kept, at least 30; wins over the policy
    #[arg(long, value_name = "N")]
    pub(crate) min_days: Option<u32>,
}

//! `runledger export` and its commands

use std::path::PathBuf;

use clap::Subcommand;

use super::prices::OwnPrices;
use crate::show::IdPrefix;

/// Write records in the forms that other people and programs read
#[derive(Debug, Subcommand)]
pub(crate) enum Export {
    Markdown(ExportMarkdown),
}

/// Write the log of a run as Markdown, and register its errors
///
/// The log is a new file, YYYY-MM-DD_HH-MM_mode-N.md, in the directory of the run logs; none is overwritten, and none is
/// written where an earlier one says the same. Each error of the run gets its number in that directory's registry, or the
/// number that it has; `runledger errors` tells what became of it. The answer is the log's path and the errors.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: the log of last night's run
  runledger export markdown --run nightly-2026-11-20")]
#[command(group = clap::ArgGroup::new("what").required(true).args(["run", "execution"]))]
pub(crate) struct ExportMarkdown {
    /// All executions of this run
    #[arg(long, value_name = "ID")]
    pub(crate) run: Option<String>,
    /// This execution alone, by its id or the beginning of it
    #[arg(long, value_name = "ID")]
    pub(crate) execution: Option<IdPrefix>,
    #[command(flatten)]
    pub(crate) logs: RunLogs,
    #[command(flatten)]
    pub(crate) own: OwnPrices,
}

/// Where run logs are.
#[derive(Debug, clap::Args)]
pub(crate) struct RunLogs {
    /// The directory of the run logs and of their errors' registry; `run-logs` beside the ledger if it is not told
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

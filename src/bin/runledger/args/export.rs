//! `runledger export`

use std::path::PathBuf;

use clap::Subcommand;
use clap::builder::PossibleValuesParser;

use super::period::Selection;
use super::prices::OwnPrices;
use crate::show::IdPrefix;

/// Write the records in the form that another program takes
#[derive(Debug, Subcommand)]
#[command(after_help = "Example: all executions, for a spreadsheet
  runledger export csv")]
pub(crate) enum Export {
    Csv(ExportCsv),
    Markdown(ExportMarkdown),
    Workflow(ExportWorkflow),
}

/// Write a run log, one row an execution, as RUN_LOG_v###.csv
///
/// It gets the next free number; none is ever overwritten, and only a whole one gets its name. The columns are run_id,
/// parent_run_id, timestamp, skill_name, scene_id, shot_id, model_used, tier, estimated_cost, actual_cost, duration_s,
/// outcome, regen_count, artifact_output and notes. What is unknown is an empty cell.
///
/// Where a spreadsheet could take a text for a formula, a ' stands before it: the documentation of the library, module
/// `export::csv`, says where, and what each column holds.
///
/// The path of the file goes to stdout, how many rows it has to stderr. With --json, stdout has both.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: the executions of one run, for a spreadsheet
  runledger export csv --run run-7 --dir ~/reports
Example: what DuckDB makes of last week's
  runledger export csv --since 7d --out - |
    duckdb -c \"SUMMARIZE FROM read_csv('/dev/stdin')\"")]
pub(crate) struct ExportCsv {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// The directory for the file, made if it is not there; that of the ledger if it is not told
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// With `-`: write to stdout, and make no file
    #[arg(long, value_name = "-", value_parser = PossibleValuesParser::new(["-"]), hide_possible_values = true)]
    #[arg(conflicts_with = "dir")]
    pub(crate) out: Option<String>,
}

/// Write workflow events: one JSON object for each execution, one a line
///
/// What each member is stands in the schema, which --schema gives; null is unknown. An execution that was cancelled,
/// interrupted or that panicked is Failed, one that waits for a person is HIL-Paused. The run_id of a record is the
/// workflow_run_id if it is a UUID; of another name a UUID is made, always the same. stderr says how many events are of
/// no run, of a named run, or do not say how they ended.
///
/// Prompts and completions are in the events if they were stored, so a new file is for its owner alone. It is there whole
/// or not at all; a process that dies may leave a FILE.part-PID for anybody to remove.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: the events of one run, in a file
  runledger export workflow --run nightly-7 --out events.jsonl
Example: hold events against the schema
  runledger export workflow --schema > workflow.schema.json")]
pub(crate) struct ExportWorkflow {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Write them to this new file instead of stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Give the JSON Schema (2020-12) of an event, and read no ledger
    #[arg(long, conflicts_with_all = ["run", "child_runs", "since", "until", "out"])]
    pub(crate) schema: bool,
}

/// Write the log of a run as Markdown, and register its errors
///
/// The log is a new file, YYYY-MM-DD_HH-MM_mode-N.md, in the directory of the run logs; none is overwritten, and none is
/// written where an earlier one says the same. Each error of the run gets its number in that directory's registry, or the
/// number that it has; `runledger errors` tells what became of it. The answer is the log's path and the errors.
///
/// A run of which an execution is in flight is In Progress, and has another log when it has ended. The runs that it started
/// have logs of their own. In memory are all records of the run, and of no other.
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

//! `runledger export`

use std::path::PathBuf;

use clap::Subcommand;

use super::period::Period;

/// Write the records in the form that another program takes
#[derive(Debug, Subcommand)]
pub(crate) enum Export {
    Workflow(ExportWorkflow),
}

/// Write workflow events: one JSON object for each execution, one a line
///
/// What each member is stands in the schema, which --schema gives; null is unknown. An execution that was cancelled,
/// interrupted or that panicked is Failed, one that waits for a person is HIL-Paused. The run_id of a record is the
/// workflow_run_id if it is a UUID; of another name a UUID is made, always the same. stderr says how many events are of
/// no run, of a named run, or do not say how they ended.
///
/// Prompts and completions are in the events if they were stored, so a new file is for its owner alone.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: the events of one run, in a file
  runledger export workflow --run nightly-7 --out events.jsonl
Example: hold events against the schema
  runledger export workflow --schema > workflow.schema.json")]
pub(crate) struct ExportWorkflow {
    /// Only this run, by its run_id
    #[arg(long, value_name = "ID")]
    pub(crate) run: Option<String>,
    #[command(flatten)]
    pub(crate) period: Period,
    /// Write them to this new file instead of stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Give the JSON Schema (2020-12) of an event, and read no ledger
    #[arg(long, conflicts_with_all = ["run", "since", "until", "out"])]
    pub(crate) schema: bool,
}

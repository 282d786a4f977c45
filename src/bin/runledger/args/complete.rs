//! `runledger complete`

use clap::ValueEnum;
use runledger::Uuid;
use serde_json::{Map, Value};

use super::metadata::object;

/// Complete an execution that `start` began
///
/// Its record goes to the ledger, once, however often this is called. The answer is JSON, on one line with --json; one with
/// "success": false says why nothing was completed. The duration is null if the clock was set back to before the start.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: it did what it should
  runledger complete --execution-id \"$id\" --status success --quality-score 0.95

Exits with 1 if no execution of that id is in flight.")]
pub(crate) struct Complete {
    /// The execution_id that `start` answered with
    #[arg(long, value_name = "UUID")]
    pub(crate) execution_id: Uuid,
    /// How it ended
    #[arg(long, default_value = "success")]
    pub(crate) status: Outcome,
    /// What went wrong, or why it was given up
    #[arg(long, value_name = "TEXT")]
    pub(crate) error_message: Option<String>,
    /// Quality of the result as the agent itself judges it, 0.0-1.0
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    pub(crate) quality_score: Option<f64>,
    /// More metadata, as a JSON object; a key that was there gets the new value
    #[arg(long, value_name = "JSON", value_parser = object)]
    pub(crate) metadata: Option<Map<String, Value>>,
}

/// How an execution ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Outcome {
    Success,
    Error,
    Cancelled,
}

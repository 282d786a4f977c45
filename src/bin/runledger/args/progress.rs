//! `runledger progress`

use clap::builder::NonEmptyStringValueParser;
use runledger::Uuid;
use serde_json::{Map, Value};

use super::metadata::object;

/// Say how far an execution has come that `start` began
///
/// The last mark stands in the record. The answer is JSON, on one line with --json; one with "success": false says why
/// nothing was marked.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: half of it is done
  runledger progress --execution-id \"$id\" --stage gathering-docs --percent 50

Exits with 1 if no execution of that id is in flight.")]
pub(crate) struct Progress {
    /// The execution_id that `start` answered with
    #[arg(long, value_name = "UUID")]
    pub(crate) execution_id: Uuid,
    /// What it is doing
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) stage: String,
    /// How much of it is done, in percent: 0-100
    #[arg(long, value_name = "PERCENT", allow_negative_numbers = true)]
    pub(crate) percent: Option<f64>,
    /// More metadata, as a JSON object; a key that was there gets the new value
    #[arg(long, value_name = "JSON", value_parser = object)]
    pub(crate) metadata: Option<Map<String, Value>>,
}

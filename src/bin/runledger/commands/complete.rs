//! `runledger complete`

use std::io::Write;

use runledger::{Usd, Uuid};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::answer;
use crate::answer::seconds;
use crate::argument::{decimal, id, object};
use crate::clock;
use crate::ending::Ending;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::ledger;
use crate::price_table::OwnPrices;
use crate::record_args::Fields;
use crate::record_fields::price;

/// Complete an execution that was started with `start`
///
/// Writes the record of the execution to the ledger only once, even if the command is repeated.
///
/// With tokens or a cost, adds a call of the model to the record, as `progress` does. The cost of the execution is the
/// sum of the costs of its calls. If the cost of a call is unknown, the sum is unknown too. The cost of a model is
/// unknown if it was named without tokens and without a cost.
///
/// Prints one JSON object. With --json, the object is on one line. If the execution cannot be completed, the object has
/// "success": false, and "error" says why. duration_ms is null if the clock was set back to a time before the start of
/// the execution. cost_usd is present if a model was used, and null if the cost is unknown.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: the execution succeeded
  runledger complete --execution-id \"$id\" --status success --quality-score 0.95

Example: the execution called a model
  runledger complete --execution-id \"$id\" --model gpt-4 --input-tokens 1000 \\
    --output-tokens 500

Exits with 1 if no execution with that id is in flight.")]
pub(crate) struct Args {
    /// The execution_id that `start` printed
    #[arg(long, value_name = "UUID", value_parser = id)]
    execution_id: Uuid,
    /// How the execution ended
    #[arg(long, default_value = "success")]
    status: Ending,
    /// What went wrong, or why the execution was cancelled
    #[arg(long, value_name = "TEXT")]
    error_message: Option<String>,
    /// The quality of the result as the agent judges it, from 0.0 to 1.0
    #[arg(long, value_name = "SCORE", value_parser = decimal, allow_negative_numbers = true)]
    quality_score: Option<f64>,
    /// More metadata of the execution, as a JSON object. If a key exists already, its value is replaced
    #[arg(long, value_name = "JSON", value_parser = object)]
    metadata: Option<Map<String, Value>>,
    #[command(flatten)]
    fields: Fields,
    #[command(flatten)]
    own: OwnPrices,
}

#[derive(Serialize)]
struct Completed {
    success: bool,
    execution_id: Uuid,
    agent_name: Option<String>,
    status: &'static str,
    duration_ms: Option<u64>,
    started_at: String,
    completed_at: Option<String>,
    /// `None` if the execution used no model.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_usd: Option<Option<Usd>>,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    answer::give(complete(args, global), Some(args.execution_id), global, out)
}

fn complete(args: &Args, global: &Global) -> Result<Completed, Failure> {
    let mut execution = ledger::open(global)?.resume(args.execution_id)?;
    let record = execution.record_mut();
    record.quality_score = args.quality_score;
    record.tags.extend(args.metadata.clone().unwrap_or_default());
    args.fields.apply(record, clock::now());
    price(record, &args.own, global)?;
    // In a shell, an unset variable in quotes becomes an empty argument.
    let message = args.error_message.as_deref().filter(|message| !message.is_empty());
    let status = args.status.fill(message, record);
    let completed = execution.complete(status)?;
    ledger::warn_of_answer(&completed.answer, global);
    let record = completed.record;
    let used_model = record.model.name.is_some() || record.cost_usd.is_some() || record.cost.source.is_some();
    Ok(Completed {
        success: true,
        execution_id: record.execution_id,
        agent_name: record.run.agent_name,
        status: args.status.text(),
        duration_ms: record.wall_clock_time_ms,
        started_at: seconds(record.timestamp_start),
        completed_at: record.timestamp_end.map(seconds),
        cost_usd: used_model.then_some(record.cost_usd),
    })
}

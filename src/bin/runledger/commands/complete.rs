//! `runledger complete`

use std::io::Write;

use runledger::{Usd, Uuid};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::answer;
use crate::answer::seconds;
use crate::argument::{decimal, object};
use crate::clock;
use crate::ending::Ending;
use crate::execution_id::IdPrefix;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::ledger;
use crate::price_table::OwnPrices;
use crate::record_args::Fields;
use crate::record_fields::price;
use crate::records;

/// Complete an execution that was started with `start`
///
/// Writes the record of the execution to the ledger. If the command is repeated, the record is still stored only once.
///
/// If tokens or a cost are given, the command adds a call of the model to the record, as `progress` does. The cost of
/// the execution is the sum of the costs of its calls. If the cost of a call is unknown, the sum is unknown too. If
/// --model names a model without tokens and without a cost, and no earlier call used this model, the cost is unknown.
///
/// Prints an indented JSON object; with --json, the object is on a single line. If the execution cannot be completed,
/// the object has "success": false, and "error" says why. duration_ms is null if the clock was set back to a time
/// before the start of the execution. cost_usd is present if a model was used, and null if the cost is unknown.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: the execution succeeded
  runledger complete --execution-id \"$id\" --status success --quality-score 0.95

Example: the execution called a model
  runledger complete --execution-id \"$id\" --model gpt-4 --input-tokens 1000 \\
    --output-tokens 500

Exits with 1 if no execution with that id is in flight.")]
pub(crate) struct Args {
    /// The execution_id that `start` printed. Its first digits are enough if the id of no other execution in flight
    /// begins with them
    #[arg(long, value_name = "ID")]
    execution_id: IdPrefix,
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
    match records::begun(&args.execution_id, global) {
        Ok(id) => answer::give(complete(args, id, global), Some(id), global, out),
        Err(failure) => answer::give(Err::<Completed, _>(failure), None, global, out),
    }
}

fn complete(args: &Args, id: Uuid, global: &Global) -> Result<Completed, Failure> {
    let mut execution = ledger::open(global)?.resume(id)?;
    let record = execution.record_mut();
    record.quality_score = args.quality_score;
    record.tags.extend(args.metadata.clone().unwrap_or_default());
    args.fields.apply(record, clock::now());
    price(record, &args.own, global)?;
    // In a shell, an unset variable in quotes becomes an empty argument. An empty message counts as not given.
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

//! `runledger progress`

use std::io::Write;

use clap::builder::NonEmptyStringValueParser;
use runledger::{Uuid, metrics};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::answer;
use crate::answer::seconds;
use crate::argument::{decimal, id, object};
use crate::clock;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::ledger;
use crate::record_args::Fields;

/// Report the progress of a running execution
///
/// The last report is stored in the execution's record. With tokens or a cost, the report also adds a call of the model
/// to the record. `complete` computes the costs of all calls. Without --model, the call is one of the model that was
/// named before.
///
/// Prints one JSON object. With --json, the object is on one line.
/// If the report cannot be stored, the object has "success": false, and "error" says why.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: report that half of the work is done
  runledger progress --execution-id \"$id\" --stage gathering-docs --percent 50

Example: report a call of a model
  runledger progress --execution-id \"$id\" --stage outline --model gpt-4 \\
    --input-tokens 1000 --output-tokens 500

Exits with 1 if no execution with that id is in flight.")]
pub(crate) struct Args {
    /// The execution_id that `start` printed
    #[arg(long, value_name = "UUID", value_parser = id)]
    execution_id: Uuid,
    /// What the execution is doing now
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    stage: String,
    /// How much of the work is done, from 0 to 100
    #[arg(long, value_name = "PERCENT", value_parser = decimal, allow_negative_numbers = true)]
    percent: Option<f64>,
    /// More metadata of the execution, as a JSON object. If a key exists already, its value is replaced
    #[arg(long, value_name = "JSON", value_parser = object)]
    metadata: Option<Map<String, Value>>,
    #[command(flatten)]
    fields: Fields,
}

#[derive(Serialize)]
struct Marked<'a> {
    success: bool,
    execution_id: Uuid,
    agent_name: Option<String>,
    stage: &'a str,
    progress: Option<Mark>,
}

#[derive(Serialize)]
struct Mark {
    stage: String,
    percent: Option<Percent>,
    updated_at: String,
}

/// A percentage. A whole number is written without decimals, as in the argument.
#[derive(Serialize)]
#[serde(untagged)]
enum Percent {
    Whole(u64),
    Part(f64),
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    answer::give(progress(args, global), Some(args.execution_id), global, out)
}

fn progress<'a>(args: &'a Args, global: &Global) -> Result<Marked<'a>, Failure> {
    let ledger = ledger::open(global)?;
    let mut execution = ledger.resume(args.execution_id)?;
    let record = execution.record_mut();
    record.tags.extend(args.metadata.clone().unwrap_or_default());
    args.fields.apply(record, clock::now());
    let record = execution.mark_progress(&args.stage, args.percent)?.clone();
    Ok(Marked {
        success: true,
        execution_id: record.execution_id,
        agent_name: record.run.agent_name,
        stage: &args.stage,
        progress: record.progress.map(mark),
    })
}

fn mark(progress: metrics::Progress) -> Mark {
    let percent = progress
        .percent
        .map(|percent| if percent.fract() == 0.0 { Percent::Whole(percent as u64) } else { Percent::Part(percent) });
    Mark { stage: progress.stage, percent, updated_at: seconds(progress.updated_at) }
}

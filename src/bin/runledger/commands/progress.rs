//! `runledger progress`

use std::io::Write;

use clap::builder::NonEmptyStringValueParser;
use runledger::{Uuid, metrics};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::answer;
use crate::answer::seconds;
use crate::argument::{decimal, object};
use crate::clock;
use crate::execution_id::IdPrefix;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::ledger;
use crate::record_args::Fields;
use crate::records;

/// Report the progress of a running execution
///
/// The last report is stored in the execution's record. If tokens or a cost are given, the report also adds a call of
/// the model to the record. If --model is missing, the call is attributed to the model that was named before.
/// `complete` computes the costs of all calls.
///
/// Prints an indented JSON object; with --json, the object is on a single line. If the report cannot be stored, the
/// object has "success": false, and "error" says why.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: report that half of the work is done
  runledger progress --execution-id \"$id\" --stage gathering-docs --percent 50

Example: report a call of a model
  runledger progress --execution-id \"$id\" --stage outline --model gpt-4 \\
    --input-tokens 1000 --output-tokens 500

Exits with 1 if no execution with that id is in flight.")]
pub(crate) struct Args {
    /// The execution_id that `start` printed. Its first digits are enough if the id of no other execution in flight
    /// begins with them
    #[arg(long, value_name = "ID")]
    execution_id: IdPrefix,
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
struct Reported<'a> {
    success: bool,
    execution_id: Uuid,
    agent_name: Option<String>,
    stage: &'a str,
    progress: Option<LastReport>,
}

#[derive(Serialize)]
struct LastReport {
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
    match records::begun(&args.execution_id, global) {
        Ok(id) => answer::give(progress(args, id, global), Some(id), global, out),
        Err(failure) => answer::give(Err::<Reported, _>(failure), None, global, out),
    }
}

fn progress<'a>(args: &'a Args, id: Uuid, global: &Global) -> Result<Reported<'a>, Failure> {
    let ledger = ledger::open(global)?;
    let mut execution = ledger.resume(id)?;
    let record = execution.record_mut();
    record.tags.extend(args.metadata.clone().unwrap_or_default());
    args.fields.apply(record, clock::now());
    let record = execution.mark_progress(&args.stage, args.percent)?.clone();
    Ok(Reported {
        success: true,
        execution_id: record.execution_id,
        agent_name: record.run.agent_name,
        stage: &args.stage,
        progress: record.progress.map(last_report),
    })
}

fn last_report(progress: metrics::Progress) -> LastReport {
    let percent = progress
        .percent
        .map(|percent| if percent.fract() == 0.0 { Percent::Whole(percent as u64) } else { Percent::Part(percent) });
    LastReport { stage: progress.stage, percent, updated_at: seconds(progress.updated_at) }
}

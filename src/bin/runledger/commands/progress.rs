//! `runledger progress`

use std::io::Write;

use clap::builder::NonEmptyStringValueParser;
use runledger::{Uuid, metrics};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::answer;
use crate::answer::seconds;
use crate::argument::object;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::ledger;

/// Say how far an execution has come that `start` began
///
/// The last mark stands in the record. The answer is JSON, on one line with --json; one with "success": false says why
/// nothing was marked.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: half of it is done
  runledger progress --execution-id \"$id\" --stage gathering-docs --percent 50

Exits with 1 if no execution of that id is in flight.")]
pub(crate) struct Args {
    /// The execution_id that `start` answered with
    #[arg(long, value_name = "UUID")]
    execution_id: Uuid,
    /// What it is doing
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    stage: String,
    /// How much of it is done, in percent: 0-100
    #[arg(long, value_name = "PERCENT", allow_negative_numbers = true)]
    percent: Option<f64>,
    /// More metadata, as a JSON object; a key that was there gets the new value
    #[arg(long, value_name = "JSON", value_parser = object)]
    metadata: Option<Map<String, Value>>,
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

/// A whole number is written without decimals, as it was given.
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
    execution.record_mut().tags.extend(args.metadata.clone().unwrap_or_default());
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

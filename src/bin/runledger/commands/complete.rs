//! `runledger complete`

use std::io::Write;

use clap::ValueEnum;
use runledger::metrics::{ErrorCategory, Status};
use runledger::{ExecutionMetrics, Uuid};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::answer;
use crate::answer::seconds;
use crate::argument::{decimal, id, object};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::ledger;

/// Complete an execution that was started with `start`
///
/// Writes the record of the execution to the ledger only once, even if the command is repeated. Prints one JSON object.
/// With --json, the object is on one line. If the execution cannot be completed, the object has "success": false, and
/// "error" says why. duration_ms is null if the clock was set back to a time before the start of the execution.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: the execution succeeded
  runledger complete --execution-id \"$id\" --status success --quality-score 0.95

Exits with 1 if no execution with that id is in flight.")]
pub(crate) struct Args {
    /// The execution_id that `start` printed
    #[arg(long, value_name = "UUID", value_parser = id)]
    execution_id: Uuid,
    /// How the execution ended
    #[arg(long, default_value = "success")]
    status: Outcome,
    /// What went wrong, or why the execution was cancelled
    #[arg(long, value_name = "TEXT")]
    error_message: Option<String>,
    /// The quality of the result as the agent judges it, from 0.0 to 1.0
    #[arg(long, value_name = "SCORE", value_parser = decimal, allow_negative_numbers = true)]
    quality_score: Option<f64>,
    /// More metadata of the execution, as a JSON object. If a key exists already, its value is replaced
    #[arg(long, value_name = "JSON", value_parser = object)]
    metadata: Option<Map<String, Value>>,
}

/// How an execution ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Outcome {
    Success,
    /// `failed` is the word in records.
    #[value(alias = "failed")]
    Error,
    Cancelled,
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
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    answer::give(complete(args, global), Some(args.execution_id), global, out)
}

fn complete(args: &Args, global: &Global) -> Result<Completed, Failure> {
    if args.status == Outcome::Success && args.error_message.is_some() {
        return Err(Failure::MessageOfSuccess);
    }
    let mut execution = ledger::open(global)?.resume(args.execution_id)?;
    fill(execution.record_mut(), args);
    let completed = execution.complete(args.status.in_a_record())?;
    ledger::warn_of_answer(&completed.answer, global);
    let record = completed.record;
    Ok(Completed {
        success: true,
        execution_id: record.execution_id,
        agent_name: record.run.agent_name,
        status: args.status.text(),
        duration_ms: record.wall_clock_time_ms,
        started_at: seconds(record.timestamp_start),
        completed_at: record.timestamp_end.map(seconds),
    })
}

fn fill(record: &mut ExecutionMetrics, args: &Args) {
    record.quality_score = args.quality_score;
    record.tags.extend(args.metadata.clone().unwrap_or_default());
    if let Some(message) = &args.error_message {
        record.set_error_reason(message);
    }
    if args.status == Outcome::Error {
        record.error_category = Some(ErrorCategory::Unknown);
    }
}

impl Outcome {
    fn in_a_record(self) -> Status {
        match self {
            Self::Success => Status::Success,
            Self::Error => Status::Failed,
            Self::Cancelled => Status::Cancelled,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }
}

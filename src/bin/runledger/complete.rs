//! `runledger complete`

use std::io::Write;

use runledger::metrics::{ErrorCategory, Status};
use runledger::{ExecutionMetrics, Uuid};
use serde::Serialize;

use crate::answer::{self, seconds};
use crate::args::{Complete, Global, Outcome};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::ledger;

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

pub(crate) fn run(args: &Complete, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    answer::give(complete(args, global), Some(args.execution_id), global, out)
}

fn complete(args: &Complete, global: &Global) -> Result<Completed, Failure> {
    if args.status == Outcome::Success && args.error_message.is_some() {
        return Err(Failure::MessageOfSuccess);
    }
    let completed =
        ledger::open(global)?.complete(args.execution_id, args.status.in_a_record(), |record| fill(record, args))?;
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

fn fill(record: &mut ExecutionMetrics, args: &Complete) {
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

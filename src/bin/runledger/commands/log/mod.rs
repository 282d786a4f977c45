//! `runledger log`

mod args;
mod fill;

use std::io::Write;

pub(crate) use args::Args;

use runledger::{Answer, ExecutionMetrics, Timestamp, Usd, Uuid};
use serde::Serialize;

use crate::answer;
use crate::clock;
use crate::environment::UNKNOWN_VERSION;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::ledger;

#[derive(Serialize)]
struct Logged {
    success: bool,
    execution_id: Uuid,
    /// The number of the record's line in the ledger. `None` if the record is not in the ledger yet.
    seq: Option<u64>,
    answer: &'static str,
    cost_usd: Option<Usd>,
    estimated_usd: Option<Usd>,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    answer::give(log(args, global), None, global, out)
}

fn log(args: &Args, global: &Global) -> Result<Logged, Failure> {
    let end = clock::now();
    let start = Timestamp::from_unix_ms(end.unix_ms() - args.took_ms.unwrap_or(0)).unwrap_or(end);
    let version = args.skill_version.as_deref().unwrap_or(UNKNOWN_VERSION);
    let mut record = ExecutionMetrics::new(clock::new_id(), args.skill(), version, start);
    record.timestamp_end = Some(end);
    record.run = args.fields.run_ids(global);
    record.skill_path_in_dag = Some(record.skill_name.clone());
    record.tags = args.metadata.clone().unwrap_or_default();
    // Without --took, the durations are unknown, although both times are known.
    let took = args.took_ms.map(i64::unsigned_abs);
    (record.wall_clock_time_ms, record.total_latency_ms) = (took, took);
    fill::fill(&mut record, args, end, global)?;
    let status = args.ending.fill(args.error_message.as_deref(), &mut record);
    record.set_status(status);

    let stored = ledger::open(global)?.append(&record)?;
    ledger::warn_of_answer(&stored, global);
    let (answer, seq) = answer::word(&stored);
    if let Answer::Lost(error) = stored {
        return Err(error.into());
    }
    let estimated_usd = record.cost.estimated_usd;
    Ok(Logged {
        success: true,
        execution_id: record.execution_id,
        seq,
        answer,
        cost_usd: record.cost_usd,
        estimated_usd,
    })
}

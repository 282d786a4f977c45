//! `runledger open`

use std::io::Write;

use runledger::{ExecutionMetrics, InFlight, Timestamp};
use serde::Serialize;

use crate::clock;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::records;
use crate::term::{Column, Table, cell, output, short};

/// List the executions in flight, with the oldest first
///
/// An execution is in flight if it has started and has not ended. `owner` shows what is known about the process that
/// runs the execution:
///
/// - `alive`: the process is running, or it is unknown whether the process is running.
///
/// - `dead`: the process has ended. The next command that writes to the ledger records the execution as interrupted.
///
/// - `none`: no process owns the execution, because `runledger start` or a hook began it. The execution stays in flight
///   until `runledger complete` or a hook ends it.
///
/// The ledger is not changed. With --json, each line is one execution in flight.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: list the executions that no running process owns
  runledger open --json |
    jq 'select(.owner_alive != true) | .record.execution_id'")]
pub(crate) struct Args {}

#[derive(Serialize)]
struct Line<'a> {
    age_ms: Option<u64>,
    owner_alive: Option<bool>,
    record: &'a ExecutionMetrics,
}

pub(crate) fn run(global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let now = clock::now();
    let found = records::in_flight(global)?;
    if global.json {
        for begun in &found {
            let line = Line { age_ms: begun.age_ms(now), owner_alive: begun.owner_alive, record: &begun.record };
            output::json_line(out, &line)?;
        }
        return Ok(ExitCode::Yes);
    }
    let mut table = Table::new([
        Column::Text("id"),
        Column::Name("skill"),
        Column::Name("stage"),
        Column::Number("%"),
        Column::Number("age"),
        Column::Level("owner"),
    ]);
    found.iter().for_each(|begun| table.row(cells(begun, now)));
    table.write_or("No execution is in flight. `runledger list` shows executions that have ended.", out)?;
    Ok(ExitCode::Yes)
}

fn cells(begun: &InFlight, now: Timestamp) -> [String; 6] {
    let InFlight { record, owner_alive, .. } = begun;
    let progress = record.progress.as_ref();
    let owner = match owner_alive {
        Some(true) => "alive",
        Some(false) => "dead",
        None => "none",
    };
    [
        record.execution_id.to_string(),
        record.skill_name.clone(),
        cell(progress.map(|progress| progress.stage.as_str())),
        cell(progress.and_then(|progress| progress.percent).map(|percent| percent as u64)),
        cell(begun.age_ms(now).map(short::age)),
        owner.to_owned(),
    ]
}

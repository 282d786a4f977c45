//! `runledger export markdown`

use std::collections::HashSet;
use std::io::Write;

use runledger::metrics::Status;
use runledger::runlog::{ErrorId, Exported, Run};
use runledger::{ExecutionMetrics, InFlight};
use serde::Serialize;

use crate::error_registry::{self, RunLogs};
use crate::execution_id::IdPrefix;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::price_table::OwnPrices;
use crate::records;
use crate::run_id;
use crate::term::{output, printable};

/// Write the log of a run as Markdown, and register its errors
///
/// The log is a new file, YYYY-MM-DD_HH-MM_mode-N.md, in the directory of the run logs. No file is overwritten. If an
/// existing file has the same content, no new file is written. Each new error of the run gets a number in the error
/// registry of that directory. `runledger errors` shows the status of each error. The log has an entry and a table row
/// for each error. Prints the path of the log, and a table of the errors.
///
/// The log says how the cost of each model was determined. If a model has no cost of its own, the log says how the cost
/// of the execution was determined. If no cost was recorded for an execution, the log shows the sum of the costs of its
/// calls.
///
/// While an execution of the run is in flight (has not ended), the log has the status In Progress. To get a complete
/// log, export the run again after all its executions have ended. Each child run has its own log. Only the records of
/// the run are held in memory.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: write the log of last night's run
  runledger export markdown --run nightly-2026-11-20")]
#[command(group = clap::ArgGroup::new("what").required(true).args(["run", "execution"]))]
pub(crate) struct Args {
    /// Export all executions of this run. If the id is a UUID, its first characters are enough. The first characters of
    /// any other id need a `…` at the end
    #[arg(long, value_name = "ID")]
    run: Option<String>,
    /// Export only this execution. ID is the execution_id or its first digits
    #[arg(long, value_name = "ID")]
    execution: Option<IdPrefix>,
    #[command(flatten)]
    logs: RunLogs,
    #[command(flatten)]
    own: OwnPrices,
}

/// The log that was exported.
#[derive(Serialize)]
struct Answer<'e> {
    path: &'e str,
    written: bool,
    errors: Vec<ErrorId>,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let prices = args.own.table()?;
    let run = find(args, global)?;
    let registry = args.logs.open(global)?;
    let Exported { name, written, log, .. } = registry.export(&run, &prices)?;
    // The printed path starts with the directory as written in the arguments.
    let path = args.logs.directory(global).join(name.to_string());
    let path = path.to_string_lossy();
    let ids: HashSet<_> = log.errors.iter().filter_map(|error| error.registry_id.as_deref()).collect();
    let mut registered = registry.errors()?;
    registered.retain(|error| ids.contains(error.id.to_string().as_str()));
    if global.json {
        let errors = registered.iter().map(|error| error.id).collect();
        output::json_line(out, &Answer { path: &path, written, errors })?;
    } else {
        writeln!(out, "{}", printable(&path))?;
        if !registered.is_empty() {
            error_registry::table(&registered, out)?;
        }
    }
    Ok(ExitCode::Yes)
}

/// Returns the record of an execution in flight. If the process of the execution is dead, the returned record has the
/// status Interrupted. The next process that opens the ledger will record this status.
fn begun(InFlight { mut record, owner_alive, .. }: InFlight) -> ExecutionMetrics {
    if owner_alive == Some(false) {
        record.set_status(Status::Interrupted);
    }
    record
}

fn find(args: &Args, global: &Global) -> Result<Run, Failure> {
    if let Some(id) = &args.execution {
        let record = records::find(id, global)?;
        return Ok(Run::new(record.execution_id.to_string(), [record])?);
    }
    let id = run_id::find(args.run.as_deref().unwrap_or_default(), global)?;
    let id = id.as_str();
    let of_run = |record: &ExecutionMetrics| record.run.run_id.as_deref() == Some(id);
    // The executions in flight are read first, then the spill (records that could not be appended so far), then the
    // ledger. So an execution that ends in the meantime is not missed. If several records have the same id, the last
    // one is used.
    let mut found: Vec<_> = records::in_flight(global)?.into_iter().map(begun).filter(of_run).collect();
    found.extend(records::spilled(global)?.records.into_iter().filter(of_run));
    let skipped = records::reader(global)?.each_naming_run(id, |record| {
        found.extend(Some(record).filter(of_run));
        true
    })?;
    records::warn_of(&skipped, global);
    if found.is_empty() { Err(Failure::NoRun(id.to_owned())) } else { Ok(Run::new(id, found)?) }
}

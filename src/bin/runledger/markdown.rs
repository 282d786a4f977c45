//! `runledger export markdown`

use std::collections::HashSet;
use std::io::Write;

use runledger::metrics::Status;
use runledger::runlog::{ErrorId, Exported, Run};
use runledger::{ExecutionMetrics, InFlight};
use serde::Serialize;

use crate::args::{ExportMarkdown, Global};
use crate::errors;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::output;
use crate::price_table;
use crate::records;
use crate::show;
use crate::table::printable;

/// What was exported.
#[derive(Serialize)]
struct Answer<'e> {
    path: &'e str,
    written: bool,
    errors: Vec<ErrorId>,
}

pub(crate) fn run(args: &ExportMarkdown, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let prices = price_table::read(args.own.prices.as_deref())?;
    let run = find(args, global)?;
    let registry = errors::open(&args.logs, global)?;
    let Exported { name, written, log, .. } = registry.export(&run, &prices)?;
    // As the directory was given.
    let path = errors::directory(&args.logs, global).join(name.to_string());
    let path = path.to_string_lossy();
    let ids: HashSet<_> = log.errors.iter().filter_map(|error| error.registry_id.as_deref()).collect();
    let mut met = registry.errors()?;
    met.retain(|error| ids.contains(error.id.to_string().as_str()));
    match global.json {
        true => {
            let errors = met.iter().map(|error| error.id).collect();
            output::json_line(out, &Answer { path: &path, written, errors })?;
        }
        false => {
            writeln!(out, "{}", printable(&path))?;
            if !met.is_empty() {
                errors::table(&met, out)?;
            }
        }
    }
    Ok(ExitCode::Yes)
}

/// What a dead process was to end is as whoever opens the ledger next will record it.
fn begun(InFlight { mut record, owner_alive, .. }: InFlight) -> ExecutionMetrics {
    if owner_alive == Some(false) {
        record.set_status(Status::Interrupted);
    }
    record
}

fn find(args: &ExportMarkdown, global: &Global) -> Result<Run, Failure> {
    if let Some(id) = &args.execution {
        let record = show::find(id, global)?;
        return Ok(Run::new(record.execution_id.to_string(), [record])?);
    }
    let id = args.run.as_deref().unwrap_or_default();
    let of_run = |record: &ExecutionMetrics| record.run.run_id.as_deref() == Some(id);
    // In this order: what ends in between is in the spill or has a record then, and the last that is found of it counts.
    let mut found: Vec<_> = records::in_flight(global)?.into_iter().map(begun).filter(of_run).collect();
    found.extend(records::spilled(global)?.records.into_iter().filter(of_run));
    records::each(global, |record| {
        if of_run(&record) {
            found.push(record);
        }
        Ok(())
    })?;
    match found.is_empty() {
        true => Err(Failure::NoRun(id.to_owned())),
        false => Ok(Run::new(id, found)?),
    }
}

//! `runledger fleet baseline`

use std::cell::Cell;
use std::io::Write;

use runledger::baseline::{Accumulator, Latest};
use runledger::metrics::Fields;
use runledger::ship::ShippedColumns;

use super::{Root, query};
use crate::baselines::{of_lower_bounds, table};
use crate::commands::baseline::BaselineGroups;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::term::output;

/// Compute the usual latency, cost and success rate of each skill, over all ledgers of a store
///
/// Prints the same output as `runledger baseline`, with the executions of all ledgers together. Of several lines of one
/// execution in a ledger, only the last one counts.
///
/// Only the columns that the baselines need are read, and only files that can have executions of the period. Nothing is
/// cached. The command needs memory for the columns of 32,768 records, about 40 bytes for each execution of the largest
/// ledger, about 200 bytes for each file, and for the groups. Missing files are reported on stderr.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: ship to a directory, and compute the baselines of all ledgers there
  runledger ship fleet --active
  runledger fleet baseline fleet --by model")]
pub(crate) struct Args {
    #[command(flatten)]
    root: Root,
    #[command(flatten)]
    groups: BaselineGroups,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let groups = &args.groups;
    let by = groups.library_by();
    let lower_bounds = Cell::new(0);
    let read = |take: &mut dyn FnMut(&Fields<'_>)| {
        query::each(&args.root, &groups.window.period, ShippedColumns::Baseline, global, |record| {
            if groups.window.has(&record.skill_name, record.timestamp_start) {
                lower_bounds.set(lower_bounds.get() + u64::from(record.is_lower_bound()));
                take(&groups.labelled(&Fields::of(record)));
            }
            Ok(())
        })
    };
    let all = match groups.last {
        Some(most) => {
            let mut latest = Latest::new(by, most);
            read(&mut |fields| latest.add_fields(fields))?;
            latest.accumulate()
        }
        None => {
            let mut all = Accumulator::by(by);
            read(&mut |fields| all.add_fields(fields))?;
            all
        }
    };
    let baselines = all.finish();
    if global.json {
        writeln!(out, "{}", baselines.to_json()?)?;
    } else {
        table(groups.by.name(), &baselines, out)?;
    }
    if let Some(text) = of_lower_bounds(lower_bounds.get()) {
        output::note(&text, "lower_bounds", global.style());
    }
    Ok(ExitCode::Yes)
}

//! `runledger fleet cost`

use std::io::Write;

use runledger::cost::Report;
use runledger::ship::ShippedColumns;

use super::{Root, query};
use crate::commands::cost::CostGroups;
use crate::commands::cost::summed::write;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::markdown::MarkdownArgs;
use crate::selection::Window;

/// Sum up the costs of executions by model, skill, run or day, over all ledgers of a store
///
/// Prints the same output as `runledger cost`, with the executions of all ledgers together. Of several lines of one
/// execution in a ledger, only the last one counts. Costs are not computed again.
///
/// Only the columns that the costs need are read, and only files that can have executions of the period. The command
/// needs memory for the columns of 32,768 records, about 40 bytes for each execution of the largest ledger, about 200
/// bytes for each file, and for the groups. Missing files are reported on stderr.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: ship to a directory, and show what each day cost in all its ledgers
  runledger ship fleet --active
  runledger fleet cost fleet --by day")]
pub(crate) struct Args {
    #[command(flatten)]
    root: Root,
    #[command(flatten)]
    groups: CostGroups,
    #[command(flatten)]
    window: Window,
    #[command(flatten)]
    markdown: MarkdownArgs,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let Args { root, groups, window, markdown } = args;
    let mut report = Report::in_zone(groups.by, window.period.zone.clone()).week_start(groups.week_start()?);
    let malformed_lines = query::each(root, &window.period, ShippedColumns::Cost, global, |record| {
        if window.has(&record.skill_name, record.timestamp_start) { report.add(record) } else { Ok(()) }
    })?;
    write(markdown, report, None, None, malformed_lines, global, out)
}

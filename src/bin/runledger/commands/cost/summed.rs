//! Sums up the costs of the selected executions.

use std::io::Write;

use runledger::ExecutionMetrics;
use runledger::cost::Report;

use super::answer::Answer;
use super::repriced::{Pricing, Repriced, WithRepriced};
use super::{Args, CostGroups, markdown, table};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::hooked;
use crate::markdown::MarkdownArgs;
use crate::records;
use crate::term::output;
use crate::zone::Zone;

pub(super) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let CostGroups { by, .. } = args.groups;
    let week_start = args.groups.week_start()?;
    let prices = if args.reprice || args.own.is_given() { Some(args.own.table()?) } else { None };
    let period = &args.selection.period;
    let empty = || Report::in_zone(by, period.zone.clone()).week_start(week_start);
    // With --run, the sessions of other runs do not matter.
    let not_imported = if args.selection.has_all_runs() {
        Some(hooked::not_imported(&records::reader(global)?, period)?)
    } else {
        None
    };
    let Some(table) = &prices else {
        if !args.selection.has_all_runs() {
            let (report, malformed_lines) = args.selection.fold(global, empty, Report::add, Report::merge)?;
            return write(&args.markdown, report, None, not_imported, malformed_lines, global, out);
        }
        records::warn_of_spill(global)?;
        let found = records::scan(period, global)?.sum_up(empty(), |start| period.contains(start))?;
        records::warn_of(&found.skipped, global);
        return write(&args.markdown, found.value, None, not_imported, found.skipped.count(), global, out);
    };
    let pricing = Pricing { table, again: args.reprice };
    let add = |(report, repriced): &mut (Report<Zone>, Repriced), record: &ExecutionMetrics| {
        report.add(&pricing.price(record, repriced))
    };
    let merge = |(report, repriced): &mut (Report<Zone>, Repriced), other: (Report<Zone>, Repriced)| {
        repriced.merge(other.1);
        report.merge(other.0)
    };
    let init = || (empty(), Repriced::default());
    let ((report, repriced), malformed_lines) = args.selection.fold(global, init, add, merge)?;
    write(&args.markdown, report, Some(repriced), not_imported, malformed_lines, global, out)
}

/// Writes a report, how many of its costs were computed, and how many sessions were not imported. `not_imported` is
/// `None` if the number of these sessions is not known.
pub(crate) fn write(
    markdown: &MarkdownArgs,
    report: Report<Zone>,
    repriced: Option<Repriced>,
    not_imported: Option<u64>,
    malformed_lines: u64,
    global: &Global,
    out: &mut impl Write,
) -> Result<ExitCode, Failure> {
    if let Some(text) = not_imported.and_then(hooked::sentence) {
        output::note(&text, "not_imported", global.style());
    }
    let document = || markdown::document(&report, repriced.as_ref(), malformed_lines);
    let is_written = markdown.write(document, out)?;
    if global.json {
        output::json_line(out, &Answer { report: WithRepriced { report, repriced, not_imported }, malformed_lines })?;
    } else if !is_written {
        table::write(&report, out)?;
        if let Some(repriced) = repriced {
            repriced.write(out)?;
        }
    }
    Ok(ExitCode::Yes)
}

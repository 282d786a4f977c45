//! `runledger cost`

use std::io::Write;

use runledger::cost::{Count, Report, Sum};
use serde::Serialize;

use crate::args::{Cost, CostCommand, Global};
use crate::discrepancy;
use crate::exit_code::ExitCode;
use crate::explain;
use crate::failure::Failure;
use crate::output;
use crate::records;
use crate::short;
use crate::table::{Column, Table, cell};
use crate::zone::Zone;

pub(crate) fn run(args: &Cost, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    match &args.command {
        Some(CostCommand::Discrepancy(args)) => discrepancy::run(args, global, out),
        Some(CostCommand::Explain(args)) => explain::run(args, global, out),
        None => sum_up(args, global, out),
    }
}

fn sum_up(args: &Cost, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let report = || Report::in_zone(args.by, args.period.zone.clone());
    let add = |report: &mut Report<Zone>, record: &_| if args.period.has(record) { report.add(record) } else { Ok(()) };
    let (report, malformed_lines) = records::fold(global, report, add, Report::merge)?;
    match global.json {
        true => output::json_line(out, &Answer { report: &report, malformed_lines })?,
        false => table(&report, out)?,
    }
    Ok(ExitCode::Yes)
}

/// A report in JSON, and how many lines it is without.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer<R> {
    #[serde(flatten)]
    pub(crate) report: R,
    pub(crate) malformed_lines: u64,
}

fn table<Z>(report: &Report<Z>, out: &mut impl Write) -> Result<(), Failure> {
    let [input, output, cache_write, cache_read, total] = TOKENS.map(Column::Number);
    let mut table = Table::new([
        Column::Name(report.by().name()),
        Column::Number("execs"),
        input,
        output,
        cache_write,
        cache_read,
        total,
        Column::Number("usd"),
        Column::Number("unpriced"),
    ]);
    let groups = report.groups().map(|(name, group)| (name, &group.sum));
    for (name, sum) in groups.chain([(Some("total"), report.totals())]) {
        let [input, output, cache_write, cache_read, total] =
            tokens(sum).map(|count| cell(count.known.map(short::count)));
        table.row([
            cell(name),
            short::count(sum.executions.into()),
            input,
            output,
            cache_write,
            cache_read,
            total,
            cell(sum.cost.map(short::usd)),
            short::count(sum.unpriced.into()),
        ]);
    }
    table.write(out)?;
    unknown(report.totals(), out)?;
    if report.without_model() > 0 {
        writeln!(out, "without model: {}", report.without_model())?;
    }
    Ok(())
}

const TOKENS: [&str; 5] = ["input", "output", "cache w", "cache r", "tokens"];

fn tokens(sum: &Sum) -> [Count; 5] {
    [sum.input_uncached, sum.output, sum.cache_write, sum.cache_read, sum.total]
}

/// Of how many executions the tokens are unknown, so that no sum seems to be of all.
fn unknown(totals: &Sum, out: &mut impl Write) -> Result<(), Failure> {
    let counts = TOKENS.into_iter().zip(tokens(totals)).filter(|(_, count)| count.unknown > 0);
    let counts: Vec<_> = counts.map(|(name, count)| format!("{name} {}", short::count(count.unknown.into()))).collect();
    if !counts.is_empty() {
        writeln!(out, "unknown: {}", counts.join(", "))?;
    }
    Ok(())
}

//! `runledger cost discrepancy`

use std::io::Write;

use runledger::cost::{Discrepancies, Discrepancy, Excess};

use super::answer::Answer;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::period::Period;
use crate::records;
use crate::term::{Column, Table, cell, output, short};

/// Compare the actual cost of executions with their estimates, by model and by skill
///
/// Prints two tables of sums, one by model and one by skill. The last row of each table is for all executions. Some of
/// the columns:
///
/// - `both`: the number of executions that have both an estimate and a cost. The amounts and `%` include only these
///   executions.
///
/// - `diff. usd`: the cost minus the estimate, so a positive number means that the executions cost more than estimated.
///
/// - `%`: the difference in percent of the estimate.
///
/// - `est. only`: the number of executions that have an estimate but no cost.
///
/// - `act. only`: the number of executions that have a cost but no estimate.
///
/// Each table of sums is followed by a table of the executions that exceeded their estimates most. This table has one
/// execution for each row of the sums, unless all executions of that row stayed within their estimates.
///
/// An execution that used several models is counted under the model `-`, because its estimate is for all of these
/// models together. An execution whose model is unknown is also counted under `-`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: find the execution that exceeded its estimate most in the last week
  runledger cost discrepancy --since 7d --json | jq .totals.largestExcess")]
pub(crate) struct Args {
    #[command(flatten)]
    period: Period,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let add = |found: &mut Discrepancies, record: &_| if args.period.has(record) { found.add(record) } else { Ok(()) };
    let (found, malformed_lines) = records::fold(
        &records::scan(&args.period, global)?,
        global,
        Discrepancies::default,
        add,
        Discrepancies::merge,
    )?;
    if global.json {
        output::json_line(out, &Answer { report: &found, malformed_lines })?;
        return Ok(ExitCode::Yes);
    }
    let total = [(Some("total"), found.totals())];
    tables("model", found.models().chain(total), out)?;
    writeln!(out)?;
    tables("skill", found.skills().map(|(name, sums)| (Some(name), sums)).chain(total), out)?;
    Ok(ExitCode::Yes)
}

/// Writes two tables. The first has one row of sums for each entry of `rows`. For each entry, the second has the
/// execution that exceeded its estimate most, unless no execution exceeded its estimate. The second table is left out
/// if it would be empty. `what` is the heading of the first column of both tables.
fn tables<'d>(
    what: &'static str,
    rows: impl Iterator<Item = (Option<&'d str>, &'d Discrepancy)>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let mut sums = Table::new([
        Column::Name(what),
        Column::Number("both"),
        Column::Number("est. usd"),
        Column::Number("act. usd"),
        Column::Number("diff. usd"),
        Column::Number("%"),
        Column::Number("est. only"),
        Column::Number("act. only"),
    ]);
    let mut excesses = Table::new([Column::Name(what), Column::Number("excess usd"), Column::Text("of the execution")]);
    let mut exceeded = false;
    for (name, row) in rows {
        sums.row([
            cell(name),
            short::count(row.compared.into()),
            cell(row.estimated.map(short::usd)),
            cell(row.actual.map(short::usd)),
            cell(row.difference().map(short::usd)),
            cell(row.relative().map(short::percent)),
            short::count(row.estimate_only.into()),
            short::count(row.actual_only.into()),
        ]);
        if let Some(Excess { execution_id, amount, .. }) = row.largest_excess {
            excesses.row([cell(name), short::usd(amount), execution_id.to_string()]);
            exceeded = true;
        }
    }
    sums.write(out)?;
    if exceeded {
        writeln!(out)?;
        excesses.write(out)?;
    }
    Ok(())
}

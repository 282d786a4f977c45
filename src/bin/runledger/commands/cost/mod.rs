//! `runledger cost`

mod answer;
mod discrepancy;
mod explain;

use std::io::Write;

use clap::Subcommand;
use runledger::cost::{CostBy, Count, Report, Sum};

use crate::argument::one_of;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::period::Period;
use crate::records;
use crate::term::{Column, Table, cell, output, short};
use crate::zone::Zone;
use answer::Answer;

/// Sum up the costs of executions by model, skill, run or day
///
/// Prints a table with one row for each group, and the total. Some of the columns:
///
/// - `input`: the input tokens that were neither read from a cache nor written to one. Cached tokens that were not
///   reported as such are included.
///
/// - `cache w` and `cache r`: the input tokens that were written to a cache, and those that were read from one.
///
/// - `usd`: the exact sum of the known costs.
///
/// - `unpriced`: the number of executions whose cost is unknown for at least one of their models. `usd` does not
///   include unknown costs.
///
/// Below the table, `unknown` lists token columns that are incomplete. For each of them, it gives the number of
/// executions that do not report these tokens for all of their models. `without model` is the number of executions that
/// used no model. They are not in the table.
///
/// An execution belongs to the day, week or month in which it started. With --by model, an execution that used several
/// models is counted under each of them, if it lists its calls.
///
/// In the table, a count of 10,000 or more is rounded to three digits, such as 12.3M. An amount below 1 dollar has four
/// decimals, an amount from a million dollars on has three digits, and any other amount has cents. Halves are rounded
/// to the even digit. An amount that would be rounded to 0 is `<0.0001`. --json prints every digit.
///
/// --json prints one object. It has the groups under `daily`, `weekly`, `monthly`, `models`, `skills`, `runs`, `scenes`
/// or `agents`, and their sum under `totals`. Many fields have the names that the program ccusage uses:
///
/// - `daily`, `weekly`, `monthly`, `totals`, `date`, `month`, and `week`, which is the first day of the week
///
/// - `inputTokens`, which excludes cached tokens, `outputTokens`, `cacheCreationTokens`, `cacheReadTokens`,
///   `totalTokens`
///
/// - `totalCost`, `modelsUsed`, `unpricedModels`, and `modelBreakdowns` with `modelName`, `cost` and `missingPricing`
///
/// ccusage does not have the fields `executions`, `unpriced`, `unreported`, `withoutModel` and `malformedLines`. For
/// each count of tokens, `unreported` gives the number of executions that do not report it. ccusage writes an unknown
/// value as 0, and this command writes null. ccusage writes amounts as floats, and this command writes exact decimals.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Example: show what each day of November cost, with days in Zurich time
  runledger cost --by day --since 2026-11-01 --until 2026-11-30 \\
    --zone Europe/Zurich")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// How to group executions. Weeks start on Monday, as in ISO 8601
    #[arg(long, value_name = "GROUP", value_parser = one_of::<CostBy>(CostBy::ALL.map(CostBy::name)), default_value = CostBy::Model.name())]
    by: CostBy,
    #[command(flatten)]
    period: Period,
}

#[derive(Debug, Subcommand)]
enum Command {
    Discrepancy(discrepancy::Args),
    Explain(explain::Args),
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    match &args.command {
        Some(Command::Discrepancy(args)) => discrepancy::run(args, global, out),
        Some(Command::Explain(args)) => explain::run(args, global, out),
        None => sum_up(args, global, out),
    }
}

fn sum_up(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let report = || Report::in_zone(args.by, args.period.zone.clone());
    let add = |report: &mut Report<Zone>, record: &_| if args.period.has(record) { report.add(record) } else { Ok(()) };
    let (report, malformed_lines) = records::fold(global, report, add, Report::merge)?;
    if global.json {
        output::json_line(out, &Answer { report: &report, malformed_lines })?;
    } else {
        table(&report, out)?;
    }
    Ok(ExitCode::Yes)
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

/// Writes how many executions do not report their tokens, so that the sums do not seem to include all executions.
fn unknown(totals: &Sum, out: &mut impl Write) -> Result<(), Failure> {
    let counts = TOKENS.into_iter().zip(tokens(totals)).filter(|(_, count)| count.unknown > 0);
    let counts: Vec<_> = counts.map(|(name, count)| format!("{name} {}", short::count(count.unknown.into()))).collect();
    if !counts.is_empty() {
        writeln!(out, "unknown: {}", counts.join(", "))?;
    }
    Ok(())
}

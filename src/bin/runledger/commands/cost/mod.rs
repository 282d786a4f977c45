//! `runledger cost`

mod answer;
mod discrepancy;
mod explain;
mod repriced;
mod table;
mod week_start;

use std::io::Write;

use clap::Subcommand;
use runledger::ExecutionMetrics;
use runledger::cost::{CostBy, Report};

use crate::argument::one_of;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::period::Period;
use crate::price_table::OwnPrices;
use crate::records;
use crate::term::output;
use crate::zone::Zone;
use answer::Answer;
use repriced::{Pricing, Repriced, WithRepriced};
use week_start::WeekStart;

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
/// Another line gives the executions with calls at standard prices, because the table has no price for their variant,
/// region or part of the usage. It also gives the dollars of these calls, which may be too few or too many. `unpriced`
/// does not include these executions.
///
/// An execution belongs to the day, week or month in which it started. With --by model, an execution that used several
/// models is counted under each of them, if it lists its calls.
///
/// In the table, a count of 10,000 or more is rounded to three digits, such as 12.3M. An amount below 1 dollar has four
/// decimals, an amount from a million dollars on has three digits, and any other amount has cents. Halves are rounded
/// to the even digit. An amount that would be rounded to 0 is `<0.0001`. --json prints every digit.
///
/// --prices FILE computes the costs that were not recorded, at the prices of the file and of the bundled table below it.
/// Each call is priced at its own time. --reprice also computes recorded costs again, including those that a vendor
/// reported. It does not need --prices. A cost for which the table has no price stays as recorded. Only the report
/// changes, and the ledger does not. Lines below the table give the number of executions that were priced in this way,
/// and the number of calls that each table priced.
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
/// ccusage does not have these fields:
///
/// - `executions`, `unpriced`, `withoutModel` and `malformedLines`
///
/// - `unreported`: for each count of tokens, the number of executions that do not report it
///
/// - `atStandard` and `atStandardCost`: the executions with calls at standard prices, and the dollars of these calls
///
/// - `repriced`, with --prices or --reprice: the number of `executions`, and the number of `calls` by the version of the
///   table
///
/// ccusage writes an unknown
/// value as 0, and this command writes null. ccusage writes amounts as floats, and this command writes exact decimals.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Example: show what each day of November cost, with days in Zurich time
  runledger cost --by day --since 2026-11-01 --until 2026-11-30 \\
    --zone Europe/Zurich")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// How to group executions
    #[arg(long, value_name = "GROUP", value_parser = one_of::<CostBy>(CostBy::ALL.map(CostBy::name)), default_value = CostBy::Model.name())]
    by: CostBy,
    /// The first day of the weeks of --by week. A week has the date of this day. Monday is that of ISO 8601
    #[arg(long, value_enum, value_name = "DAY", default_value = "monday")]
    week_start: WeekStart,
    #[command(flatten)]
    period: Period,
    /// Compute all costs again that the prices know, and not only unknown ones
    #[arg(long)]
    reprice: bool,
    #[command(flatten)]
    own: OwnPrices,
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
    let prices = if args.reprice || args.own.is_given() { Some(args.own.table()?) } else { None };
    let pricing = prices.as_ref().map(|table| Pricing { table, again: args.reprice });
    let init = || {
        let report = Report::in_zone(args.by, args.period.zone.clone()).week_start(args.week_start.weekday());
        (report, Repriced::default())
    };
    let add = |(report, repriced): &mut (Report<Zone>, Repriced), record: &ExecutionMetrics| match &pricing {
        _ if !args.period.has(record) => Ok(()),
        Some(pricing) => report.add(&pricing.price(record, repriced)),
        None => report.add(record),
    };
    let merge = |(report, repriced): &mut (Report<Zone>, Repriced), other: (Report<Zone>, Repriced)| {
        repriced.merge(other.1);
        report.merge(other.0)
    };
    let ((report, repriced), malformed_lines) = records::fold(global, init, add, merge)?;
    let repriced = pricing.map(|_| repriced);
    if global.json {
        output::json_line(out, &Answer { report: WithRepriced { report, repriced }, malformed_lines })?;
    } else {
        table::write(&report, out)?;
        if let Some(repriced) = repriced {
            repriced.write(out)?;
        }
    }
    Ok(ExitCode::Yes)
}

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
/// Prints a table with one row for each group, and the total. `input` is the number of input tokens, without
/// those written to a cache and read from one, as far as these were reported. `cache w` and `cache r` are their numbers. Sums are exact, over the known values. `unpriced` is the number of executions without a price. Their
/// costs are left out of the sums. The lines below the table give, for each column, the number of executions whose count
/// is missing, entirely or for at least one of their models.
///
/// A line below the table gives the number of executions with calls whose variant, region or part of the usage had no
/// price of its own, and the dollars of these calls. They were computed at standard prices, which may be too low or too
/// high. `unpriced` does not include them.
///
/// An execution belongs to the time at which it started. If it lists its calls and used several models, it is included
/// under each of them. Executions without a model are counted separately.
///
/// In the table, a count of 10,000 or more is rounded to three digits, such as 12.3M. Dollar amounts below 1 are
/// rounded to four decimals, those from a million on to three digits, and all others to the cent, half to even.
/// An amount that would be rounded to 0 is `<0.0001`. --json prints every digit.
///
/// --prices FILE computes the costs of executions and calls that were recorded without one, at the prices of the file
/// and of the bundled table below it. Each call is priced at its own time. --reprice also computes known costs again,
/// with or without --prices. This includes costs that a vendor reported. A cost for which the table has no price stays
/// as recorded. Only this report changes and never the ledger. Lines below the table give the number of executions that
/// were priced so, and the number of calls that each table priced.
///
/// --json prints one object with the groups under `daily`, `weekly`, `monthly`, `models`, `skills`, `runs`, `scenes` or
/// `agents`, and with `totals`. Fields that exist in ccusage too have its names: `daily`, `weekly`, `monthly`,
/// `totals`, `date`, `week`, `month`, `inputTokens`, `outputTokens`, `cacheCreationTokens`, `cacheReadTokens`,
/// `totalTokens`, `totalCost`, `modelsUsed`, `modelBreakdowns` with `modelName`, `cost` and `missingPricing`, and
/// `unpricedModels`. As in ccusage, `inputTokens` excludes cached tokens, and a week has the date of its first day.
/// Other fields are `executions`, `unpriced`, `atStandard` and `atStandardCost` (the executions and the dollars of calls
/// that had no price of their own), `unreported` (for how many executions each count of tokens is unknown),
/// `withoutModel` and `malformedLines`. With --prices or --reprice, `repriced` has the number of `executions`, and the
/// number of `calls` by the version of the table. Unlike in ccusage, an unknown value is null instead of 0, and amounts are exact
/// decimals instead of floats.
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

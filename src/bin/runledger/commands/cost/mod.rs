//! `runledger cost`

mod answer;
mod discrepancy;
mod explain;
mod markdown;
mod repriced;
pub(crate) mod summed;
mod table;
mod week_start;

use std::io::Write;

use chrono::Weekday;
use clap::Subcommand;
use runledger::cost::CostBy;

use crate::argument::one_of;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::markdown::MarkdownArgs;
use crate::price_table::OwnPrices;
use crate::selection::Selection;
use week_start::WeekStart;

/// Sum up the costs of executions by model, skill, run or day
///
/// Prints a table with one row for each group, and the total. Some of the columns:
///
/// - `input`: the input tokens that were neither read from nor written to a cache. If a record does not say which
///   tokens were cached, all its input tokens are included.
///
/// - `cache w`: the input tokens that were written to a cache.
///
/// - `cache r`: the input tokens that were read from a cache.
///
/// - `usd`: the sum of the known costs.
///
/// - `unpriced`: the number of executions whose cost is unknown for at least one of their models.
///
/// Below the table, these lines are printed if their numbers are not 0:
///
/// - `unknown`: the token columns with an incomplete sum. The number after the name of a column is the number of
///   executions that do not report these tokens for all of their models.
///
/// - `at standard prices`: the number of executions with calls at standard prices, and the cost of these calls in
///   dollars. A call has the standard price if the price table has no price for its variant (such as batch processing),
///   its region or a part of its usage (such as audio). So the amount may be too low or too high. `unpriced` does not
///   include these executions.
///
/// - `lower bounds`: the number of executions with a call whose final usage was not reported. The shown output tokens
///   and costs of these executions are lower bounds, and `≥` precedes each sum that includes them.
///
/// - `without model`: the number of executions that used no model, and so are not in the table. An interrupted
///   execution may have used a model, so it is in the table, and its cost is unknown. Interrupted calls of an agent's
///   tools use no model, and are not in the table.
///
/// If a hook of a coding agent recorded sessions that `runledger import` did not add yet, stderr says so, because their
/// costs are in no sum.
///
/// An execution belongs to the day, week or month in which it started. With --by model, an execution that used several
/// models is counted under each of these models. If its record does not say how much each model used, the execution is
/// counted under `-` instead.
///
/// The table shows rounded numbers, and --json prints every digit. In the table, a count of 10,000 or more has three
/// digits, such as 12.3M. An amount below 1 dollar has four decimals. An amount of a million dollars or more has three
/// digits. Any other amount has two decimals. A number exactly between two rounded numbers is rounded to an even last
/// digit. An amount that would be rounded to 0 is `<0.0001`.
///
/// With --prices FILE, the report also includes costs that were not recorded. The command computes these costs from the
/// recorded tokens and the prices of FILE. For models that are not in FILE, the bundled prices are used. Each call is
/// priced with the prices at the time of the call.
///
/// With --reprice, the command also computes recorded costs again, even those that a vendor reported. Without --prices,
/// only the bundled prices are used. If no price is known, the recorded cost is used.
///
/// The two options change only the report, not the ledger. Lines below the table give the number of executions with
/// computed costs, and the number of calls that were priced with each price table.
///
/// --json prints one object. The key of the groups depends on --by: it is `daily`, `weekly`, `monthly`, `models`,
/// `skills`, `runs`, `scenes` or `agents`. The total is under `totals`. Many keys have the same names as in the JSON of
/// ccusage, a program that reports what coding agents cost:
///
/// - `daily`, `weekly`, `monthly`, `totals`, `date` and `month`
///
/// - `week`: the first day of the week
///
/// - `inputTokens`: the input tokens without cached tokens
///
/// - `outputTokens`, `cacheCreationTokens`, `cacheReadTokens` and `totalTokens`
///
/// - `totalCost`, `modelsUsed` and `unpricedModels`
///
/// - `modelBreakdowns`, with `modelName`, `cost` and `missingPricing`
///
/// ccusage does not have these keys:
///
/// - `executions`, `unpriced`, `withoutModel` and `malformedLines`
///
/// - `unreported`: for each kind of tokens, the number of executions that do not report these tokens
///
/// - `atStandard`: the number of executions with calls at standard prices
///
/// - `atStandardCost`: the cost of the calls at standard prices, in dollars
///
/// - `lowerBounds`: the number of executions whose output tokens and cost are lower bounds
///
/// - `notImported`: the number of sessions that a hook recorded and whose costs are unknown, because they were not
///   imported. Only the newest 1,000 records of the period are examined. The key is missing with --run
///
/// - `repriced`: only with --prices or --reprice. It contains `executions`, the number of executions with computed
///   costs, and `calls`, the number of calls that each price table priced. The key of a table is its version.
///
/// --markdown prints the same columns. The number of unknown values is next to each sum. The groups with the highest
/// costs come first. In a report by day, week or month, the newest come first. Groups that do not fit are counted.
///
/// ccusage writes an unknown value as 0, but this command writes null. ccusage writes amounts as floats, but this
/// command writes exact decimals.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Example: show what each day of November cost, in the time zone of Zurich
  runledger cost --by day --since 2026-11-01 --until 2026-11-30 \\
    --zone Europe/Zurich
Example: show what each skill of one run cost
  runledger cost --run nightly-7 --by skill")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    groups: CostGroups,
    #[command(flatten)]
    selection: Selection,
    /// Compute recorded costs again, in addition to costs that were not recorded
    #[arg(long)]
    reprice: bool,
    #[command(flatten)]
    own: OwnPrices,
    #[command(flatten)]
    markdown: MarkdownArgs,
}

/// The arguments that say how a report groups executions.
#[derive(Debug, clap::Args)]
pub(crate) struct CostGroups {
    /// How to group executions. Each group, such as a run, needs about 5 KB of memory
    #[arg(long, value_name = "GROUP", value_parser = one_of::<CostBy>(CostBy::ALL.map(CostBy::name)), default_value = CostBy::Model.name())]
    pub(crate) by: CostBy,
    /// The first day of a week, only with --by week. The name of a week is the date of its first day. ISO 8601 uses
    /// Monday [default: monday]
    #[arg(long, value_enum, value_name = "DAY")]
    week_start: Option<WeekStart>,
}

impl CostGroups {
    /// Returns the first day of a week. Fails if it is given and the groups are not weeks.
    pub(crate) fn week_start(&self) -> Result<Weekday, Failure> {
        match self.week_start {
            Some(_) if self.by != CostBy::Week => Err(Failure::WeekStart(self.by.name())),
            week_start => Ok(week_start.map_or(Weekday::Mon, WeekStart::weekday)),
        }
    }
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
        None => summed::run(args, global, out),
    }
}

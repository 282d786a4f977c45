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
/// Prints a table with one row for each group, and the total. `input` is the number of input tokens, without
/// those written to a cache and read from one, as far as these were reported. `cache w` and `cache r` are their numbers. Sums are exact, over the known values. `unpriced` is the number of executions without a price. Their
/// costs are left out of the sums. The lines below the table give, for each column, the number of executions whose count
/// is missing, entirely or for at least one of their models.
///
/// An execution belongs to the time at which it started. If it lists its calls and used several models, it is included
/// under each of them. Executions without a model are counted separately.
///
/// In the table, a count of 10,000 or more is rounded to three digits, such as 12.3M. Dollar amounts below 1 are
/// rounded to four decimals, those from a million on to three digits, and all others to the cent, half to even.
/// An amount that would be rounded to 0 is `<0.0001`. --json prints every digit.
///
/// --json prints one object with the groups under `daily`, `weekly`, `monthly`, `models`, `skills`, `runs`, `scenes` or
/// `agents`, and with `totals`. Fields that exist in ccusage too have its names: `daily`, `weekly`, `monthly`,
/// `totals`, `date`, `week`, `month`, `inputTokens`, `outputTokens`, `cacheCreationTokens`, `cacheReadTokens`,
/// `totalTokens`, `totalCost`, `modelsUsed`, `modelBreakdowns` with `modelName`, `cost` and `missingPricing`, and
/// `unpricedModels`. As in ccusage, `inputTokens` excludes cached tokens, and a week has the date of its first day.
/// Other fields are `executions`, `unpriced`, `unreported` (for how many executions each count of tokens is unknown),
/// `withoutModel` and `malformedLines`. Unlike in ccusage, an unknown value is null instead of 0, and amounts are exact
/// decimals instead of floats.
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

/// Writes for how many executions the tokens are unknown, so that no sum seems to include all executions.
fn unknown(totals: &Sum, out: &mut impl Write) -> Result<(), Failure> {
    let counts = TOKENS.into_iter().zip(tokens(totals)).filter(|(_, count)| count.unknown > 0);
    let counts: Vec<_> = counts.map(|(name, count)| format!("{name} {}", short::count(count.unknown.into()))).collect();
    if !counts.is_empty() {
        writeln!(out, "unknown: {}", counts.join(", "))?;
    }
    Ok(())
}

//! `runledger cost`

mod answer;
mod discrepancy;
mod explain;

use std::io::Write;

use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use runledger::cost::{CostBy, Count, Report, Sum};

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::period::Period;
use crate::records;
use crate::term::{Column, Table, cell, output, short};
use crate::zone::Zone;
use answer::Answer;

/// Sum up what the executions cost
///
/// Sums are exact, over what is known; how many executions have no price is counted beside each, never taken as 0. An
/// execution counts at the time it began. One that lists its calls and used several models counts under each of them.
/// Executions that used no model are counted apart.
///
/// The input is what was neither read from a cache nor written to one, as far as that was reported; `cache w` and
/// `cache r` are what was. Below the table stands of how many executions each count is unknown, wholly or for one of
/// their models.
///
/// In a table a count from 10,000 on is rounded to three digits (12.3M), an amount in US dollars to the cent from 1 on,
/// to a hundredth of it below, to three digits from a million on, each half to even. What that would make 0 and is not is
/// `<0.0001`. --json has every digit.
///
/// --json gives an object with the groups under `daily`, `weekly`, `monthly`, `models`, `skills`, `runs`, `scenes` or
/// `agents`, and `totals`. The names are ccusage's where it has them: `daily`, `weekly`, `monthly`, `totals`, `date`,
/// `week`, `month`, `inputTokens`, `outputTokens`, `cacheCreationTokens`, `cacheReadTokens`, `totalTokens`, `totalCost`,
/// `modelsUsed`, `modelBreakdowns` with `modelName`, `cost` and `missingPricing`, and `unpricedModels`. As there,
/// `inputTokens` leaves out the cached ones, and a week has the date of its first day. Ours are `executions`, `unpriced`,
/// `unreported` (of how many executions each count of tokens is unknown), `withoutModel` and `malformedLines`. What is
/// unknown is null where ccusage writes 0, and amounts are exact decimals where it writes floats.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Example: what did each day of November cost in Zurich?
  runledger cost --by day --since 2026-11-01 --until 2026-11-30 \\
    --zone Europe/Zurich")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// What to sum up by; weeks are those of ISO 8601, from Monday on
    #[arg(long, value_name = "GROUP", value_parser = by(), default_value = CostBy::Model.name())]
    by: CostBy,
    #[command(flatten)]
    period: Period,
}

fn by() -> impl TypedValueParser<Value = CostBy> {
    PossibleValuesParser::new(CostBy::ALL.map(CostBy::name)).try_map(|text| text.parse())
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

/// Writes of how many executions the tokens are unknown, so that no sum seems to be over all executions.
fn unknown(totals: &Sum, out: &mut impl Write) -> Result<(), Failure> {
    let counts = TOKENS.into_iter().zip(tokens(totals)).filter(|(_, count)| count.unknown > 0);
    let counts: Vec<_> = counts.map(|(name, count)| format!("{name} {}", short::count(count.unknown.into()))).collect();
    if !counts.is_empty() {
        writeln!(out, "unknown: {}", counts.join(", "))?;
    }
    Ok(())
}

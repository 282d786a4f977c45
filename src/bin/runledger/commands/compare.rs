//! `runledger compare`

use std::io::Write;

use runledger::baseline::{Accumulator, Comparison, FrozenBaselines, Metric, Verdict};
use runledger::metrics::Fields;
use runledger::{Baselines, Error, ErrorKind, FrozenWeeks, Timestamp};
use serde::Serialize;

use crate::argument::whole;
use crate::baselines;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::records;
use crate::selection::Window;
use crate::term::{Column, Table, cell, output, printable, short};
use crate::week::Week;

/// Find what is worse than the frozen baselines of a week
///
/// Prints one row for each metric of each skill. Each row compares the baseline (the usual value in earlier weeks) with
/// the recent executions. Without --since, these are the executions since the start of the frozen week.
///
/// The verdict is `better` or `worse` if the change is both large enough and statistically significant:
///
/// - A change is large enough if it is more than 2 % of the baseline. For success, it is large enough if the success
///   rate changed by 0.5 percentage points, or the failure rate by half.
///
/// - A change is significant if p ≤ 0.01. p is adjusted by Holm's method for all tests of the comparison.
///
/// If either the baseline or the recent executions have fewer than 30 values, the change needs p ≤ 0.001. Without such
/// a change, the verdict is `too few`. If both have fewer than 30 values, or one has fewer than 5, the verdict is
/// always `too few`. --min-samples replaces the number 30. `no change shown` does not prove that nothing changed.
///
/// Success rates are compared by Fisher's exact test, and latencies, costs and tokens by a permutation test of their
/// logarithms. Executions at the same time can resemble each other, and then count less as evidence. The metrics are
/// `success_rate`, `latency_ms` (the median), `cost_mean_usd` and `tokens_mean`. `interval` is the 99 % confidence
/// interval of the change, in percent of the baseline. `p` is the adjusted p-value. For latency, cost and tokens, the
/// interval and the verdict are of the typical value, the geometric mean. If the arithmetic mean of cost or tokens
/// moved the other way, the verdict is `no change shown`. A metric whose values are all unknown has the verdict `too
/// few`.
///
/// Exits with 1 if a metric is worse. Otherwise, exits with 3 if no metric was judged, or if a metric that --require
/// names was not judged. A metric is not judged if its verdict is `too few`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: fail a job if the last day is worse, or has too few executions
  runledger compare --since 24h --require success_rate,latency_ms")]
pub(crate) struct Args {
    /// A day of the frozen week, such as 2026-11-16 [default: the latest frozen week]
    #[arg(long, value_name = "DAY")]
    week: Option<Week>,
    /// Exit with 3 if one of these metrics is not judged, for any skill with recent executions. METRICS is
    /// success_rate, latency_ms, cost_mean_usd, tokens_mean or all, or several of them separated by commas
    #[arg(long, value_name = "METRICS", value_delimiter = ',', hide_possible_values = true)]
    #[arg(value_parser = METRICS)]
    require: Vec<String>,
    /// The number of values that the baseline and the recent executions need for the verdict `no change shown`, at least
    /// 5. A lower number judges more metrics, but on less evidence
    #[arg(long, value_name = "N", default_value_t = Comparison::SAMPLES_MIN, allow_negative_numbers = true)]
    #[arg(value_parser = whole::<u64>(Comparison::SAMPLES_TESTED_MIN, u64::MAX))]
    min_samples: u64,
    #[command(flatten)]
    window: Window,
}

/// What --require accepts: the keys of the metrics in the JSON, and a word for all of them.
const METRICS: [&str; 5] = ["success_rate", "latency_ms", "cost_mean_usd", "tokens_mean", "all"];

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    records::reader(global)?;
    let frozen = frozen(args, global)?;
    let recent = match args.window.period.since {
        Some(_) => {
            baselines::fold(&args.window, global, Accumulator::new, Accumulator::add_fields, Accumulator::merge)?
        }
        None => {
            let since = |all: &mut Accumulator, fields: &Fields<'_>| {
                if fields.timestamp_start >= frozen.week_start {
                    all.add_fields(fields);
                }
            };
            baselines::fold(&args.window, global, Accumulator::new, since, Accumulator::merge)?
        }
    };
    let seen = recent.clone().finish();
    let mut comparison = frozen.compare_with_samples_min(recent, args.min_samples);
    if let Some(wanted) = &args.window.skill {
        // No recent executions of other skills were read, so other skills cannot be compared.
        comparison.skills.retain(|skill, _| skill == wanted);
    }
    if !args.require.is_empty() {
        for skill in comparison.skills.keys().filter(|skill| seen.get(skill).is_none()) {
            let text = format!("no recent executions, so nothing is required of {}", printable(skill));
            output::warning(&text, "absent", global.style());
        }
    }
    let answer = Answer {
        week_start: frozen.week_start,
        metrics: comparison.metrics().count(),
        judged: comparison.metrics().filter(Metric::is_judged).count(),
        required_not_judged: not_judged(&args.require, &comparison, &seen),
        comparison: &comparison,
    };
    if global.json {
        output::json_line(out, &answer)?;
    } else {
        table(&answer, out)?;
    }
    Ok(if comparison.has_worse() {
        ExitCode::No
    } else if answer.judged == 0 || !answer.required_not_judged.is_empty() {
        ExitCode::NotJudged
    } else {
        ExitCode::Yes
    })
}

/// Returns each required metric that was not judged. Nothing is required of a skill without recent executions. `seen`
/// has the skills with recent executions.
fn not_judged<'c>(required: &[String], comparison: &'c Comparison, seen: &Baselines) -> Vec<NotJudged<'c>> {
    let skills = comparison.skills.iter().filter(|(skill, _)| seen.get(skill).is_some());
    let metrics = skills.flat_map(|(skill, compared)| {
        let metrics = compared.metrics().into_iter().filter(|(_, metric)| !metric.is_judged());
        metrics.map(move |(metric, _)| NotJudged { skill, metric })
    });
    metrics.filter(|found| required.iter().any(|name| name == "all" || name == found.metric)).collect()
}

/// Returns the baselines of the given week, or of the latest frozen week if no week is given. Fails if there are none.
fn frozen(args: &Args, global: &Global) -> Result<FrozenBaselines, Failure> {
    let path = baselines::frozen_path(global)?;
    let not_frozen = |of: String| Failure::NotFrozen { of, path: path.clone() };
    let missing = |error: &Error| error.io_kind() == Some(std::io::ErrorKind::NotFound);
    let weeks = match FrozenWeeks::open(&path) {
        Err(error) if missing(&error) => return Err(not_frozen("yet".to_owned())),
        weeks => weeks?,
    };
    let mut last: Option<FrozenBaselines> = None;
    let mut is_damaged = false;
    for frozen in weeks {
        match frozen {
            Ok(frozen) => {
                let wanted = args.week.is_none_or(|week| week.0 == frozen.week_start);
                if wanted && last.as_ref().is_none_or(|last| last.week_start < frozen.week_start) {
                    last = Some(frozen);
                    is_damaged = false;
                }
            }
            Err(error) if error.kind() == ErrorKind::Malformed => {
                records::name(&error, global);
                is_damaged = true;
            }
            Err(error) => return Err(error.into()),
        }
    }
    if is_damaged && args.week.is_none() && last.is_some() {
        return Err(Failure::DamagedWeek(path));
    }
    last.ok_or_else(|| {
        not_frozen(args.week.map_or_else(|| "yet".to_owned(), |week| format!("for the week from {}", week.0)))
    })
}

#[derive(Serialize)]
struct Answer<'c> {
    week_start: Timestamp,
    metrics: usize,
    judged: usize,
    required_not_judged: Vec<NotJudged<'c>>,
    #[serde(flatten)]
    comparison: &'c Comparison,
}

#[derive(Serialize)]
struct NotJudged<'c> {
    skill: &'c str,
    metric: &'static str,
}

fn table(answer: &Answer<'_>, out: &mut impl Write) -> Result<(), Failure> {
    let mut table = Table::new([
        Column::Name("skill"),
        Column::Text("metric"),
        Column::Number("baseline"),
        Column::Number("recent"),
        Column::Number("interval"),
        Column::Number("p"),
        Column::Level("verdict"),
    ]);
    for (skill, compared) in &answer.comparison.skills {
        for (name, metric) in compared.metrics() {
            let number = if name == "success_rate" { short::percent } else { four_digits };
            table.row([
                skill.clone(),
                name.to_owned(),
                cell(metric.baseline.map(number)),
                cell(metric.recent.map(number)),
                cell(interval(&metric)),
                cell(metric.p_adjusted.map(short::probability)),
                verdict(metric.verdict).to_owned(),
            ]);
        }
    }
    table.write_or("No skill has a value to compare. `runledger baseline` shows the skills of the ledger.", out)?;
    let Answer { week_start, metrics, judged, .. } = answer;
    writeln!(out, "compared with the baselines of the week from {week_start}")?;
    writeln!(out, "{judged} of {metrics} metrics judged")?;
    for NotJudged { skill, metric } in &answer.required_not_judged {
        writeln!(out, "required and not judged: {metric} of {}", printable(skill))?;
    }
    Ok(())
}

/// Returns the interval in percent of the baseline, or `None` if the baseline is 0 or unknown.
fn interval(metric: &Metric) -> Option<String> {
    let baseline = metric.baseline.filter(|baseline| *baseline != 0.0)?;
    let [low, high] = metric.interval?.map(|end| short::percent(end / baseline.abs()));
    Some(format!("{low} … {high}"))
}

/// Returns the number with four significant digits, without trailing zeros after the point. If the number has more than
/// four digits before the point, all of these digits are kept. If the text would have more than eight characters, the
/// number is written like `1.23e8`.
fn four_digits(number: f64) -> String {
    let places = match number.abs() {
        0.0 => 0,
        magnitude => (3 - magnitude.log10().floor() as i32).clamp(0, 8),
    };
    let text = format!("{number:.*}", places as usize);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else if text.len() > 8 {
        format!("{number:.2e}")
    } else {
        text
    }
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::NoChangeShown => "no change shown",
        Verdict::TooFew => "too few",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_digits_or_all_digits_before_the_point() {
        for (number, text) in [
            (0.0, "0"),
            (0.979_59, "0.9796"),
            (1.0, "1"),
            (0.034_500_25, "0.0345"),
            (0.000_000_75, "0.00000075"),
            (3_229.5, "3230"),
            (45_000.25, "45000"),
            (12_345_678.0, "12345678"),
            (-123_456_789.0, "-1.23e8"),
        ] {
            assert_eq!(four_digits(number), text);
        }
        assert_eq!(
            [0.0, 0.000_099, 0.0001, 0.05, 1.0].map(short::probability),
            ["<0.0001", "<0.0001", "0.0001", "0.0500", "1.0000"]
        );
    }
}

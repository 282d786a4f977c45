//! `runledger compare`

mod answer;
mod cells;
mod markdown;
mod table;

use std::io::Write;

use runledger::baseline::{Accumulator, Comparison, FrozenBaselines, Metric};
use runledger::metrics::Fields;
use runledger::{Baselines, Timestamp};

use crate::argument::whole;
use crate::baselines;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::markdown::MarkdownArgs;
use crate::records;
use crate::selection::Window;
use crate::term::{output, printable};
use crate::week::Week;
use answer::{Answer, NotJudged};

/// Find what is worse than the frozen baselines of a week
///
/// Prints one row for each metric of each skill. Each row compares the baseline (the usual value in earlier weeks) with
/// the recent executions. Without --since, these are the executions since the start of the frozen week.
///
/// The verdict is `better` or `worse` if the change is both large enough and statistically significant:
///
/// - A change is large enough if it is more than 2 % of the baseline. For success, it is large enough if the success
///   rate changed by 0.5 percentage points, or if the failure rate changed by half.
///
/// - A change is significant if p ≤ 0.01. p is adjusted by Holm's method for all tests of the comparison.
///
/// If only the baseline or only the recent executions have fewer than 30 values, the verdicts `better` and `worse` need
/// p ≤ 0.001. In this case, the verdict `too few` replaces `no change shown`. If both have fewer than 30 values, or one
/// of them has fewer than 5, the verdict is always `too few`. --min-samples replaces the number 30. `no change shown`
/// does not prove that nothing changed.
///
/// Success rates are compared by Fisher's exact test, and latencies, costs and tokens by a permutation test of their
/// logarithms. Executions that ran at the same time can resemble each other, and then count less as evidence. The
/// metrics are `success_rate`, `latency_ms` (the median), `cost_mean_usd` and `tokens_mean`. `interval` is the 99 %
/// confidence interval of the change, in percent of the baseline. `p` is the adjusted p-value. For latency, cost and
/// tokens, the interval and the verdict are about the geometric mean, which is the typical value. If the arithmetic
/// mean of cost or tokens moved the other way, the verdict is `no change shown`. A metric whose values are all unknown
/// has the verdict `too few`.
///
/// If the final usage of a call was not reported, the cost and the tokens of its execution are lower bounds. A line
/// below the table counts the recent executions with such values, and the JSON has `lower_bounds`.
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
    #[command(flatten)]
    judging: Judging,
}

/// The arguments that say which executions are compared, and how they are judged.
#[derive(Debug, clap::Args)]
pub(crate) struct Judging {
    /// Exit with 3 if one of these metrics is not judged, for any skill with recent executions. METRICS is
    /// success_rate, latency_ms, cost_mean_usd, tokens_mean or all, or several of them separated by commas
    #[arg(long, value_name = "METRICS", value_delimiter = ',', hide_possible_values = true)]
    #[arg(value_parser = METRICS)]
    require: Vec<String>,
    /// The number of values that the baseline and the recent executions each need for the verdict `no change shown`.
    /// The smallest allowed number is 5. A lower number judges more metrics, but on less evidence
    #[arg(long, value_name = "N", default_value_t = Comparison::SAMPLES_MIN, allow_negative_numbers = true)]
    #[arg(value_parser = whole::<u64>(Comparison::SAMPLES_TESTED_MIN, u64::MAX))]
    min_samples: u64,
    #[command(flatten)]
    pub(crate) window: Window,
    #[command(flatten)]
    markdown: MarkdownArgs,
}

/// The values that --require accepts: the keys of the metrics in the JSON, and a word for all metrics.
const METRICS: [&str; 5] = ["success_rate", "latency_ms", "cost_mean_usd", "tokens_mean", "all"];

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    records::reader(global)?;
    let frozen = baselines::frozen(args.week, global)?;
    let window = &args.judging.window;
    let since = args.judging.since(frozen.week_start);
    let add = |all: &mut Accumulator, fields: &Fields<'_>| {
        if since.is_none_or(|since| fields.timestamp_start >= since) {
            all.add_fields(fields);
        }
    };
    let recent = baselines::fold(window, global, Accumulator::new, add, Accumulator::merge)?;
    let lower_bounds = baselines::lower_bounds(window, since, global)?;
    args.judging.judge(&frozen, recent, lower_bounds, global, out)
}

impl Judging {
    /// Returns the start of the recent executions. Returns `None` with --since, because the window then has its own
    /// start.
    pub(crate) fn since(&self, week_start: Timestamp) -> Option<Timestamp> {
        if self.window.period.since.is_some() { None } else { Some(week_start) }
    }

    /// Compares the recent executions with the baselines of a week, and prints the comparison. `lower_bounds` is the
    /// number of recent executions whose cost and tokens are lower bounds.
    pub(crate) fn judge(
        &self,
        frozen: &FrozenBaselines,
        recent: Accumulator,
        lower_bounds: u64,
        global: &Global,
        out: &mut impl Write,
    ) -> Result<ExitCode, Failure> {
        let seen = recent.clone().finish();
        let mut comparison = frozen.compare_with_samples_min(recent, self.min_samples);
        if let Some(wanted) = &self.window.skill {
            // With --skill, only the recent executions of this skill were read. So the other skills cannot be compared.
            comparison.skills.retain(|skill, _| skill == wanted);
        }
        if !self.require.is_empty() {
            for skill in comparison.skills.keys().filter(|skill| seen.get(skill).is_none()) {
                let text = format!("--require ignores {}, which has no recent executions", printable(skill));
                output::warning(&text, "absent", global.style());
            }
        }
        let answer = Answer {
            lower_bounds,
            week_start: frozen.week_start,
            metrics: comparison.metrics().count(),
            judged: comparison.metrics().filter(Metric::is_judged).count(),
            required_not_judged: not_judged(&self.require, &comparison, &seen),
            comparison: &comparison,
        };
        let is_written = self.markdown.write(|| markdown::document(&answer, self.min_samples), out)?;
        if global.json {
            output::json_line(out, &answer)?;
        } else if !is_written {
            table::write(&answer, out)?;
        }
        Ok(if comparison.has_worse() {
            ExitCode::No
        } else if answer.judged == 0 || !answer.required_not_judged.is_empty() {
            ExitCode::NotJudged
        } else {
            ExitCode::Yes
        })
    }
}

/// Returns each required metric that was not judged. `seen` has the skills with recent executions. The metrics of any
/// other skill are not required.
fn not_judged<'c>(required: &[String], comparison: &'c Comparison, seen: &Baselines) -> Vec<NotJudged<'c>> {
    let skills = comparison.skills.iter().filter(|(skill, _)| seen.get(skill).is_some());
    let metrics = skills.flat_map(|(skill, compared)| {
        let metrics = compared.metrics().into_iter().filter(|(_, metric)| !metric.is_judged());
        metrics.map(move |(metric, _)| NotJudged { skill, metric })
    });
    metrics.filter(|found| required.iter().any(|name| name == "all" || name == found.metric)).collect()
}

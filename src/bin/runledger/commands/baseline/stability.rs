//! `runledger baseline stability`

use std::io::Write;

use runledger::baseline::{Change, Stability, StabilityReport, Weekly};

use crate::baselines;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::selection::Window;
use crate::term::{Column, Table, output, short};

/// Show how much the baselines of each week differ from those of the previous week
///
/// A metric is stable if it changed by at most 2 %. `stable` shows how many metrics are stable, of those that are known
/// in both weeks. If there are few executions, a larger change can be due to chance. `runledger compare` reports only
/// changes that chance rarely produces. Weeks start on Monday 00:00 UTC, and --zone applies only to the dates of
/// --since and --until. --json prints all nine metrics.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: show how much each skill changed in the last four weeks
  runledger baseline stability --since 28d")]
pub(crate) struct Args {
    #[command(flatten)]
    window: Window,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let weekly = baselines::fold(&args.window, global, Weekly::default, Weekly::add_fields, Weekly::merge)?;
    let report = weekly.finish();
    if global.json {
        output::json_line(out, &report)?;
    } else {
        table(&report, out)?;
    }
    Ok(ExitCode::Yes)
}

fn table(report: &StabilityReport, out: &mut impl Write) -> Result<(), Failure> {
    let mut table = Table::new([
        Column::Text("week"),
        Column::Name("skill"),
        Column::Number("success"),
        Column::Number("p50 ms"),
        Column::Number("p95 ms"),
        Column::Number("mean ms"),
        Column::Number("usd"),
        Column::Number("tokens"),
        Column::Text("stable"),
    ]);
    let mut changed = 0;
    let mut known = 0;
    for week in &report.weeks {
        for (skill, changes) in &week.skills {
            let stabilities = changes.stabilities().map(|(_, stability)| stability);
            let of = |wanted| stabilities.iter().filter(|&&stability| stability == wanted).count();
            let moved = of(Stability::Changed);
            let stable = of(Stability::Stable);
            changed += moved;
            known += moved + stable;
            table.row([
                week.week_start.to_chrono().date_naive().to_string(),
                skill.clone(),
                change(&changes.success_rate),
                change(&changes.latency_p50_ms),
                change(&changes.latency_p95_ms),
                change(&changes.latency_mean_ms),
                change(&changes.cost_mean_usd),
                change(&changes.tokens_mean),
                format!("{stable}/{}", moved + stable),
            ]);
        }
    }
    table.write_or("No execution matches. `runledger list` shows the last executions.", out)?;
    writeln!(out, "changed by more than 2 % from the previous week: {changed} of {known} metrics")?;
    Ok(())
}

/// Returns the text of a change: a percentage of the previous week's value, `from 0` if only the previous value was 0,
/// or `-` if the change is unknown.
fn change<T>(change: &Change<T>) -> String {
    match (change.relative_delta, change.stability) {
        (Some(share), _) => short::percent(share),
        (None, Stability::Unknown) => "-".to_owned(),
        (None, Stability::Stable) => "0.0%".to_owned(),
        (None, _) => "from 0".to_owned(),
    }
}

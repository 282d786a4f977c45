//! `runledger escalate`

use std::io::Write;
use std::path::PathBuf;

use runledger::baseline::{Test, week_start};
use runledger::governance::{Escalation, EscalationReport, Escalations, Evidence, ShareTest, Statistic};
use serde::Serialize;

use crate::clock;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::period::{Bound, Period, When};
use crate::policy_file;
use crate::records;
use crate::term::{output, paragraph, short};
use crate::zone::Zone;

/// Report problems that someone must act on, with evidence
///
/// Each problem is addressed to a recipient. These problems are for people:
///
/// - Logs are missing repeatedly: several executions were interrupted or have been in flight for too long, or several
///   records were lost.
///
/// - The costs of a skill differ from their estimates.
///
/// - A skill used a model that the policy does not allow.
///
/// - The quality controls of a skill accept a smaller share of artifacts than in previous weeks.
///
/// This problem is for the cost optimizer:
///
/// - Artifacts from models of one tier (price class) drift more often than artifacts from other tiers. An artifact
///   drifts if it deviates from the request.
///
/// This problem is for the model router:
///
/// - A model fails more often than the other models of the same skill.
///
/// The problems with quality controls, drift and failing models are found by a z-test or Fisher's exact test, with
/// p-values adjusted by Holm's method. If there are too few results for a test, the report says so.
///
/// Without --since, the command examines the executions that started since Monday 00:00 UTC of this week. The quality
/// controls of the examined period are compared with the quality controls of the 28 days before the week in which the
/// period begins. The policy can change this number of days and all thresholds. For each problem, the report shows up
/// to 3 executions and the number of the others. --json lists up to 20 executions. Only the artifacts of the period,
/// and counts of skills and models, are held in memory.
///
/// Exits with 1 if there is a problem.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: run this every night
  runledger escalate --since 24h --policy policy.json || notify")]
pub(crate) struct Args {
    /// Use only executions that started at this time or later. WHEN is a date in UTC (2026-11-01, today, yesterday), a
    /// time (2026-11-01T12:00:00Z), or a time span before now in minutes, hours, days or weeks (90m, 36h, 7d, 2w). A
    /// day of a time span has 24 hours
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    since: Option<When>,
    /// Use only executions that started before this time. WHEN has the same forms as for --since. A date includes the
    /// whole day
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    until: Option<When>,
    /// A policy file with thresholds. `runledger policy` prints the default
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let policy = policy_file::read(args.policy.as_deref())?.escalation;
    let now = clock::now();
    let period = Period::new(args.since, args.until, Zone::utc()).map_err(Failure::Period)?;
    let since = period.since.map_or_else(|| week_start(now), Bound::begin);
    let escalations = Escalations::new(policy, since, period.until.map(Bound::end))?;
    let found = records::reader(global)?.escalate(escalations, now)?;
    records::warn_of(&found.skipped, global);
    records::warn_of_unreadable(&found.unreadable, global);
    records::warn_of_spill(global)?;
    let (report, malformed_lines) = (found.report, found.skipped.count());
    if global.json {
        output::json_line(out, &Answer { report: &report, malformed_lines })?;
    } else {
        write(&report, out)?;
    }
    Ok(if report.escalations.is_empty() { ExitCode::Yes } else { ExitCode::No })
}

#[derive(Serialize)]
struct Answer<'r> {
    #[serde(flatten)]
    report: &'r EscalationReport,
    malformed_lines: u64,
}

fn write(report: &EscalationReport, out: &mut impl Write) -> Result<(), Failure> {
    let until = report.until.map_or_else(|| "now".to_owned(), |until| until.to_string());
    let counts = [("executions", report.executions), ("escalations", report.escalations.len() as u64)];
    let counts = counts.map(|(what, count)| format!("{what} {}", short::count(count.into())));
    paragraph(&format!("{} to {until}: {}", report.since, counts.join(", ")), [0, 4], out)?;
    for escalation in &report.escalations {
        write_escalation(escalation, out)?;
    }
    for unjudged in &report.unjudged {
        paragraph(&format!("not tested: {unjudged}"), [0, 4], out)?;
    }
    Ok(())
}

/// The largest number of executions that the text shows for a problem. The JSON has more.
const EXECUTIONS_SHOWN_MAX: usize = 3;

fn write_escalation(escalation: &Escalation, out: &mut impl Write) -> Result<(), Failure> {
    paragraph(&escalation.to_string(), [0, 4], out)?;
    paragraph(&text(&escalation.statistic), [2, 4], out)?;
    let Evidence { count, executions, .. } = &escalation.evidence;
    let shown = executions.iter().take(EXECUTIONS_SHOWN_MAX);
    for execution in shown.clone() {
        writeln!(out, "  {execution}")?;
    }
    let unnamed = count.saturating_sub(shown.len() as u64);
    if unnamed > 0 {
        writeln!(out, "  and {unnamed} more")?;
    }
    Ok(())
}

fn text(statistic: &Statistic) -> String {
    match statistic {
        Statistic::Share { interval, .. } => format!("99 % interval {}", percents(*interval)),
        Statistic::Shares(ShareTest { test, interval, p_adjusted, association, .. }) => {
            let name = if *test == Test::FisherExact { "Fisher's exact test" } else { "two-proportion z-test" };
            let difference = format!("difference {}, {}", percents(*interval), p(*p_adjusted));
            let association = association.map_or_else(String::new, |found| {
                let chi = found.chi_squared;
                let degrees = found.degrees;
                format!(
                    "; all tiers: χ² {chi:.2}, df {degrees}, {}, Cramér's V {:.2}",
                    p(found.p_value),
                    found.cramers_v
                )
            });
            format!("{name}: {difference}{association}")
        }
        Statistic::Costs { interval_usd: Some([low, high]), p_value: Some(p_value), .. } => {
            format!("paired t-test: {low:+.4} … {high:+.4} USD per execution, {}", p(*p_value))
        }
        _ => "no test: fewer than two executions, or costs outside the range of the test".to_owned(),
    }
}

fn percents(interval: [f64; 2]) -> String {
    let [low, high] = interval.map(short::percent);
    format!("{low} … {high}")
}

fn p(p_value: f64) -> String {
    if p_value < 0.0001 { "p < 0.0001".to_owned() } else { format!("p = {p_value:.4}") }
}

//! `runledger fleet compare`

use std::io::Write;

use runledger::baseline::{Accumulator, FrozenBaselines, week_start};
use runledger::ship::ShippedColumns;

use super::{Root, query};
use crate::clock;
use crate::commands::compare::Judging;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::period::Period;
use crate::term::output;
use crate::week::Week;

/// Find what is worse in a week than in the weeks before, over all ledgers of a store
///
/// Frozen baselines are not shipped. So this command computes the baselines from all executions of the store that
/// started before the week. These are the baselines that `runledger baseline freeze` would freeze for a ledger with the
/// same executions. The recent executions are those since the start of the week, or those of --since. `runledger
/// compare` describes the output, the verdicts and the exit codes. Of several lines of one execution in a ledger, only
/// the last one counts.
///
/// Only the columns that the comparison needs are read. The command needs memory for the columns of 32,768 records,
/// about 40 bytes for each execution of the largest ledger, about 200 bytes for each file, and for the skills. Missing
/// files are reported on stderr.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: ship to a directory, and compare this week with the weeks before
  runledger ship fleet --active
  runledger fleet compare fleet")]
pub(crate) struct Args {
    #[command(flatten)]
    root: Root,
    /// A day of the week that is compared with the weeks before, such as 2026-11-16. Weeks start on Monday 00:00 UTC
    /// [default: today]
    #[arg(long, value_name = "DAY")]
    week: Option<Week>,
    #[command(flatten)]
    judging: Judging,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let Args { root, week, judging } = args;
    let week_start = week.map_or_else(|| week_start(clock::now()), |week| week.0);
    let (window, since) = (&judging.window, judging.since(week_start));
    let all = Period { since: None, until: window.period.until, zone: window.period.zone.clone() };
    let (mut before, mut recent, mut lower_bounds) = (Accumulator::new(), Accumulator::new(), 0);
    query::each(root, &all, ShippedColumns::Baseline, global, |record| {
        let start = record.timestamp_start;
        if start < week_start {
            before.add(record);
        }
        if since.is_none_or(|since| start >= since) && window.has(&record.skill_name, start) {
            recent.add(record);
            lower_bounds += u64::from(record.is_lower_bound());
        }
        Ok(())
    })?;
    let frozen = FrozenBaselines::of(week_start, before);
    if frozen.computed_from.records == 0 {
        let text = format!(
            "no execution in the store started before {week_start}, so there are no baselines. Choose a later week with \
             --week"
        );
        output::warning(&text, "no_baselines", global.style());
    }
    judging.judge(&frozen, recent, lower_bounds, global, out)
}

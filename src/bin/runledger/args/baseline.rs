//! `runledger baseline`, `baseline freeze` and `baseline stability`

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use runledger::baseline::By;

use super::period::Window;
use crate::period::Week;

/// Compute what is normal, for each skill
///
/// Latencies are percentiles of `total_latency_ms`: exact up to 49,152 different ones a skill, and within 0.4 % beyond,
/// which `latency_precision` tells. The same records give the same bytes of JSON. Without a window, what an earlier call has
/// read is not read again: a long ledger keeps it in `baseline-skill.checkpoint` and the like among its machinery, which can
/// be deleted at any time.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Example: keep the baselines of the last 30 days
  runledger baseline --since 30d --out logs/baselines.json")]
pub(crate) struct Baseline {
    #[command(subcommand)]
    pub(crate) command: Option<BaselineCommand>,
    /// What to compute them for, each; `version` and `week` are those of a skill, `week` from Monday 00:00 UTC on
    #[arg(long, value_name = "GROUP", value_parser = by(), default_value = By::Skill.name())]
    pub(crate) by: By,
    #[command(flatten)]
    pub(crate) window: Window,
    /// Only the executions of each group that began last, so many
    #[arg(long, value_name = "N")]
    pub(crate) last: Option<NonZeroUsize>,
    /// Write them to this file, as JSON, and print nothing; a file that is there is replaced
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

fn by() -> impl TypedValueParser<Value = By> {
    PossibleValuesParser::new(By::ALL.map(By::name)).try_map(|text| text.parse())
}

#[derive(Debug, Subcommand)]
pub(crate) enum BaselineCommand {
    Freeze(BaselineFreeze),
    Stability(BaselineStability),
}

/// Freeze the baselines of a week, for `runledger compare`
///
/// They are computed over all executions that began before the week, which starts on Monday 00:00 UTC, and appended to
/// `baselines.jsonl` beside the ledger. A week is frozen once: asked again, the answer is what was frozen first. With
/// --json it is the line that was written.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: in a job that runs every Monday
  runledger baseline freeze")]
pub(crate) struct BaselineFreeze {
    /// The week that this day is in (2026-11-16); this week if it is not told
    #[arg(long, value_name = "DAY")]
    pub(crate) week: Option<Week>,
}

/// Tell how much the baselines of each week differ from those of the week before
///
/// A metric is stable when it stays within ±2 %. Among few executions a greater change is chance; `runledger compare`
/// tells them apart. Weeks start on Monday 00:00 UTC. --json has every metric.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: which skills moved in the last four weeks?
  runledger baseline stability --since 28d")]
pub(crate) struct BaselineStability {
    #[command(flatten)]
    pub(crate) window: Window,
}

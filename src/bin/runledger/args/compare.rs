//! `runledger compare`

use super::period::Window;
use crate::period::Week;

/// Compare executions with the frozen baselines of a week, and say what is better or worse
///
/// Without --since, the executions since the start of that week. A metric is a regression or an improvement when it is
/// off by more than 2 % and by more than chance: with a probability of at most 0.01 over all tests of the comparison
/// together, by Holm's method. A metric with fewer than 30 values on either side is not judged. Success rates are compared
/// by a z-test or Fisher's exact test, latencies (`ms`: the median and its shift) by the rank test of Mann and Whitney,
/// means by Welch's t-test. The interval, of 99 % confidence, is in percent of the baseline; p is the adjusted probability.
///
/// Exits with 1 if there is a regression.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: in a job that fails when the last day is worse than normal
  runledger compare --since 24h")]
pub(crate) struct Compare {
    /// The week that this day is in (2026-11-16); the last one that was frozen if it is not told
    #[arg(long, value_name = "DAY")]
    pub(crate) week: Option<Week>,
    #[command(flatten)]
    pub(crate) window: Window,
}

//! `runledger escalate`

use std::path::PathBuf;

use crate::period::When;

/// Tell who must hear of what the log shows, why, and on what evidence
///
/// A human hears of repeated missing logs, costs that are not what was estimated, models that the policy does not allow,
/// and quality controls that accept less than in the weeks before. The cost optimizer hears of a tier whose models make
/// what drifts more often; the model router of a model that fails more often than the others of its skill. The last three
/// are tested, by a z-test or Fisher's exact test with Holm's method; where too few results are known, that is said.
///
/// Without --since, the executions since the start of this week, Monday 00:00 UTC. Quality controls are compared with
/// those of the 28 days before the week in which the window begins, or of as many as the policy tells. Of the
/// executions that show it, up to 20 are named.
///
/// Exits with 1 if there is something to tell.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: in a job that runs every night
  runledger escalate --since 24h --policy policy.json || notify")]
pub(crate) struct Escalate {
    /// Only what began then or later: a date (2026-11-01, today, yesterday, UTC), a time (2026-11-01T12:00:00Z), or a span
    /// back from now in minutes, hours, days of 24 hours or weeks (90m, 36h, 7d, 2w)
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<When>,
    /// Only what began before then, in the same forms; given a date, that whole day is included
    #[arg(long, value_name = "WHEN")]
    pub(crate) until: Option<When>,
    /// From when on it is worth telling; `runledger policy` prints the thresholds that hold without
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
}

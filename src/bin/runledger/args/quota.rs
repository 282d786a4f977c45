//! `runledger quota`

use std::path::PathBuf;

/// Tell what is left of each quota
///
/// Limits are those that come with runledger, and those of --limits, which win; what was used and is held is read from
/// `quota.jsonl` beside the ledger. If there is none, nothing was used. Dollars are exact; calls of unknown cost are in no
/// amount, and are counted. With --json, each line is one quota.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: what is left of a budget of one's own?
  runledger quota anthropic --limits limits.json --json | jq .remaining

The file is a JSON array with one object for each limit:
  [
    {\"api\": \"anthropic\", \"limit\": 25.50, \"unit\": \"usd\", \"period\": \"day\",
     \"source\": \"our budget\", \"as_of\": \"2026-03-01\",
     \"thresholds\": [50, 80, 95, 100], \"unknown\": {\"assume\": 0.25}}
  ]
  unit        tokens, calls, usd
  period      minute, hour, day, week, month; they begin by the calendar, in UTC
  thresholds  percents of the limit that are told once a period;
              [50, 80] if left out
  unknown     what becomes of a call of unknown cost: \"deny\" (if left out),
              \"allow\", or {\"assume\": AMOUNT}")]
pub(crate) struct Quota {
    /// Only this API
    pub(crate) api: Option<String>,
    /// Limits of your own, which win over those that come with runledger
    #[arg(long, value_name = "FILE")]
    pub(crate) limits: Option<PathBuf>,
}

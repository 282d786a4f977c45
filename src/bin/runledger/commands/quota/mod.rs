//! `runledger quota`

mod amount;
mod check;
mod consume;
mod holds;
mod release;
mod reserve;
mod set;
mod settle;
mod show;
mod unset;

use std::io::Write;

use clap::Subcommand;

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::limits::OwnLimits;

/// Show what remains of each quota, set limits, reserve amounts
///
/// A quota limits the use of an API in a period, such as a day. Without a subcommand, prints how much of each quota was
/// consumed, how much is held by reservations, and how much remains. `%` is the share of the limit that is consumed or
/// held. The level is GREEN if this share is less than 50 %, YELLOW from 50 % on, and RED from 80 % on. A period ends
/// in the time zone of its limit. With --json, `pct_used` is the consumed share, and `pct_taken` is the share that is
/// consumed or held.
///
/// Limits come from three sources: the bundled limits, the limits that `runledger quota set` stored in `limits.json`
/// next to the ledger, and the file of --limits. If several sources have a limit for the same API, the limit in the
/// last of these sources is used. Your own limits are shown before the bundled limits.
///
/// The amounts are stored in `quota.jsonl` next to the ledger. If that file does not exist, nothing was used so far.
/// Amounts in dollars are exact.
///
/// Calls whose amount is unknown are counted as `unknown`, and add nothing to the consumed amount. If the limit assumes
/// an amount for such calls, they are counted as `assumed` instead, and the assumed amounts are added. Calls that have
/// not ended are counted separately, as `unknown_held` and `assumed_held`.
///
/// A second table shows what vendors reported about subscriptions. A subscription limits the use in windows of 5 hours
/// and of 7 days. The table has the used share of each window, the time when the vendor counts from 0 again, and the
/// age of the report. `runledger statusline` and `runledger import codex` store these reports in `observed.jsonl` next
/// to the ledger. They are never added to the quotas above. After the end of a window, its use is unknown.
///
/// With --json, the key `kind` says what a line is: a quota is {"kind": "quota", "api_name": …, …}, and a report is
/// {"kind": "observed", "observed": {"agent": …, "window": …, …}}.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Example: show how much of your own budget remains
  runledger quota anthropic --limits limits.json --json | jq .remaining

The file of --limits is a JSON array with one object for each limit:
  [
    {\"api\": \"anthropic\", \"limit\": 25.50, \"unit\": \"usd\", \"period\": \"day\",
     \"source\": \"our budget\", \"as_of\": \"2026-03-01\",
     \"thresholds\": [50, 80, 95, 100], \"unknown\": {\"assume\": 0.25},
     \"enforce\": true, \"warn\": 80}
  ]
  unit        tokens, calls or usd
  period      minute, hour, day, week, month, quarter, year, total, or a
              number of hours such as 5h. The 5 hours begin with the first
              use. After their end, the next 5 hours begin with the next use
  zone        the time zone in which days and longer periods begin: an IANA
              name such as Europe/Zurich, or an offset such as +05:45
              [default: UTC]
  thresholds  percentages of the limit. Each is reported once per period, when
              the consumed amount reaches it [default: [50, 80]]
  unknown     what happens to a call whose amount is unknown: \"deny\",
              \"allow\" or {\"assume\": AMOUNT} [default: \"deny\"]
  enforce     whether the hook of an agent denies tool calls when nothing is
              left [default: false]
  warn        a percentage of an enforced limit, from 1 to 100. When it is
              reached, the hook asks before each tool call [default: none]")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Show only the quota of this API
    api: Option<String>,
    #[command(flatten)]
    own: OwnLimits,
}

#[derive(Debug, Subcommand)]
enum Command {
    Set(set::Args),
    Unset(unset::Args),
    Reserve(reserve::Args),
    Settle(settle::Args),
    Release(release::Args),
    Consume(consume::Args),
    Check(check::Args),
    Holds(holds::Args),
}

impl Command {
    /// Returns true if `runledger quota NAME` would run a subcommand instead of showing the quota of `name`.
    fn is_named(name: &str) -> bool {
        name == "help" || <Self as Subcommand>::has_subcommand(name)
    }
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    match &args.command {
        None => show::run(args.api.as_deref(), &args.own, global, out),
        Some(Command::Set(args)) => set::run(args, Command::is_named, global, out),
        Some(Command::Unset(args)) => unset::run(args, global, out),
        Some(Command::Reserve(args)) => reserve::run(args, global, out),
        Some(Command::Settle(args)) => settle::run(args, global, out),
        Some(Command::Release(args)) => release::run(args, global, out),
        Some(Command::Consume(args)) => consume::run(args, global, out),
        Some(Command::Check(args)) => check::run(args, global, out),
        Some(Command::Holds(args)) => holds::run(args, global, out),
    }
}

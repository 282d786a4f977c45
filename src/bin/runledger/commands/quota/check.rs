//! `runledger quota check`

use std::io::Write;

use runledger::quota::Amount;
use runledger::{QuotaStatus, Usd};
use serde::Serialize;

use super::amount::{AmountArg, amount};
use crate::argument::name;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::limits::OwnLimits;
use crate::quotas::{Shown, Status, of_all};
use crate::term::{output, printable};

/// Check whether anything is left of a quota
///
/// Prints how much was used, how much is left, and when the next period begins. Nothing is reserved, so another process
/// can use the amount at any time. `reserve` checks and reserves in one step.
///
/// Exits with 0 if anything is left, and with 1 otherwise. With --amount, exits with 0 only if at least this amount is
/// left. With --json, the key `available` is true if the exit code is 0.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: check whether 10 calls are left
  runledger quota check github-rest --amount 10")]
pub(super) struct Args {
    /// The name of the API
    #[arg(value_parser = name)]
    name: String,
    /// The amount that must be left, in the unit of the limit [default: anything]
    #[arg(long, value_parser = amount, allow_negative_numbers = true)]
    amount: Option<AmountArg>,
    #[command(flatten)]
    own: OwnLimits,
}

#[derive(Serialize)]
struct Checked<'s> {
    available: bool,
    #[serde(flatten)]
    status: Shown<'s>,
}

pub(super) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let limits = args.own.load(global)?;
    let limit = limits.get(&args.name);
    let statuses = of_all(&[&args.name], &limits, global)?;
    let mut available = true;
    for status in &statuses {
        available = match status {
            Status::Counts(status) => {
                let wanted = args.amount.as_ref().map(AmountArg::count).transpose()?.flatten();
                is_left(status, wanted, 0)
            }
            Status::Dollars(status) => {
                let wanted = args.amount.as_ref().map(AmountArg::usd).transpose()?.flatten();
                is_left(status, wanted, Usd::ZERO)
            }
        };
        if global.json {
            output::json_line(out, &Checked { available, status: status.shown(limit) })?;
        } else {
            let mark = if available { "" } else { "not enough left of " };
            writeln!(out, "{mark}{}", printable(&status.line()))?;
        }
    }
    Ok(if available { ExitCode::Yes } else { ExitCode::No })
}

/// Returns true if `wanted` is left. If `wanted` is `None`, returns true if anything is left.
fn is_left<A: Amount + PartialOrd>(status: &QuotaStatus<A>, wanted: Option<A>, nothing: A) -> bool {
    wanted.map_or(status.remaining > nothing, |wanted| status.remaining >= wanted)
}

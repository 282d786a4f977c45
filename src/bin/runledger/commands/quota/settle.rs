//! `runledger quota settle`

use std::io::Write;

use runledger::quota::Resumed;

use super::amount::{AmountArg, amount, hold};
use super::release::{resume, warn_if_expired};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::limits::OwnLimits;
use crate::quotas::Status;
use crate::term::{output, printable};

/// End a hold after the call, and record what the call used
///
/// The amount is recorded in full, even if it exceeds the reserved amount or if the hold has expired. It counts in the
/// period in which the hold was reserved. If the amount is `unknown`, the reserved amount is recorded as assumed. If no
/// known amount was reserved, the call is counted as unknown.
///
/// Prints the resulting status of the quota.
///
/// Exits with 1, and records nothing, if the hold was settled or released before, or if no hold has the id. stderr says
/// how the hold ended. So each hold is recorded only once, even if several processes settle it at the same time.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: the call used 7 of the reserved amount
  runledger quota settle \"$hold\" 7")]
pub(super) struct Args {
    /// The id that `reserve` printed
    #[arg(value_parser = hold)]
    id: u64,
    /// The amount that the call used, in the unit of the limit, or `unknown`
    #[arg(value_parser = amount, allow_negative_numbers = true)]
    amount: AmountArg,
    #[command(flatten)]
    own: OwnLimits,
}

pub(super) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let resumed = resume(args.id, &args.own, global)?;
    warn_if_expired(&resumed, args.id, global);
    let (limit, status) = match resumed {
        Resumed::Counts(hold) => (hold.limit().clone(), Status::Counts(hold.settle(args.amount.count()?)?)),
        Resumed::Dollars(hold) => (hold.limit().clone(), Status::Dollars(hold.settle(args.amount.usd()?)?)),
    };
    if global.json {
        output::json_line(out, &status.shown(Some(&limit)))?;
    } else {
        writeln!(out, "{}", printable(&status.line()))?;
    }
    Ok(ExitCode::Yes)
}

//! `runledger quota consume`

use std::io::Write;

use super::amount::{AmountArg, amount};
use crate::argument::name;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::limits::OwnLimits;
use crate::quotas::{Status, is_in_dollars, open};
use crate::term::{output, printable};

/// Record an amount that was used without a hold
///
/// The amount is recorded in full, even if less is left. If the amount is `unknown`, the amount that the limit assumes
/// is recorded. If the limit assumes no amount, the call is counted as unknown.
///
/// Prints the resulting status of the quota.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: 3 calls were made
  runledger quota consume github-rest 3")]
pub(super) struct Args {
    /// The name of the API
    #[arg(value_parser = name)]
    name: String,
    /// The amount that was used, in the unit of the limit, or `unknown`
    #[arg(value_parser = amount, allow_negative_numbers = true)]
    amount: AmountArg,
    #[command(flatten)]
    own: OwnLimits,
}

pub(super) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let limits = args.own.load(global)?;
    let limit = limits.get(&args.name).cloned();
    let status = if is_in_dollars(&limits, &args.name)? {
        let amount = args.amount.usd()?;
        Status::Dollars(open(limits, None, global)?.budget(&args.name)?.record_consumption(amount)?)
    } else {
        let amount = args.amount.count()?;
        Status::Counts(open(limits, None, global)?.record_consumption(&args.name, amount)?)
    };
    if global.json {
        output::json_line(out, &status.shown(limit.as_ref()))?;
    } else {
        writeln!(out, "{}", printable(&status.line()))?;
    }
    Ok(ExitCode::Yes)
}

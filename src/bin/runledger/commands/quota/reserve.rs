//! `runledger quota reserve`

use std::io::Write;
use std::time::Duration;

use runledger::quota::{Amount, DenialReason, Denied, Grant, Hold, Unit};
use runledger::{QuotaStatus, Timestamp};
use serde::Serialize;

use super::amount::{AmountArg, amount};
use crate::argument::{duration, name};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::limits::OwnLimits;
use crate::quotas::{is_in_dollars, open};
use crate::term::output;

/// Reserve an amount before a call, if that much is left
///
/// Prints the id of the hold. Pass it to `settle` after the call, or to `release` if there was no call. The amount
/// stays reserved until then, or until the hold expires. Together, the holds never exceed the limit, even if several
/// processes reserve at the same time.
///
/// If the amount is `unknown`, the key `unknown` of the limit decides: the call is denied, the amount that the limit
/// assumes is reserved, or the call is allowed while any of the quota remains.
///
/// Exits with 0 if the amount is reserved, and with 1 if it is denied. In the second case, stderr says why, how much is
/// left, and when the next period begins. With --json, the answer is always one object on stdout. It has `granted`, and
/// `id` or `reason` (`not_enough` or `unknown`).
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: publish only if 10 calls are left, and keep the id of the hold
  hold=$(runledger quota reserve github-rest 10) && publish")]
pub(super) struct Args {
    /// The name of the API
    #[arg(value_parser = name)]
    name: String,
    /// The most that the call can use, in the unit of the limit, or `unknown`
    #[arg(value_parser = amount, allow_negative_numbers = true)]
    amount: AmountArg,
    /// How long the amount stays reserved if the hold is neither settled nor released [default: 10m]
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    life: Option<Duration>,
    #[command(flatten)]
    own: OwnLimits,
}

#[derive(Serialize)]
struct Granted<'a, A> {
    granted: bool,
    id: u64,
    api_name: &'a str,
    amount: Option<A>,
    unit: Unit,
    expires_at: Timestamp,
    remaining: A,
}

#[derive(Serialize)]
struct NotGranted<'a, A> {
    granted: bool,
    reason: &'static str,
    error: String,
    requested: Option<A>,
    #[serde(flatten)]
    status: &'a QuotaStatus<A>,
}

pub(super) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let limits = args.own.load(global)?;
    if is_in_dollars(&limits, &args.name)? {
        let amount = args.amount.usd()?;
        let budget = open(limits, args.life, global)?.budget(&args.name)?;
        let grant = budget.reserve(amount)?;
        answer(grant, || Ok(budget.status()?), global, out)
    } else {
        let amount = args.amount.count()?;
        let quota = open(limits, args.life, global)?;
        let grant = quota.reserve(&args.name, amount)?;
        answer(grant, || Ok(quota.status(&args.name)?), global, out)
    }
}

fn answer<A: Amount + Serialize>(
    grant: Grant<A>,
    status: impl Fn() -> Result<QuotaStatus<A>, Failure>,
    global: &Global,
    out: &mut impl Write,
) -> Result<ExitCode, Failure> {
    match grant {
        Grant::Held(hold) => {
            write_granted(&hold, &status()?, global, out)?;
            hold.keep();
            Ok(ExitCode::Yes)
        }
        Grant::Denied(denied) => {
            write_denied(&denied, global, out)?;
            Ok(ExitCode::No)
        }
    }
}

/// Writes the id of the hold. If this fails, nobody knows the id. So the caller then drops the hold, which releases it.
fn write_granted<A: Amount + Serialize>(
    hold: &Hold<A>,
    status: &QuotaStatus<A>,
    global: &Global,
    out: &mut impl Write,
) -> Result<(), Failure> {
    if global.json {
        let granted = Granted {
            granted: true,
            id: hold.id(),
            api_name: &status.api_name,
            amount: hold.amount(),
            unit: status.unit,
            expires_at: hold.expires_at(),
            remaining: status.remaining,
        };
        output::json_line(out, &granted)?;
    } else {
        writeln!(out, "{}", hold.id())?;
    }
    out.flush()?;
    Ok(())
}

fn write_denied<A: Amount + Serialize>(
    denied: &Denied<A>,
    global: &Global,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let reason = if denied.reason == DenialReason::Unknown { "unknown" } else { "not_enough" };
    if global.json {
        let (requested, status) = (denied.requested, &denied.status);
        output::json_line(out, &NotGranted { granted: false, reason, error: denied.to_string(), requested, status })?;
    } else {
        output::note(&denied.to_string(), reason, global.style());
    }
    Ok(())
}

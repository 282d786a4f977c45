//! `runledger quota release`

use std::io::Write;

use runledger::quota::Resumed;

use super::amount::hold;
use crate::clock;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::limits::OwnLimits;
use crate::quotas::{Status, open_existing};
use crate::term::{output, printable};

/// End a hold without recording any use
///
/// The reserved amount can be reserved again at once. Prints the resulting status of the quota.
///
/// Exits with 1, and changes nothing, if the hold was settled or released before, or if no hold has the id. stderr says
/// how the hold ended.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: there was no call
  runledger quota release \"$hold\"")]
pub(super) struct Args {
    /// The id that `reserve` printed
    #[arg(value_parser = hold)]
    id: u64,
    #[command(flatten)]
    own: OwnLimits,
}

pub(super) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let (limit, status) = match resume(args.id, &args.own, global)? {
        Resumed::Counts(hold) => (hold.limit().clone(), Status::Counts(hold.release()?)),
        Resumed::Dollars(hold) => (hold.limit().clone(), Status::Dollars(hold.release()?)),
    };
    if global.json {
        output::json_line(out, &status.shown(Some(&limit)))?;
    } else {
        writeln!(out, "{}", printable(&status.line()))?;
    }
    Ok(ExitCode::Yes)
}

/// Returns the open hold with this id. Creates nothing.
pub(super) fn resume(id: u64, own: &OwnLimits, global: &Global) -> Result<Resumed, Failure> {
    let limits = own.load(global)?;
    let quota = open_existing(&limits, global)?.ok_or(Failure::NoHold(id))?;
    Ok(quota.resume(id)?)
}

/// Warns if the hold has expired, because other calls may have used its amount in the meantime.
pub(super) fn warn_if_expired(hold: &Resumed, id: u64, global: &Global) {
    let expires_at = match hold {
        Resumed::Counts(hold) => hold.expires_at(),
        Resumed::Dollars(hold) => hold.expires_at(),
    };
    if expires_at <= clock::now() {
        let text = format!("the hold {id} expired at {expires_at}, so other calls may have used its amount");
        output::warning(&text, "expired", global.style());
    }
}

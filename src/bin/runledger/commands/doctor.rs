//! `runledger doctor`

use std::io::Write;

use runledger::LedgerReader;
use runledger::ledger::{Check, Fallback, Level};

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::fallback;
use crate::global::Global;
use crate::term::{output, printable};

/// Tell whether a ledger is safe at its place, and well
///
/// Looks at the file system, permissions, the lock, how long syncs take, free space, the limits of the process, the clock,
/// and the bundled prices; and at the ledger if there is one: its end, what waits to be mended or brought back, and what it
/// did to itself in the last 7 days. Its lines are not verified: `verify` does that. The ledger's own files are only read;
/// to measure syncs, two more files are made beside it and removed again. With --json, each line is one check.
///
/// Exits with 1 if there is a warning, and with 2 if there is a fault: a ledger cannot be kept there.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: what is not as it should be?
  runledger doctor --json | jq 'select(.level != \"ok\")'")]
pub(crate) struct Args {}

pub(crate) fn run(global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let mut checks = LedgerReader::examine(&global.ledger);
    checks.extend(fallback::all().iter().filter_map(Fallback::examine));
    for check in &checks {
        if global.json {
            output::json_line(out, check)?;
        } else {
            write(check, out)?;
        }
    }
    Ok(match checks.iter().map(|check| check.level).max() {
        None | Some(Level::Ok) => ExitCode::Yes,
        Some(Level::Warning) => ExitCode::No,
        Some(Level::Fault) => ExitCode::CouldNot,
    })
}

/// Writes what was found, and below it what to do.
fn write(check: &Check, out: &mut impl Write) -> Result<(), Failure> {
    writeln!(out, "{:7}  {:11}  {}", check.level, check.name, printable(&check.found))?;
    if let Some(advice) = &check.advice {
        writeln!(out, "{:22}→ {}", "", printable(advice))?;
    }
    Ok(())
}

//! `runledger doctor`

mod secrets;

use std::io::Write;

use runledger::LedgerReader;
use runledger::ledger::{Check, Fallback, Level};

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::fallback;
use crate::global::Global;
use crate::term::{output, paint, printable};

/// Check the health of the ledger and its location
///
/// Prints one line for each check. Below each problem, prints what to do about the problem. The command checks the file
/// system, the permissions, the lock, the duration of syncs and the free space. It also checks the limits of the
/// process, the clock and the bundled prices. If the ledger exists, the command also checks whether the last line of
/// the ledger is complete, and whether the ledger needs repairs. The command also reports the problems of the last 7
/// days, which the ledger has recorded in its internal file events.jsonl. `runledger verify` checks all lines of the
/// ledger.
///
/// The files of the ledger are only read. To test locks and measure the duration of syncs, the command creates two
/// files next to the ledger, and removes them again. If the directory of the ledger does not exist, the files are in
/// the nearest existing directory above it. With --json, each line is one check.
///
/// Exits with 1 if there is a warning, and with 2 if there is a fault. A fault means that the location is not suitable
/// for a ledger, or that the ledger is truncated or cannot be opened.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: print only the problems
  runledger doctor --json | jq 'select(.level != \"ok\")'")]
pub(crate) struct Args {
    /// Instead of the checks, search all lines for secrets such as keys and passwords. Also searches archives, the
    /// events, the journals, limits and run logs next to the ledger, begin marks, spilled records, damaged bytes, and
    /// records that are kept in another directory. Prints the file, the line, the field and the rule of each secret,
    /// and never the secret. Exits with 1 if there is a secret
    #[arg(long)]
    secrets: bool,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    if args.secrets {
        return secrets::run(global, out);
    }
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

/// Writes the result of a check. If there is advice, writes it below the result.
fn write(check: &Check, out: &mut impl Write) -> Result<(), Failure> {
    let level = format!("{:7}", check.level);
    writeln!(out, "{}  {:11}  {}", paint(&level), check.name, printable(&check.found))?;
    if let Some(advice) = &check.advice {
        writeln!(out, "{:22}→ {}", "", printable(advice))?;
    }
    Ok(())
}

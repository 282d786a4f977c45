//! `runledger fleet verify`

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use runledger::fleet::FleetVerification;

use super::{Root, progress};
use crate::argument::duration;
use crate::clock;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::term::{output, printable};

/// Check that no shipped file is missing, doubled or replaced
///
/// Reads the names and the footers of the files, and not their rows. So the check takes one or two short reads for each
/// file. `runledger retention --shipped-to` reads the hashes of all rows. The kinds of faults:
///
/// - `gap`: no file has certain lines of a ledger, although files have later lines.
///
/// - `overlap`: two files have the same line of a ledger.
///
/// - `fork`: two different files begin with the same line. Two ledgers may have one id, such as copies of one ledger.
///
/// - `chain`: a file does not continue the chain of hashes of the file before it.
///
/// - `claim`: `runledger ship` claimed lines, and no file has them. The file was removed, or is not stored yet.
///
/// - `footer`: the name of a file and its footer disagree.
///
/// - `not_parquet`: a file is not a whole Parquet file of `runledger ship`.
///
/// - `foreign`: the folder of the files has a name that `runledger ship` does not write.
///
/// Exits with 1 if there is a fault. If a rule of the object store removes old files, their lines are a gap.
///
/// Two kinds are notes, which do not change the exit code, because an idle machine ships nothing. An option makes them
/// faults:
///
/// - `missing_day`: a ledger has no file for a day between days with files. No line is missing because of it.
///
/// - `late`: the last file of a ledger is more than 2 days older than the newest file of the fleet.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: ship the ledger to a directory, and verify all ledgers there
  runledger ship fleet --active
  runledger fleet verify fleet")]
pub(crate) struct Args {
    #[command(flatten)]
    root: Root,
    /// Make `late` a fault, after this time. Only whole days count, because a name has only a date
    #[arg(long, value_name = "TIME", value_parser = duration)]
    late: Option<Duration>,
    /// Make `missing_day` a fault, because the machines work on every day
    #[arg(long)]
    daily: bool,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let fleet = args.root.open()?;
    let done = Arc::new(AtomicU64::new(0));
    let bar = progress::bar(&done, fleet.files());
    let late_days = args.late.map(|late| u32::try_from(late.as_secs() / 86_400).unwrap_or(u32::MAX));
    let found = fleet.verify(clock::now(), late_days, args.daily, || _ = done.fetch_add(1, Ordering::Relaxed))?;
    drop(bar);
    if global.json {
        output::json_line(out, &found)?;
    } else {
        report(&found, out)?;
    }
    Ok(if found.faults.is_empty() { ExitCode::Yes } else { ExitCode::No })
}

fn report(found: &FleetVerification, out: &mut impl Write) -> Result<(), Failure> {
    writeln!(out, "ledgers  {}", found.ledgers)?;
    writeln!(out, "files    {}", found.files)?;
    writeln!(out, "records  {}", found.records)?;
    writeln!(out, "foreign  {}", found.foreign)?;
    writeln!(out, "faults   {}", found.faults.len())?;
    for fault in &found.faults {
        writeln!(out, "  {}", printable(&fault.to_string()))?;
    }
    writeln!(out, "notes    {}", found.notes.len())?;
    for note in &found.notes {
        writeln!(out, "  {}", printable(&note.to_string()))?;
    }
    Ok(())
}

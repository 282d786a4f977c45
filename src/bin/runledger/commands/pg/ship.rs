//! `runledger pg ship`

use std::io::Write;
use std::time::Duration;

use runledger::journal::Follower;
use runledger::sink::postgres::{Shipment, Shipped};
use serde_json::json;

use super::database::{Database, open};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::records;
use crate::term::{cell, output};

/// Copy the records that the database does not have
///
/// Prints the number of copied records, and the number of the last line that was copied. Lines of the ledger that are
/// not records are skipped. stderr lists the first of these lines, and their number. The command fails if the ledger
/// was truncated or rewritten since the last call.
///
/// If the tables do not exist, or an earlier version of runledger created them, the command copies nothing and fails.
/// --migrate creates or upgrades them first.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: create the tables if they do not exist yet, and copy all records
  runledger pg ship --migrate
Example: keep the database up to date until the command is stopped
  DATABASE_URL=postgres://agent:secret@localhost/observability runledger pg ship --follow")]
pub(crate) struct Args {
    #[command(flatten)]
    database: Database,
    /// Keep running, and copy new records every second
    #[arg(long)]
    follow: bool,
    /// First create the tables, or upgrade those of an earlier version, like `runledger pg migrate`
    #[arg(long)]
    migrate: bool,
}

/// The time between two searches for new records, with --follow.
const EVERY: Duration = Duration::from_secs(1);

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let mut sink = args.database.sink(args.follow, global)?;
    let mut ledger = open(global)?;
    if args.migrate {
        sink.migrate()?;
    }
    let mut is_first = true;
    loop {
        // The executions in flight are read before the ledger. If an execution ends in between, it is found in both
        // places, and the record in the ledger takes precedence.
        let found = records::reader(global)?.in_flight()?;
        // If this error were ignored, an execution in flight would be missing from the database, without any message.
        if let Some(error) = found.unreadable.into_iter().next() {
            return Err(error.into());
        }
        let in_flight: Vec<_> = found.executions.into_iter().map(|begun| begun.record).collect();
        let shipped = sink.ship(&mut ledger, &in_flight)?;
        records::warn_of(&shipped.skipped, global);
        if is_first || shipped.records > 0 {
            report(&shipped, &ledger, global, out)?;
            out.flush()?;
        }
        if !args.follow {
            return Ok(ExitCode::Yes);
        }
        is_first = false;
        std::thread::sleep(EVERY);
    }
}

fn report(shipped: &Shipped, ledger: &Follower, global: &Global, out: &mut impl Write) -> Result<(), Failure> {
    let last = shipped.last.as_ref().map(Shipment::from);
    if global.json {
        let answer = json!({
            "ledger": ledger.id(),
            "records": shipped.records,
            "in_progress": shipped.in_progress,
            "malformed_lines": shipped.skipped.count(),
            "shipped": last,
        });
        return Ok(output::json_line(out, &answer)?);
    }
    writeln!(out, "records      {}", shipped.records)?;
    writeln!(out, "in progress  {}", shipped.in_progress)?;
    writeln!(out, "up to line   {}", cell(last.map(|last| last.seq)))?;
    Ok(())
}

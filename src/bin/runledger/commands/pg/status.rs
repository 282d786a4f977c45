//! `runledger pg status`

use std::io::Write;

use runledger::sink::postgres::{Shipment, ShippedLedger, Sink, Status};

use super::database::{Database, open};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::term::{cell, output, printable};

/// Show what was shipped, and how far the database is behind the ledger
///
/// Prints these lines:
///
/// - database: the user, the address of the server, and the name of the database. The password is never printed.
///
/// - schema: the version of the tables. If the tables do not exist or are of an earlier version, stderr names the
///   command that creates or upgrades them.
///
/// - ledger, head: the id and the last line of the ledger.
///
/// - shipped, at: the last line that the database has, and when it was copied.
///
/// - behind: how many lines of the ledger the database does not have.
///
/// - other: the id of another ledger that was shipped to the database, the number of its last copied line, and the time
///   of that copy.
///
/// With --json, `ledgers` lists all ledgers that were shipped, including this one.
///
/// Exits with 0 if the database has all lines and the tables are of the current version. Exits with 1 if lines are
/// missing, or if the tables do not exist or are of an earlier version. Exits with 2 if the command cannot find this
/// out.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: print the number of missing lines for a monitor
  runledger pg status --json | jq .behind")]
pub(crate) struct Args {
    #[command(flatten)]
    database: Database,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let mut sink = args.database.sink(false, global)?;
    let status = sink.status(&mut open(global)?)?;
    let is_current = status.schema == Some(Sink::SCHEMA_VERSION);
    if global.json {
        output::json_line(out, &status)?;
    } else {
        print(&status, out)?;
    }
    if !is_current {
        let found = if status.schema.is_none() { "do not exist" } else { "are of an earlier version" };
        let text = format!("the tables {found}; use `runledger pg migrate` or `runledger pg ship --migrate`");
        output::warning(&text, "outdated", global.style());
    }
    Ok(if status.behind == 0 && is_current { ExitCode::Yes } else { ExitCode::No })
}

fn print(status: &Status, out: &mut impl Write) -> Result<(), Failure> {
    let line = |shipment: &Option<Shipment>| match shipment {
        Some(shipment) => format!("{} {}", shipment.seq, shipment.hash),
        None => cell(None::<u64>),
    };
    let is_own = |shipped: &&ShippedLedger| shipped.ledger == status.ledger;
    let own = status.ledgers.iter().find(is_own);
    writeln!(out, "database {}", printable(&status.database))?;
    writeln!(out, "schema   {}", cell(status.schema))?;
    writeln!(out, "ledger   {}", status.ledger)?;
    writeln!(out, "head     {}", line(&status.head))?;
    writeln!(out, "shipped  {}", line(&status.shipped))?;
    writeln!(out, "at       {}", cell(own.map(|shipped| shipped.shipped_at)))?;
    writeln!(out, "behind   {}", status.behind)?;
    for other in status.ledgers.iter().filter(|shipped| !is_own(shipped)) {
        writeln!(out, "other    {} {} {}", other.ledger, other.seq, other.shipped_at)?;
    }
    Ok(())
}

//! `runledger pg status`

use std::io::Write;

use runledger::sink::postgres::Shipment;

use super::database::{Database, open};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::term::{cell, output};

/// Show how far the database is behind the ledger
///
/// `behind` is the number of lines that the database does not have. Exits with 0 if this number is 0, with 1 if it is
/// larger, and with 2 if it is unknown.
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
    if global.json {
        output::json_line(out, &status)?;
    } else {
        let line = |shipment: &Option<Shipment>| match shipment {
            Some(shipment) => format!("{} {}", shipment.seq, shipment.hash),
            None => cell(None::<u64>),
        };
        writeln!(out, "ledger   {}", status.ledger)?;
        writeln!(out, "head     {}", line(&status.head))?;
        writeln!(out, "shipped  {}", line(&status.shipped))?;
        writeln!(out, "behind   {}", status.behind)?;
    }
    Ok(if status.behind == 0 { ExitCode::Yes } else { ExitCode::No })
}

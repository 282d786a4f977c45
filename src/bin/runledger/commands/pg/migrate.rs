//! `runledger pg migrate`

use std::io::Write;

use serde_json::json;

use super::database::Database;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::term::output;

/// Create the tables and indexes, or upgrade those of an earlier version
///
/// All changes are made in one transaction, so a failure changes nothing. An upgrade may change many rows in one
/// statement, and may need a longer --statement-timeout. If another program has created a table agent_execution_logs,
/// that table is not changed. stderr then reports how that table differs from the table that this command creates.
/// Prints the names of the tables.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: create the tables in an existing database
  DATABASE_URL=postgres://agent:secret@localhost/observability runledger pg migrate")]
pub(crate) struct Args {
    #[command(flatten)]
    database: Database,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    args.database.sink(false, global)?.migrate()?;
    let tables = ["agent_execution_logs", "runledger_shipments"];
    if global.json {
        output::json_line(out, &json!({ "tables": tables }))?;
    } else {
        tables.iter().try_for_each(|table| writeln!(out, "table  {table}"))?;
    }
    Ok(ExitCode::Yes)
}

//! `runledger pg migrate`

use std::io::Write;

use serde_json::json;

use super::database::Database;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::term::output;

/// Make the tables and indexes that are not there yet
///
/// All or none. A table agent_execution_logs of another program is left alone; stderr says how it differs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: in a database that is there
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

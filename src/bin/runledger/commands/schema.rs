//! `runledger schema`

use std::io::Write;

use clap::ValueEnum;
use runledger::export::workflow;
use runledger::metrics::{run_log_columns, schema};

use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// Print the JSON Schema of a format
///
/// The schema (draft 2020-12) describes each key, the type and the range of its value, and says when the value is null.
/// The output is the same on a terminal and in a pipe, and with --json.
///
/// The descriptions in a schema also state the rules that a schema cannot check. Times and UUIDs have a `format` and a
/// `pattern`, because many validators do not check formats.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: check a record with check-jsonschema, from Python
  runledger schema record > record.schema.json
  runledger list --json --limit 1 > record.json
  check-jsonschema --schemafile record.schema.json record.json
Example: list the keys of a record that must not be missing
  runledger schema pipe | jq '.[\"$defs\"].record.required'")]
pub(crate) struct Args {
    /// The format whose schema is printed
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// A record, as `list --json` prints it and `pipe` reads it
    Record,
    /// A line that `pipe` reads
    Pipe,
    /// A line that `price` reads, and a line that it prints
    Price,
    /// A line that `export workflow` writes
    Workflow,
}

pub(crate) fn run(args: &Args, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let schema = match args.format {
        Format::Record => &schema::record(),
        Format::Pipe => {
            let columns = run_log_columns().iter().filter(|(column, key)| column != key);
            &schema::pipe(&columns.copied().collect::<Vec<_>>())
        }
        Format::Price => &schema::price(),
        Format::Workflow => workflow::SCHEMA,
    };
    out.write_all(schema.as_bytes())?;
    Ok(ExitCode::Yes)
}

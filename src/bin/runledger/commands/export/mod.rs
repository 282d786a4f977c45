//! `runledger export`

mod csv;
mod markdown;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(not(feature = "otlp"))]
#[path = "no_otlp.rs"]
mod otlp;
mod workflow;

use std::io::Write;

use clap::Subcommand;

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;

/// Export records as CSV, Markdown, OTLP or workflow events
#[derive(Debug, Subcommand)]
#[command(after_help = "Example: export all executions for a spreadsheet
  runledger export csv")]
pub(crate) enum Command {
    Csv(csv::Args),
    Markdown(markdown::Args),
    Otlp(otlp::Args),
    Workflow(workflow::Args),
}

pub(crate) fn run(command: &Command, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    match command {
        Command::Csv(args) => csv::run(args, global, out),
        Command::Markdown(args) => markdown::run(args, global, out),
        Command::Otlp(args) => otlp::run(args, global, out),
        Command::Workflow(args) => workflow::run(args, global, out),
    }
}

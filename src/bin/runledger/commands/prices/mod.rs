//! `runledger prices`

mod check;
mod import;

use std::io::Write;

use clap::Subcommand;

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;

/// Import price tables, and check their age
///
/// Other commands read a price table of your own with --prices. Such a table looks like this, with prices in US dollars
/// per million tokens:
///
/// {"version": "contract 7", "as_of": "2026-11-20", "source": "our contract", "models": [
///   {"model": "gpt-4", "provider": "openai", "prices": [{"input": "24", "output": "48"}]}]}
///
/// Module `cost` of the library's documentation explains all fields, such as dates, hours, tiers and variants.
#[derive(Debug, Subcommand)]
#[command(verbatim_doc_comment)]
#[command(after_help = "Example: check the age of the bundled prices
  runledger prices check")]
pub(crate) enum Command {
    Import(import::Args),
    Check(check::Args),
}

pub(crate) fn run(command: &Command, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    match command {
        Command::Import(args) => import::run(args, global, out),
        Command::Check(args) => check::run(args, global, out),
    }
}

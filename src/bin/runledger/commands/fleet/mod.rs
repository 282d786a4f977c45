//! `runledger fleet`

mod baseline;
mod compare;
mod cost;
mod progress;
mod query;
mod verify;

use std::io::Write;

use clap::Subcommand;

use super::ship;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;

/// Verify and query ledgers that machines shipped to one store
///
/// These commands read the files that `runledger ship` stored, in a directory or an object store. They do not read the
/// ledger of this machine. They are meant for up to about a hundred ledgers. For more, use an engine such as Spark or
/// DuckDB. The page `docs::parquet` of the library's documentation describes the files.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: ship to a directory, and check that nothing is missing there
  runledger ship fleet --active
  runledger fleet verify fleet")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Verify(verify::Args),
    Baseline(baseline::Args),
    Cost(cost::Args),
    Compare(compare::Args),
}

/// The store that a command reads.
#[derive(Debug, clap::Args)]
struct Root {
    /// A directory, s3://BUCKET/FOLDER, gs://BUCKET/FOLDER or az://CONTAINER/FOLDER, as for `runledger ship`
    #[arg(value_name = "STORE", value_parser = ship::parse)]
    store: String,
}

impl Root {
    /// Lists the files of the store.
    fn open(&self) -> Result<runledger::fleet::Fleet, Failure> {
        Ok(runledger::fleet::Fleet::open(ship::open(&self.store)?)?)
    }
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    match &args.command {
        Command::Verify(args) => verify::run(args, global, out),
        Command::Baseline(args) => baseline::run(args, global, out),
        Command::Cost(args) => cost::run(args, global, out),
        Command::Compare(args) => compare::run(args, global, out),
    }
}

//! `runledger ship` in a build without Parquet

use std::convert::Infallible;
use std::io::Write;

use super::to::To;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;

/// Ship the ledger as Parquet files (not in this build)
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    to: Option<To>,
    /// Any arguments. This build refuses all of them
    #[arg(value_name = "ARGS", num_args = 1.., allow_hyphen_values = true, required = true, value_parser = refuse)]
    _any: Vec<Infallible>,
}

fn refuse(_: &str) -> Result<Infallible, &'static str> {
    Err("this runledger was built without Parquet; build it with the features cli and parquet")
}

/// Without a subcommand, this function is never called, because the command then requires an argument, and refuses every
/// argument.
pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    args.to.as_ref().map_or(Ok(ExitCode::CouldNot), |to| to.run(global, out))
}

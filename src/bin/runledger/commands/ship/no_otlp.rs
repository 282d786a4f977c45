//! `runledger ship otlp` in a build without OTLP

use std::convert::Infallible;
use std::io::Write;

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;

/// Ship the ledger to a collector of OpenTelemetry (not in this build)
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Any arguments. This build refuses all of them
    #[arg(value_name = "ARGS", num_args = 1.., allow_hyphen_values = true, required = true, value_parser = refuse)]
    _any: Vec<Infallible>,
}

fn refuse(_: &str) -> Result<Infallible, &'static str> {
    Err("this runledger was built without OTLP; build it with the features cli and otlp")
}

/// This function is never called, because the command requires an argument, and refuses every argument.
pub(crate) fn run(_: &Args, _: &Global, _: &mut impl Write) -> Result<ExitCode, Failure> {
    Ok(ExitCode::CouldNot)
}

//! `runledger export otlp` in a build without OTLP

use std::io::Write;

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;

/// Write spans or metrics of OpenTelemetry (not in this build)
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Any arguments. This build refuses all of them
    #[arg(value_name = "ARGS", num_args = 0.., allow_hyphen_values = true)]
    _any: Vec<String>,
}

pub(crate) fn run(_: &Args, _: &Global, _: &mut impl Write) -> Result<ExitCode, Failure> {
    Err(Failure::NoOtlp)
}

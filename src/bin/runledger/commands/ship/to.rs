//! The commands below `runledger ship`.

use std::io::Write;

use clap::Subcommand;

use super::otlp;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;

/// Where the ledger is shipped, if it is not a store of Parquet files.
#[derive(Debug, Subcommand)]
pub(super) enum To {
    Otlp(otlp::Args),
}

impl To {
    pub(super) fn run(&self, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
        match self {
            Self::Otlp(args) => otlp::run(args, global, out),
        }
    }
}

//! `runledger verify`

use std::path::PathBuf;

/// Verify every line of the ledger, the chain over them, and heads that were kept elsewhere
///
/// Nothing is changed. Exits with 0 if the ledger is whole, and with 1 if there is a fault.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: does the ledger still contain what it held when the heads were kept?
  runledger verify --head heads.jsonl")]
pub(crate) struct Verify {
    /// Heads that the ledger must contain, one or more in a file, as JSON
    #[arg(long = "head", value_name = "FILE")]
    pub(crate) heads: Vec<PathBuf>,
}

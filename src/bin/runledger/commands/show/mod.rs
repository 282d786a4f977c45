//! `runledger show`

use std::io::Write;

use crate::execution_id::IdPrefix;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::records;
use crate::term::output;

/// Show the record of one execution as JSON
///
/// If several lines of the ledger have this id, the last one is shown. With --json, the record is printed on one line.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: show the model, the tokens and the cost of an execution
  runledger show 019c5d2a-5a40 | jq '{model, tokens_used, cost_usd}'")]
pub(crate) struct Args {
    /// The id of the execution, or its first digits if no other id begins with them
    id: IdPrefix,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let record = records::find(&args.id, global)?;
    output::json(out, &record, global.json)?;
    Ok(ExitCode::Yes)
}

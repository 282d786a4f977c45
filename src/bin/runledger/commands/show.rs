//! `runledger show`

use std::io::Write;

use crate::execution_id::IdPrefix;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::records;
use crate::term::output;

/// Show one execution's record, as JSON
///
/// If several lines have its id, the last one is shown. With --json, it is one line.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: what a listed execution used
  runledger show 019c5d2a-5a40 | jq '{model, tokens_used, cost_usd}'")]
pub(crate) struct Args {
    /// Its id, or the beginning of it that no other has
    id: IdPrefix,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let record = records::find(&args.id, global)?;
    if global.json {
        output::json_line(out, &record)?;
    } else {
        output::json_pretty(out, &record)?;
    }
    Ok(ExitCode::Yes)
}

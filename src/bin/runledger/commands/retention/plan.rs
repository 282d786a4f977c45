//! `runledger retention plan`

use std::io::Write;

use super::scope::{Scope, counts, write};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;

/// Print what would be kept, archived and deleted, and why
///
/// Prints one line for each segment and each file, and changes nothing. With --json, each line is a JSON object.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: print what would be deleted
  runledger retention plan --json | jq 'select(.action == \"delete\")'")]
pub(crate) struct Args {
    #[command(flatten)]
    scope: Scope,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let items = args.scope.items(&args.scope.places(global), global)?;
    items.iter().try_for_each(|item| write(item, global, out))?;
    if !global.json {
        let [keep, archive, delete] = counts(&items);
        writeln!(out, "to keep {keep}, to archive {archive}, to delete {delete}; nothing was changed")?;
    }
    Ok(ExitCode::Yes)
}

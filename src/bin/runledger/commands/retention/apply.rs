//! `runledger retention apply`

use std::io::Write;

use runledger::Ledger;
use runledger::runlog::retention::{Action, Subject};

use super::scope::{Scope, counts, write};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;

/// Archive and delete what `runledger retention plan` shows
///
/// Prints one line for each segment and each file, after the segment or file was kept, archived or deleted. With
/// --json, each line is a JSON object.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: run this every night
  runledger retention apply --archive /mnt/archive --policy retention.json")]
pub(crate) struct Args {
    #[command(flatten)]
    scope: Scope,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let places = args.scope.places(global);
    let items = args.scope.items(&places, global)?;
    let last = items.iter().rev().find_map(|item| match (&item.subject, item.action) {
        (Subject::Segment { number }, Action::Archive) => Some(*number),
        _ => None,
    });
    let ledger = Ledger::open(&global.ledger)?;
    if let Some(last) = last {
        ledger.archive_segments(last, &places.archive)?;
    }
    for item in &items {
        if let Subject::RunLog { name } = &item.subject {
            let path = places.run_logs.join(name);
            match item.action {
                Action::Archive => {
                    ledger.archive_file(path, places.archive.join("run-logs"), &item.reason)?;
                }
                Action::Delete => ledger.delete_file(path, &item.reason)?,
                _ => {}
            }
        }
        write(item, global, out)?;
    }
    if !global.json {
        let [keep, archive, delete] = counts(&items);
        writeln!(out, "kept {keep}, archived {archive}, deleted {delete}")?;
    }
    Ok(ExitCode::Yes)
}

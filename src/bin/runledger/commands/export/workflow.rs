//! `runledger export workflow`

use std::io::Write;
use std::path::PathBuf;

use runledger::export::workflow::{self, WorkflowWritten};

use crate::argument::file_name;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, to_output};
use crate::global::Global;
use crate::output_file;
use crate::records;
use crate::selection::Selection;
use crate::term::output;

/// Write workflow events, one line of JSON per execution
///
/// `runledger schema workflow` prints a JSON Schema, which describes each field of an event, and says when the field is
/// null. An execution that panicked, was cancelled or was interrupted has the status Failed. An execution that waits
/// for a person has the status HIL-Paused.
///
/// If the run_id of a record is a UUID, the workflow_run_id is the same UUID. Otherwise, workflow_run_id is a UUID that
/// is derived from the run_id. Equal run_ids always give equal UUIDs. stderr reports how many events have no run, how
/// many have a derived UUID, and how many do not state how they ended.
///
/// The events contain prompts and completions if those were recorded. For this reason, other users cannot read the file
/// of --out. If the directory is shared with a group, the group can read the file. The file appears when it is
/// complete. If the command is killed, it may leave a file FILE.part-PID, which can be deleted.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: write the events of one run to a file
  runledger export workflow --run nightly-7 --out events.jsonl")]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Write the events to this new file instead of stdout
    #[arg(long, value_name = "FILE", value_parser = file_name())]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    // The ledger is opened first, so that no output file is created if the ledger does not exist.
    let records = args.selection.records(global)?;
    let written = match &args.out {
        Some(path) => {
            output_file::create("write workflow events", path, false, |out| Ok(workflow::write(records, out)?))?
        }
        None => workflow::write(records, out).map_err(to_output)?,
    };
    report(&written, global);
    Ok(ExitCode::Yes)
}

/// Writes to stderr which lines were skipped. Also writes how many events have no run, a derived workflow_run_id, or no
/// status.
fn report(written: &WorkflowWritten, global: &Global) {
    records::warn_of(&written.skipped, global);
    let WorkflowWritten { without_run, run_named, without_status, .. } = *written;
    for (count, what) in [
        (without_run, "events without a run, so their workflow_run_id is null"),
        (run_named, "events of a run whose id is not a UUID, so their workflow_run_id is derived"),
        (without_status, "events that do not state how they ended, so their status is null"),
    ] {
        if count > 0 {
            output::note(&format!("{what}: {count}"), "unknown", global.style());
        }
    }
}

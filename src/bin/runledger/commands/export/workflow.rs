//! `runledger export workflow`

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use runledger::ExecutionMetrics;
use runledger::disk::{Access, Disk, Storage};
use runledger::export::workflow::{self, WorkflowWritten};

use crate::exit_code::ExitCode;
use crate::failure::{Failure, to_output};
use crate::global::Global;
use crate::records;
use crate::selection::Selection;
use crate::term::output;

/// Write workflow events: one JSON object for each execution, one a line
///
/// What each member is stands in the schema, which --schema gives; null is unknown. An execution that was cancelled,
/// interrupted or that panicked is Failed, one that waits for a person is HIL-Paused. The run_id of a record is the
/// workflow_run_id if it is a UUID; of another name a UUID is made, always the same. stderr says how many events are of
/// no run, of a named run, or do not say how they ended.
///
/// Prompts and completions are in the events if they were stored, so a new file is for its owner alone. It is there whole
/// or not at all; a process that dies may leave a FILE.part-PID for anybody to remove.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: the events of one run, in a file
  runledger export workflow --run nightly-7 --out events.jsonl
Example: hold events against the schema
  runledger export workflow --schema > workflow.schema.json")]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Write them to this new file instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Give the JSON Schema (2020-12) of an event, and read no ledger
    #[arg(long, conflicts_with_all = ["run", "child_runs", "since", "until", "out"])]
    schema: bool,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    if args.schema {
        out.write_all(workflow::SCHEMA.as_bytes())?;
        return Ok(ExitCode::Yes);
    }
    // First, so that no file is made if the ledger does not exist.
    let records = args.selection.records(global)?;
    let written = match &args.out {
        Some(path) => to_file(path, records)?,
        None => workflow::write(records, out).map_err(to_output)?,
    };
    report(&written, global);
    Ok(ExitCode::Yes)
}

/// Writes the events under another name first, so that the file exists whole or not at all. Fails if it exists.
fn to_file(
    path: &Path,
    records: impl Iterator<Item = runledger::Result<ExecutionMetrics>>,
) -> Result<WorkflowWritten, Failure> {
    let failed =
        |path: &Path, source| Failure::File { operation: "write workflow events", path: path.to_owned(), source };
    if path.symlink_metadata().is_ok() {
        return Err(failed(path, io::ErrorKind::AlreadyExists.into()));
    }
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".part-{}", std::process::id()));
    let part = Path::new(&part);
    // The ledger's disk gives it the owner and the mode that its directory asks for.
    let file = Disk.open(part, Access::AppendNew).map_err(|source| failed(part, source))?;
    let write = || -> Result<WorkflowWritten, Failure> {
        let written = workflow::write(records, BufWriter::new(&*file))?;
        file.sync().map_err(|source| failed(part, source))?;
        // Fails if another process has taken the name.
        Disk.link(part, path).map_err(|source| failed(path, source))?;
        Ok(written)
    };
    let written = write();
    let removed = Disk.remove(part).map_err(|source| failed(part, source));
    // The reason why there is no file matters more than the reason why a part is left.
    let written = written?;
    removed?;
    Ok(written)
}

/// Writes to stderr what the events leave unknown, and which lines were skipped.
fn report(written: &WorkflowWritten, global: &Global) {
    records::warn_of(&written.skipped, global);
    let WorkflowWritten { without_run, run_named, without_status, .. } = *written;
    for (count, what) in [
        (without_run, "events of no run, whose workflow_run_id is null"),
        (run_named, "events of a run whose id is no UUID, of which one was made"),
        (without_status, "events that do not say how they ended, whose status is null"),
    ] {
        if count > 0 {
            output::note(&format!("{what}: {count}"), "unknown", global.style());
        }
    }
}

//! `runledger export workflow`

use std::io::{self, BufWriter, Write};
use std::path::Path;

use runledger::ExecutionMetrics;
use runledger::disk::{Access, Disk, Storage, StorageFile};
use runledger::export::workflow::{self, Written};

use crate::args::{ExportWorkflow, Global};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, to_output};
use crate::output;
use crate::records;

pub(crate) fn run(args: &ExportWorkflow, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    if args.schema {
        out.write_all(workflow::SCHEMA.as_bytes())?;
        return Ok(ExitCode::Yes);
    }
    // Where there is no ledger, no file is made.
    let records = records::selected(&args.selection, global)?;
    let written = match &args.out {
        Some(path) => to_file(path, records)?,
        None => workflow::write(records, out).map_err(to_output)?,
    };
    tell(&written, global);
    Ok(ExitCode::Yes)
}

/// Writes them under another name first, so that the file is there whole or not at all, and never over another.
fn to_file(
    path: &Path,
    records: impl Iterator<Item = runledger::Result<ExecutionMetrics>>,
) -> Result<Written, Failure> {
    let failed =
        |path: &Path, source| Failure::File { operation: "write workflow events", path: path.to_owned(), source };
    if path.symlink_metadata().is_ok() {
        return Err(failed(path, io::ErrorKind::AlreadyExists.into()));
    }
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".part-{}", std::process::id()));
    let part = Path::new(&part);
    let file = Disk.open(part, Access::AppendNew).map_err(|source| failed(part, source))?;
    let write = || -> Result<Written, Failure> {
        let written = workflow::write(records, BufWriter::new(Appending(&*file)))?;
        file.sync().map_err(|source| failed(part, source))?;
        // Fails where the name was taken meanwhile.
        Disk.link(part, path).map_err(|source| failed(path, source))?;
        Ok(written)
    };
    let written = write();
    let removed = Disk.remove(part).map_err(|source| failed(part, source));
    // Why there is no file is worth more than why there is still a part.
    let written = written?;
    removed?;
    Ok(written)
}

/// A file of the ledger's disk, which gives it the owner and the mode that its directory asks for.
struct Appending<'f>(&'f dyn StorageFile);

impl Write for Appending<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.append(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Says on stderr what the events do not say.
fn tell(written: &Written, global: &Global) {
    records::warn_of(&written.skipped, global);
    let Written { without_run, run_named, without_status, .. } = *written;
    for (count, what) in [
        (without_run, "events of no run, whose workflow_run_id is null"),
        (run_named, "events of a run whose id is no UUID, of which one was made"),
        (without_status, "events that do not say how they ended, whose status is null"),
    ] {
        if count > 0 {
            output::note(&format!("{what}: {count}"), "unknown", global);
        }
    }
}

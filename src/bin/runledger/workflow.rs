//! `runledger export workflow`

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use runledger::export::workflow::{self, Written};
use runledger::{ExecutionMetrics, Records};

use crate::args::{ExportWorkflow, Global};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::output;
use crate::records;

pub(crate) fn run(args: &ExportWorkflow, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    if args.schema {
        out.write_all(workflow::SCHEMA.as_bytes())?;
        return Ok(ExitCode::Yes);
    }
    // Where there is no ledger, no file is made.
    let records = Records::open(&global.ledger)?.filter(|record| match record {
        Ok(record) => args.wants(record),
        Err(_) => true,
    });
    let written = match &args.out {
        Some(path) => to_file(path, records)?,
        None => workflow::write(records, out).map_err(to_output)?,
    };
    tell(&written, global);
    Ok(ExitCode::Yes)
}

impl ExportWorkflow {
    fn wants(&self, record: &ExecutionMetrics) -> bool {
        self.run.as_ref().is_none_or(|run| record.run.run_id.as_ref() == Some(run)) && self.period.has(record)
    }
}

fn to_file(
    path: &Path,
    records: impl Iterator<Item = runledger::Result<ExecutionMetrics>>,
) -> Result<Written, Failure> {
    let failed = |source| Failure::File { operation: "write workflow events", path: path.to_owned(), source };
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    let written = workflow::write(records, BufWriter::new(&file))?;
    file.sync_all().map_err(failed)?;
    Ok(written)
}

/// Tells a reader of the output who has enough of it from a ledger that cannot be read.
fn to_output(error: runledger::Error) -> Failure {
    match error.io_kind() {
        Some(kind @ io::ErrorKind::BrokenPipe) => Failure::Output(kind.into()),
        _ => error.into(),
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

//! Opens the error registry, and prints errors. The registry gives a number to each error that occurred in a run. It is
//! stored in the directory of the run logs, which are Markdown files about runs.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use runledger::journal::JournalOptions;
use runledger::runlog::{ErrorRegistry, RegisteredError};

use crate::clock;
use crate::failure::Failure;
use crate::global::Global;
use crate::term::{Column, Table, minutes};

/// The directory of the run logs, as an argument.
#[derive(Debug, clap::Args)]
pub(crate) struct RunLogs {
    /// The directory of the run logs and of the error registry [default: `run-logs` next to the ledger]
    #[arg(long, global = true, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl RunLogs {
    /// Returns the directory from the arguments, or the default.
    pub(crate) fn directory(&self, global: &Global) -> PathBuf {
        self.dir.clone().unwrap_or_else(|| global.ledger.with_file_name("run-logs"))
    }

    /// Opens the error registry in the directory. Creates the registry if it does not exist.
    pub(crate) fn open(&self, global: &Global) -> Result<ErrorRegistry, Failure> {
        let options = JournalOptions::new(Arc::new(clock::unix_ms));
        Ok(ErrorRegistry::open(self.directory(global), options)?)
    }
}

/// Writes a table of errors.
pub(crate) fn table(errors: &[RegisteredError], out: &mut impl Write) -> Result<(), Failure> {
    let mut table = Table::new([
        Column::Text("error"),
        Column::Level("severity"),
        Column::Level("status"),
        Column::Number("count"),
        Column::Text("last seen (UTC)"),
        Column::Message("message"),
    ]);
    for error in errors {
        table.row([
            error.id.to_string(),
            error.severity.to_string(),
            error.status.to_string(),
            error.count.to_string(),
            minutes(error.last_seen),
            error.message.clone(),
        ]);
    }
    table.write_or("No errors are registered. `runledger export markdown --run ID` registers them.", out)?;
    Ok(())
}

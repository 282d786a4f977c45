//! Loads the price table that a command uses.

use std::io;
use std::path::{Path, PathBuf};

use runledger::PriceTable;

use crate::failure::Failure;
use crate::input_file;
use crate::project::Project;

const READ: &str = "read prices";

/// The user's own prices, as an argument.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct OwnPrices {
    /// A price table of your own, whose rows override the bundled prices. `runledger prices import` makes one
    #[arg(long, value_name = "FILE", env = "RUNLEDGER_PRICES", hide_env_values = true)]
    prices: Option<PathBuf>,
}

impl OwnPrices {
    /// Returns true if the user has a file of prices.
    pub(crate) fn is_given(&self) -> bool {
        self.prices.is_some()
    }

    /// Like [`table`](Self::table), but returns `None` if the user has no file of prices. In that case, only the
    /// bundled prices apply.
    pub(crate) fn table_if_given(&self) -> Result<Option<PriceTable>, Failure> {
        if self.is_given() { self.table().map(Some) } else { Ok(None) }
    }

    /// Like [`table`](Self::table), but fails if the path names anything other than a file. For example, reading a pipe
    /// without a writer would never end.
    pub(crate) fn table_of_file(&self) -> Result<PriceTable, Failure> {
        if let Some(path) = &self.prices
            && path.metadata().is_ok_and(|metadata| !metadata.is_file())
        {
            let source = io::Error::other("found something that is not a file; expected a file");
            return Err(Failure::File { operation: READ, path: path.clone(), source });
        }
        self.table()
    }

    /// Returns the bundled prices, overridden by the rows of the given file.
    pub(crate) fn table(&self) -> Result<PriceTable, Failure> {
        let bundled = PriceTable::bundled()?;
        let Some(path) = &self.prices else { return Ok(bundled.clone()) };
        let text = read_text(path)?;
        let own = PriceTable::from_json(&text).map_err(|error| not_imported(path, &text, error))?;
        Ok(own.or(bundled))
    }
}

/// Returns the text of a file of prices.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    input_file::read(READ, path)
}

/// Returns why the text of the file is not a price table. If the text is the table of another project, the failure
/// names the command that imports this table.
fn not_imported(path: &Path, text: &str, error: runledger::Error) -> Failure {
    let Some(project) = Project::of(text) else { return error.path(path).into() };
    let day: String = input_file::changed_at(path).to_string().chars().take(10).collect();
    let (command, out) = project.import_command(path, &day);
    Failure::NotImported { path: path.to_owned(), project: project.name(), command, out }
}

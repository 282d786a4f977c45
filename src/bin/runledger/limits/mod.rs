//! Loads the limits that a command uses. `runledger quota set` stores limits in the file `limits.json` next to the
//! ledger.

mod entries;
mod file;

use std::path::{Path, PathBuf};

use runledger::quota::Limits;

use crate::failure::Failure;
use crate::global::Global;
use crate::input_file;
use crate::redaction::redactor;
use crate::zone::Zone;
pub(crate) use entries::{find, put, remove};
pub(crate) use file::change;

/// The user's own limits, as an argument.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct OwnLimits {
    /// A file of your own limits. They override the bundled limits, and those that `runledger quota set` stored
    #[arg(long, value_name = "FILE")]
    limits: Option<PathBuf>,
}

impl OwnLimits {
    /// Returns the limits that apply to the command.
    pub(crate) fn load(&self, global: &Global) -> Result<Limits, Failure> {
        load(global, self.limits.as_deref())
    }
}

/// Returns the bundled limits, the limits in `limits.json` next to the ledger, and the limits in the file `own`. If an
/// API has limits in several of these sources, the limit in the last source is used.
pub(crate) fn load(global: &Global, own: Option<&Path>) -> Result<Limits, Failure> {
    let mut limits = Limits::bundled();
    let stored = path(global);
    if let Some(text) = file::read(&stored)? {
        limits = limits.with(parse(&stored, &text)?);
    }
    if let Some(own) = own {
        limits = limits.with(parse(own, &input_file::read(READ, own)?)?);
    }
    Ok(limits)
}

const READ: &str = "read the limits";

/// Returns the path of the file in which `runledger quota set` stores limits.
pub(crate) fn path(global: &Global) -> PathBuf {
    global.ledger.with_file_name("limits.json")
}

/// Returns the path of the quota's journal.
pub(crate) fn journal(global: &Global) -> PathBuf {
    global.ledger.with_file_name("quota.jsonl")
}

/// Reads a table of limits. An error names the file `path`.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Limits, Failure> {
    Ok(in_zones(text).map_err(|error| error.path(path))?)
}

/// Reads a table of limits. Its zones can be names of the time zone database, such as `Europe/Zurich`.
pub(crate) fn in_zones(text: &str) -> Result<Limits, runledger::Error> {
    let limits = Limits::from_json_with_zones(text, |name: &str| name.parse::<Zone>().ok())?;
    limits.check_secrets(redactor()).map(|()| limits)
}

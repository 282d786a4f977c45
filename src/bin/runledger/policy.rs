//! `runledger policy`, and the policy that other commands go by.

use std::io::Write;
use std::path::Path;

use runledger::governance::Policy;

use crate::args;
use crate::exit_code::ExitCode;
use crate::failure::Failure;

pub(crate) fn run(args: &args::Policy, out: &mut impl Write) -> Result<ExitCode, Failure> {
    writeln!(out, "{}", read(args.file.as_deref())?.to_json()?)?;
    Ok(ExitCode::Yes)
}

/// The policy in the file; without one, the default.
pub(crate) fn read(path: Option<&Path>) -> Result<Policy, Failure> {
    let Some(path) = path else { return Ok(Policy::default()) };
    let text = text("read a policy", path)?;
    Policy::from_json(&text).map_err(|source| Failure::Policy { path: path.to_owned(), source })
}

/// What a file holds.
pub(crate) fn text(operation: &'static str, path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|source| Failure::File { operation, path: path.to_owned(), source })
}

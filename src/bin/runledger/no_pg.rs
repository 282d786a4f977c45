//! `runledger pg` of a build without PostgreSQL

use std::io::Write;

use crate::args::{Global, Pg};
use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// The arguments were refused before.
pub(crate) fn run(_: &Pg, _: &Global, _: &mut impl Write) -> Result<ExitCode, Failure> {
    Ok(ExitCode::CouldNot)
}

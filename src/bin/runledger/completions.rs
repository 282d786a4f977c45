//! `runledger completions`

use std::io::Write;

use crate::args::Completions;
use crate::exit_code::ExitCode;
use crate::failure::Failure;

pub(crate) fn run(args: &Completions, out: &mut impl Write) -> Result<ExitCode, Failure> {
    out.write_all(&args.script())?;
    Ok(ExitCode::Yes)
}

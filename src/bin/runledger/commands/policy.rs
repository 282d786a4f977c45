//! `runledger policy`

use std::io::Write;
use std::path::PathBuf;

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::policy_file;

/// Print the policy of `gate` and `escalate`
///
/// A policy file is JSON. A value that is not in the file has its default. The output contains every value. Module
/// `governance` of the library's documentation explains each value.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: create a policy file to edit
  runledger policy > policy.json")]
pub(crate) struct Args {
    /// A policy file to complete with the defaults [default: the default policy]
    file: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, out: &mut impl Write) -> Result<ExitCode, Failure> {
    writeln!(out, "{}", policy_file::read(args.file.as_deref())?.to_json()?)?;
    Ok(ExitCode::Yes)
}

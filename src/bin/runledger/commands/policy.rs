//! `runledger policy`

use std::io::Write;
use std::path::PathBuf;

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::policy_file;

/// Print the policy of `gate`, `escalate` and `watch`
///
/// A policy file is a JSON object. For each value that the file does not contain, the default is used. The output
/// contains all values, except that *** replaces what follows the host and the port of a webhook, because it can be
/// secret. Module `governance` of the library's documentation explains each value.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: create a policy file to edit
  runledger policy > policy.json")]
pub(crate) struct Args {
    /// Print the policy in this file, completed with the default values [default: the default policy]
    file: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, out: &mut impl Write) -> Result<ExitCode, Failure> {
    writeln!(out, "{}", policy_file::read(args.file.as_deref())?.to_json()?)?;
    Ok(ExitCode::Yes)
}

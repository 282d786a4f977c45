//! `runledger policy`

use std::io::Write;
use std::path::PathBuf;

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::policy_file;

/// Print a policy for `gate` and `escalate`, every value told
///
/// A policy file is JSON; what it does not tell is the default. What each value means: see the documentation of the
/// library, module `governance`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: a policy to start from
  runledger policy > policy.json")]
pub(crate) struct Args {
    /// The policy; the defaults if it is not told
    file: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, out: &mut impl Write) -> Result<ExitCode, Failure> {
    writeln!(out, "{}", policy_file::read(args.file.as_deref())?.to_json()?)?;
    Ok(ExitCode::Yes)
}

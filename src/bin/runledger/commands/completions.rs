//! `runledger completions`

use std::io::Write;

use clap_complete::Shell;

use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// Give a script by which a shell completes the arguments of runledger
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: in ~/.bashrc
  source <(runledger completions bash)
Example: for fish
  runledger completions fish > runledger.fish")]
pub(crate) struct Args {
    /// Which shell
    shell: Shell,
}

/// Writes the script that completes the arguments of `runledger`.
pub(crate) fn run(args: &Args, runledger: &mut clap::Command, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, runledger, "runledger", &mut script);
    out.write_all(&script)?;
    Ok(ExitCode::Yes)
}

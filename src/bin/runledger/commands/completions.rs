//! `runledger completions`

use std::io::Write;

use clap_complete::Shell;

use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// Print a shell completion script
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: complete arguments in bash, with this line in ~/.bashrc
  source <(runledger completions bash)
Example: write the script for fish to a file
  runledger completions fish > runledger.fish")]
pub(crate) struct Args {
    /// The shell that will use the script
    shell: Shell,
}

/// Writes the script, which is generated from the definitions of the arguments.
pub(crate) fn run(args: &Args, runledger: &mut clap::Command, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, runledger, "runledger", &mut script);
    out.write_all(&script)?;
    Ok(ExitCode::Yes)
}

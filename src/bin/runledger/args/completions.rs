//! `runledger completions`

use clap::CommandFactory;
use clap_complete::Shell;

use super::Args;

/// Give a script by which a shell completes the arguments of runledger
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: in ~/.bashrc
  source <(runledger completions bash)
Example: for fish
  runledger completions fish > runledger.fish")]
pub(crate) struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn script(&self) -> Vec<u8> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Args::command(), "runledger", &mut script);
        script
    }
}

//! The arguments that every command takes.

use std::path::PathBuf;

use crate::term::Style;

/// In a help, these arguments are listed below those of the command.
const BELOW_A_COMMANDS_OWN: usize = 900;

/// The arguments that every command takes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Global {
    /// The ledger's file; a command that records makes it
    #[arg(long, global = true, value_name = "PATH", env = "RUNLEDGER_PATH", hide_env_values = true)]
    #[arg(display_order = BELOW_A_COMMANDS_OWN)]
    #[arg(default_value = "logs/execution_metrics.jsonl")]
    pub(crate) ledger: PathBuf,
    /// Answer in JSON; errors and warnings too
    #[arg(long, global = true, display_order = BELOW_A_COMMANDS_OWN)]
    pub(crate) json: bool,
}

impl Global {
    /// The form of the messages on stderr.
    pub(crate) fn style(&self) -> Style {
        Style { json: self.json }
    }
}

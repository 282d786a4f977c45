//! The arguments that every command takes.

use std::path::{Path, PathBuf};

use clap::ColorChoice;

use crate::term::Style;

/// The display order of these arguments. It is so high that the help of a command lists the command's own arguments
/// first.
const BELOW_A_COMMANDS_OWN: usize = 900;

/// The ledger in the working directory that is used if no other one is given.
const DEFAULT_LEDGER: &str = "logs/execution_metrics.jsonl";

/// The arguments that every command takes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Global {
    /// The ledger file. A command that writes to the ledger creates it if it does not exist
    #[arg(long, global = true, value_name = "PATH", env = "RUNLEDGER_PATH", hide_env_values = true)]
    #[arg(display_order = BELOW_A_COMMANDS_OWN)]
    #[arg(default_value = DEFAULT_LEDGER)]
    pub(crate) ledger: PathBuf,
    /// Print the output, errors and warnings as JSON
    #[arg(long, global = true, display_order = BELOW_A_COMMANDS_OWN)]
    pub(crate) json: bool,
    /// When to colour levels and statuses. `auto` colours only on a terminal, and respects NO_COLOR and CLICOLOR_FORCE
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", display_order = BELOW_A_COMMANDS_OWN)]
    pub(crate) color: ColorChoice,
}

impl Global {
    /// Returns true if the ledger is the default one in the working directory.
    pub(crate) fn has_default_ledger(&self) -> bool {
        self.ledger == Path::new(DEFAULT_LEDGER)
    }

    /// Returns the style of the messages on stderr.
    pub(crate) fn style(&self) -> Style {
        Style { json: self.json }
    }
}

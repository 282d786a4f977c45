//! Reads the arguments of the process.

use std::env;

use clap::{ArgMatches, Command};

/// Returns the arguments, as `command` defines them. An empty environment variable is treated as not set.
///
/// # Errors
/// The arguments are wrong, or help was requested.
pub(super) fn matches_of(command: Command) -> Result<ArgMatches, clap::Error> {
    // Visiting all arguments takes long, and is rarely needed, because usually no variable is empty.
    let command = if env::vars_os().any(|(_, value)| value.is_empty()) { without_empty(command) } else { command };
    command.try_get_matches()
}

/// Returns a definition that ignores the environment variables that are empty.
fn without_empty(mut command: Command) -> Command {
    fn unset(command: Command) -> Command {
        let is_empty = |arg: &clap::Arg| arg.get_env().and_then(env::var_os).is_some_and(|value| value.is_empty());
        command.mut_args(|arg| if is_empty(&arg) { arg.env(None::<&str>) } else { arg }).mut_subcommands(unset)
    }
    // The arguments of a command are not defined before.
    command.build();
    unset(command)
}

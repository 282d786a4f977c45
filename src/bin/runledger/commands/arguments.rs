//! Reads the arguments of the process.

use std::env;

use clap::{ArgMatches, Command};

/// Returns the arguments of the process, as `command` defines them. An empty environment variable is treated as not
/// set.
///
/// # Errors
/// Fails if the arguments are wrong, or if they request the help or the version.
pub(super) fn matches_of(command: Command) -> Result<ArgMatches, clap::Error> {
    // `without_empty` visits the definitions of all commands, which takes long. So it is called only if a variable is
    // empty, which is rare.
    let command = if env::vars_os().any(|(_, value)| value.is_empty()) { without_empty(command) } else { command };
    command.try_get_matches()
}

/// Returns a definition that ignores the environment variables that are empty.
fn without_empty(mut command: Command) -> Command {
    fn unset(command: Command) -> Command {
        let is_empty = |arg: &clap::Arg| arg.get_env().and_then(env::var_os).is_some_and(|value| value.is_empty());
        command.mut_args(|arg| if is_empty(&arg) { arg.env(None::<&str>) } else { arg }).mut_subcommands(unset)
    }
    // clap defines the arguments of a subcommand only when they are needed. `build` defines all of them.
    command.build();
    unset(command)
}

//! Reports wrong arguments, and prints the help if it is requested.

use std::env;

use clap::error::{ContextKind, ContextValue};

use crate::answer;
use crate::term::printable;

/// Prints `error` and exits the process. `command` is the name of the command, or `None` if the arguments do not
/// contain one.
pub(crate) fn end(mut error: clap::Error, command: Option<&str>) -> ! {
    if !error.use_stderr() {
        error.exit();
    }
    let args: Vec<_> = env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    escape_arguments(&mut error);
    let full = error.render().to_string();
    let text: String = full.lines().map(|line| format!("{}\n", printable(line))).collect();
    let text = without_secrets(&text, &args);
    if matches!(command, Some("start" | "progress" | "complete" | "log")) {
        answer::usage(text.trim_start_matches("error: "));
    }
    if command == Some("hook") && is_event(&args) {
        // An agent runs the hook, and the exit code 2 would stop the agent. So the process exits with 0.
        eprint!("{text}");
        std::process::exit(0);
    }
    eprint!("{text}");
    std::process::exit(error.exit_code())
}

/// Escapes the control characters in the arguments that the error quotes, so that an argument cannot begin a line.
fn escape_arguments(error: &mut clap::Error) {
    let is_of_clap = |kind: &ContextKind| matches!(kind, ContextKind::Usage);
    let quoted: Vec<_> = error.context().filter(|(kind, _)| !is_of_clap(kind)).map(|(kind, _)| kind).collect();
    for kind in quoted {
        let escaped = match error.get(kind) {
            Some(ContextValue::String(text)) => ContextValue::String(printable(text).into_owned()),
            Some(ContextValue::Strings(texts)) => {
                ContextValue::Strings(texts.iter().map(|text| printable(text).into_owned()).collect())
            }
            Some(ContextValue::StyledStrs(texts)) => ContextValue::StyledStrs(
                texts.iter().map(|text| printable(&text.to_string()).into_owned().into()).collect(),
            ),
            _ => continue,
        };
        error.insert(kind, escaped);
    }
}

/// Returns true if an agent called `hook`, and not a person. A person calls a subcommand of `hook`, and an agent does
/// not.
fn is_event(args: &[String]) -> bool {
    let first = args.iter().skip_while(|arg| *arg != "hook").nth(1);
    first.is_none_or(|first| first.starts_with('-'))
}

/// Replaces passwords in the text with `***`. The text may quote any of the arguments `args`. Any argument may be the
/// address of a database with a password, even if the command does not expect an address.
fn without_secrets(text: &str, args: &[String]) -> String {
    let secret = |arg: &'_ String| -> Option<String> {
        let in_url = || Some(arg.split_once("://")?.1.rsplit_once('@')?.0.split_once(':')?.1);
        let secret = arg.split_once("password=").map(|(_, secret)| secret).or_else(in_url);
        secret.filter(|secret| !secret.is_empty()).map(str::to_owned)
    };
    args.iter().filter_map(secret).fold(text.to_owned(), |text, secret| text.replace(&secret, "***"))
}

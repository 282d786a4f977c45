//! The command `runledger`, which records executions in a ledger, and reports executions, costs, quotas and baselines.
//!
//! - `commands/` has one file or folder for each command, with its arguments and its function `run`.
//! - `term/` has tables, colours, messages and the progress bar. It does not depend on the commands or the ledger.
//! - The other files in this directory serve the commands. Most of them are shared by several commands.
//!
//! No two files import each other. Of the commands, only `fleet` and `retention` import other commands.

mod answer;
mod argument;
mod baselines;
mod budget;
mod clock;
mod commands;
mod counts;
mod ending;
mod environment;
mod error_registry;
mod execution_id;
mod execution_table;
mod exit_code;
mod failure;
mod fallback;
mod faults;
mod global;
mod hooked;
#[cfg(any(feature = "alerts", feature = "otlp"))]
mod http;
mod input_file;
mod input_line;
mod ledger;
mod limits;
mod links;
mod markdown;
mod meter;
mod observed;
#[cfg(feature = "otlp")]
mod otlp_args;
mod output_file;
mod period;
mod policy_file;
mod price_table;
mod priced;
mod project;
mod quota_text;
mod quotas;
mod record_args;
mod record_fields;
mod records;
mod redaction;
mod run_id;
mod secret_rules;
mod selection;
mod stdin_value;
mod term;
mod usage;
mod warnings;
mod week;
mod why_unknown;
mod zone;

use std::io::{self, BufWriter, IsTerminal, Write};

use commands::{Command, CommandLine};
use exit_code::ExitCode;
use failure::Failure;
use term::bar::{AfterBar, Bar};
use term::{Escaped, color};

fn main() -> ExitCode {
    let CommandLine { global, command } = CommandLine::read();
    // The command `statusline` decides itself whether its output is coloured.
    if !matches!(command, Command::Statusline(_)) {
        color::set(global.color, false);
    }
    let bar = match &command {
        Command::Import(args) => args.bar(&global),
        command if command.reads_all() => Bar::over(&global.ledger),
        _ => None,
    };
    let stdout = BufWriter::new(io::stdout().lock());
    // `cat` writes the stored bytes, unless stdout is a terminal. On a terminal, control characters are escaped.
    let is_stored = matches!(command, Command::Cat(_)) && !io::stdout().is_terminal();
    let mut out = AfterBar { bar, out: if is_stored { Escaped::off(stdout) } else { Escaped::new(stdout) } };
    let run = |out: &mut _| {
        match secret_rules::read() {
            Ok(redactor) => redaction::set(redactor),
            Err(failure) => return command.run_without_rules(failure, &global, out),
        }
        if command.needs_truncation_check() {
            records::warn_of_truncation(&global);
        }
        command.run(&global, out)
    };
    let done = run(&mut out).and_then(|code| {
        out.flush()?;
        Ok(code)
    });
    warnings::finish(global.style());
    match done {
        Ok(code) => code,
        // A program such as `head` closes the output of `runledger` when it needs no more lines. This is not a failure.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::Yes,
        Err(failure) => {
            // Write the output that was produced before the failure.
            let _ = out.flush();
            failure.report(&global);
            failure.exit_code()
        }
    }
}

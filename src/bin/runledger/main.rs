//! `runledger`: records executions in a ledger, and reports what ran, what it cost, what quota is left, and what is normal.
//!
//! - `commands/`: one file or folder a command, with its arguments beside its `run`
//! - `term/`: tables, messages and the progress bar; it knows neither the arguments nor the ledger
//! - the files beside this one: what several commands share
//!
//! No two files import each other, and a command imports no other command.

mod answer;
mod argument;
mod baselines;
mod clock;
mod commands;
mod environment;
mod error_registry;
mod execution_id;
mod execution_table;
mod exit_code;
mod failure;
mod fallback;
mod global;
mod input_file;
mod ledger;
mod period;
mod policy_file;
mod price_table;
mod priced;
mod records;
mod selection;
mod term;
mod usage;
mod warnings;
mod week;
mod zone;

use std::io::{self, BufWriter, Write};

use commands::CommandLine;
use exit_code::ExitCode;
use failure::Failure;
use term::bar::{AfterBar, Bar};

fn main() -> ExitCode {
    let CommandLine { global, command } = CommandLine::read();
    let bar = if command.reads_all() { Bar::over(&global.ledger) } else { None };
    let mut out = AfterBar { bar, out: BufWriter::new(io::stdout().lock()) };
    let done = command.run(&global, &mut out).and_then(|code| {
        out.flush()?;
        Ok(code)
    });
    warnings::finish(global.style());
    match done {
        Ok(code) => code,
        // The reader of the output closed it: it needs no more.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::Yes,
        Err(failure) => {
            // The part of the answer that was found before the failure.
            let _ = out.flush();
            failure.report(&global);
            failure.exit_code()
        }
    }
}

//! `runledger errors`

use std::io::{self, Write};
use std::path::Path;

use clap::Subcommand;
use runledger::journal::on_stderr;
use runledger::runlog::{ErrorId, ErrorRegistry, RegisteredError, Severity};

use crate::argument::one_of;
use crate::error_registry::{self, RunLogs};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::redaction::redactor;
use crate::term::output;

/// List and resolve errors that runs encountered
///
/// `runledger export markdown` registers the errors of a run in the error registry, a file next to the run logs. A
/// registered error is OPEN until `runledger errors resolve` makes it RESOLVED. A resolved error becomes REOPENED if it
/// occurs again, or if `runledger errors reopen` is called.
///
/// `runledger errors severity` sets the severity of an error. Before that, the severity follows these rules:
///
/// - CRITICAL: the error ended an execution by a panic, or the process of the execution died.
///
/// - HIGH: the error ended an execution in any other way.
///
/// - MEDIUM: the execution continued, and the record contains no resolution of the error.
///
/// - LOW: the execution continued, and the record contains a resolution of the error.
///
/// If an error occurred several times, it has the highest severity of its occurrences. Each change of the registry also
/// updates the file error-registry.md. Times are UTC.
///
/// Without a subcommand, the command prints the same as `runledger errors list`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: print the errors that are open
  runledger errors --json | jq 'select(.status != \"RESOLVED\") | .id, .message'")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    logs: RunLogs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List all errors. With --json, each line is one error
    #[command(after_help = "Example: list all errors
  runledger errors list")]
    List,
    /// Show all details of an error, as Markdown or JSON
    #[command(after_help = "Example: show the first error
  runledger errors show ERR-001")]
    Show {
        /// The number of the error, such as ERR-001
        id: ErrorId,
    },
    /// Mark an error as resolved
    #[command(after_help = "Example: record how an error was fixed
  runledger errors resolve ERR-001 --resolution 'the token is renewed in time'")]
    Resolve {
        /// The number of the error, such as ERR-001
        id: ErrorId,
        /// How the error was fixed
        #[arg(long, value_name = "TEXT")]
        resolution: String,
    },
    /// Mark a resolved error as open again
    #[command(after_help = "Example: reopen an error that occurred again
  runledger errors reopen ERR-002")]
    Reopen {
        /// The number of the error, such as ERR-001
        id: ErrorId,
    },
    /// Set the severity of an error
    #[command(after_help = "Example: lower the severity of an error that can wait
  runledger errors severity ERR-001 LOW")]
    Severity {
        /// The number of the error, such as ERR-001
        id: ErrorId,
        /// The new severity
        #[arg(value_parser = one_of::<Severity>(Severity::ALL.map(Severity::as_str)))]
        severity: Severity,
    },
    /// Write error-registry.md again
    #[command(after_help = "Example: restore the file after it was edited by hand
  runledger errors render")]
    Render,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let command = args.command.as_ref().unwrap_or(&Command::List);
    // `read` is called first, because it fails if the registry is missing. `open` would create the registry.
    let errors = read(&args.logs.directory(global))?;
    let known = |id: &ErrorId| errors.iter().find(|error| error.id == *id).ok_or(Failure::NoError(*id));
    let changed = match command {
        Command::List => {
            if global.json {
                errors.iter().try_for_each(|error| output::json_line(out, error))?;
            } else {
                error_registry::table(&errors, out)?;
            }
            return Ok(ExitCode::Yes);
        }
        Command::Show { id } => {
            let error = known(id)?;
            if global.json {
                output::json_line(out, error)?;
            } else {
                write!(out, "{}", error.to_markdown())?;
            }
            return Ok(ExitCode::Yes);
        }
        Command::Render => {
            args.logs.open(global)?.render()?;
            return Ok(ExitCode::Yes);
        }
        Command::Resolve { id, resolution } => {
            known(id)?;
            args.logs.open(global)?.resolve(*id, &redactor().redact(resolution).text)?
        }
        Command::Reopen { id } => {
            known(id)?;
            args.logs.open(global)?.reopen(*id)?
        }
        Command::Severity { id, severity } => {
            known(id)?;
            args.logs.open(global)?.set_severity(*id, *severity)?
        }
    };
    if global.json {
        output::json_line(out, &changed)?;
    } else {
        error_registry::table(std::slice::from_ref(&changed), out)?;
    }
    Ok(ExitCode::Yes)
}

fn read(directory: &Path) -> Result<Vec<RegisteredError>, Failure> {
    ErrorRegistry::read(directory, &on_stderr()).map_err(|error| match error.io_kind() {
        Some(io::ErrorKind::NotFound) => Failure::NoRegistry(directory.to_owned()),
        _ => error.into(),
    })
}

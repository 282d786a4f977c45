//! `runledger errors` and its commands

use std::io::{self, Write};
use std::path::Path;

use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use runledger::journal::on_stderr;
use runledger::runlog::{ErrorId, ErrorRegistry, RegisteredError, Severity};

use crate::error_registry::{self, RunLogs};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::term::output;

/// Tell which errors runs met, and say what became of them
///
/// `runledger export markdown` registers them. An error is OPEN until somebody resolves it, and REOPENED when it is met
/// again after that. Its severity is by a rule, until somebody says otherwise: CRITICAL if it ended an execution by a panic
/// or with its process, HIGH if it ended one otherwise, MEDIUM if the execution went on, LOW if it was mended there; of
/// several times the worst. After each change error-registry.md is made anew. Times are UTC.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: which errors are open?
  runledger errors --json | jq 'select(.status != \"RESOLVED\") | .id, .message'")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    logs: RunLogs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List all errors; with --json, each line is one error
    #[command(after_help = "Example: all of them
  runledger errors list")]
    List,
    /// Show all that is known of an error, as Markdown or JSON
    #[command(after_help = "Example: the first one
  runledger errors show ERR-001")]
    Show {
        /// Its number, such as ERR-001
        id: ErrorId,
    },
    /// Say how an error was mended
    #[command(after_help = "Example: it was mended
  runledger errors resolve ERR-001 --resolution 'the token is renewed in time'")]
    Resolve {
        /// Its number, such as ERR-001
        id: ErrorId,
        /// How it was mended
        #[arg(long, value_name = "TEXT")]
        resolution: String,
    },
    /// Say that a resolved error is not mended
    #[command(after_help = "Example: it was met again
  runledger errors reopen ERR-002")]
    Reopen {
        /// Its number, such as ERR-001
        id: ErrorId,
    },
    /// Say how bad an error is
    #[command(after_help = "Example: nobody is stopped by it
  runledger errors severity ERR-001 LOW")]
    Severity {
        /// Its number, such as ERR-001
        id: ErrorId,
        /// How bad it is
        #[arg(value_parser = severity())]
        severity: Severity,
    },
    /// Make error-registry.md anew, after a process died before it could
    #[command(after_help = "Example: the file was edited by hand
  runledger errors render")]
    Render,
}

fn severity() -> impl TypedValueParser<Value = Severity> {
    PossibleValuesParser::new(Severity::ALL.map(Severity::as_str)).try_map(|text| text.parse())
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let command = args.command.as_ref().unwrap_or(&Command::List);
    // Read first, so that no registry is made if none exists.
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
            match (known(id)?, global.json) {
                (error, true) => output::json_line(out, error)?,
                (error, false) => write!(out, "{}", error.to_markdown())?,
            }
            return Ok(ExitCode::Yes);
        }
        Command::Render => {
            args.logs.open(global)?.render()?;
            return Ok(ExitCode::Yes);
        }
        Command::Resolve { id, resolution } => {
            known(id)?;
            args.logs.open(global)?.resolve(*id, resolution)?
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

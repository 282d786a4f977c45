//! `runledger errors` and its commands

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use runledger::journal::{Options, Warn};
use runledger::runlog::{ErrorId, ErrorRegistry, RegisteredError};

use crate::args::{Errors, ErrorsCommand, Global, RunLogs};
use crate::clock;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::output;
use crate::table::{Column, Table, minutes};

pub(crate) fn run(args: &Errors, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let logs = &args.logs;
    let command = args.command.as_ref().unwrap_or(&ErrorsCommand::List);
    // Where there is no registry, none is made.
    let errors = read(&directory(logs, global))?;
    let known = |id: &ErrorId| errors.iter().find(|error| error.id == *id).ok_or(Failure::NoError(*id));
    let changed = match command {
        ErrorsCommand::List => {
            match global.json {
                true => errors.iter().try_for_each(|error| output::json_line(out, error))?,
                false => table(&errors, out)?,
            }
            return Ok(ExitCode::Yes);
        }
        ErrorsCommand::Show { id } => {
            match (known(id)?, global.json) {
                (error, true) => output::json_line(out, error)?,
                (error, false) => write!(out, "{}", error.to_markdown())?,
            }
            return Ok(ExitCode::Yes);
        }
        ErrorsCommand::Render => {
            open(logs, global)?.render()?;
            return Ok(ExitCode::Yes);
        }
        ErrorsCommand::Resolve { id, resolution } => {
            known(id)?;
            open(logs, global)?.resolve(*id, resolution)?
        }
        ErrorsCommand::Reopen { id } => {
            known(id)?;
            open(logs, global)?.reopen(*id)?
        }
        ErrorsCommand::Severity { id, severity } => {
            known(id)?;
            open(logs, global)?.set_severity(*id, *severity)?
        }
    };
    match global.json {
        true => output::json_line(out, &changed)?,
        false => table(std::slice::from_ref(&changed), out)?,
    }
    Ok(ExitCode::Yes)
}

fn read(directory: &Path) -> Result<Vec<RegisteredError>, Failure> {
    ErrorRegistry::read(directory, &warn()).map_err(|error| match error.io_kind() {
        Some(io::ErrorKind::NotFound) => Failure::NoRegistry(directory.to_owned()),
        _ => error.into(),
    })
}

pub(crate) fn open(logs: &RunLogs, global: &Global) -> Result<ErrorRegistry, Failure> {
    Ok(ErrorRegistry::open(directory(logs, global), Options::new(Arc::new(clock::unix_ms)))?)
}

pub(crate) fn directory(logs: &RunLogs, global: &Global) -> PathBuf {
    logs.dir.clone().unwrap_or_else(|| global.ledger.with_file_name("run-logs"))
}

/// As the library warns by itself.
pub(crate) fn warn() -> Warn {
    Options::new(Arc::new(clock::unix_ms)).warn
}

pub(crate) fn table(errors: &[RegisteredError], out: &mut impl Write) -> Result<(), Failure> {
    let mut table = Table::new([
        Column::Text("error"),
        Column::Text("severity"),
        Column::Text("status"),
        Column::Number("count"),
        Column::Text("last seen (UTC)"),
        Column::Name("message"),
    ]);
    for error in errors {
        table.row([
            error.id.to_string(),
            error.severity.to_string(),
            error.status.to_string(),
            error.count.to_string(),
            minutes(error.last_seen),
            error.message.clone(),
        ]);
    }
    table.write(out)?;
    Ok(())
}

//! `runledger doctor`

use std::io::Write;

use runledger::ledger::{Check, Fallback, Level, examine};

use crate::args::Global;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::fallback;
use crate::output;
use crate::table::printable;

pub(crate) fn run(global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let mut checks = examine(&global.ledger);
    checks.extend(fallback::all().iter().filter_map(Fallback::examine));
    for check in &checks {
        match global.json {
            true => output::json_line(out, check)?,
            false => write(check, out)?,
        }
    }
    Ok(match checks.iter().map(|check| check.level).max() {
        None | Some(Level::Ok) => ExitCode::Yes,
        Some(Level::Warning) => ExitCode::No,
        Some(Level::Fault) => ExitCode::CouldNot,
    })
}

/// What to do stands below what was found.
fn write(check: &Check, out: &mut impl Write) -> Result<(), Failure> {
    writeln!(out, "{:7}  {:11}  {}", check.level, check.name, printable(&check.found))?;
    if let Some(advice) = &check.advice {
        writeln!(out, "{:22}→ {}", "", printable(advice))?;
    }
    Ok(())
}

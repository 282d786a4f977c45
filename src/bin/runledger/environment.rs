//! Reads and sets the environment variables that pass the ledger, the run and the parent execution to child processes.

use std::process::Command;
use std::{env, path};

use runledger::Uuid;
use runledger::metrics::RunIds;

use crate::global::Global;
use crate::term::output;

/// The version that is recorded if the version of a skill is unknown.
pub(crate) const UNKNOWN_VERSION: &str = "unknown";

const PATH: &str = "RUNLEDGER_PATH";
const RUN: &str = "RUNLEDGER_RUN_ID";
const PARENT: &str = "RUNLEDGER_PARENT_EXECUTION_ID";
const TRACE: &str = "TRACEPARENT";

/// Returns the ids of the run, the parent execution and the trace from the environment. A malformed variable is ignored
/// with a warning, because a problem with recording must not make the recorded task fail.
pub(crate) fn run_ids(global: &Global) -> RunIds {
    let mut ids = RunIds::default();
    ids.run_id = run_id(global);
    if let Some(text) = value(PARENT, global) {
        match text.parse() {
            Ok(id) => ids.parent_execution_id = Some(id),
            Err(error) => warn(PARENT, &error, global),
        }
    }
    if let Some(text) = value(TRACE, global)
        && let Err(error) = ids.set_traceparent(&text)
    {
        warn(TRACE, &error, global);
    }
    ids
}

/// Returns the id of the run from the environment.
pub(crate) fn run_id(global: &Global) -> Option<String> {
    value(RUN, global)
}

/// Sets the run, the parent execution and the ledger in the environment of `command`.
pub(crate) fn pass_on(command: &mut Command, ids: &RunIds, parent: Option<Uuid>, global: &Global) {
    // The path is made absolute, because the command may change its working directory.
    command.env(PATH, path::absolute(&global.ledger).unwrap_or_else(|_| global.ledger.clone()));
    if let Some(run) = &ids.run_id {
        command.env(RUN, run);
    }
    match parent {
        Some(parent) => command.env(PARENT, parent.to_string()),
        // The execution of `command` is not recorded, so it cannot be a parent. An inherited variable would name a
        // wrong parent for the executions that `command` starts.
        None => command.env_remove(PARENT),
    };
}

/// Returns the value of a variable, or `None` if the variable is empty or not set. If the value is not UTF-8, warns and
/// returns `None`.
fn value(name: &str, global: &Global) -> Option<String> {
    match env::var(name) {
        Ok(text) => Some(text).filter(|text| !text.is_empty()),
        Err(env::VarError::NotPresent) => None,
        Err(error @ env::VarError::NotUnicode(_)) => {
            warn(name, &error, global);
            None
        }
    }
}

fn warn(name: &str, error: &dyn std::error::Error, global: &Global) {
    output::warning(&format!("{name} is ignored: {}", crate::failure::text(error)), "malformed", global.style());
}

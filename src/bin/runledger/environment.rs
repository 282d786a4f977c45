//! What an execution belongs to, as whoever started this process says it; and what those are told whom it starts.

use std::process::Command;
use std::{env, path};

use runledger::Uuid;
use runledger::metrics::RunIds;

use crate::global::Global;
use crate::term::output;

/// The version of a skill whose version nobody told.
pub(crate) const UNKNOWN_VERSION: &str = "unknown";

const PATH: &str = "RUNLEDGER_PATH";
const RUN: &str = "RUNLEDGER_RUN_ID";
const PARENT: &str = "RUNLEDGER_PARENT_EXECUTION_ID";
const TRACE: &str = "TRACEPARENT";

/// What the environment says. What it says wrongly is a warning: no task may fail for it.
pub(crate) fn run_ids(global: &Global) -> RunIds {
    let mut ids = RunIds::default();
    ids.run_id = value(RUN);
    if let Some(text) = value(PARENT) {
        match text.parse() {
            Ok(id) => ids.parent_execution_id = Some(id),
            Err(error) => warn(PARENT, &error, global),
        }
    }
    if let Some(text) = value(TRACE)
        && let Err(error) = ids.set_traceparent(&text)
    {
        warn(TRACE, &error, global);
    }
    ids
}

/// Tells `command` of what run and what execution it is a part, and which ledger that is in.
pub(crate) fn tell(command: &mut Command, ids: &RunIds, parent: Option<Uuid>, global: &Global) {
    // It may go to another directory.
    command.env(PATH, path::absolute(&global.ledger).unwrap_or_else(|_| global.ledger.clone()));
    if let Some(run) = &ids.run_id {
        command.env(RUN, run);
    }
    match parent {
        Some(parent) => command.env(PARENT, parent.to_string()),
        // What stands there is the parent of this one.
        None => command.env_remove(PARENT),
    };
}

/// The variable's text; `None` if it is empty or not set, or no text.
fn value(name: &str) -> Option<String> {
    env::var(name).ok().filter(|text| !text.is_empty())
}

fn warn(name: &str, error: &dyn std::error::Error, global: &Global) {
    output::warning(&format!("{name} is passed over: {}", crate::failure::text(error)), "malformed", global.style());
}

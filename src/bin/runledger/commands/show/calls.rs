//! Finds the turn that called a tool. A hook records a tool call of the session itself as an execution without a
//! parent. The imported turn lists the same call in its steps.

use std::collections::HashMap;

use runledger::import::id_of_tool;
use runledger::{ExecutionMetrics, Uuid};
use serde_json::Value;

/// Maps the execution of each tool call to the execution of the turn that made the call.
#[derive(Debug, Default)]
pub(super) struct Callers(HashMap<Uuid, Uuid>);

impl Callers {
    /// Adds the calls of tools in the steps of an imported turn.
    pub(super) fn add(&mut self, record: &ExecutionMetrics) {
        let (Some(source), Some(session)) = (text(record, "source"), &record.run.session_id) else { return };
        let calls = record.trace.steps.iter().filter_map(|step| step.api_call.as_deref());
        self.0.extend(calls.map(|call| (id_of_tool(source, session, call), record.execution_id)));
    }

    /// Returns the parent of the execution `id`. `named` is the parent that its record names. If the record names no
    /// parent, returns the turn that called the tool, or `None` if this turn is unknown.
    pub(super) fn parent(&self, id: Uuid, named: Option<Uuid>) -> Option<Uuid> {
        named.or_else(|| self.0.get(&id).copied().filter(|caller| *caller != id))
    }
}

fn text<'r>(record: &'r ExecutionMetrics, key: &str) -> Option<&'r str> {
    record.tags.get(key).and_then(Value::as_str)
}

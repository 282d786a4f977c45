//! Reads what Claude Code reports on stdout, if it is called with `-p --output-format stream-json`.

use std::ffi::OsString;

use runledger::ExecutionMetrics;
use runledger::import::stream_json::{self, TIMED_BY};
use runledger::import::{Import, KnownCalls, Transcript};

use crate::clock;

/// The maximum number of bytes of a line that are held in memory. A part of the line that does not fit is dropped.
const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Returns true if the arguments of the command request the output format stream-json.
pub(super) fn is_requested(arguments: &[OsString]) -> bool {
    let is_pair =
        |pair: &[OsString]| matches!(pair, [key, value] if key == "--output-format" && value == "stream-json");
    arguments.windows(2).any(is_pair) || arguments.iter().any(|argument| argument == "--output-format=stream-json")
}

/// Reads the lines that a coding agent writes to stdout.
pub(super) struct AgentStream {
    stream: stream_json::Stream,
    import: Import,
    line: Vec<u8>,
}

impl AgentStream {
    pub(super) fn new() -> Self {
        let import = Import::new(KnownCalls::default(), clock::now());
        Self { stream: stream_json::Stream::default(), import, line: Vec::new() }
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + part.len() <= LINE_BYTES_MAX {
                self.line.extend_from_slice(part);
            }
            if part.ends_with(b"\n") {
                self.stream.line(&self.line, &mut self.import);
                self.line.clear();
            }
        }
    }

    /// Returns a record with the calls and steps that the agent reported. Returns `None` if the agent did not report
    /// any call of a model.
    pub(super) fn finish(mut self) -> Option<ExecutionMetrics> {
        self.stream.end(&mut self.import);
        self.import.take_records().into_iter().next()
    }
}

/// Adds the calls and the steps of `agent` to `record`. Does nothing if `record` already has calls, tokens or a cost,
/// which come from the options of the command.
pub(super) fn add_to(record: &mut ExecutionMetrics, agent: ExecutionMetrics) {
    if !record.trace.llm_calls.is_empty() || record.tokens_used.is_some() || record.cost_usd.is_some() {
        return;
    }
    for call in agent.trace.llm_calls {
        record.add_call(call);
    }
    record.trace.steps.extend(agent.trace.steps);
    record.run.session_id = record.run.session_id.take().or(agent.run.session_id);
    // TIMED_BY says that the import, and not the agent, set the times of `agent`. The tag does not apply to `record`,
    // whose times are those of the process.
    for (key, value) in agent.tags.into_iter().filter(|(key, _)| key != TIMED_BY) {
        record.tags.entry(key).or_insert(value);
    }
}

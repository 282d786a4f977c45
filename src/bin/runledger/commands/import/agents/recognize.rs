//! Recognizes a file that is the session of an agent, although the user gave it as a file of records.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use runledger::import::{Import, KnownCalls};
use runledger::{ExecutionMetrics, Timestamp};

use super::Agent;

/// The largest number of lines that are read to recognize a session.
const LINES_MAX: usize = 20;
const BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Returns the name of the agent that wrote the file. Returns `None` if the file is not a session, if its name is
/// unusual for a session, or if its first line is a record. Also returns `None` for a pipe, because it can be read only
/// once.
pub(in super::super) fn agent_of(path: &Path) -> Option<&'static str> {
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let mut input = BufReader::new(File::open(path).ok()?.take(BYTES_MAX));
    let lines = if path.extension().is_some_and(|extension| extension == "json") {
        let mut document = Vec::new();
        input.read_to_end(&mut document).ok()?;
        vec![document]
    } else {
        input.split(b'\n').take(LINES_MAX).collect::<Result<Vec<_>, _>>().ok()?
    };
    let lines: Vec<_> = lines.into_iter().filter(|line| !line.trim_ascii().is_empty()).collect();
    let first = std::str::from_utf8(lines.first()?).ok()?;
    if ExecutionMetrics::from_json(first).is_ok() {
        return None;
    }
    let is_session_of = |agent: &Agent| {
        let mut import = Import::new(KnownCalls::default(), Timestamp::UNIX_EPOCH);
        let mut transcript = agent.transcript(path);
        lines.iter().for_each(|line| transcript.line(line, &mut import));
        transcript.is_session()
    };
    Agent::ALL.into_iter().filter(|agent| agent.may_have_written(path)).find(is_session_of).map(Agent::name)
}

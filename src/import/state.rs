//! What the readers of all files share: the calls that are already known, the finished records, and the counts.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;
use uuid::Uuid;

use crate::digest::sha256;
use crate::metrics::{ExecutionMetrics, Timestamp};

/// A reader of one file of an agent.
pub trait Transcript {
    /// Reads the next line, without its line feed.
    fn line(&mut self, line: &[u8], import: &mut Import);

    /// Ends the file. Call this once, after the last line.
    fn end(&mut self, import: &mut Import);

    /// Returns true if a line so far belongs to the format.
    fn is_session(&self) -> bool;
}

/// What an import found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ImportCounts {
    /// Sessions that have a new execution.
    pub sessions: u64,
    /// New executions.
    pub executions: u64,
    /// New calls of models.
    pub calls: u64,
    /// Lines that repeat a call: of the same message, of a resumed or forked session, or of an earlier import.
    pub repeated_lines: u64,
    /// New calls whose number of output tokens is a lower bound, because their final usage was not written.
    pub lower_bounds: u64,
    /// Turns that have not ended. They wait for the next import.
    pub waiting: u64,
    /// Lines that are not valid JSON, or that lack what their kind requires.
    pub unreadable_lines: u64,
    /// The kinds of lines that this version does not know, each with its number of lines. At most
    /// [`KINDS_MAX`](Self::KINDS_MAX) kinds.
    pub unknown_kinds: BTreeMap<String, u64>,
    /// Lines of other unknown kinds.
    pub other_unknown: u64,
}

impl ImportCounts {
    /// The largest number of unknown kinds that are named.
    pub const KINDS_MAX: usize = 100;

    /// Counts a line of an unknown kind.
    pub(super) fn add_unknown(&mut self, kind: &str) {
        const CHARS_MAX: usize = 60;
        let kind: String = kind.chars().take(CHARS_MAX).collect();
        if self.unknown_kinds.len() < Self::KINDS_MAX || self.unknown_kinds.contains_key(&kind) {
            *self.unknown_kinds.entry(kind).or_default() += 1;
        } else {
            self.other_unknown += 1;
        }
    }
}

/// A sub-agent that a turn started.
#[derive(Debug, Clone)]
pub(super) struct Started {
    /// The execution of the turn.
    pub(super) parent: Uuid,
    /// The type of the agent; `None` if it is unknown.
    pub(super) kind: Option<String>,
    /// True if the agent has returned its result.
    pub(super) is_done: bool,
}

/// The calls that were imported before, and those that this import found.
#[derive(Debug, Clone, Default)]
pub struct KnownCalls(HashSet<u128>);

impl KnownCalls {
    /// Adds the calls of a record of an earlier import. Other records are ignored.
    pub fn learn(&mut self, record: &ExecutionMetrics) {
        let Some(Value::Array(names)) = record.tags.get("call_ids") else { return };
        let is_of_session = record.run.agent_name.as_deref() == record.tags.get("source").and_then(Value::as_str);
        for name in names.iter().filter_map(Value::as_str) {
            self.0.insert(hash(name));
            let parts = record.run.session_id.as_ref().zip(name.split_once('/')).filter(|_| is_of_session);
            if let Some((session, (message, _))) = parts {
                self.0.insert(hash(&alias(message, session)));
            }
        }
    }

    /// Adds the calls of `other`.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

/// An import of the files of an agent.
///
/// ```
/// use runledger::{Timestamp, import::{Import, KnownCalls, Transcript, claude_code::Session}};
///
/// let line = r#"{"type": "assistant", "sessionId": "s-1", "requestId": "req_1", "timestamp": "2026-11-20T12:00:05Z",
///     "message": {"id": "msg_1", "model": "claude-opus-4-5", "stop_reason": "end_turn", "content": [],
///         "usage": {"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 5}}}"#;
/// let mut import = Import::new(KnownCalls::default(), "2026-11-20T13:00:00Z".parse()?);
/// let mut session = Session::default();
/// session.line(line.as_bytes(), &mut import);
/// session.end(&mut import);
/// let records = import.take_records();
/// assert_eq!((records.len(), records[0].tokens_input, records[0].tokens_output), (1, Some(100), Some(5)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Import {
    now: Timestamp,
    keeps_content: bool,
    counts: ImportCounts,
    records: Vec<ExecutionMetrics>,
    known: KnownCalls,
    /// The sessions that have a new execution, as hashes.
    sessions: HashSet<u128>,
    /// The sub-agents of Claude Code, by session and agent.
    pub(super) started: HashMap<u128, Started>,
    /// The usage of each call of a session of Codex, as hashes in order. A fork repeats the calls of its parent.
    pub(super) histories: HashMap<u128, Vec<u64>>,
}

impl Import {
    /// Returns an import that skips the `known` calls. `now` decides whether a session is idle.
    pub fn new(known: KnownCalls, now: Timestamp) -> Self {
        Self {
            now,
            keeps_content: false,
            counts: ImportCounts::default(),
            records: Vec::new(),
            known,
            sessions: HashSet::new(),
            started: HashMap::new(),
            histories: HashMap::new(),
        }
    }

    /// Stores prompts and outputs in the records, instead of only their hashes.
    #[must_use]
    pub fn keep_content(self, keeps_content: bool) -> Self {
        Self { keeps_content, ..self }
    }

    /// Begins to count from zero, and sets the time that decides whether a session is idle. The calls stay known.
    pub fn begin_pass(&mut self, now: Timestamp) {
        self.now = now;
        self.counts = ImportCounts::default();
        self.sessions.clear();
    }

    /// Takes the records that are finished so far.
    pub fn take_records(&mut self) -> Vec<ExecutionMetrics> {
        std::mem::take(&mut self.records)
    }

    /// Returns what was found so far.
    pub fn counts(&self) -> &ImportCounts {
        &self.counts
    }

    pub(super) fn counts_mut(&mut self) -> &mut ImportCounts {
        &mut self.counts
    }

    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    pub(super) fn keeps_content(&self) -> bool {
        self.keeps_content
    }

    pub(super) fn is_known(&self, call: &str) -> bool {
        self.known.0.contains(&hash(call))
    }

    pub(super) fn know(&mut self, call: &str) {
        self.known.0.insert(hash(call));
    }

    pub(super) fn add(&mut self, record: ExecutionMetrics) {
        self.counts.executions += 1;
        if let Some(session) = &record.run.run_id
            && self.sessions.insert(hash(session))
        {
            self.counts.sessions += 1;
        }
        self.records.push(record);
    }
}

/// Returns a short hash of `name`. Two names have the same hash only if their SHA-256 begin with the same 128 bits.
pub(super) fn hash(name: &str) -> u128 {
    let hash = sha256(name.as_bytes());
    hash.first_chunk::<16>().map_or(0, |bytes| u128::from_be_bytes(*bytes))
}

/// Returns the name under which the messages of a session are known to its sub-agents.
pub(super) fn alias(message: &str, session: &str) -> String {
    format!("main:{message}/{session}")
}

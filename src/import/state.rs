//! The state that the readers of all files share: the known calls, the finished records, and the counts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hasher};
use std::num::NonZeroU32;

use serde_json::Value;
use uuid::Uuid;

use super::work::TurnCall;
use crate::digest::sha256;
use crate::metrics::{ExecutionMetrics, Timestamp};
use crate::quota::ObservedWindow;

/// The largest number of windows of subscriptions that an import keeps.
const OBSERVED_MAX: usize = 64;
/// A report about a window of a subscription may be later than the beginning of the import by at most this time. Such
/// reports are normal, because the agent may still be writing.
const AHEAD_MS_MAX: u64 = 60_000;

/// The names from [`alias`] begin with this text.
const MAIN: &str = "main:";
/// The names from [`in_stream`] begin with this text.
const STREAM: &str = "stream:";

/// A reader of one file of an agent.
pub trait Transcript {
    /// Reads the next line, without its line feed.
    fn line(&mut self, line: &[u8], import: &mut Import);

    /// Passes the last turn to `import` if it has ended. Call this method after the last line. If the file grows
    /// later, pass the new lines to `line`.
    fn end(&mut self, import: &mut Import);

    /// Returns true if a line that was read belongs to the format.
    fn is_session(&self) -> bool;
}

/// The numbers of things that an import found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ImportCounts {
    /// Sessions that have a new execution.
    pub sessions: u64,
    /// New executions.
    pub executions: u64,
    /// New calls of models.
    pub calls: u64,
    /// Lines that repeat a call. The same call was in an earlier line of the message, in the session that this session
    /// resumes or forks, or in an earlier import.
    pub repeated_lines: u64,
    /// New calls whose number of output tokens is a lower bound, because their final usage was not written.
    pub lower_bounds: u64,
    /// Turns in which the model answered, but for which the agent wrote no usage. They have no record.
    pub without_usage: u64,
    /// The results in outputs of `claude -p` that were not imported, because the output has no message of the turn.
    pub results_without_messages: u64,
    /// Calls that were recorded earlier with fewer tokens than a line has now. The records do not change.
    pub larger_copies: u64,
    /// The number of tokens by which the lines in [`larger_copies`](Self::larger_copies) exceed the records. These
    /// tokens are not counted.
    pub larger_tokens: u64,
    /// Turns that have not ended. They wait for the next import.
    pub waiting: u64,
    /// Lines that are not valid JSON, or that lack what their kind requires.
    pub unreadable_lines: u64,
    /// The kinds of lines that this version does not know, each with its number of lines. At most
    /// [`KINDS_MAX`](Self::KINDS_MAX) kinds.
    pub unknown_kinds: BTreeMap<String, u64>,
    /// Lines of all unknown kinds beyond the first [`KINDS_MAX`](Self::KINDS_MAX).
    pub other_unknown: u64,
}

impl ImportCounts {
    /// The largest number of unknown kinds that [`unknown_kinds`](Self::unknown_kinds) names.
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
    /// The type of the agent, or `None` if it is unknown.
    pub(super) kind: Option<String>,
    /// The id of the tool call that started the agent.
    pub(super) tool: String,
    /// True if the agent has returned its result.
    pub(super) is_done: bool,
}

/// The calls that earlier imports recorded, and the calls that this import found.
#[derive(Debug, Clone, Default)]
pub struct KnownCalls {
    /// The number of tokens that were recorded for each call, by a hash of the call's name. `None` if the number is
    /// unknown.
    tokens: HashMap<[u8; 12], Option<NonZeroU32>>,
    /// The names from [`alias`], as hashes.
    aliases: HashSet<u64>,
    /// True if at least one call has a name from [`in_stream`].
    has_streams: bool,
}

impl KnownCalls {
    /// Adds the calls of a record that an earlier import made. Ignores any other record.
    pub fn learn(&mut self, record: &ExecutionMetrics) {
        let Some(Value::Array(names)) = record.tags.get("call_ids") else { return };
        let is_of_session = record.run.agent_name.as_deref() == record.tags.get("source").and_then(Value::as_str);
        let tokens = record.trace.llm_calls.iter().map(|call| call.tokens_input?.checked_add(call.tokens_output?));
        let tokens = tokens.chain(std::iter::repeat(None));
        for (name, tokens) in names.iter().filter_map(Value::as_str).zip(tokens) {
            self.insert(name, tokens);
            let parts = record.run.session_id.as_ref().zip(name.split_once('/')).filter(|_| is_of_session);
            if let Some((session, (message, _))) = parts {
                self.insert(&alias(message, session), None);
            }
        }
    }

    /// Adds a name of a call. `tokens` is the number of tokens that were recorded for the call, or `None` if it is
    /// unknown.
    fn insert(&mut self, name: &str, tokens: Option<u64>) {
        if name.starts_with(MAIN) {
            self.aliases.insert(key_of_alias(name));
            return;
        }
        let tokens = tokens.and_then(|tokens| NonZeroU32::new(tokens.try_into().unwrap_or(u32::MAX)));
        self.has_streams |= name.starts_with(STREAM);
        self.tokens.insert(key_of(name), tokens);
    }

    /// Adds the calls of `other`.
    pub fn merge(&mut self, other: Self) {
        self.has_streams |= other.has_streams;
        self.tokens.extend(other.tokens);
        self.aliases.extend(other.aliases);
    }

    fn contains(&self, name: &str) -> bool {
        if name.starts_with(MAIN) {
            self.aliases.contains(&key_of_alias(name))
        } else {
            self.tokens.contains_key(&key_of(name))
        }
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
    /// The calls that `larger_copies` counts.
    larger_copies: HashSet<[u8; 12]>,
    /// The calls of Claude Code for which the files report different usages, by name. Each value is the call with the
    /// largest usage.
    pub(super) larger: HashMap<u128, TurnCall>,
    /// The sub-agents of Claude Code, by session and agent.
    pub(super) started: HashMap<u128, Started>,
    /// For each session of Codex, the hashes of the usages that its calls reported, in the order of the calls. A fork
    /// repeats the calls of its parent.
    pub(super) histories: HashMap<u128, Vec<u64>>,
    /// The latest report of each window of a subscription, by agent, limit and window.
    observed: BTreeMap<(String, Option<String>, String), ObservedWindow>,
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
            larger_copies: HashSet::new(),
            larger: HashMap::new(),
            started: HashMap::new(),
            histories: HashMap::new(),
            observed: BTreeMap::new(),
        }
    }

    /// Stores prompts and outputs in the records, instead of only their hashes.
    #[must_use]
    pub fn keep_content(self, keeps_content: bool) -> Self {
        Self { keeps_content, ..self }
    }

    /// Sets all counts to zero, and sets `now`, which decides whether a session is idle. The known calls stay known.
    pub fn begin_pass(&mut self, now: Timestamp) {
        self.now = now;
        self.counts = ImportCounts::default();
        self.sessions.clear();
        self.larger_copies.clear();
    }

    /// Sets the counts back to `counts`, an earlier copy of them. Call this if the lines that were read since then do
    /// not belong to a session.
    pub fn set_back(&mut self, counts: ImportCounts) {
        self.counts = counts;
    }

    /// Takes the records that are finished so far.
    pub fn take_records(&mut self) -> Vec<ExecutionMetrics> {
        std::mem::take(&mut self.records)
    }

    /// Takes the reports that were found so far. For each window of a subscription, there is only the latest report.
    pub fn take_observed(&mut self) -> Vec<ObservedWindow> {
        std::mem::take(&mut self.observed).into_values().collect()
    }

    /// Adds a report of a window, unless a later report of the same window is known. Reports from the future are
    /// ignored, because they would hide all later reports.
    pub(super) fn observe(&mut self, window: ObservedWindow) {
        let key = (window.agent.clone(), window.limit_id.clone(), window.window.clone());
        let is_new = self.observed.get(&key).is_none_or(|known| known.at <= window.at);
        let has_room = self.observed.len() < OBSERVED_MAX || self.observed.contains_key(&key);
        if is_new && has_room && window.at <= self.now.plus_ms(AHEAD_MS_MAX) {
            self.observed.insert(key, window);
        }
    }

    /// Returns the counts so far.
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
        self.known.contains(call)
    }

    /// Returns true if the message was imported from the output of `claude -p --output-format stream-json`.
    pub(super) fn is_known_in_stream(&self, message: &str, session: &str) -> bool {
        self.known.has_streams && self.is_known(&in_stream(message, session))
    }

    /// Notes a name of a call. `tokens` is the number of tokens that were recorded for the call, or `None` if it is
    /// unknown.
    pub(super) fn know(&mut self, call: &str, tokens: Option<u64>) {
        self.known.insert(call, tokens);
    }

    /// If this line has more tokens than were recorded for the call, counts the call in `larger_copies`, and the
    /// additional tokens in `larger_tokens`. A call is counted only once, even if several lines have more tokens.
    pub(super) fn compare(&mut self, call: &str, tokens: u64) {
        let key = key_of(call);
        if let Some(Some(recorded)) = self.known.tokens.get_mut(&key)
            && u64::from(recorded.get()) < tokens
        {
            self.counts.larger_tokens += tokens - u64::from(recorded.get());
            *recorded = NonZeroU32::new(tokens.try_into().unwrap_or(u32::MAX)).unwrap_or(*recorded);
            self.counts.larger_copies += u64::from(self.larger_copies.insert(key));
        }
    }

    /// If the files report different usages of a call, returns the call with the largest usage. Otherwise returns
    /// `None`.
    pub(super) fn larger_of(&self, call: &str) -> Option<TurnCall> {
        if self.larger.is_empty() { None } else { self.larger.get(&hash(call)).cloned() }
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

/// Returns a short hash of `name`. The hash is the first 128 bits of the name's SHA-256.
pub(super) fn hash(name: &str) -> u128 {
    let hash = sha256(name.as_bytes());
    hash.first_chunk::<16>().map_or(0, |bytes| u128::from_be_bytes(*bytes))
}

/// Returns a key of 96 bits for the calls in memory. It is computed several times for each line, and a SHA-256 of a
/// short name would take longer than parsing a short line.
fn key_of(name: &str) -> [u8; 12] {
    let [a, b, c, d, e, f, g, h] = key_of_alias(name).to_ne_bytes();
    let [i, j, k, l, ..] = sip(name, 1).to_ne_bytes();
    [a, b, c, d, e, f, g, h, i, j, k, l]
}

fn key_of_alias(name: &str) -> u64 {
    sip(name, 0)
}

fn sip(name: &str, seed: u8) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u8(seed);
    hasher.write(name.as_bytes());
    hasher.finish()
}

/// Returns a name of a message of a session. The name does not contain the id of the request. A sub-agent can repeat
/// the message under another request id, and this name identifies such copies.
pub(super) fn alias(message: &str, session: &str) -> String {
    format!("{MAIN}{message}/{session}")
}

/// Returns the id that a call has in the output of `claude -p --output-format stream-json`.
pub(super) fn in_stream(message: &str, session: &str) -> String {
    format!("{STREAM}{message}/{session}")
}

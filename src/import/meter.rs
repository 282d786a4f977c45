//! Reads the new lines of a session's file while the session runs, and returns the use that these lines add.
//!
//! The rules are those of the import, because the same readers parse the lines. Two things differ. First, the session
//! may still be running. Second, a reader needs only the appended lines, and a small state that was made from the lines
//! before them.

use serde::{Deserialize, Serialize};

use super::claude_code::Session;
use super::codex::{Rollout, RolloutState};
use super::state::{Import, KnownCalls, Transcript, alias};
use super::work::{TurnCall, entry};
use crate::metrics::{LlmCall, Timestamp};

/// The reader remembers this many of the latest calls. It recognizes further lines of these calls only. An agent writes
/// the lines of a message close together, and only lines of a few other messages are between them.
const CALLS_MAX: usize = 8;
/// Once the result of `read` has this many uses, no further line is read.
const USES_MAX: usize = 512;
const MINUTE_MS: i64 = 60_000;

/// The format of a session's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MeterFormat {
    /// A transcript of Claude Code, or of one of its sub-agents.
    ClaudeCode,
    /// A rollout of Codex.
    Codex,
}

/// Reads a session's file while the session runs.
///
/// ```
/// use runledger::import::{MeterFormat, SessionMeter};
/// use runledger::metrics::LlmCall;
///
/// let line = r#"{"type": "assistant", "sessionId": "s-1", "requestId": "r", "timestamp": "2026-11-20T12:00:05Z", "message":
///   {"id": "msg_1", "model": "claude-opus-4-5", "content": [], "usage": {"input_tokens": 10, "output_tokens": OUTPUT}}}"#;
/// let line = |output: &str| line.replace('\n', "").replace("OUTPUT", output) + "\n";
/// let tokens = |call: &LlmCall| call.tokens_input?.checked_add(call.tokens_output?);
///
/// let mut meter = SessionMeter::new(MeterFormat::ClaudeCode, None, "");
/// let read = meter.read(line("2").as_bytes(), tokens);
/// assert_eq!(read.uses[0].amount, 12);
///
/// // Another process reads the next line, which repeats the message with its final usage.
/// let mut meter = SessionMeter::new(MeterFormat::ClaudeCode, None, &meter.state());
/// let read = meter.read(line("5").as_bytes(), tokens);
/// assert_eq!(read.uses[0].amount, 3);
/// ```
#[derive(Debug)]
pub struct SessionMeter {
    format: MeterFormat,
    session: Option<String>,
    since: Option<Timestamp>,
    state: State,
}

/// The use in one minute. The amount has the unit of the function that the caller passes to [`SessionMeter::read`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionUse {
    /// The time of the first call in the minute.
    pub at: Timestamp,
    /// The sum of the known amounts that the new lines add in this minute. For a call that was counted before, only the
    /// difference is added.
    pub amount: u64,
    /// The number of calls whose amount is unknown.
    pub unknown: u64,
}

/// The result of [`SessionMeter::read`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionUses {
    /// The number of bytes in the whole lines that were read. Pass the remaining bytes again with the next call.
    pub bytes: usize,
    /// The use, with one entry for each minute.
    pub uses: Vec<SessionUse>,
}

/// The state that the reader of the next lines needs.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct State {
    /// The session of the last line, if the format states it in each line.
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    /// The last calls.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    calls: Vec<Counted>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rollout: Option<RolloutState>,
}

/// A call that was counted. More lines of this call may follow.
#[derive(Debug, Serialize, Deserialize)]
struct Counted {
    name: String,
    /// True if a line of the session itself, and not of a sub-agent, reported this call. A sub-agent can repeat this
    /// line with another request id, and the repetition does not count.
    #[serde(default)]
    is_own: bool,
    /// All tokens.
    total: u64,
    /// The number of entries in the variant of the call, such as its service tier. Of two lines with the same number of
    /// tokens, the line with more entries counts.
    variants: usize,
    /// The amount that was counted, or `None` if the amount is unknown.
    amount: Option<u64>,
}

impl SessionMeter {
    /// Returns a reader that continues after the lines from which `state` was made. Pass an empty state at the start
    /// of the file. A state that this version cannot read counts as empty. Calls that were already counted can then
    /// count again.
    ///
    /// If `session` is not `None`, lines that name another session do not count. This matters for a session that
    /// resumes another one, because its file begins with copies of the other session's lines.
    pub fn new(format: MeterFormat, session: Option<&str>, state: &str) -> Self {
        let state = serde_json::from_str(state).unwrap_or_default();
        Self { format, session: session.map(str::to_owned), since: None, state }
    }

    /// Leaves out the calls before this time, such as the time when the file was created. The file of a forked
    /// session begins with copies of the parent's lines. These copies can name the new session, but they keep their
    /// original times.
    #[must_use]
    pub fn since(self, since: Option<Timestamp>) -> Self {
        Self { since, ..self }
    }

    /// Reads the whole lines in `bytes`, which begin where the last call ended. A last line without a line feed is
    /// not read yet.
    ///
    /// `amount_of` returns the amount of a call in the unit of the caller, or `None` if it is unknown. If a call has
    /// several lines, the line with the largest usage counts. If an earlier line of the call was already counted,
    /// only the difference is added. The lines of a call must be near each other, as agents write them.
    pub fn read(&mut self, bytes: &[u8], amount_of: impl Fn(&LlmCall) -> Option<u64>) -> SessionUses {
        let mut import = Import::new(KnownCalls::default(), Timestamp::UNIX_EPOCH);
        for Counted { name, .. } in self.state.calls.iter().filter(|call| call.is_own) {
            if let (Some(session), Some((message, _))) = (&self.state.session, name.split_once('/')) {
                import.know(&alias(message, session), None);
            }
        }
        let mut reader = Reader::new(self.format, self.state.rollout.take());
        let mut read = SessionUses { bytes: 0, uses: Vec::new() };
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let Some(text) = line.strip_suffix(b"\n").filter(|_| read.uses.len() < USES_MAX) else { break };
            read.bytes += line.len();
            if text.trim_ascii().is_empty() {
                continue;
            }
            let (calls, of) = reader.calls(text, &mut import);
            if of.is_some() && self.session.is_some() && self.session != of {
                continue;
            }
            if of.is_some() {
                self.state.session.clone_from(&of);
            }
            for call in calls.into_iter().filter(|call| self.since.is_none_or(|since| call.at >= since)) {
                let message = call.name.split('/').next().unwrap_or_default();
                let is_own = of.as_ref().is_some_and(|session| import.is_known(&alias(message, session)));
                if let Some(new) = self.state.count(call, is_own, &amount_of) {
                    add(&mut read.uses, new);
                }
            }
        }
        self.state.rollout = reader.into_state();
        read
    }

    /// Returns the state after the lines that were read, as JSON. It normally has fewer than a thousand bytes. It
    /// contains ids of calls and names of models, but no prompts or outputs.
    pub fn state(&self) -> String {
        serde_json::to_string(&self.state).unwrap_or_default()
    }
}

fn add(uses: &mut Vec<SessionUse>, new: SessionUse) {
    let minute = |used: &SessionUse| used.at.unix_ms().div_euclid(MINUTE_MS);
    match uses.iter_mut().rev().find(|used| minute(used) == minute(&new)) {
        Some(used) => {
            used.at = used.at.min(new.at);
            used.amount = used.amount.saturating_add(new.amount);
            used.unknown += new.unknown;
        }
        None => uses.push(new),
    }
}

impl State {
    /// Returns the use that a line adds. Returns `None` if the line adds nothing, for example because it repeats a call
    /// without a larger usage.
    fn count(
        &mut self,
        call: TurnCall,
        is_own: bool,
        amount_of: impl Fn(&LlmCall) -> Option<u64>,
    ) -> Option<SessionUse> {
        let (at, name) = (call.at, call.name.clone());
        let (total, variants) = (call.total(), call.variant.len());
        let known = self.calls.iter_mut().find(|known| known.name == name);
        if known.as_ref().is_some_and(|known| (total, variants) <= (known.total, known.variants)) {
            return None;
        }
        let amount = amount_of(&entry(1, call, None, false));
        let Some(known) = known else {
            if self.calls.len() >= CALLS_MAX {
                self.calls.remove(0);
            }
            self.calls.push(Counted { name, is_own, total, variants, amount });
            return Some(SessionUse { at, amount: amount.unwrap_or(0), unknown: u64::from(amount.is_none()) });
        };
        let more = amount?.saturating_sub(known.amount.unwrap_or(0));
        (known.total, known.variants) = (total, variants);
        known.amount = known.amount.max(amount);
        (more > 0).then_some(SessionUse { at, amount: more, unknown: 0 })
    }
}

enum Reader {
    ClaudeCode(Box<Session>),
    Codex(Box<Rollout>),
}

impl Reader {
    fn new(format: MeterFormat, rollout: Option<RolloutState>) -> Self {
        match format {
            MeterFormat::ClaudeCode => Self::ClaudeCode(Box::default()),
            MeterFormat::Codex => Self::Codex(Box::new(Rollout::resumed(rollout.unwrap_or_default()))),
        }
    }

    /// Returns the calls of a line, and its session if the format states it in each line.
    fn calls(&mut self, line: &[u8], import: &mut Import) -> (Vec<TurnCall>, Option<String>) {
        match self {
            Self::ClaudeCode(session) => {
                session.line(line, import);
                (session.take_calls(), Some(session.id().to_owned()).filter(|id| !id.is_empty()))
            }
            Self::Codex(rollout) => {
                rollout.line(line, import);
                (rollout.take_calls(), None)
            }
        }
    }

    fn into_state(self) -> Option<RolloutState> {
        match self {
            Self::ClaudeCode(_) => None,
            Self::Codex(rollout) => Some(rollout.into_state()),
        }
    }
}

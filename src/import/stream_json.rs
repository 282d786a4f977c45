//! The output of Claude Code, called with `-p --output-format stream-json`.
//!
//! The last line, of type `result`, has the usage and the cost of each model, including sub-agents. This line is the
//! most exact source, so the record has one call for each model. If the process died before the result, the record
//! has one call for each message. The number of output tokens is then a lower bound.
//!
//! Only some lines have a time, and older versions write none. The execution begins at the first time, and lasts as
//! long as the result says. If no line has a time, the execution ends at the time of the import, and the tag `timed_by`
//! of its record is `import`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::claude_code::{AssistantBlock, Message, UserBlock, calls_of};
use super::lenient::{Flag, Text, parsed};
use super::state::{Import, Transcript, alias, in_stream};
use super::turn::Turn;
use super::work::{End, Origin, TurnCall, TurnStep, Worker};
use crate::metrics::{Meter, Timestamp, Usage, Usd};

/// These records name the same source as records from transcripts, because both report the same calls.
const SOURCE: &str = "claude-code";
/// The tag of a record whose times are derived from the time of the import.
pub const TIMED_BY: &str = "timed_by";

#[derive(Deserialize, Default)]
#[serde(default)]
struct Line<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    subtype: Text<'a>,
    #[serde(borrow)]
    session_id: Text<'a>,
    #[serde(borrow)]
    cwd: Text<'a>,
    #[serde(borrow)]
    claude_code_version: Text<'a>,
    #[serde(borrow)]
    parent_tool_use_id: Text<'a>,
    #[serde(borrow)]
    message: Option<Message<'a>>,
    #[serde(borrow)]
    timestamp: Text<'a>,
    #[serde(borrow)]
    result: Text<'a>,
    is_error: Flag,
    duration_ms: Option<u64>,
    #[serde(rename = "modelUsage", borrow)]
    model_usage: Option<BTreeMap<String, &'a RawValue>>,
}

/// The usage of one model.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ModelUsage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    web_search_requests: Option<u64>,
    #[serde(rename = "costUSD")]
    cost_usd: Option<Usd>,
}

impl ModelUsage {
    fn usage(&self) -> Option<Usage> {
        let (read, written) = (self.cache_read_input_tokens, self.cache_creation_input_tokens);
        let input = self.input_tokens?.checked_add(read.unwrap_or(0))?.checked_add(written.unwrap_or(0))?;
        let parts =
            [(Meter::CacheRead, read), (Meter::CacheWrite, written), (Meter::WebSearches, self.web_search_requests)];
        let whole = Usage::new(input, self.output_tokens?);
        Some(parts.into_iter().fold(whole, |usage, (meter, count)| match count {
            Some(count) => usage.with(meter, count),
            None => usage,
        }))
    }
}

/// Reads the output of one call of Claude Code.
#[derive(Debug, Default)]
pub struct Stream {
    origin: Origin,
    turn: Option<Turn>,
    /// The first and the last time that a line states.
    times: Option<[Timestamp; 2]>,
    /// True if a message was already imported, from this output or from the transcript of the session.
    is_known: bool,
}

impl Stream {
    /// Returns the time of the last line that states a time, or else the time of the import.
    fn now(&self, import: &Import) -> Timestamp {
        self.times.map_or(import.now(), |[_, last]| last)
    }

    /// Passes the turn to `import`. `duration_ms` is the duration of the turn, or `None` if it is unknown.
    fn finish(&mut self, mut turn: Turn, duration_ms: Option<u64>, end: &End, import: &mut Import) {
        match self.times.take() {
            Some([first, last]) => {
                turn.lasted_from(first, last.max(first.plus_ms(duration_ms.unwrap_or(0))));
                self.origin.tags.remove(TIMED_BY);
            }
            None => {
                turn.began_before(duration_ms.unwrap_or(0));
                self.origin.tags.insert(TIMED_BY, "import".to_owned());
            }
        }
        turn.finish(end, &self.origin, import);
    }

    fn turn_at(&mut self, at: Timestamp) -> &mut Turn {
        self.turn.get_or_insert_with(|| Turn::new(SOURCE.to_owned(), None, at, String::new()))
    }

    fn assistant(&mut self, line: &Line<'_>, message: &Message<'_>, import: &mut Import) {
        let (at, session) = (self.now(import), self.origin.session.clone());
        let Some(id) = message.id.get() else { return };
        let name = in_stream(id, &session);
        if import.is_known(&name) || import.is_known(&alias(id, &session)) {
            import.counts_mut().repeated_lines += 1;
            self.is_known = true;
            return;
        }
        // In this format, each line of a message has the usage from the beginning of the message, even a line with a
        // stop reason.
        let mut calls = calls_of(message, &name, &Worker::Own, at, None);
        let blocks: Vec<AssistantBlock<'_>> = message.blocks();
        let turn = self.turn_at(at);
        for call in &mut calls {
            call.is_final = false;
            call.output = blocks.iter().filter_map(|block| block.text.get()).collect::<Vec<_>>().join("\n");
        }
        for call in calls {
            turn.add_call(call);
        }
        if line.parent_tool_use_id.get().is_some() {
            return;
        }
        for block in blocks.iter().filter(|block| block.kind.get() == Some("tool_use")) {
            let (Some(id), Some(name)) = (block.id.get(), block.name.get()) else { continue };
            let (id, name, worker) = (id.to_owned(), name.to_owned(), Worker::Own);
            turn.add_step(TurnStep { id, worker, name, start: at, skill: None, end: None });
        }
    }

    fn user(&mut self, message: &Message<'_>, at: Timestamp) {
        let blocks: Vec<UserBlock<'_>> = message.blocks();
        for block in blocks.iter().filter(|block| block.kind.get() == Some("tool_result")) {
            if let (Some(tool), Some(turn)) = (block.tool_use_id.get(), &mut self.turn) {
                turn.end_step(tool, at, Some(!block.is_error.0));
            }
        }
    }

    fn result(&mut self, line: &Line<'_>, import: &mut Import) {
        let now = self.now(import);
        let turn = self.turn.take();
        if std::mem::take(&mut self.is_known) {
            return;
        }
        let Some(mut turn) = turn else {
            // Without an id of a message, the same calls in the transcript of the session would count again.
            let has_usage = line.model_usage.as_ref().is_some_and(|models| !models.is_empty());
            import.counts_mut().results_without_messages += u64::from(has_usage);
            return;
        };
        let models: Vec<_> = line.model_usage.iter().flatten().collect();
        if !models.is_empty() {
            let output = line.result.to_owned().unwrap_or_default();
            let session = self.origin.session.clone();
            let calls = models.into_iter().map(|(model, usage)| {
                let usage: ModelUsage = serde_json::from_str(usage.get()).unwrap_or_default();
                (model, usage, output.clone())
            });
            let calls = calls.map(|(model, usage, output)| TurnCall {
                name: format!("{model}/{session}"),
                worker: Worker::Own,
                model: model.clone(),
                provider: None,
                usage: usage.usage(),
                is_final: true,
                at: now,
                variant: BTreeMap::new(),
                reported_usd: usage.cost_usd.filter(|usd| *usd >= Usd::ZERO),
                output,
            });
            turn.replace_calls(calls.collect());
        }
        let reason = || line.result.to_owned().or(line.subtype.to_owned()).unwrap_or_else(|| "an error".to_owned());
        let end = if line.is_error.0 { End::Failed(reason()) } else { End::Success };
        self.finish(turn, line.duration_ms, &end, import);
    }
}

impl Transcript for Stream {
    fn line(&mut self, line: &[u8], import: &mut Import) {
        let Some(line) = parsed::<Line<'_>>(line) else {
            import.counts_mut().unreadable_lines += 1;
            return;
        };
        let (Some(kind), Some(session)) = (line.kind.get(), line.session_id.get()) else {
            import.counts_mut().unreadable_lines += 1;
            return;
        };
        self.origin.source = SOURCE;
        session.clone_into(&mut self.origin.session);
        self.origin.version = line.claude_code_version.to_owned().or(self.origin.version.take());
        if let Some(cwd) = line.cwd.get() {
            self.origin.tags.insert("cwd", cwd.to_owned());
        }
        if let Some(at) = line.timestamp.get().and_then(|at| at.parse().ok()) {
            let [first, last] = self.times.unwrap_or([at, at]);
            self.times = Some([first.min(at), last.max(at)]);
        }
        match (kind, &line.message) {
            ("assistant", Some(message)) => self.assistant(&line, message, import),
            ("user", Some(message)) => self.user(message, self.now(import)),
            ("result", _) => self.result(&line, import),
            ("system" | "stream_event" | "rate_limit_event" | "tool_progress" | "auth_status", _) => {}
            (kind, _) => import.counts_mut().add_unknown(kind),
        }
    }

    fn end(&mut self, import: &mut Import) {
        if let Some(turn) = self.turn.take().filter(|_| !self.is_known) {
            self.finish(turn, None, &End::Interrupted, import);
        }
    }

    fn is_session(&self) -> bool {
        !self.origin.session.is_empty()
    }
}

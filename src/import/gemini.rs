//! The chats of Gemini CLI: `tmp/<project>/chats/session-*.json`, or `session-*.jsonl`. A `.json` file is one
//! document. A `.jsonl` file has a header, messages, and later changes of both.
//!
//! `input` includes cached input. `output` does not include the thoughts, so the output tokens of a call are the sum
//! of `output` and `thoughts`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::lenient::{Text, parsed};
use super::state::{Import, Transcript};
use super::turn::Turn;
use super::work::{Origin, TurnCall, TurnStep, Worker};
use crate::metrics::{Meter, Timestamp, Usage};

const SOURCE: &str = "gemini";

/// A document, a header, a change or a message.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Line<'a> {
    #[serde(borrow)]
    session_id: Text<'a>,
    #[serde(borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    messages: Option<Vec<&'a RawValue>>,
    #[serde(rename = "$set", borrow)]
    set: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    timestamp: Text<'a>,
    #[serde(rename = "type", borrow)]
    of: Text<'a>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    model: Text<'a>,
    tokens: Option<Tokens>,
    #[serde(borrow)]
    tool_calls: Option<Vec<ToolCall<'a>>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ToolCall<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    timestamp: Text<'a>,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(default)]
struct Tokens {
    input: Option<u64>,
    output: Option<u64>,
    cached: Option<u64>,
    thoughts: Option<u64>,
}

impl Tokens {
    fn usage(self) -> Option<Usage> {
        let output = self.output?.checked_add(self.thoughts.unwrap_or(0))?;
        let mut usage = Usage::new(self.input?, output);
        for (meter, count) in [(Meter::CacheRead, self.cached), (Meter::Reasoning, self.thoughts)] {
            usage = count.map_or(usage, |count| usage.with(meter, count));
        }
        usage.validate().is_ok().then_some(usage)
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Part<'a> {
    #[serde(borrow)]
    text: Text<'a>,
}

/// Reads a chat. A whole document counts as one line.
#[derive(Debug, Default)]
pub struct Chat {
    origin: Origin,
    is_sub_agent: bool,
    turn: Option<Turn>,
    is_answered: bool,
}

impl Chat {
    fn message(&mut self, line: &Line<'_>, import: &mut Import) {
        let at = line.timestamp.get().and_then(|at| at.parse().ok());
        let (Some(kind), Some(id), Some(at)) = (line.of.get(), line.id.get(), at) else {
            import.counts_mut().unreadable_lines += 1;
            return;
        };
        match kind {
            "user" => {
                // Gemini CLI may write a message to the file again, with the same time. The copy does not begin another
                // turn.
                if let Some(turn) = self.turn.take_if(|turn| turn.began_by(at)) {
                    let end = turn.end();
                    turn.finish(&end, &self.origin, import);
                }
                self.is_answered = false;
                self.turn_at(at, text_of(line));
            }
            "gemini" => self.answer(line, id, at, import),
            "error" => self.turn_at(at, String::new()).error = Some(text_of(line)),
            "info" | "warning" => {}
            kind => import.counts_mut().add_unknown(kind),
        }
    }

    fn turn_at(&mut self, at: Timestamp, prompt: String) -> &mut Turn {
        let skill = if self.is_sub_agent { "sub-agent" } else { SOURCE };
        self.turn.get_or_insert_with(|| Turn::new(skill.to_owned(), None, at, prompt))
    }

    fn answer(&mut self, line: &Line<'_>, id: &str, at: Timestamp, import: &mut Import) {
        let name = format!("{}/{id}", self.origin.session);
        self.turn_at(at, String::new());
        let Some(turn) = &mut self.turn else { return };
        turn.touch(at);
        turn.has_answer = true;
        if import.is_known(&name) {
            import.counts_mut().repeated_lines += 1;
            turn.begins_with(&name);
            return;
        }
        let tools = line.tool_calls.as_deref().unwrap_or_default();
        self.is_answered = tools.is_empty() && line.tokens.is_some();
        if let Some(tokens) = line.tokens {
            if !turn.has_call(&name) && turn.is_full_at(at) {
                turn.cut(at, &self.origin, import);
            }
            let is_new = turn.add_call(TurnCall {
                name,
                worker: Worker::Own,
                model: line.model.to_owned().unwrap_or_default(),
                provider: None,
                usage: tokens.usage(),
                is_final: true,
                at,
                variant: BTreeMap::new(),
                reported_usd: None,
                output: text_of(line),
            });
            import.counts_mut().repeated_lines += u64::from(!is_new);
        }
        for tool in tools {
            let (Some(id), Some(name)) = (tool.id.get(), tool.name.get()) else { continue };
            let succeeded = match tool.status.get() {
                Some("success") => Some(true),
                Some("error" | "cancelled") => Some(false),
                _ => None,
            };
            let end = tool.timestamp.get().and_then(|at| at.parse().ok()).unwrap_or(at);
            let (id, name) = (id.to_owned(), name.to_owned());
            let end = succeeded.map(|yes| (end, Some(yes)));
            turn.add_step(TurnStep { id, worker: Worker::Own, name, start: at, skill: None, end });
        }
    }
}

/// Returns the text of a message, whose content is either a text or a list of parts.
fn text_of(line: &Line<'_>) -> String {
    let Some(content) = line.content.map(RawValue::get) else { return String::new() };
    if let Ok(text) = serde_json::from_str::<String>(content) {
        return text;
    }
    let parts: Vec<Part<'_>> = serde_json::from_str(content).unwrap_or_default();
    parts.iter().filter_map(|part| part.text.get()).collect::<Vec<_>>().join("\n")
}

impl Transcript for Chat {
    fn line(&mut self, line: &[u8], import: &mut Import) {
        let Some(line) = parsed::<Line<'_>>(line) else {
            import.counts_mut().unreadable_lines += 1;
            return;
        };
        if let Some(session) = line.session_id.get() {
            self.origin.source = SOURCE;
            session.clone_into(&mut self.origin.session);
            self.is_sub_agent = line.kind.get() == Some("subagent");
            for message in line.messages.iter().flatten() {
                match serde_json::from_str(message.get()) {
                    Ok(message) => self.message(&message, import),
                    Err(_) => import.counts_mut().unreadable_lines += 1,
                }
            }
        } else if line.of.get().is_some() && !self.origin.session.is_empty() {
            self.message(&line, import);
        } else if line.set.is_none() {
            import.counts_mut().add_unknown("a line that is neither a header, a message nor a change");
        }
    }

    fn end(&mut self, import: &mut Import) {
        if let Some(turn) = self.turn.take() {
            self.turn = Some(turn.finish_if_ended(self.is_answered, &self.origin, import));
        }
    }

    fn is_session(&self) -> bool {
        !self.origin.session.is_empty()
    }
}
